"""Making, upgrading, checking and copying stores.

``upgrade`` brings a file to the newest revision, in one transaction, after a backup; views are made anew from their
definitions at every upgrade, since they hold no data. Alembic is imported where it is used.
"""

import contextlib
import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mlv.schema.errors import StoreError
from mlv.schema.jobs import now, written_aside
from mlv.schema.store import SCHEMA_REVISION, connect, revision

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
def _engine_connection(path: Path) -> Iterator["sa.Connection"]:
    import sqlalchemy as sa

    engine = sa.create_engine(sa.URL.create("duckdb", database=str(path)))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def upgrade(path: Path, target: str = "head") -> Upgrade:
    """Make the store at ``path`` or bring it to ``target``; a store with tables is backed up first.

    Raises StoreError where a newer mlv made the store, StoreLockedError where another process holds it.
    """
    from alembic import command

    if path.exists():
        before = current(path)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = None
    if before is not None and before > SCHEMA_REVISION:
        raise StoreError(
            f"{path} is at revision {before}, newer than this mlv knows ({SCHEMA_REVISION}).",
            "Install a newer mlv: pip install --upgrade mlv",
        )
    goal = SCHEMA_REVISION if target == "head" else target
    saved = backup(path) if before not in (None, goal) else None
    with _engine_connection(path) as connection:
        command.upgrade(_config(connection), target)
        if goal == SCHEMA_REVISION:
            _install_views(connection)
    return Upgrade(before, goal, saved)


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
    connection = connect(path)
    try:
        return revision(connection)
    finally:
        connection.close()


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
    with _engine_connection(path) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": True})
        found = [str(difference) for difference in compare_metadata(context, metadata)]
    return found + _view_differences(path)


def is_ours(item: Any, name: str | None, kind: str, reflected: bool, compared: Any) -> bool:
    """Whether Alembic compares an object: all but its own ledger."""
    return not (kind == "table" and name == "alembic_version")


def _view_differences(path: Path) -> list[str]:
    from mlv.schema.views import VIEWS

    connection = connect(path)
    try:
        rows = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE table_name IN (SELECT view_name FROM duckdb_views() WHERE NOT internal) ORDER BY ALL"
        ).fetchall()
    finally:
        connection.close()
    declared = {(view.name, column) for view in VIEWS for column in view.columns}
    return [f"view column {'.'.join(column)} differs" for column in sorted(declared ^ set(rows))]


def backup(path: Path, target: Path | None = None) -> Path:
    """Copy the store, by default beside it under its revision and the time; the copy is opened to verify it.

    Raises StoreError where the disk is full, StoreLockedError where another process holds the store.
    """
    connect(path).close()
    connection = connect(path, read_only=False)
    try:
        at = revision(connection) or "none"
        connection.execute("CHECKPOINT")
        goal = target or path.with_name(f"{path.stem}.{at}.{now():%Y%m%dT%H%M%S%f}.backup.duckdb")
        _copy(path, goal)
    finally:
        connection.close()
    _verify(goal)
    return goal


def _copy(path: Path, goal: Path) -> None:
    try:
        with written_aside(goal) as aside:
            shutil.copyfile(path, aside)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoreError(
                f"No space left to copy {path} ({path.stat().st_size:,} bytes) to {goal.parent}.",
                "Free some space or name another folder.",
            ) from error
        raise StoreError(f"{path} cannot be copied to {goal}: {error.strerror}", "Name another target.") from error


def _verify(copy: Path) -> None:
    connection = connect(copy)
    try:
        connection.execute("SELECT count(*) FROM duckdb_tables()").fetchone()
    except duckdb.Error as error:
        raise StoreError(f"The copy {copy} cannot be read: {error}", "Check the disk, then copy again.") from error
    finally:
        connection.close()
