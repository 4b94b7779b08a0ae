"""Committing a job directory: everything a finished job found enters the store in one transaction, once.

A job is known by the hash of its specification: committing it again changes nothing. Rows come with natural keys,
which are turned into the store's keys here; a row whose key is not in the store fails the whole commit.
"""

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl

from mlv.ingest.jobs.inputs import lacking
from mlv.ingest.jobs.kinds import kind
from mlv.ingest.jobs.outputs import again
from mlv.ingest.jobs.runs import enter_events, enter_run
from mlv.ingest.journal import note_run
from mlv.ingest.rules.rulebook import packaged
from mlv.schema.errors import JobError, StoreError, listed
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import job_name, spec_hash
from mlv.schema.jobs.spec import Spec
from mlv.schema.store.opening import transaction


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

    Raises JobError if the job is not finished, its outputs are missing or damaged, it read or names what the store
    lacks, or its directory has links that lead out of it.
    """
    spec = job.spec()
    known = committed(connection, spec)
    if known is not None:
        return known
    if job.state() != "finished":
        raise JobError(
            f"{job.path} is not finished: there is nothing to commit.",
            f"Let it finish: mlv runs resume {job.path.name}",
        )
    job.refuse_links()
    if problems := lacking(connection, job, spec):
        raise JobError(
            f"{job.path.name} read what the store does not have:{listed(problems)}",
            f"Ingest what it was planned from, then commit again: mlv runs resume {job.path.name}",
        )
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
    _check_rows(connection, job, run.run_id)
    return Committed(run.run_id, job_name(spec), already_there=False, rows=rows)


def _check_rows(connection: duckdb.DuckDBPyConnection, job: JobDirectory, run_id: int) -> None:
    """Raise JobError if rows of a run break the store's rules for commits: a worker's results are not trusted."""
    # the tables' declarations take a while to import, and whoever only plans jobs does not need them
    from mlv.ingest.rules.owned_rows import broken_by

    if problems := broken_by(connection, packaged(), "run", run_id):
        raise JobError(
            f"The results in {job.outputs} are inconsistent; the store is unchanged:{listed(problems)}", again(job)
        )
