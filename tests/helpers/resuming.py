"""Jobs that train, broken off and resumed: they end as if nothing had been."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from workers import run_job

from mlv.compute.machine.options import ExecuteOptions, Silent
from mlv.compute.machine.stopping import StoppedError
from mlv.schema.jobs.directory import JobDirectory


class BrokenOffError(Exception):
    """Stands for a kill."""


class BreaksAfter(Silent):
    """A progress that breaks the job off after some steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, amount: int, **_: float | str) -> None:
        """Count down."""
        self.left -= amount
        if self.left < 0:
            raise BrokenOffError


class StopsAfter(Silent):
    """A progress that has the work stop from some step on."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, amount: int, **_: float | str) -> None:
        """Count down."""
        self.left -= amount
        if self.left <= 0:
            raise StoppedError


def taken_up_without_outputs(made: JobDirectory, options: ExecuteOptions, folder: Path) -> JobDirectory:
    """A copy of a finished job that lost its outputs, run again: a step more would break it off."""
    job = JobDirectory(shutil.copytree(made.path, folder / made.path.name))
    shutil.rmtree(job.outputs)
    run_job(job, options, BreaksAfter(0))
    return job


def weights(job: JobDirectory, epoch: int) -> dict[str, Any]:
    """Tensors of a checkpoint."""
    from safetensors.numpy import load_file

    state: dict[str, Any] = load_file(job.checkpoints / f"epoch-{epoch}" / "model.safetensors")
    return state


def assert_same_run(one: JobDirectory, other: JobDirectory, epochs: int) -> None:
    """Bitwise the same weights after every epoch, and the same losses."""
    for epoch in range(1, epochs + 1):
        first, second = weights(one, epoch), weights(other, epoch)
        assert first.keys() == second.keys()
        for name, value in first.items():
            np.testing.assert_array_equal(value, second[name], err_msg=f"{name} after epoch {epoch}")
    rows = [
        pl.read_parquet(job.outputs / "metrics.parquet").filter(pl.col("name") != "examples_per_second").rows()
        for job in (one, other)
    ]
    assert rows[0] == rows[1]
