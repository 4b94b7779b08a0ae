"""Work that is stopped by a signal: what it keeps, and that it ends as uninterrupted work does."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from resuming import StopsAfter
from workers import run_job

from mlv.compute.machine.options import ExecuteOptions, Silent
from mlv.compute.machine.stopping import Stoppable, StoppedError, stop_on_signals
from mlv.compute.running import execute
from mlv.compute.training import trainer
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Continued, Stopped

Plan = Callable[..., JobDirectory]

# 23 training examples in batches of 4: 6 steps an epoch, the loss recorded every third
EPOCHS, STEPS, RECORDED = 3, 6, 3


@pytest.fixture(scope="module", autouse=True)
def _records_twice_an_epoch() -> object:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer, "LOGS_PER_EPOCH", 2)
        yield


@pytest.fixture(scope="module")
def unbroken(finetune_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A run of three epochs without incident."""
    job = finetune_job(tmp_path_factory.mktemp("unbroken"))
    run_job(job, options)
    return job


def _found(job: JobDirectory) -> tuple[object, object]:
    """Digests of all checkpoints, and all losses."""
    metrics = pl.read_parquet(job.outputs / "metrics.parquet").filter(pl.col("name") != "examples_per_second")
    return pl.read_parquet(job.outputs / "checkpoints.parquet").rows(), metrics.rows()


@pytest.mark.parametrize(("told", "saved"), [(1, 3), (3, 3), (4, 6), (6, 6), (8, 9), (13, 15)])
def test_training_saves_where_the_loss_is_recorded_and_ends_as_if_nothing_had_been(
    unbroken: JobDirectory, finetune_job: Plan, options: ExecuteOptions, tmp_path: Path, told: int, saved: int
) -> None:
    job = finetune_job(tmp_path / "stopped")
    with pytest.raises(StoppedError):
        run_job(job, options, StopsAfter(told))
    assert [path.name for path in job.work.iterdir()] == [f"state-{saved}"]
    assert len(list(job.checkpoints.glob("epoch-*"))) == saved // STEPS
    run_job(job, options)
    assert [event.step for event in job.logged(Continued)] == [saved]
    assert _found(job) == _found(unbroken)


def test_training_that_is_told_to_stop_again_and_again_ends_all_the_same(
    unbroken: JobDirectory, finetune_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path / "stopped")
    for _ in range(EPOCHS * STEPS // RECORDED - 1):
        with pytest.raises(StoppedError):
            run_job(job, options, StopsAfter(1))
    run_job(job, options, StopsAfter(1))
    assert _found(job) == _found(unbroken)


TOLD = """
import os, signal, sys
from pathlib import Path
from mlv.compute.machine.options import ExecuteOptions, Silent
from mlv.compute.machine.stopping import stop_on_signals
from mlv.compute.running.execute import execute

class Teller(Silent):
    def advance(self, amount, **info):
        os.kill(os.getpid(), signal.SIGUSR1)

with stop_on_signals():
    execute(Path(sys.argv[1]), ExecuteOptions(device="cpu", threads=1, batch_tokens=64), Teller())
"""


def test_a_process_that_gets_a_signal_leaves_a_job_that_nobody_runs_and_that_goes_on(
    probe_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job, other = (probe_job(tmp_path / name) for name in ("stopped", "unbroken"))
    told = subprocess.run([sys.executable, "-c", TOLD, str(job.path)], env=os.environ, check=False, capture_output=True)
    assert told.returncode == -signal.SIGINT or b"StoppedError: stopped by SIGUSR1" in told.stderr
    assert job.state() == "running"
    assert not execute.is_running(job)
    assert job.events()[-1].event == Stopped(reason="stopped by SIGUSR1")
    for one in (job, other):
        execute.execute(one.path, options)
    assert (job.outputs / "probe_logits.parquet").read_bytes() == (other.outputs / "probe_logits.parquet").read_bytes()


def test_signals_are_heard_only_while_somebody_listens() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    progress = Stoppable(Silent())
    with stop_on_signals():
        progress.advance(1)
        os.kill(os.getpid(), signal.SIGUSR1)
        with pytest.raises(StoppedError):
            progress.advance(1)
    assert signal.getsignal(signal.SIGUSR1) is before
    progress.advance(1)
