"""Committing a job directory: everything a finished job found enters the store in one transaction, once.

A job is known by the hash of its specification: committing it again changes nothing. Rows come with natural keys,
which are turned into the store's keys here; a row whose key is not in the store fails the whole commit.
"""

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl

from mlv.ingest.jobs.kinds import kind
from mlv.ingest.jobs.outputs import refuse
from mlv.ingest.jobs.runs import enter_events, enter_run
from mlv.ingest.journal import note_run
from mlv.ingest.rules.rulebook import packaged
from mlv.schema.errors import JobError, StoreError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import job_name, spec_hash
from mlv.schema.jobs.spec import Spec
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import number

KEPT = (
    "influence-squares",
    "logit-logprob-range",
    "metric-finite",
    "metric-unique-run_id-name-step",
    "projected_profile-unique-run_id-profile_id",
    "run-examples",
    "run-last-checkpoint",
)
"""Rules of the store that a run is refused by whose own rows break them; their queries tell ``run_id``."""


@dataclass(frozen=True)
class Committed:
    """What a commit did."""

    run_id: int
    run: str
    """Name of the run."""

    already_there: bool
    rows: dict[str, int] = field(default_factory=dict)
    """Rows written, by table."""


def commit_job(connection: duckdb.DuckDBPyConnection, job: JobDirectory, store: Path) -> Committed:
    """Write what a finished job found into the store at ``store``, open for writing on ``connection``.

    Raises JobError if the job is not finished, its outputs are missing or damaged, or name what the store lacks, or its
    directory has links that lead out of it.
    """
    spec = job.spec()
    known = committed(connection, spec)
    if known is not None:
        return known
    if job.state() != "finished":
        raise JobError(
            f"{job.path} is {job.state()}, not finished: there is nothing to commit.",
            f"Let it finish: mlv runs resume {job.path.name}",
        )
    job.refuse_links()
    try:
        with transaction(connection):
            done = _commit(connection, job, spec, store)
    # DuckDB's words about damaged text are not always text
    except (duckdb.Error, pl.exceptions.PolarsError, UnicodeError) as error:
        raise JobError(
            f"The results in {job.outputs} cannot be committed: {str(error).splitlines()[0]} The store is unchanged.",
            f"If a file of it is damaged, delete that folder, then: mlv runs resume {job.path.name}",
        ) from error
    note_run(connection, "committed", done.run)
    return done


def committed(connection: duckdb.DuckDBPyConnection, spec: Spec) -> Committed | None:
    """The run of a specification, if the store has it."""
    known = connection.execute("SELECT run_id, name, status FROM run WHERE spec_hash = ?", [spec_hash(spec)]).fetchone()
    if known is None:
        return None
    if known[2] == "deleting":
        raise StoreError(
            f"The deletion of {known[1]} was interrupted: it is neither there nor gone.",
            f"Finish it: mlv runs delete {known[1]} --yes",
        )
    return Committed(int(known[0]), str(known[1]), already_there=True)


def _commit(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: Spec, store: Path) -> Committed:
    run = enter_run(connection, store, job, spec)
    rows = {"run_event": enter_events(run), **kind(spec.kind).commit(run, spec)}
    refuse(job, _broken(connection, run.run_id))
    return Committed(run.run_id, job_name(spec), already_there=False, rows=rows)


def _broken(connection: duckdb.DuckDBPyConnection, run_id: int) -> list[str]:
    """What the rows of a run break of the rules in ``KEPT``, counted."""
    rules = {rule.name: rule for rule in packaged()}
    counted = [
        # a number, which DuckDB takes into the query, as it does not take a parameter
        (number(connection, f"SELECT count(*) FROM ({rules[name].query}) WHERE run_id = {run_id}"), rules[name].broken)
        for name in KEPT
    ]
    return [f"{count:,} {what}" for count, what in counted if count]
