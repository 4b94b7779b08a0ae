"""`mlv study run --launcher slurm` on a real Slurm, which runs on this machine's loopback.

Skipped where Slurm is not installed: `python tests/helpers/slurm_cluster.py install` does it, as root on Debian.
"""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from command_line import Mlv
from slurm_cluster import Cluster, ClusterError, missing
from tiny_study import STUDY, found

from mlv.cli import edge
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Continued, Stopped

SETTINGS = "cpus = 1\npoll = 0.3\ntime = 10\n"
INFLUENCE = '[[job]]\nkind = "influence"'
ONLY_FARSI = STUDY.replace('languages = [["fa"], ["ko"]]', 'languages = ["fa"]\nparallel_with = ["fa", "ko"]')
TRAINED = ONLY_FARSI.partition(INFLUENCE)[0]
"""3 cells: the model is asked, a Farsi run is trained and asked."""

LONGER = TRAINED.replace("epochs = 2", "epochs = 4").replace("sentences = 20", "sentences = 240")
"""The same with 96 steps."""

RUN = ("study", "run")
ON_SLURM = ("--launcher", "slurm", "--device", "cpu")
HERE = ("--threads", "1", "--device", "cpu")
PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster of one node with two CPUs."""
    if missing():
        pytest.skip("Slurm is not installed; as root: python tests/helpers/slurm_cluster.py install")
    one = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        one.start(cpus=2)
    except ClusterError as error:
        pytest.skip(f"Slurm cannot be started here: {error}")
    yield one
    one.stop()


@pytest.fixture(scope="module")
def _base(cluster: Cluster, nano_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose model is asked already, and its settings."""
    mlv = Mlv(Path(shutil.copytree(nano_study, tmp_path_factory.mktemp("base"), dirs_exist_ok=True)))
    assert mlv("compute", "probe", "--model", "nano", "--language", "fa,ko", *HERE).code == 0
    (mlv.folder / "slurm.toml").write_text(SETTINGS)
    return mlv.folder


@pytest.fixture(scope="module")
def local(_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Any, ...]]]:
    """What the commands find, without a worker for each job."""
    alone = Mlv(Path(shutil.copytree(_base, tmp_path_factory.mktemp("alone"), dirs_exist_ok=True)))
    for language in ("fa", "ko"):
        _finetune(alone, "--language", language, "--sentences", "20", "--epochs", "2")
    trace = ("--language", "fa,ko", "--top-k", "3", "--plan-only")
    for (run,) in alone.rows("SELECT run FROM v_run WHERE kind = 'finetune'"):
        assert alone("compute", "influence", run, *trace).code == 0
    # in a process whose linear algebra has one thread, as a worker's has: directions differ in the last digits else
    assert alone.process("runs", "resume", *HERE).wait() == 0
    return found(alone)


def _finetune(mlv: Mlv, *settings: str) -> None:
    """Train and ask as the studies do, with a command."""
    command = ("compute", "finetune", "--model", "nano", "--source", "lines", "--test-language", "fa,ko")
    assert mlv(*command, "--learning-rate", "1e-3", *settings, *HERE).code == 0


@pytest.fixture
def mlv(
    cluster: Cluster,
    _base: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Mlv:
    """The command line on a copy of the store, on the cluster. Commands wait for the store as they do for users."""
    monkeypatch.delenv("MLV_WAIT")
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(_base, tmp_path, dirs_exist_ok=True)
    capsys.readouterr()
    return Mlv(tmp_path, capsys)


def _study(mlv: Mlv, text: str) -> str:
    path = mlv.folder / "study.toml"
    path.write_text(text)
    return str(path)


def _until(ready: Callable[[], Any]) -> Any:
    """Wait for something, and return it."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while not (found := ready()):
        assert time.monotonic() < limit
        time.sleep(0.05)
    return found


def _states(mlv: Mlv, study: str) -> dict[str, int]:
    done = mlv("study", "status", study, "--format", "csv")
    row = pl.read_csv(done.out.encode()).filter(kind="all").drop("kind", "cells").row(0, named=True)
    return {state: count for state, count in row.items() if count}


def _trained(mlv: Mlv) -> JobDirectory | None:
    """The job directory of a run that is in Slurm's queue, and has its number there."""
    jobs = [JobDirectory(path) for path in (mlv.folder / "jobs").glob("finetune-*")]
    return next((job for job in jobs if "job" in job.read_json("slurm.json")), None)


def _running(mlv: Mlv) -> list[JobDirectory]:
    """Job directories of runs whose workers have begun."""
    jobs = [JobDirectory(path) for path in (mlv.folder / "jobs").glob("finetune-*")]
    return [job for job in jobs if job.state() == "running"]


def _submitted(mlv: Mlv) -> int:
    """How many jobs were given to Slurm."""
    return len(list((mlv.folder / "jobs" / "slurm").glob("*/*_submitted.pkl")))


def _number(job: JobDirectory) -> str:
    return str(job.read_json("slurm.json")["job"])


def test_two_studies_at_once_while_the_controller_restarts_find_what_local_workers_do(
    cluster: Cluster, mlv: Mlv, local: dict[str, list[tuple[Any, ...]]]
) -> None:
    farsi = mlv.folder / "farsi.toml"
    farsi.write_text(ONLY_FARSI)
    both = [mlv.process(*RUN, str(mlv.folder / name), *ON_SLURM) for name in ("study.toml", "farsi.toml")]
    # not before: a step that is being made while the controller stops takes two minutes more
    _until(lambda: len(_running(mlv)) == 2)
    cluster.stop_controller()
    time.sleep(2)
    cluster.start_controller()
    for process in both:
        _, said = process.communicate()
        assert process.returncode == 0, said
    results = found(mlv)
    for what, rows in local.items():
        assert rows
        assert results[what] == rows, what
    # 6 cells beside the asking of the model: none was submitted by both
    assert _submitted(mlv) == 6
    [(provenance,)] = mlv.rows("SELECT provenance FROM run WHERE kind = 'finetune' LIMIT 1")
    kept = json.loads(provenance)["environment"]["slurm"]
    assert kept.keys() >= {"cluster", "partition", "node", "job"}
    assert (kept["cluster"], kept["partition"]) == ("test", "test")
    assert mlv("db", "check").code == 0


def test_a_command_that_was_killed_is_followed_by_one_that_adopts_its_jobs(mlv: Mlv) -> None:
    study = _study(mlv, TRAINED)
    killed = mlv.process(*RUN, study, *ON_SLURM)
    job = _until(lambda: _trained(mlv))
    killed.kill()
    killed.communicate()
    states = _states(mlv, study)
    assert states.get("submitted", 0) + states.get("running", 0) == 1, states
    done = mlv(*RUN, study, *ON_SLURM)
    assert done.code == 0, done.err
    assert f"adopted ({job.path.name}; Slurm job " in done.err
    assert _submitted(mlv) == 2
    assert _states(mlv, study) == {"committed": 3}


def test_a_cancelled_job_and_a_killed_worker_are_told_and_go_on_when_asked_to(
    cluster: Cluster, mlv: Mlv, local: dict[str, list[tuple[Any, ...]]]
) -> None:
    study = _study(mlv, STUDY.partition(INFLUENCE)[0])
    driver = mlv.process(*RUN, study, *ON_SLURM)
    cancelled, killed = _until(lambda: len(found := _running(mlv)) == 2 and found)
    cluster.ask("scancel", _number(cancelled))
    os.kill(int((killed.path / "lock").read_text()), signal.SIGKILL)
    _, said = driver.communicate()
    assert driver.returncode == edge.ExitCode.JOB
    assert "ended as CANCELLED: it was cancelled" in said
    assert "ended as FAILED" in said
    assert f"log: {killed.path / 'worker.log'}" in said
    assert _states(mlv, study) == {"committed": 1, "interrupted": 2, "missing": 2}
    assert mlv("study", "retry", study, *ON_SLURM).code == 0
    assert found(mlv)["checkpoints"] == local["checkpoints"]


def test_a_job_whose_time_is_up_or_whose_node_is_taken_away_goes_on_by_itself(
    cluster: Cluster, mlv: Mlv, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Slurm warns when three of the job's minutes are left; the second time it is told by SIGTERM."""
    alone = Mlv(Path(shutil.copytree(mlv.folder, tmp_path_factory.mktemp("alone"), dirs_exist_ok=True)))
    _finetune(alone, "--language", "fa", "--sentences", "240", "--epochs", "4")
    broken = mlv.process(*RUN, _study(mlv, LONGER), *ON_SLURM, "--slurm", "time=30", "--slurm", "warning=180")
    job = _until(lambda: _trained(mlv))
    number = _number(job)
    # it would be done before Slurm looks at the clock, which it does twice a minute: its warning wakes it
    _freeze(job, 1)
    cluster.ask("scontrol", "update", f"jobid={number}", f"timelimit={_minutes(cluster, number) + 3}")
    _until(lambda: job.logged(Stopped))
    cluster.ask("scontrol", "update", f"jobid={number}", "timelimit=10")
    worker = _freeze(job, 2)
    cluster.ask("scancel", "--signal=TERM", number)
    # Slurm hands signals on at its leisure: a worker that went on before would be done
    _until(lambda: _awaits(worker, signal.SIGTERM))
    os.kill(worker, signal.SIGCONT)
    _, said = broken.communicate()
    assert broken.returncode == 0, said
    assert [event.reason for event in job.logged(Stopped)] == ["stopped by SIGUSR2", "stopped by SIGTERM"]
    assert all(0 < event.step < 96 for event in job.logged(Continued))
    assert found(mlv) == found(alone)
    [(provenance,)] = mlv.rows("SELECT provenance FROM run WHERE kind = 'finetune'")
    assert json.loads(provenance)["environment"]["slurm"]["restarts"] == "2"
    assert _submitted(mlv) == 2


def _freeze(job: JobDirectory, start: int) -> int:
    """Stop a worker in its training, the first or a later time that it trains; its process."""
    log = job.path / "worker.log"
    _until(lambda: log.exists() and log.read_text().count("fine-tuning ") >= start)
    worker = int((job.path / "lock").read_text())
    os.kill(worker, signal.SIGSTOP)
    return worker


def _minutes(cluster: Cluster, number: str) -> int:
    """How many whole minutes a job has run."""
    *hours, minutes, _ = cluster.ask("squeue", "--noheader", "--format=%M", f"--jobs={number}").strip().split(":")
    return int(minutes) + 60 * int(hours[0] if hours else 0)


def test_ctrl_c_leaves_jobs_in_the_queue_and_cancel_takes_them_out(cluster: Cluster, mlv: Mlv) -> None:
    study = _study(mlv, TRAINED)
    driver = mlv.process(*RUN, study, *ON_SLURM, "--slurm", "sbatch.begin=now+1hour")
    job = _until(lambda: _trained(mlv))
    driver.send_signal(signal.SIGINT)
    _, said = driver.communicate()
    assert driver.returncode == edge.ExitCode.INTERRUPTED
    assert "1 jobs go on without this command" in said
    assert _states(mlv, study) == {"committed": 1, "submitted": 1, "missing": 1}
    number = _number(job)
    assert f"cancelled: {number}" in mlv("study", "cancel", study).err
    assert cluster.ask("squeue", "--noheader", f"--jobs={number}", "--format=%T").strip() in ("", "CANCELLED")
    assert _states(mlv, study) == {"committed": 1, "missing": 2}


def test_what_slurm_would_refuse_is_said_before_anything_is_submitted(mlv: Mlv) -> None:
    done = mlv(*RUN, str(mlv.folder / "study.toml"), *ON_SLURM, "--slurm", "finetune.partition=nowhere")
    assert done.code == edge.ExitCode.USAGE
    assert "invalid partition specified: nowhere" in done.err
    assert _submitted(mlv) == 0


def _awaits(process: int, sent: signal.Signals) -> bool:
    """Whether a signal was sent to a stopped process, which meets it when it goes on."""
    status = Path(f"/proc/{process}/status").read_text()
    pending = int(status.partition("ShdPnd:")[2].split()[0], 16)
    return bool(pending >> (sent - 1) & 1)
