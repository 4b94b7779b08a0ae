"""`mlv runs`: what was computed, how two runs differ, deleting, and going on with what was interrupted."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlv.cli.edge import DEFAULT_STORE, Store, explain, jobs_folder, megabytes, say
from mlv.cli.output import Format, Limit, Output, put
from mlv.cli.work import Work, make_work
from mlv.compute.machine.interrupts import raise_if_received
from mlv.compute.machine.options import BATCH_TOKENS
from mlv.schema.errors import JobError, MlvError, NotFoundError, StoreLockedError

if TYPE_CHECKING:
    from mlv.ingest.upkeep.deletion import Deletion
    from mlv.schema.jobs.directory import JobDirectory
    from mlv.schema.jobs.spec import Spec

app = typer.Typer(help="List, show, compare, delete and resume runs.", no_args_is_help=True)

COMPACTED_FROM = 0.1
"""Share of the store's file that is free from which a deletion writes it anew: that takes as long as all of it takes to
copy, and room for the copy."""

Name = Annotated[str, typer.Argument(help="Name of a run, or the beginning of it.")]


@app.command(name="list")
def list_runs(
    output_format: Format = None, output: Output = None, limit: Limit = None, db: Store = DEFAULT_STORE
) -> None:
    """Print the committed runs, and the jobs that are not committed yet."""
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        result = execute_sql(
            connection,
            "SELECT run, kind, source, ft_languages, sentences, seed, started_at, finished_at FROM v_run "
            "ORDER BY run_id",
            sealed=True,
        )
    put(result, output_format, output, limit)
    left, damaged = _unfinished(db)
    for job, state in left:
        say(f"not committed: {job.path.name} ({state})")
    _raise_failed(damaged)


@app.command()
def show(name: Name, db: Store = DEFAULT_STORE) -> None:
    """Print a run's specification, provenance and events as JSON."""
    from mlv.ingest.jobs.lookup import find_run
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        run_id, _ = find_run(connection, name)
        row = connection.execute(
            "SELECT name, kind, status, seed, started_at, finished_at, committed_at, spec, provenance "
            "FROM run WHERE run_id = ?",
            [run_id],
        )
        fields = dict(zip([column[0] for column in row.description], row.fetchone() or (), strict=True))
        events = connection.execute(
            "SELECT happened_at, event, detail FROM run_event WHERE run_id = ? ORDER BY position", [run_id]
        ).fetchall()
    shown: dict[str, Any] = {key: str(value) for key, value in fields.items() if key not in ("spec", "provenance")}
    shown |= {key: json.loads(fields[key]) for key in ("spec", "provenance")}
    shown["events"] = [{"at": str(at), "event": event, **json.loads(detail)} for at, event, detail in events]
    typer.echo(json.dumps(shown, indent=1, ensure_ascii=False))


@app.command()
def diff(first: Name, second: Name, db: Store = DEFAULT_STORE) -> None:
    """Print what differs between two runs: specification and provenance, one field a line."""
    from mlv.ingest.jobs.lookup import find_run
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        sides = [
            _fields(connection.execute("SELECT spec, provenance FROM run WHERE run_id = ?", [run]).fetchone())
            for run, _ in (find_run(connection, first), find_run(connection, second))
        ]
    for key in sorted(sides[0].keys() | sides[1].keys()):
        left, right = (side.get(key, "") for side in sides)
        if left != right:
            typer.echo(f"{key}: {left} -> {right}")


def _fields(row: tuple[str, str] | None) -> dict[str, str]:
    """A run's JSON documents as dotted names and values."""
    found: dict[str, str] = {}

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        else:
            found[prefix] = json.dumps(value, ensure_ascii=False)

    for name, document in zip(("spec", "provenance"), row or (), strict=False):
        walk(name, json.loads(document))
    return found


@app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only say what would go.")] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Delete a run's rows, its job directory, and indexes of gradients that no other job uses.

    Runs that depend on it have to go first. The store's file is written anew where that makes it much smaller.
    """
    from mlv.ingest.upkeep.deletion import delete_run, plan_deletion
    from mlv.migrations.copying import space
    from mlv.schema.store.opening import open_store

    with open_store(db, read_only=not yes) as connection:
        going = plan_deletion(connection, name, jobs_folder(db))
        if not yes:
            _say_deletion(going)
            return
        delete_run(connection, going.run_id, going.run, jobs_folder(db))
        size, free = space(connection, db)
    freed = sum(going.folders.values())
    say(f"deleted {going.run}" + (f" and {megabytes(freed)} in {jobs_folder(db)}" if freed else ""))
    _make_smaller(db, size, free)


def _say_deletion(going: "Deletion") -> None:
    say(f"would delete {going.run}:")
    say("  " + ", ".join(f"{count:,} {table}" for table, count in going.rows.items()))
    for folder, size in going.folders.items():
        say(f"  {folder} ({megabytes(size)})")
    if going.dependants:
        say(f"  first: {', '.join(going.dependants)}")
    say("  do it: --yes")


def _make_smaller(store: Path, size: int, free: int) -> None:
    """Write the store anew where much of its file is free; say what it has become."""
    from mlv.migrations.copying import compact

    if free < COMPACTED_FROM * size:
        say(f"{store}: {megabytes(free)} of {megabytes(size)} are free for what comes next")
        return
    say(f"{store}: {megabytes(compact(store).size)} -> {megabytes(store.stat().st_size)}")


@app.command()
def resume(
    name: Annotated[
        str | None, typer.Argument(help="Name of a job directory; all unfinished ones if not given.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    skip_ambiguous: Annotated[bool, typer.Option("--skip-ambiguous", help="Leave out ambiguous probes.")] = False,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of a batch of probes.")] = BATCH_TOKENS,
    db: Store = DEFAULT_STORE,
) -> None:
    """Go on with jobs that were interrupted, and commit them. One that fails does not keep the others from it."""
    work = make_work(db, device, threads, skip_ambiguous, batch_tokens=batch_tokens)
    if name is None:
        _resume_all(work)
    else:
        _resume_one(work, name)


def _resume_one(work: Work, name: str) -> None:
    """Finish the one job, or find it committed, whose name is or begins with ``name``. Raises NotFoundError."""
    from mlv.schema.jobs.directory import JobDirectory
    from mlv.schema.store.opening import open_store

    folders = {path.name: path for path in _job_folders(work.store)}
    with open_store(work.store) as connection:
        runs = {str(run) for (run,) in connection.execute("SELECT name FROM run").fetchall()}
    found = sorted(known for known in folders.keys() | runs if known.startswith(name))
    chosen = name if name in found else found[0] if len(found) == 1 else None
    if not found:
        raise NotFoundError(f"There is no job or run {name} in {jobs_folder(work.store)}.", "See: mlv runs list")
    if chosen is None:
        raise NotFoundError(f"{name} is the beginning of {len(found)} jobs: {', '.join(found)}.", "Give more of it.")
    if chosen in folders:
        _finish(work, JobDirectory(folders[chosen]))
    else:
        say(f"{chosen}: already committed")


def _resume_all(work: Work) -> None:
    """Finish all jobs that are not committed, but for those that another process runs.

    Raises JobError at the end where some could not be finished, and StoreLockedError at once.
    """
    from mlv.compute.running.execute import JobRunningError

    left, failed = _unfinished(work.store)
    for job, _ in left:
        try:
            _finish(work, job)
        except JobRunningError as error:
            say(f"left alone: {error.message}")
        except StoreLockedError:
            raise
        except Exception as error:
            raise_if_received()
            say(f"{job.path.name} failed")
            explain(error)
            failed.append(job.path.name)
    if not left and not failed:
        say("nothing to resume")
    _raise_failed(failed)


def _finish(work: Work, job: "JobDirectory") -> None:
    """Run and commit a job, and say what is left to do with a model that it made."""
    done = work.finish(job)
    spec = job.spec()
    if spec.MAKES_CHECKPOINTS and spec.models() and not done.already_there:
        say(f"probe it: mlv compute probe --model {done.run} --db {shlex.quote(str(work.store))}")


def _raise_failed(names: list[str]) -> None:
    """Raise JobError where there are names of jobs, whose problems have been said."""
    if names:
        raise JobError(
            f"There are problems with {', '.join(names)}.", "Put right what is said above, then: mlv runs resume"
        )


def _job_folders(store: Path) -> list[Path]:
    """Job directories beside the store."""
    return [path.parent for path in sorted(jobs_folder(store).glob("*/job.json"))]


def _unfinished(store: Path) -> "tuple[list[tuple[JobDirectory, str]], list[str]]":
    """Jobs beside the store whose runs are not committed, with their states, and names of those that are damaged.

    Those that others build on come first. What is wrong with the damaged ones is said.
    """
    from mlv.ingest.jobs.committing import committed
    from mlv.ingest.jobs.order import build_order
    from mlv.schema.jobs.directory import JobDirectory
    from mlv.schema.store.opening import open_store

    left: dict[str, tuple[JobDirectory, Spec]] = {}
    damaged: list[str] = []
    with open_store(store) as connection:
        for job in map(JobDirectory, _job_folders(store)):
            try:
                spec = job.spec()
                if committed(connection, spec) is None:
                    left[job.path.name] = job, spec
                    job.state()
            except MlvError as error:
                left.pop(job.path.name, None)
                explain(error)
                damaged.append(job.path.name)
    ordered = build_order({name: spec for name, (_, spec) in left.items()})
    return [(left[name][0], left[name][0].state()) for name in ordered], damaged
