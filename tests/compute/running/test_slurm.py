"""What of the Slurm launcher and its worker needs no Slurm; ``tests/cli/test_slurm.py`` runs them on one."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.machine.stopping import SIGNALS
from mlv.compute.running.local import LOG
from mlv.compute.running.slurm import RECORD, Queue, SlurmLauncher, activity
from mlv.compute.running.slurm_settings import Settings
from mlv.compute.running.slurm_worker import SlurmWorker
from mlv.schema.errors import UsageError
from mlv.schema.jobs.directory import JobDirectory


@pytest.fixture
def job(tmp_path: Path) -> JobDirectory:
    """A folder that passes for a job directory."""
    (tmp_path / "probe-0").mkdir()
    return JobDirectory(tmp_path / "probe-0")


@pytest.fixture
def _signals() -> Iterator[None]:
    """A worker leaves its handlers, for its process ends with it."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def _no_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("_no_slurm")
def test_where_there_is_no_slurm_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Slurm on this machine"):
        SlurmLauncher(["true"], ExecuteOptions(), Settings(), tmp_path / "jobs")


@pytest.mark.usefixtures("_no_slurm")
def test_while_slurm_does_not_answer_a_job_counts_as_submitted(job: JobDirectory) -> None:
    assert activity(Queue(5), job) is None
    (job.path / RECORD).write_text(json.dumps({"name": "mlv-0", "task": 3}))
    found = activity(Queue(5), job)
    assert found is not None
    assert found[0] == "submitted"
    assert (
        found[1]
        == f"there is no squeue on this machine; if the job is not in the queue any more: rm {job.path / RECORD}"
    )


@pytest.mark.usefixtures("_signals")
def test_a_worker_that_fails_fails_its_job_with_its_code(job: JobDirectory) -> None:
    command = [sys.executable, "-c", "print('said'); raise SystemExit(7)"]
    with pytest.raises(SystemExit) as ended:
        SlurmWorker(command, job.path, 3)()
    assert ended.value.code == 7
    assert (job.path / LOG).read_text() == "said\n"


@pytest.mark.usefixtures("_signals")
def test_a_worker_that_was_killed_is_told_by_its_code(job: JobDirectory) -> None:
    command = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    with pytest.raises(SystemExit) as ended:
        SlurmWorker(command, job.path, 3)()
    assert ended.value.code == 128 + 9


def test_a_job_that_was_requeued_too_often_fails_and_says_so(
    job: JobDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "4")
    with pytest.raises(SystemExit):
        SlurmWorker(["false"], job.path, 3)()
    assert not (job.path / LOG).exists()
    assert job.state() == "failed"
    assert "requeued 4 times" in job.read_json("status.json")["reason"]
