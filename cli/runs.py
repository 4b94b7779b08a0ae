"""`mlv runs`: what was computed, how two runs differ, deleting, and going on with what was interrupted."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlv.cli.edge import DEFAULT_STORE, Store, jobs_folder, say
from mlv.cli.output import Format, Limit, Output, put
from mlv.cli.work import DEFAULT_BATCH_TOKENS, make_work
from mlv.schema.errors import JobError

if TYPE_CHECKING:
    from mlv.schema.jobs import JobDirectory

app = typer.Typer(help="List, show, compare, delete and resume runs.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a run, or the beginning of it.")]


@app.command(name="list")
def list_runs(
    output_format: Format = None, output: Output = None, limit: Limit = None, db: Store = DEFAULT_STORE
) -> None:
    """Print the committed runs, and the jobs that are not committed yet."""
    from mlv.queries import execute_sql
    from mlv.schema.store import open_store

    with open_store(db) as connection:
        result = execute_sql(
            connection,
            "SELECT run, kind, source, ft_languages, sentences, seed, started_at, finished_at FROM v_run "
            "ORDER BY run_id",
            sealed=True,
        )
    put(result, output_format, output, limit)
    for job in _unfinished(db):
        say(f"not committed: {job.path.name} ({job.state()})")


@app.command()
def show(name: Name, db: Store = DEFAULT_STORE) -> None:
    """Print a run's specification, provenance and events as JSON."""
    from mlv.ingest.deletion import find_run
    from mlv.schema.store import open_store

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
    from mlv.ingest.deletion import find_run
    from mlv.schema.store import open_store

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
    """Delete a run's rows and its job directory. Runs that depend on it have to go first."""
    from mlv.ingest.deletion import delete_run, dependants, find_run
    from mlv.schema.store import open_store

    with open_store(db, read_only=not yes) as connection:
        run_id, full = find_run(connection, name)
        if not yes:
            needed = dependants(connection, run_id)
            say(
                f"would delete {full} and {jobs_folder(db) / full}"
                + (f"; first: {', '.join(needed)}" if needed else "")
            )
            say("  do it: --yes")
            return
        delete_run(connection, run_id, full, jobs_folder(db))
    say(f"deleted {full}")


@app.command()
def resume(
    name: Annotated[
        str | None, typer.Argument(help="Name of a job directory; all unfinished ones if not given.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, mps or auto.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads.")] = None,
    skip_ambiguous: Annotated[bool, typer.Option("--skip-ambiguous", help="Leave out ambiguous probes.")] = False,
    batch_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of a batch of probes.")] = DEFAULT_BATCH_TOKENS,
    db: Store = DEFAULT_STORE,
) -> None:
    """Go on with jobs that were interrupted, and commit them."""
    jobs = [job for job in _unfinished(db) if name is None or job.path.name.startswith(name)]
    if name is not None and not jobs:
        raise JobError(f"No unfinished job {name} in {jobs_folder(db)}.", "See what there is: mlv runs list")
    work = make_work(db, device, threads, skip_ambiguous, batch_tokens=batch_tokens)
    for job in jobs:
        work.finish(job)
    if not jobs:
        say("nothing to resume")


def _unfinished(store: Path) -> "list[JobDirectory]":
    """Job directories beside the store whose runs are not committed: those that others start from come first."""
    from mlv.ingest.commit import committed
    from mlv.schema.jobs import JobDirectory
    from mlv.schema.store import open_store

    order = {"pretrain": 0, "finetune": 1, "probe": 2}
    jobs = [JobDirectory(path.parent) for path in sorted(jobs_folder(store).glob("*/job.json"))]
    with open_store(store) as connection:
        left = [job for job in jobs if committed(connection, job.spec()) is None]
    return sorted(left, key=lambda job: order.get(job.spec().kind, len(order)))
