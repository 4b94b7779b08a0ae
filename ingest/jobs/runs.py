"""Entering a run into the store: its row, its events, and the model state that it starts from or examines."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.jobs.lookup import find_checkpoint
from mlv.ingest.jobs.outputs import count_in
from mlv.schema.errors import JobError
from mlv.schema.files import now
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import detail_of
from mlv.schema.jobs.identity import canonical_json, job_name, spec_hash
from mlv.schema.jobs.spec import ModelRef, Spec
from mlv.schema.store.rows import append, ensure, next_id, number

COUNTS: Final = ("parameters", "vocabulary")
"""What a worker counts of a model that it loads; of one behind an API there is nothing to count."""


@dataclass(frozen=True)
class Start:
    """The model state that a run starts from or examines."""

    checkpoint_id: int
    base_model_id: int
    run_id: int | None
    """The run that made it."""


@dataclass(frozen=True)
class NewRun:
    """A run that is being committed, within a transaction on ``connection``."""

    connection: duckdb.DuckDBPyConnection
    store: Path
    job: JobDirectory
    run_id: int
    start: Start | None
    """None for a run that reads no model."""

    @property
    def examined_id(self) -> int:
        """Key of the model state that it starts from or examines. Raises JobError if it reads none."""
        if self.start is None:
            raise JobError(f"{self.job.path.name} names no model.", "Plan the job again.")
        return self.start.checkpoint_id

    def count(self, table: str) -> int:
        """Rows of a table that belong to the run."""
        return number(self.connection, f"SELECT count(*) FROM {table} WHERE run_id = ?", [self.run_id])


def enter_run(connection: duckdb.DuckDBPyConnection, store: Path, job: JobDirectory, spec: Spec) -> NewRun:
    """Enter the row of a run, and its start if that is a model new to the store.

    Raises JobError if it examines a checkpoint of a job that is not committed.
    """
    models = spec.models()
    start = _start(connection, job, models[0]) if models else None
    events = job.events()
    moments = [logged.at for logged in events] or [now()]
    row = {
        "kind": spec.kind,
        "name": job_name(spec),
        "spec_hash": spec_hash(spec),
        "spec": canonical_json(spec),
        "parent_run_id": start.run_id if start else None,
        "start_checkpoint_id": start.checkpoint_id if start else None,
        "seed": spec.seed,
        "status": "committed",
        "started_at": min(moments),
        "finished_at": max(moments),
        "committed_at": now(),
        "provenance": json.dumps(job.read_json("provenance.json"), ensure_ascii=False, sort_keys=True),
    }
    frame = pl.DataFrame([row], schema_overrides={"parent_run_id": pl.Int32, "start_checkpoint_id": pl.Int32})
    run_id = int(ensure(connection, "run", frame, ["spec_hash"])["run_id"][0])
    return NewRun(connection, store, job, run_id, start)


def enter_events(run: NewRun) -> int:
    """Enter the run's log; return the number of events."""
    rows = [
        {
            "run_id": run.run_id,
            "position": position,
            "happened_at": logged.at,
            "event": logged.event.event,
            "detail": detail_of(logged.event),
        }
        for position, logged in enumerate(run.job.events())
    ]
    return append(run.connection, "run_event", pl.DataFrame(rows)) if rows else 0


def _start(connection: duckdb.DuckDBPyConnection, job: JobDirectory, model: ModelRef) -> Start:
    """The checkpoint of a model state; a model from elsewhere that is new to the store is entered."""
    found = find_checkpoint(connection, model)
    if found is not None:
        return Start(*found)
    if model.made_by is not None:
        raise JobError(
            f"{job.path.name} reads {model.name}, which is not in the store.",
            f"Commit the job that made it first: mlv runs resume {model.made_by.job}",
        )
    base_model_id = enter_base_model(connection, job, model)
    checkpoint_id = next_id(connection, "checkpoint")
    row = checkpoint_row(base_model_id, None, (0, 0, True), model.name, model.digest)
    append(connection, "checkpoint", row.with_columns(checkpoint_id=pl.lit(checkpoint_id)))
    return Start(checkpoint_id, base_model_id, None)


def enter_base_model(connection: duckdb.DuckDBPyConnection, job: JobDirectory, model: ModelRef) -> int:
    """Key of the base model, entered with what the worker found when it loaded the model."""
    facts = job.read_json("outputs/model.json")
    counted = {name: count_in(job, "model.json", name) if name in facts else None for name in COUNTS}
    row = {
        "name": _free_name(connection, model),
        "revision": model.revision,
        "digest": model.digest,
        "architecture": str(facts.get("architecture", "")),
        **counted,
        "adapter": str(facts.get("adapter", "")),
    }
    frame = pl.DataFrame([row], schema_overrides=dict.fromkeys(COUNTS, pl.Int64))
    return int(ensure(connection, "base_model", frame, ["digest"])["base_model_id"][0])


def _free_name(connection: duckdb.DuckDBPyConnection, model: ModelRef) -> str:
    """The model's name; with the beginning of its digest if another model of the store has it."""
    statement = "SELECT count(*) FROM base_model WHERE name = ? AND digest <> ?"
    taken = number(connection, statement, [model.name, model.digest])
    return f"{model.name}@{model.digest[:8]}" if taken else model.name


def checkpoint_row(
    base_model_id: int, run_id: int | None, place: tuple[int, int, bool], path: str, digest: str
) -> pl.DataFrame:
    """A row of ``checkpoint`` without its key; ``place`` is epoch, step, and whether it is the last of its run."""
    epoch, step, is_final = place
    row = {
        "base_model_id": base_model_id,
        "run_id": run_id,
        "epoch": epoch,
        "step": step,
        "is_final": is_final,
        "path": path,
        "digest": digest,
    }
    return pl.DataFrame([row], schema_overrides={"run_id": pl.Int32})
