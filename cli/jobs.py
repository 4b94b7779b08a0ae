"""Jobs beside a store whose runs are not in it: planned, running, interrupted, failed, or not committed yet."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mlv.cli import completion
from mlv.cli.edge import explain, jobs_folder
from mlv.cli.work import activity
from mlv.schema.errors import JobError, MlvError, NotFoundError

if TYPE_CHECKING:
    import polars as pl

    from mlv.ingest.jobs.standing import Standing
    from mlv.schema.jobs.directory import JobDirectory
    from mlv.schema.jobs.spec import Spec

Name = Annotated[str, typer.Argument(help="Name of a run, or the beginning of it.", autocompletion=completion.runs)]


class Job(NamedTuple):
    """A job that is not in the store."""

    directory: "JobDirectory"
    spec: "Spec"
    standing: "Standing"

    @property
    def name(self) -> str:
        """Name of the job, and of the run that it will be."""
        return self.directory.path.name


def unfinished(store: Path) -> tuple[list[Job], list[str]]:
    """Jobs beside the store whose runs are not committed, and names of those that are damaged.

    Those that others build on come first. What is wrong with the damaged ones is said.
    """
    from mlv.ingest.jobs.committing import committed
    from mlv.ingest.jobs.order import build_order
    from mlv.ingest.jobs.standing import standing
    from mlv.schema.jobs.directory import JobDirectory
    from mlv.schema.store.opening import open_store

    active = activity()
    left: dict[str, Job] = {}
    damaged: list[str] = []
    with open_store(store) as connection:
        for job in map(JobDirectory, folders(store)):
            try:
                spec = job.spec()
                if committed(connection, spec) is None:
                    left[job.path.name] = Job(job, spec, standing(job, active))
            except MlvError as error:
                explain(error)
                damaged.append(job.path.name)
    return [left[name] for name in build_order({name: job.spec for name, job in left.items()})], damaged


def folders(store: Path) -> list[Path]:
    """Job directories beside the store."""
    return [path.parent for path in sorted(jobs_folder(store).glob("*/job.json"))]


class Found(NamedTuple):
    """What a name stands for: a run of the store, a job directory beside it, or both."""

    name: str
    is_run: bool
    folder: Path | None

    @property
    def job(self) -> "JobDirectory":
        """The directory. Raises JobError if there is none."""
        from mlv.schema.jobs.directory import JobDirectory

        if self.folder is None:
            raise JobError(f"{self.name} has no job directory.")
        return JobDirectory(self.folder)


def find(store: Path, name: str) -> Found:
    """The run or job whose name is or begins with ``name``. Raises NotFoundError if there is not one."""
    from mlv.schema.store.opening import open_store

    there = {path.name: path for path in folders(store)}
    with open_store(store) as connection:
        runs = {str(run) for (run,) in connection.execute("SELECT name FROM run").fetchall()}
    found = sorted(known for known in there.keys() | runs if known.startswith(name))
    if not found:
        raise NotFoundError(f"There is no job or run {name} in {jobs_folder(store)}.", "See: mlv runs list")
    if name not in found and len(found) > 1:
        raise NotFoundError(f"{name} is the beginning of {len(found)} jobs: {', '.join(found)}.", "Give more of it.")
    chosen = name if name in found else found[0]
    return Found(chosen, chosen in runs, there.get(chosen))


def add_rows(runs: "pl.DataFrame", jobs: list[Job]) -> "pl.DataFrame":
    """The list of runs with the jobs below, as far as their specifications and logs tell."""
    import polars as pl

    return runs.vstack(pl.DataFrame([_row(job) for job in jobs], schema=runs.schema))


def _row(job: Job) -> dict[str, Any]:
    """The fields of a job that the list of runs has."""
    spec, provenance = job.spec.model_dump(mode="json"), job.directory.read_json("provenance.json")
    languages = ",".join(spec.get("languages", ())) if job.spec.MAKES_CHECKPOINTS else ""
    return {
        "run": job.name,
        "kind": job.spec.kind,
        "state": job.standing.state,
        "model": _model(job.spec),
        "source": spec.get("source"),
        "ft_languages": languages or None,
        "sentences": spec.get("sentences"),
        "seed": job.spec.seed,
        "metrics": None,
        "started_at": _time(provenance.get("started_at")),
        "finished_at": _time(provenance.get("finished_at")),
    }


def _model(spec: "Spec") -> str | None:
    """The pretrained model that a job starts from or examines, or makes; the checkpoint if a run made it."""
    models = spec.models()
    return models[0].name if models else getattr(spec, "name", None)


def _time(text: object) -> datetime | None:
    """A time of a job's provenance, which may have come from elsewhere; UTC."""
    with contextlib.suppress(TypeError, ValueError):
        return datetime.fromisoformat(text).replace(tzinfo=UTC)  # type: ignore[arg-type]
    return None


def described(job: "JobDirectory") -> dict[str, Any]:
    """Specification, provenance and events of a job, and where it stands. Raises JobError where it is damaged."""
    from mlv.ingest.jobs.standing import standing
    from mlv.schema.jobs.events import detail_of

    spec, provenance, stands = job.spec(), job.read_json("provenance.json"), standing(job, activity())
    return {
        "name": job.path.name,
        "kind": spec.kind,
        "status": stands.state,
        "note": stands.note,
        "seed": spec.seed,
        **{name: (at := _time(provenance.get(name))) and at.isoformat() for name in ("started_at", "finished_at")},
        "spec": spec.model_dump(mode="json"),
        "provenance": provenance,
        "events": [
            {"at": str(logged.at), "event": logged.event.event, **json.loads(detail_of(logged.event))}
            for logged in job.events()
        ],
    }
