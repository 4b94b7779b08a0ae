"""Making, upgrading, checking and copying stores.

``upgrade`` brings a file to the newest revision, in one transaction, after a backup; views are made anew from their
definitions at every upgrade, since they hold no data. A copy needs a shared lock alone: it can be
taken beside readers. Alembic is imported where it is used.
"""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mlv.schema.errors import StoreError, StoreLockedError, UsageError
from mlv.schema.jobs import now, written_aside
from mlv.schema.store import DISK_ERRORS, SCHEMA_REVISION, connect, exists, newer, reason, revision, unwritten

if TYPE_CHECKING:
    import sqlalchemy as sa
    from alembic.config import Config


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did."""

    before: str | None
    """Revision that was found; None for a new store."""

    after: str
    backup: Path | None
    """Copy made before the first change; None where there was nothing to lose."""


@dataclass(frozen=True)
class Revision:
    """A step of the schema's history."""

    revision: str
    description: str
    is_current: bool


def _config(connection: "sa.Connection | None" = None) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("mlv.migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextlib.contextmanager
def _engine_connection(path: Path, *, read_only: bool) -> Iterator["sa.Connection"]:
    """A connection in one transaction. Raises StoreLockedError or StoreError as ``mlv.schema.store`` does."""
    import sqlalchemy as sa

    engine = sa.create_engine(sa.URL.create("duckdb", database=str(path)), connect_args={"read_only": read_only})
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, DISK_ERRORS):
            raise unwritten(path, error.orig) from error
        raise
    except DISK_ERRORS as error:
        raise unwritten(path, error) from error
    finally:
        engine.dispose()


def upgrade(path: Path, target: str = "head") -> Upgrade:
    """Make the store at ``path`` or bring it to ``target``; a store with tables is backed up first.

    Raises StoreError where a newer mlv or another program made the file or it cannot be written, StoreLockedError where
    another process holds it.
    """
    from alembic import command

    before = _revision_before(path)
    goal = SCHEMA_REVISION if target == "head" else target
    saved = None
    if before not in (None, goal):
        # a reader would stop the upgrade, though not the copy: hear of it before there is one
        connect(path, read_only=False).close()
        saved = backup(path)
    with whole_or_absent(path), _engine_connection(path, read_only=False) as connection:
        command.upgrade(_config(connection), target)
        if goal == SCHEMA_REVISION:
            _install_views(connection)
    return Upgrade(before, goal, saved)


def _revision_before(path: Path) -> str | None:
    """Revision of the file; None where it is new, with its folder made, or empty. Raises StoreError on others."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"No store can be made at {path}: {error.filename}: {reason(error)}", "Name another path with --db."
        ) from error
    if not exists(path):
        return None
    with contextlib.closing(connect(path)) as connection:
        found = revision(connection)
        tables = _row_counts(connection)
    if found is None and tables:
        raise StoreError(
            f"{path} is no store: it is a DuckDB file that has the table {min(tables)}.",
            "Name another path with --db.",
        )
    if found is not None and found > SCHEMA_REVISION:
        raise newer(path, found)
    return found


@contextlib.contextmanager
def whole_or_absent(path: Path) -> Iterator[None]:
    """Where the block raises, remove the store that it began to make; one that was there before stays.

    A store that is locked is another process's, even where it was not there a moment ago.
    """
    was_there = exists(path)
    try:
        yield
    except StoreLockedError:
        raise
    except BaseException:
        if not was_there:
            _remove(path)
        raise


def _remove(path: Path) -> None:
    for file in (_log(path), path):
        # a path that no file can be at, as the error under way says
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            file.unlink()


def _log(path: Path) -> Path:
    """Where DuckDB keeps the commits that are not yet in the file, and from where it replays them on opening."""
    return path.with_name(path.name + ".wal")


def _install_views(connection: "sa.Connection") -> None:
    from mlv.schema.views import VIEWS

    for view in reversed(VIEWS):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view.name}")
    for view in VIEWS:
        connection.exec_driver_sql(f"CREATE VIEW {view.name} AS {view.sql}")
        connection.exec_driver_sql(f"COMMENT ON VIEW {view.name} IS {_literal(view.comment)}")
        for name, comment in view.columns.items():
            connection.exec_driver_sql(f'COMMENT ON COLUMN {view.name}."{name}" IS {_literal(comment)}')


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def current(path: Path) -> str | None:
    """Revision of the file; None where it has no tables of mlv."""
    with contextlib.closing(connect(path)) as connection:
        return revision(connection)


def history(path: Path | None = None) -> list[Revision]:
    """All revisions, oldest first; the one that ``path`` is at is marked."""
    from alembic.script import ScriptDirectory

    at = current(path) if path is not None and path.exists() else None
    steps = ScriptDirectory.from_config(_config()).walk_revisions()
    return [Revision(step.revision, step.doc, step.revision == at) for step in reversed(list(steps))]


def differences(path: Path) -> list[str]:
    """How the file's tables and views differ from those this mlv declares; empty where they do not."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from mlv.schema.tables import metadata

    connect(path).close()
    with _engine_connection(path, read_only=True) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": True})
        found = [str(difference) for difference in compare_metadata(context, metadata)]
    return found + _view_differences(path)


def is_ours(item: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
    """Whether Alembic compares an object: all but its own ledger."""
    return not (kind == "table" and name == "alembic_version")


def _view_differences(path: Path) -> list[str]:
    from mlv.schema.views import VIEWS

    with contextlib.closing(connect(path)) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE table_name IN (SELECT view_name FROM duckdb_views() WHERE NOT internal) ORDER BY ALL"
        ).fetchall()
    declared = {(view.name, column) for view in VIEWS for column in view.columns}
    return [f"view column {'.'.join(column)} differs" for column in sorted(declared ^ set(rows))]


def backup(path: Path, target: Path | None = None, *, replace: bool = False) -> Path:
    """Copy the store, by default beside it under its revision and the time; its rows are counted to verify it.

    With ``replace`` the copy takes the place of an earlier one. Readers of the store do not matter, and what a killed
    writer left in its log is in the copy. Raises UsageError where the target is not free, StoreError where the disk is
    full or the copy is not whole, StoreLockedError where another process writes the store.
    """
    with contextlib.closing(connect(path)) as connection:
        at = revision(connection) or "none"
        counts = _row_counts(connection)
        goal = target or path.with_name(f"{path.stem}.{at}.{now():%Y%m%dT%H%M%S%f}.backup.duckdb")
        try:
            _check_target(path, goal, replace=replace)
            _copy(path, goal, counts)
        except (OSError, *DISK_ERRORS) as error:
            raise StoreError(
                f"{path} ({path.stat().st_size:,} bytes) cannot be copied to {goal}: {reason(error)}",
                "Free some space or name another folder.",
            ) from error
    return goal


def _row_counts(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many rows each table has."""
    tables = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal").fetchall()
    relations = {name: connection.table(f'"{schema}"."{name}"') for schema, name in tables}
    return {name: len(relation) for name, relation in relations.items()}


def _check_target(path: Path, goal: Path, *, replace: bool) -> None:
    """Raise UsageError where a copy at ``goal`` would destroy the store or a file that is no earlier copy."""
    taken = goal.exists()
    if goal.resolve() in (path.resolve(), _log(path.resolve())) or (taken and goal.samefile(path)):
        raise UsageError(f"{goal} is the store itself.", "Name another file for the copy.")
    if taken and not replace:
        raise UsageError(f"{goal} exists already.", "Name another file, or delete it first.")
    if taken and not _is_database(goal):
        raise UsageError(f"{goal} is no DuckDB file: it is not replaced.", "Name another file for the copy.")
    if not taken and _log(goal).exists():
        raise UsageError(
            f"{_log(goal)} is another database's log, which DuckDB would replay into the copy.",
            "Delete it, or name another file for the copy.",
        )


def _is_database(path: Path) -> bool:
    """Whether the file has DuckDB's magic bytes, which follow a checksum of 8 bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(12)[8:] == b"DUCK"


def _copy(path: Path, goal: Path, counts: dict[str, int]) -> None:
    """Copy the file and its log aside, make them one, verify them, and only then put the copy in place."""
    with written_aside(goal) as aside:
        try:
            _copy_files(path, aside)
            if _log(aside).exists():
                with duckdb.connect(str(aside)) as connection:
                    connection.execute("CHECKPOINT")
        finally:
            _log(aside).unlink(missing_ok=True)
        _verify(aside, goal, counts)
        # the log of the copy that is being replaced: DuckDB would replay it into the new one
        _log(goal).unlink(missing_ok=True)


def _copy_files(path: Path, aside: Path) -> None:
    # The log first: closing any handle of the file gives up this process's lock on it (as POSIX locks are), and with
    # the lock gone, a writer could change both.
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(_log(path), _log(aside))
    shutil.copyfile(path, aside)


def _verify(aside: Path, goal: Path, counts: dict[str, int]) -> None:
    """Raise StoreError where the copy cannot be read or has other rows than the store."""
    try:
        with contextlib.closing(connect(aside)) as connection:
            copied = _row_counts(connection)
    except (StoreError, duckdb.Error) as error:
        raise StoreError(f"The copy at {goal} cannot be read: {error}", "Check the disk, then copy again.") from error
    wrong = sorted(name for name in counts | copied if counts.get(name) != copied.get(name))
    if wrong:
        raise StoreError(
            f"The copy at {goal} differs from the store in its rows of {', '.join(wrong)}; it was not kept.",
            "Check the disk, then copy again.",
        )
