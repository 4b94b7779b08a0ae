"""Plan, run and commit: what the compute commands have in common.

The store is open for reading while a job is planned and for writing while it is committed, never while it runs. If
another process holds it, work waits for as long as it takes: what hours of compute found is committed.
"""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlv.cli.edge import jobs_folder, say
from mlv.cli.progress import progress
from mlv.compute.machine.options import ExecuteOptions
from mlv.schema.store.waiting import waiting_for_jobs

if TYPE_CHECKING:
    import duckdb

    from mlv.ingest.jobs.committing import Committed
    from mlv.ingest.jobs.planning import Context
    from mlv.ingest.jobs.request import Request
    from mlv.ingest.jobs.standing import Active
    from mlv.ingest.jobs.traced_probes import Unanswered
    from mlv.schema.jobs.directory import JobDirectory
    from mlv.schema.jobs.spec import ModelRef, Precision, Spec


QUEUE_SECONDS = 5.0
"""How old an answer of Slurm's queue may be where jobs are looked at."""


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
    def model(self, name: str) -> "ModelRef":
        """The model or checkpoint of a name: in the store, else in a folder, else on the hub (NAME@REVISION)."""
        from mlv.compute.models import files
        from mlv.ingest.jobs.lookup import canonical_name, check_folder, find_model
        from mlv.schema.store.opening import open_store

        with open_store(self.store) as connection:
            known = find_model(connection, self.store, name)
        if known is not None:
            check_folder(known)
            return known
        # the store is closed meanwhile: to digest or fetch a model takes a while
        reference = files.resolve(*split_revision(name))
        with open_store(self.store) as connection:
            return reference.model_copy(update={"name": canonical_name(connection, reference)})

    @waiting_for_jobs()
    def plan(self, kind: str, request: "Request") -> "JobDirectory":
        """Plan a job of a kind. Raises what the kind's planning raises."""
        from mlv.ingest.jobs.committing import committed
        from mlv.ingest.jobs.kinds import kind as find_kind
        from mlv.ingest.jobs.planning import write
        from mlv.ingest.jobs.traced_probes import NotAnsweredError
        from mlv.schema.store.opening import open_store

        models = {name: self.model(name) for name in request.named_models()}
        try:
            with open_store(self.store) as connection:
                context = self._context(connection, models)
                plan = find_kind(kind).plan(context, request)
                if not self.plan_only and committed(connection, plan.spec) is None:
                    self.check_machine(plan.spec.computes_in())
                return write(context, plan)
        except NotAnsweredError as error:
            error.hint = " && ".join(self._probe_command(missing) for missing in error.missing)
            raise

    def check_machine(self, precision: "Precision" = "fp32") -> None:
        """Raise UsageError where this machine lacks the device of the options, or does not compute in a precision."""
        if (self.options.device, precision) != ("auto", "fp32"):
            from mlv.compute.machine import runtime

            runtime.check_precision(precision, runtime.device_name(self.options.device))

    def _context(self, connection: "duckdb.DuckDBPyConnection", models: "Mapping[str, ModelRef]") -> "Context":
        from mlv.ingest.jobs.planning import Context

        return Context(
            connection, self.store, jobs_folder(self.store), {"arguments": self.arguments}, lambda name: models[name]
        )

    def _probe_command(self, missing: "Unanswered") -> str:
        """The command that brings answers that are missing."""
        model = missing.model
        if model.made_by:
            name = model.made_by.job
        else:
            name = f"{model.name}@{model.revision}" if model.revision else model.path or model.name
        return (
            f"mlv compute probe --model {shlex.quote(name)} --language {','.join(missing.languages)} "
            f"--probe-set {shlex.quote(missing.probe_set)} --db {shlex.quote(str(self.store))}"
        )

    def do(self, kind: str, request: "Request") -> "Committed | None":
        """Plan a job, run it and commit it; None if it is only planned."""
        job = self.plan(kind, request)
        _say_defaults(request, job)
        if self.plan_only:
            say(f"planned: {job.path}")
            return None
        return self.finish(job)

    @waiting_for_jobs()
    def finish(self, job: "JobDirectory") -> "Committed":
        """Run a planned job to its end, going on from where it was interrupted, and commit it."""
        from mlv.ingest.jobs.committing import committed
        from mlv.ingest.jobs.planning import update_model_paths
        from mlv.schema.store.opening import open_store

        spec = job.spec()
        with open_store(self.store) as connection:
            known = committed(connection, spec)
            if known is None:
                update_model_paths(connection, job, spec, self.store)
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
        say_committed(done)
        return done


def say_committed(done: "Committed") -> None:
    """Say what a commit wrote."""
    rows = ", ".join(f"{count:,} {table}" for table, count in done.rows.items() if count)
    say(f"{done.run}: {'already committed' if done.already_there else f'committed ({rows})'}")


def say_next(spec: "type[Spec] | Spec", run: str, store: Path) -> None:
    """Say what is left to do with what a run made, if that is anything."""
    if line := spec.NEXT if isinstance(spec, type) else spec.next_step():
        say(f"{line.format(run=run)} --db {shlex.quote(str(store))}")


def _say_defaults(request: "Request", job: "JobDirectory") -> None:
    """Say which probes and which survey were taken from a store that has several, if none was named."""
    spec = job.spec()
    for field in ("probe_set", "survey"):
        taken = "" if field == "probe_set" and not spec.probe_inputs() else getattr(spec, field, "")
        if taken and getattr(request, field, taken) is None:
            name = field.replace("_", " ")
            say(f"{name} {taken}, as in queries (another one: --{name.replace(' ', '-')})")


def activity() -> "Active":
    """What tells whether a job runs, here or on a cluster, or waits in its queue."""
    from functools import partial

    from mlv.compute.running.slurm import Queue
    from mlv.compute.running.slurm import activity as active

    return partial(active, Queue(QUEUE_SECONDS))


def execute_job(job: "JobDirectory", options: ExecuteOptions) -> None:
    """Run a planned job to its end, going on from where it was interrupted, and show how far it is."""
    from mlv.compute.running.execute import execute

    shown = progress()
    try:
        execute(job.path, options, shown)
    finally:
        shown.close()


def make_work(store: Path, options: ExecuteOptions | None = None, plan_only: bool = False) -> Work:
    """The work of a command, from its options."""
    return Work(store, options or ExecuteOptions(), sys.argv[1:], plan_only)


def split_revision(text: str) -> tuple[str, str | None]:
    """Name and revision of ``NAME@REVISION``; a folder's name may have an @."""
    name, _, revision = text.rpartition("@")
    return (name, revision) if name and not Path(text).is_dir() else (text, None)
