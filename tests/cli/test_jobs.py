"""Jobs that are not in the store: how they stand, shown, listed, deleted, and left alone where they failed."""

import errno
import fcntl
import json
import shutil
import signal
import time
from pathlib import Path

import polars as pl
import pytest
from command_line import Mlv

from mlv.cli import edge
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Stopped

HERE = ("--threads", "1", "--device", "cpu")
PROBE = ("compute", "probe", "--model", "nano")


@pytest.fixture(scope="module")
def _base(nano_study: Path) -> Path:
    """A store with a model that can be asked and trained."""
    return nano_study


def _planned(mlv: Mlv, language: str = "fa") -> JobDirectory:
    """A job that is planned and not run."""
    before = set((mlv.folder / "jobs").iterdir())
    assert mlv(*PROBE, "--language", language, "--plan-only").code == 0
    (path,) = set((mlv.folder / "jobs").iterdir()) - before
    return JobDirectory(path)


def _failed(mlv: Mlv, language: str = "fa") -> JobDirectory:
    """A job whose input is damaged, after it was tried."""
    job = _planned(mlv, language)
    (job.inputs / "probes.parquet").write_bytes(b"PAR1 no PAR1")
    assert mlv("runs", "resume", job.path.name, *HERE).code == edge.ExitCode.JOB
    return job


def _states(mlv: Mlv) -> dict[str, str]:
    rows = json.loads(mlv("runs", "list", "--format", "json").out)
    return {row["run"]: row["state"] for row in rows if row["kind"] == "probe"}


def test_a_job_is_listed_and_shown_as_it_stands(mlv: Mlv) -> None:
    job = _planned(mlv)
    name = job.path.name
    assert _states(mlv) == {name: "planned"}
    shown = json.loads(mlv("runs", "show", name[:12]).out)
    assert (shown["name"], shown["kind"], shown["status"], shown["events"]) == (name, "probe", "planned", [])
    assert shown["spec"]["languages"] == ["fa"]
    assert "arguments" in shown["provenance"]
    assert (shown["seed"], shown["started_at"]) == (0, None)
    job.set_state("running")
    assert _states(mlv) == {name: "interrupted"}
    with (job.path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert _states(mlv) == {name: "running"}
        refused = mlv("runs", "delete", name, "--yes")
        assert (refused.code, f"{name} is running: it is not deleted" in refused.err) == (edge.ExitCode.DATA, True)
        assert f"left alone: {name} is running" in mlv("runs", "resume", *HERE).err
    assert mlv("runs", "resume", *HERE).code == 0
    assert _states(mlv) == {name: "committed"}
    committed = json.loads(mlv("runs", "show", name).out)
    assert (committed["seed"], committed["started_at"][-6:]) == (0, "+00:00")


def test_a_job_that_failed_is_left_as_it_is_until_it_is_asked_for(mlv: Mlv) -> None:
    job = _failed(mlv)
    name = job.path.name
    assert _states(mlv) == {name: "failed"}
    shown = json.loads(mlv("runs", "show", name).out)
    assert "probes.parquet" in shown["note"]
    assert shown["events"][-1]["event"] == "failed"
    events = len(job.events())
    other = _planned(mlv, "ko").path.name
    resumed = mlv("runs", "resume", *HERE)
    assert resumed.code == 0
    assert f"left as it failed: {name}: " in resumed.err and "mlv runs resume --failed" in resumed.err
    assert _states(mlv) == {name: "failed", other: "committed"}
    assert len(job.events()) == events
    again = mlv("runs", "resume", "--failed", *HERE)
    assert again.code == edge.ExitCode.JOB
    assert len(job.events()) > events


def test_a_job_is_deleted_with_its_folder_whatever_is_in_it(mlv: Mlv) -> None:
    job = _failed(mlv)
    told = mlv("runs", "delete", job.path.name)
    assert (told.code, f"{job.path} (" in told.err) == (0, True)
    assert job.path.exists()
    assert mlv("runs", "delete", job.path.name, "--yes").code == 0
    assert not job.path.exists()
    assert _states(mlv) == {}
    assert mlv("runs", "show", job.path.name).code == edge.ExitCode.NOT_FOUND
    damaged = mlv.folder / "jobs" / "finetune-00000000dead"
    damaged.mkdir()
    (damaged / "job.json").write_text("{")
    assert mlv("runs", "show", damaged.name).code == edge.ExitCode.JOB
    assert mlv("runs", "delete", damaged.name, "--yes").code == 0
    assert mlv("runs", "list").code == 0


def test_a_job_that_others_build_on_is_deleted_after_them(mlv: Mlv) -> None:
    ((made,),) = mlv.rows("SELECT name FROM run")
    needing = _planned(mlv).path.name
    # as in a store that has to be made anew
    other = Mlv(mlv.folder.parent / "other", mlv._capture)
    other("db", "upgrade")
    shutil.copytree(mlv.folder / "jobs", other.folder / "jobs")
    refused = other("runs", "delete", made, "--yes")
    assert (refused.code, f"{needing} depend on it" in refused.err) == (edge.ExitCode.DATA, True)
    assert (other.folder / "jobs" / made).exists()
    assert other("runs", "delete", needing, "--yes").code == 0
    assert other("runs", "delete", made, "--yes").code == 0
    assert list((other.folder / "jobs").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_job_whose_process_is_gone_was_interrupted(mlv: Mlv, number: signal.Signals) -> None:
    train = ("--model", "nano", "--source", "lines", "--language", "fa", "--test-language", "fa", "--epochs", "2000")
    process = mlv.process("compute", "finetune", *train, "--sentences", "40", *HERE)
    limit = time.monotonic() + 100
    while not (begun := list((mlv.folder / "jobs").glob("finetune-*/log.jsonl"))) and time.monotonic() < limit:
        time.sleep(0.05)
    (log,) = begun
    time.sleep(0.5)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == (edge.ExitCode.INTERRUPTED if number == signal.SIGINT else -number), error
    listed = mlv("runs", "list")
    assert f"not committed: {log.parent.name} (interrupted)" in listed.err
    if number == signal.SIGINT:
        assert JobDirectory(log.parent).logged(Stopped) in ([Stopped(reason="Ctrl-C")], [])


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--precision", "bf16", "--device", "cpu"), "bf16 is not safe"), (("--device", "mps"), "no usable mps device")],
)
def test_what_this_machine_cannot_run_is_not_planned_for_it(mlv: Mlv, options: tuple[str, ...], said: str) -> None:
    train = ("compute", "finetune", "--model", "nano", "--source", "lines", "--language", "fa", "--sentences", "40")
    before = sorted((mlv.folder / "jobs").iterdir())
    done = mlv(*train, *options)
    assert (done.code, said in done.err) == (edge.ExitCode.USAGE, True), done.err
    assert sorted((mlv.folder / "jobs").iterdir()) == before
    # another machine may
    assert mlv(*train, *options, "--plan-only").code == 0
    (job,) = (mlv.folder / "jobs").glob("finetune-*")
    refused = mlv("runs", "resume", job.name, *options[-2:])
    assert (refused.code, said in refused.err) == (edge.ExitCode.USAGE, True), refused.err
    assert JobDirectory(job).state() == "planned"


def test_a_study_on_this_machine_is_told_what_it_lacks(mlv: Mlv) -> None:
    done = mlv("study", "run", str(mlv.folder / "study.toml"), "--device", "mps")
    assert (done.code, "no usable mps device" in done.err) == (edge.ExitCode.USAGE, True)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), pl.exceptions.ComputeError("No space left on device")]
)
def test_a_job_that_cannot_be_written_is_not_planned(
    mlv: Mlv, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    done = mlv(*PROBE, "--language", "fa")
    assert done.code == edge.ExitCode.DATA
    assert "probe-" in done.err and "cannot be written: No space left on device" in done.err
    assert _states(mlv) == {}
    monkeypatch.undo()
    monkeypatch.setenv("MLV_WAIT", "0")
    assert mlv(*PROBE, "--language", "fa", "--plan-only").code == 0
    assert list(_states(mlv).values()) == ["planned"]
