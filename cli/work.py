"""Plan, run and commit: what the compute commands have in common.

The store is open for reading while a job is planned and for writing while it is committed, never while it runs. Where
another process holds it, work waits for as long as it takes: what hours of compute found is committed.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlv.cli.edge import jobs_folder, say
from mlv.cli.progress import progress
from mlv.compute.machine.options import BATCH_TOKENS, ExecuteOptions
from mlv.schema.store.waiting import waiting_for_jobs

if TYPE_CHECKING:
    import duckdb

    from mlv.ingest.jobs.committing import Committed
    from mlv.ingest.jobs.planning import Jobs
    from mlv.schema.jobs.directory import JobDirectory
    from mlv.schema.jobs.spec import ModelRef

    Planner = Callable[[duckdb.DuckDBPyConnection, Jobs], JobDirectory | None]


@dataclass(frozen=True)
class Work:
    """A store and the way its jobs are run."""

    store: Path
    options: ExecuteOptions
    arguments: list[str]
    """The command's arguments as given, for the provenance."""

    plan_only: bool = False
    """Stop when the job directory is there: a worker elsewhere runs it."""

    @waiting_for_jobs()
    def model(self, name: str, revision: str | None = None) -> "ModelRef":
        """The model or checkpoint of a name: in the store, else in a folder, else on the hub."""
        from mlv.compute.models.files import resolve
        from mlv.ingest.jobs.lookup import canonical_name, find_model
        from mlv.schema.store.opening import open_store

        with open_store(self.store) as connection:
            path = find_model(connection, self.store, name)
        reference = resolve(str(path) if path else name, revision)
        with open_store(self.store) as connection:
            return reference.model_copy(update={"name": canonical_name(connection, reference)})

    @waiting_for_jobs()
    def plan(self, planner: "Planner") -> "JobDirectory | None":
        """Plan a job; None where there is nothing to do."""
        from mlv.ingest.jobs.planning import Jobs
        from mlv.schema.store.opening import open_store

        with open_store(self.store) as connection:
            return planner(connection, Jobs(jobs_folder(self.store), {"arguments": self.arguments}))

    def do(self, planner: "Planner") -> "Committed | None":
        """Plan a job, run it and commit it; None where there is nothing to do or it is only planned."""
        job = self.plan(planner)
        if job is None:
            return None
        if self.plan_only:
            say(f"planned: {job.path}")
            return None
        return self.finish(job)

    @waiting_for_jobs()
    def finish(self, job: "JobDirectory") -> "Committed":
        """Run a planned job to its end, going on where it was interrupted, and commit it."""
        from mlv.ingest.jobs.committing import committed
        from mlv.ingest.jobs.planning import relocate_model
        from mlv.schema.store.opening import open_store

        with open_store(self.store) as connection:
            known = committed(connection, job.spec())
            if known is None:
                relocate_model(connection, job, self.store)
        if known is not None:
            say(f"{known.run}: already committed")
            return known
        execute_job(job, self.options)
        return self.commit(job)

    @waiting_for_jobs()
    def commit(self, job: "JobDirectory") -> "Committed":
        """Commit a finished job."""
        from mlv.ingest.jobs.committing import commit_job
        from mlv.schema.store.opening import open_store

        with open_store(self.store, read_only=False) as connection:
            done = commit_job(connection, job, self.store)
        rows = ", ".join(f"{count:,} {table}" for table, count in done.rows.items() if count)
        say(f"{done.run}: {'already committed' if done.already_there else f'committed ({rows})'}")
        return done


def execute_job(job: "JobDirectory", options: ExecuteOptions) -> None:
    """Run a planned job to its end, going on where it was interrupted, and show how far it is."""
    from mlv.compute.running.execute import execute

    shown = progress()
    try:
        execute(job.path, options, shown)
    finally:
        shown.close()


def make_work(
    store: Path,
    device: str,
    threads: int | None,
    skip_ambiguous: bool = False,
    plan_only: bool = False,
    batch_tokens: int = BATCH_TOKENS,
) -> Work:
    """The work of a command, from its options."""
    return Work(store, ExecuteOptions(device, threads, skip_ambiguous, batch_tokens), sys.argv[1:], plan_only)
