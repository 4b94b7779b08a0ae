"""Planning jobs: what a worker needs leaves the store for a job directory, so that the worker needs no store.

A request gives a plan, a plan a directory, whose name carries the hash of the specification: a job that was planned
before is found, not made again.
"""

import shutil
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import duckdb
import polars as pl

from mlv.ingest.jobs.lookup import locate_model
from mlv.schema.errors import DataError, NotFoundError
from mlv.schema.files import written_aside
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import job_name
from mlv.schema.jobs.spec import ModelRef, Spec
from mlv.schema.store.causes import reason

T = TypeVar("T")


class NotYetError(NotFoundError):
    """Something that a job builds on, and that another job would bring, is not in the store yet."""


class NothingToDoError(NotFoundError):
    """A request that comes to nothing: all of it is in the store already, or there is nothing that it is about."""


@dataclass(frozen=True)
class Context:
    """A store that jobs are planned from, open on ``connection``, and where their directories go."""

    connection: duckdb.DuckDBPyConnection
    store: Path
    jobs: Path
    provenance: dict[str, Any]
    """What is recorded of the request."""

    find_model: Callable[[str], ModelRef]
    """The model state of a name (``ModelName``). Raises MlvError; a model that would have to be fetched first may come
    without a digest."""

    remembered: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, look_up: Callable[[], T]) -> T:
        """What ``look_up`` gives, looked up the first time that ``key`` is asked for."""
        if key not in self.remembered:
            self.remembered[key] = look_up()
        return cast(T, self.remembered[key])


@dataclass(frozen=True)
class Plan:
    """A job that has no directory yet."""

    spec: Spec
    inputs: Callable[[], Mapping[str, pl.DataFrame | Path]]
    """Makes the files that the job reads, by name: tables, or files to copy. Raises MlvError if one cannot be made."""


def write(context: Context, plan: Plan) -> JobDirectory:
    """Make the job directory of a plan, or find it; files that are there already are left as they are.

    The specification is written last: a directory that has one has all that the job reads. Raises DataError where the
    disk is full or may not be written.
    """
    inputs = plan.inputs()
    paths = {model.name: model.path for model in plan.spec.models()}
    provenance = context.provenance | ({"model_paths": paths} if paths else {})
    job = JobDirectory(context.jobs / job_name(plan.spec))
    try:
        for name, content in inputs.items():
            if not (job.inputs / name).exists():
                _write_input(job.inputs / name, content)
        job = JobDirectory.create(context.jobs, plan.spec, provenance)
        if any(paths.values()) and job.read_json("provenance.json").get("model_paths") != paths:
            job.update_provenance(model_paths=paths)
        return job
    except (OSError, pl.exceptions.ComputeError) as error:
        raise DataError(
            f"The job directory {job.path} cannot be written: {reason(error)}",
            "Make room or see to the permissions there; `jobs` beside the store may be a link to another disk.",
        ) from error


def _write_input(path: Path, content: pl.DataFrame | Path) -> None:
    with written_aside(path) as aside:
        if isinstance(content, Path):
            shutil.copyfile(content, aside)
        else:
            content.write_parquet(aside)


def update_model_paths(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: Spec, store: Path) -> None:
    """Record where the models that a job reads are now, if runs of the store at ``store`` made them.

    A study that was moved takes its checkpoints along, and the paths in ``provenance.json`` lead to where they were.
    """
    recorded = job.read_json("provenance.json").get("model_paths", {})
    found = {
        model.name: locate_model(connection, store, model, recorded.get(model.name, "")) for model in spec.models()
    }
    if found and found != recorded:
        job.update_provenance(model_paths=found)
