"""`mlv db`: making, upgrading, checking, copying, merging and making again the store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, ExitCode, Store, jobs_folder, say
from mlv.cli.group import Group
from mlv.cli.output import Output, write
from mlv.schema.errors import UsageError, listed

if TYPE_CHECKING:
    from mlv.ingest.rules.rule import Outcome
    from mlv.ingest.upkeep.rebuild import Plan, Rebuilt

app = typer.Typer(help="Make, upgrade, check, copy, merge and make again the store.", no_args_is_help=True, cls=Group)


@app.command()
def upgrade(db: Store = DEFAULT_STORE) -> None:
    """Make the store, or bring it to this version's schema; a backup is made first."""
    from mlv.ingest.journal import journal_path
    from mlv.ingest.writing.reference import ensure_reference
    from mlv.migrations import upgrade as upgrade_store
    from mlv.migrations import whole_or_absent
    from mlv.schema.store.opening import open_store, transaction

    with whole_or_absent(db):
        done = upgrade_store(db)
        with open_store(db, read_only=False) as connection, transaction(connection):
            ensure_reference(connection)
    if done.backup:
        say(f"backup: {done.backup}")
    say(f"{db}: {done.before or 'new'} -> {done.after}")
    if done.before is None and journal_path(db).exists():
        say(f"{journal_path(db)} tells of a store that was here before; make that again: mlv db rebuild")


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
def check(
    rules: Annotated[
        list[Path] | None,
        typer.Option("--rules", help="Rules of one's own: a TOML file, or a folder of some; rules/ beside the store."),
    ] = None,
    files: Annotated[
        bool, typer.Option("--files", help="Also read checkpoints and sources, and compare their checksums.")
    ] = False,
    output_format: Annotated[
        str | None,
        typer.Option("--format", help="text, json or html; from the ending of -o, else text, if not given."),
    ] = None,
    output: Output = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Check schema, keys, ranges, sums and files of the store; exit 5 where something is wrong."""
    from mlv.compute.models.files import digest
    from mlv.ingest.rules.rulebook import own_rules
    from mlv.ingest.upkeep.check import check as check_rules
    from mlv.ingest.upkeep.check import named_files
    from mlv.migrations import differences
    from mlv.schema.store.opening import open_store

    chosen = _check_format(output_format, output)
    beside = db.parent / "rules"
    own = own_rules([*([beside] if beside.is_dir() else []), *(rules or [])])
    found = differences(db)
    with open_store(db) as connection:
        named = named_files(connection, db, jobs_folder(db), digest if files else None)
        outcomes = check_rules(connection, found, named, own)
    _put_check(outcomes, chosen, output, db, files)
    broken = sum(not outcome.ok for outcome in outcomes)
    if broken:
        say(f"{db}: {broken} of {len(outcomes)} rules are broken")
        raise typer.Exit(ExitCode.STORE)
    say(f"{db}: in order, {len(outcomes)} rules are kept")


def _check_format(given: str | None, output: Path | None) -> str:
    """The format of a check's result. Raises UsageError where there is no such format."""
    by_ending = {".json": "json", ".html": "html"}
    chosen = given or by_ending.get(output.suffix.lower() if output else "", "text")
    if chosen not in ("text", "json", "html"):
        raise UsageError(f"There is no format {chosen!r} of a check.", "Formats: text, json, html")
    return chosen


def _put_check(outcomes: "list[Outcome]", chosen: str, output: Path | None, db: Path, deep: bool) -> None:
    """Write what a check found to standard output or a file."""
    from mlv.ingest.upkeep.check_page import as_html, as_json, as_text

    if chosen == "html":
        text = as_html(outcomes, db.name, deep=deep)
    else:
        text = as_json(outcomes) if chosen == "json" else as_text(outcomes)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write(output, text.encode())
        say(f"{len(outcomes)} rules -> {output}")


@app.command()
def rebuild(
    sources: Annotated[
        list[Path] | None,
        typer.Option("--sources", help="Folder in which sources are that were moved; they are found by content."),
    ] = None,
    jobs: Annotated[
        Path | None, typer.Option("--jobs", help="Folder of the job directories; jobs/ beside the store.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Make it there, and leave the store as it is.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done, and whether all is there.")
    ] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Make the store again from its journal, the job directories and the sources; the old one is kept beside it.

    Exit 10 where something had to be left out, 9 where tables differ from the old store's.
    """
    from mlv.ingest.upkeep.rebuild import plan_rebuild, write_locked
    from mlv.ingest.upkeep.rebuild import rebuild as make_again

    with write_locked(db):
        plan = plan_rebuild(db, jobs or jobs_folder(db), sources or [])
        if dry_run:
            _say_plan(plan)
        else:
            _say_rebuilt(make_again(plan, output or db, say))


def _say_plan(plan: "Plan") -> None:
    """Print what would be done; exit 10 where something would be left out."""
    for remark in plan.remarks:
        say(remark)
    for step in plan.steps:
        typer.echo(step.description)
    known = sum(step.known for step in plan.steps)
    say(f"{known} steps, and everything that they need is there")
    if known < len(plan.steps):
        say(f"{len(plan.steps) - known} more: finished jobs that were never committed, each left out if it cannot be")
    _say_left_out(plan.left_out)


def _say_rebuilt(done: "Rebuilt") -> None:
    """Print what was done; exit 10 where something was left out, 9 where tables differ."""
    for remark in done.remarks:
        say(remark)
    if done.kept:
        say(f"the store as it was: {done.kept}")
    for table, (before, after) in (done.differing or {}).items():
        say(f"{table} differs from the old store's: {before:,} rows before, {after:,} now")
    if done.differing == {}:
        say("it has the same rows as the old store in every table")
    typer.echo(done.path)
    _say_left_out(done.left_out)
    if done.differing:
        raise typer.Exit(ExitCode.DIFFERENT)


def _say_left_out(left_out: list[str]) -> None:
    """Print what a new store lacks, and exit 10, if it lacks anything."""
    if left_out:
        say(f"left out, {len(left_out)}:{listed(left_out)}")
        raise typer.Exit(ExitCode.INCOMPLETE)


@app.command()
def merge(
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="Another store; it stays as it is.")],
    sources: Annotated[
        list[Path] | None,
        typer.Option("--sources", help="Folder in which its sources are, if they were moved; found by content."),
    ] = None,
    jobs: Annotated[Path | None, typer.Option("--jobs", help="Folder of its job directories; jobs/ beside it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be taken over.")] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Take over all ingests and committed runs of another store that this one lacks; exit 10 where some cannot be.

    Ingests are repeated from their sources, and runs committed from copies of their job directories. Contents that
    differ under the same name, and all that is missing, are named before anything is written.
    """
    from mlv.ingest.upkeep.merge import merge as take_over
    from mlv.ingest.upkeep.merge import plan_merge
    from mlv.schema.store.opening import open_store

    with open_store(db, read_only=dry_run) as connection:
        plan = plan_merge(connection, db, jobs_folder(db), other, jobs or jobs_folder(other), sources or [])
        if dry_run:
            for step in plan.steps:
                typer.echo(step.description)
        else:
            take_over(connection, db, jobs_folder(db), plan, say)
    say(f"{len(plan.steps)} steps" + ("" if plan.steps else ": it has nothing that is not here"))
    _say_left_out(plan.left_out)


@app.command()
def backup(
    db: Store = DEFAULT_STORE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; beside the store if not given.")
    ] = None,
) -> None:
    """Copy the store to a new file, and count the rows of the copy to verify it.

    It is restored by mlv db snapshot STORE --db COPY --replace, and needs no journal: mlv db rebuild --db COPY says,
    and does, what makes the store again.
    """
    from mlv.migrations import backup as back_up

    typer.echo(back_up(db, output))


@app.command()
def snapshot(
    target: Annotated[Path, typer.Argument(help="The copy to make; an older copy of the store is replaced.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace any other database, too; it is kept beside the copy.")
    ] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Make a copy that Harlequin, DBeaver or the duckdb CLI can read while the store is being written."""
    from mlv.migrations import snapshot as copy

    kept = copy(db, target, replace=replace)
    if kept:
        say(f"what was there: {kept}")
    typer.echo(target)
