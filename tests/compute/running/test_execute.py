"""Running jobs: states, events, provenance, and failures of the machine in words."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from example_specs import EXAMPLES

from mlv.compute.jobs import probe
from mlv.compute.machine.options import ExecuteOptions, Progress, Silent
from mlv.compute.models import loading, scoring
from mlv.compute.running import execute
from mlv.schema.errors import DataError, JobError
from mlv.schema.files import write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Failed, Finished, LanguageProbed, Resumed, Started, Stopped
from mlv.schema.jobs.kinds import KINDS
from mlv.schema.jobs.spec import Spec

Plan = Callable[..., JobDirectory]


class Counting(Silent):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.total = self.done = 0

    def start(self, total: int, unit: str, label: str) -> None:
        """Remember what begins."""
        self.labels.append(label)
        self.total += total

    def advance(self, amount: int, **info: float | str) -> None:
        """Count."""
        self.done += amount


@pytest.mark.parametrize("kind", ["pretrain_job", "finetune_job", "probe_job"])
def test_every_kind_of_job_runs_to_its_end_and_not_again(
    kind: str, request: pytest.FixtureRequest, options: ExecuteOptions, tmp_path: Path
) -> None:
    job: JobDirectory = request.getfixturevalue(kind)(tmp_path)
    progress = Counting()
    assert execute.execute(job.path, options, progress)
    assert job.state() == "finished"
    assert progress.done == progress.total > 0
    assert not job.work.exists()
    events = [happened.event for happened in job.events()]
    assert (events[0], events[-1]) == (Started(), Finished())
    provenance = job.read_json("provenance.json")
    assert provenance["started_at"] <= provenance["finished_at"]
    assert provenance["environment"]["hardware"]["device"] == "cpu"
    assert provenance["environment"]["hardware"]["threads"] == 1
    before = sorted(path.stat().st_mtime_ns for path in job.path.rglob("*"))
    assert not execute.execute(job.path, options)
    assert sorted(path.stat().st_mtime_ns for path in job.path.rglob("*")) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_is_run_by_the_worker_of_its_kind_until_all_its_outputs_are_there(
    kind: str, options: ExecuteOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_on: list[tuple[Path, Spec, ExecuteOptions]] = []

    def run(job: JobDirectory, spec: Spec, options: ExecuteOptions, progress: Progress) -> None:
        handed_on.append((job.path, spec, options))
        job.outputs.mkdir(exist_ok=True)
        for name in spec.OUTPUTS:
            (job.outputs / name).touch()

    for name in KINDS:
        worker = run if name == kind else failing(AssertionError(f"{name} was run"))
        monkeypatch.setattr(f"mlv.compute.jobs.{name}.run", worker)
    job = JobDirectory.create(tmp_path, EXAMPLES[kind], {})
    assert execute.execute(job.path, options)
    assert handed_on == [(job.path, job.spec(), options)]
    assert type(handed_on[0][1]) is KINDS[kind]
    assert not execute.execute(job.path, options)
    for name in KINDS[kind].OUTPUTS:
        (job.outputs / name).unlink()
        assert execute.execute(job.path, options)
        assert not execute.execute(job.path, options)
    assert len(handed_on) == 1 + len(KINDS[kind].OUTPUTS)


def test_a_job_of_no_known_kind_is_refused(options: ExecuteOptions, tmp_path: Path) -> None:
    write_json(tmp_path / "job.json", {"kind": "project", "inputs_digest": "i"})
    with pytest.raises(JobError, match="there is no kind of job 'project'"):
        execute.execute(tmp_path, options)
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


def failing(error: BaseException) -> Callable[..., Any]:
    """A function that raises."""

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "words", "advice"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on the disk", "Free some space"),
        (RuntimeError("PytorchStreamWriter failed writing file"), "No space left on the disk", "Free some space"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "ran out of memory: CUDA", "--batch-size"),
        (MemoryError(), "ran out of memory", "--batch-size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "ran out of memory", "--batch-size"),
    ],
)
def test_failures_of_the_machine_are_explained_and_leave_the_job_resumable(
    error: Exception,
    words: str,
    advice: str,
    probe_job: Plan,
    options: ExecuteOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = probe_job(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(JobError, match=words) as caught:
        patched.setattr(scoring, "_score_batch", failing(error))
        execute.execute(job.path, options)
    assert advice in caught.value.hint
    assert "runs resume" in caught.value.hint
    assert job.state() == "failed"
    assert words in job.read_json("status.json")["reason"]
    assert execute.execute(job.path, options)
    kinds = [type(happened.event) for happened in job.events()]
    assert [kind for kind in kinds if kind is not LanguageProbed] == [Started, Failed, Resumed, Finished]
    assert pl.read_parquet(job.outputs / "probe_logits.parquet").height == 52


def test_a_full_disk_does_not_hide_behind_the_failure_to_say_so(
    probe_job: Plan, options: ExecuteOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = probe_job(tmp_path)
    full = OSError(errno.ENOSPC, "No space left on device")
    set_state = JobDirectory.set_state

    def only_running(self: JobDirectory, state: Any, **detail: Any) -> None:
        if state == "failed":
            raise full
        set_state(self, state, **detail)

    monkeypatch.setattr(JobDirectory, "set_state", only_running)
    monkeypatch.setattr(probe, "write_table", failing(full))
    with pytest.raises(JobError, match="No space left"):
        execute.execute(job.path, options)


def test_an_unknown_error_is_not_dressed_up(
    probe_job: Plan, options: ExecuteOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = probe_job(tmp_path)
    monkeypatch.setattr(probe, "score", failing(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        execute.execute(job.path, options)
    assert job.read_json("status.json")["reason"] == "a bug"


def test_an_interruption_is_recorded(
    probe_job: Plan, options: ExecuteOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = probe_job(tmp_path)
    monkeypatch.setattr(probe, "score", failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        execute.execute(job.path, options)
    # it did not fail; that nobody runs it tells that it was interrupted
    assert job.state() == "running" and not execute.is_running(job)
    assert job.logged(Stopped) == [Stopped(reason="Ctrl-C")]


def test_a_domain_error_keeps_its_words(
    probe_job: Plan, options: ExecuteOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = probe_job(tmp_path)
    monkeypatch.setattr(loading, "load", failing(DataError("out of memory is in this message", "a hint")))
    with pytest.raises(DataError) as caught:
        execute.execute(job.path, options)
    assert (caught.value.message, caught.value.hint) == ("out of memory is in this message", "a hint")


def test_nothing_is_printed_on_standard_output(
    finetune_job: Plan, options: ExecuteOptions, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    execute.execute(finetune_job(tmp_path, epochs=1).path, options)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == ""


def test_a_folder_that_is_no_job_is_refused(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="not a job directory"):
        execute.execute(tmp_path)


HOLDER = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.write("4242")
lock.flush()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_job_that_another_process_runs_is_left_alone(
    probe_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = probe_job(tmp_path)
    job.set_state("running")
    command = [sys.executable, "-c", HOLDER, str(job.path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(execute.JobRunningError, match=r"probe-\w+ is being run by process 4242") as caught:
            execute.execute(job.path, options)
        holder.kill()
    assert "runs resume" in caught.value.hint
    assert job.state() == "running"
    assert job.events() == []
    assert execute.execute(job.path, options)
    assert (job.path / "lock").read_text() == str(os.getpid())


@pytest.mark.parametrize("kind", ["pretrain_job", "finetune_job", "probe_job"])
def test_a_finished_job_whose_outputs_are_gone_runs_again_to_the_same_end(
    kind: str, request: pytest.FixtureRequest, options: ExecuteOptions, tmp_path: Path
) -> None:
    job: JobDirectory = request.getfixturevalue(kind)(tmp_path)
    execute.execute(job.path, options)
    table = job.outputs / ("probe_logits.parquet" if kind == "probe_job" else "checkpoints.parquet")
    before = pl.read_parquet(table)
    shutil.rmtree(job.outputs)
    assert execute.execute(job.path, options)
    assert pl.read_parquet(table).equals(before)
    table.unlink()
    assert execute.execute(job.path, options)
    assert table.exists()
    assert not execute.execute(job.path, options)


def test_what_a_killed_worker_left_half_written_goes(probe_job: Plan, options: ExecuteOptions, tmp_path: Path) -> None:
    job = probe_job(tmp_path)
    (job.checkpoints / ".epoch-1.7.part").mkdir(parents=True)
    for left in (job.checkpoints / ".epoch-1.7.part" / ".model.7.part", job.outputs / ".rankings.parquet.7.part"):
        left.parent.mkdir(exist_ok=True)
        left.write_bytes(b"half")
    own = job.path / ".slurm.json.7.part"
    own.write_bytes(b"of a launcher that is writing it")
    execute.execute(job.path, options)
    assert list(job.path.rglob(".*.part")) == [own]
