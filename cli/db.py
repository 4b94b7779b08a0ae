"""`mlv db`: making, upgrading, checking and copying the store."""

from pathlib import Path
from typing import Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, ExitCode, Store, say

app = typer.Typer(help="Make, upgrade, check and copy the store.", no_args_is_help=True)


@app.command()
def upgrade(db: Store = DEFAULT_STORE) -> None:
    """Make the store, or bring it to this version's schema; a backup is made first."""
    from mlv.ingest.languages import ensure_reference
    from mlv.migrations import upgrade as upgrade_store
    from mlv.migrations import whole_or_absent
    from mlv.schema.store import open_store, transaction

    with whole_or_absent(db):
        done = upgrade_store(db)
        with open_store(db, read_only=False) as connection, transaction(connection):
            ensure_reference(connection)
    if done.backup:
        say(f"backup: {done.backup}")
    say(f"{db}: {done.before or 'new'} -> {done.after}")


@app.command()
def current(db: Store = DEFAULT_STORE) -> None:
    """Print the schema revision of the store."""
    from mlv.migrations import current as current_revision

    typer.echo(current_revision(db) or "none")


@app.command()
def history(db: Store = DEFAULT_STORE) -> None:
    """Print all schema revisions, oldest first; the store's own is marked."""
    from mlv.migrations import history as revisions

    for step in revisions(db):
        typer.echo(f"{'*' if step.is_current else ' '} {step.revision}  {step.description}")


@app.command()
def check(db: Store = DEFAULT_STORE) -> None:
    """Check the schema, keys, ranges and checkpoints of the store; exit 5 where something is wrong."""
    from mlv.ingest.integrity import missing_checkpoints, violations
    from mlv.migrations import differences
    from mlv.schema.store import open_store

    problems = differences(db)
    with open_store(db) as connection:
        problems += violations(connection) + missing_checkpoints(connection, db)
    for problem in problems:
        typer.echo(problem)
    if problems:
        say(f"{db}: {len(problems)} problems")
        raise typer.Exit(ExitCode.STORE)
    say(f"{db}: in order")


@app.command()
def backup(
    db: Store = DEFAULT_STORE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; beside the store if not given.")
    ] = None,
) -> None:
    """Copy the store to a new file, and count the rows of the copy to verify it."""
    from mlv.migrations import backup as back_up

    typer.echo(back_up(db, output))


@app.command()
def snapshot(
    target: Annotated[Path, typer.Argument(help="The copy to make, or the DuckDB file to replace by it.")],
    db: Store = DEFAULT_STORE,
) -> None:
    """Make a copy that Harlequin, DBeaver or the duckdb CLI can read while the store is being written."""
    from mlv.migrations import backup as copy

    typer.echo(copy(db, target, replace=True))
