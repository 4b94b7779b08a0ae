"""Making, upgrading, checking and copying stores.

``upgrade`` brings a file to the newest revision, in one transaction, after a backup; views are made anew from their
definitions at every upgrade, since they hold no data. Alembic is imported where it is used.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from mlv.migrations.copying import backup as backup
from mlv.schema.errors import StoreError, StoreLockedError
from mlv.schema.store.file_locks import require_locks
from mlv.schema.store.opening import (
    DISK_ERRORS,
    SCHEMA_REVISION,
    connect,
    exists,
    newer_store,
    reason,
    revision,
    write_error,
)
from mlv.schema.store.sql import literal
from mlv.schema.store.waiting import retry_while_locked
from mlv.schema.store.wal import wal_path

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
    """A connection in one transaction. Raises StoreLockedError or StoreError as ``mlv.schema.store.opening`` does."""
    import sqlalchemy as sa
    from duckdb_sqlalchemy import ConnectionWrapper

    engine = sa.create_engine(
        "duckdb://", creator=lambda: ConnectionWrapper(connect(path, read_only=read_only)), poolclass=sa.NullPool
    )
    try:
        with engine.begin() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        if isinstance(error.orig, DISK_ERRORS):
            raise write_error(path, error.orig) from error
        raise
    except DISK_ERRORS as error:
        raise write_error(path, error) from error
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
    with whole_or_absent(path):
        if not exists(path):
            retry_while_locked(lambda: _create(path), read_only=False)
        with _engine_connection(path, read_only=False) as connection:
            command.upgrade(_config(connection), target)
            if goal == SCHEMA_REVISION:
                _install_views(connection)
    return Upgrade(before, goal, saved)


def _create(path: Path) -> None:
    """Make an empty database."""
    require_locks(path)
    try:
        duckdb.connect(str(path)).close()
    except DISK_ERRORS as error:
        raise write_error(path, error) from error


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
        tables = connection.execute("SELECT min(table_name) FROM duckdb_tables()").fetchone()
    if found is None and tables and tables[0]:
        raise StoreError(
            f"{path} is no store: it is a DuckDB file that has the table {tables[0]}.",
            "Name another path with --db.",
        )
    if found is not None and found > SCHEMA_REVISION:
        raise newer_store(path, found)
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
    for file in (wal_path(path), path):
        # a path that no file can be at, as the error under way says
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            file.unlink()


def _install_views(connection: "sa.Connection") -> None:
    from mlv.schema.views.declared import VIEWS

    for view in reversed(VIEWS):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {view.name}")
    for view in VIEWS:
        connection.exec_driver_sql(f"CREATE VIEW {view.name} AS {view.sql}")
        connection.exec_driver_sql(f"COMMENT ON VIEW {view.name} IS {literal(view.comment)}")
        for name, comment in view.columns.items():
            connection.exec_driver_sql(f'COMMENT ON COLUMN {view.name}."{name}" IS {literal(comment)}')


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

    from mlv.schema.tables.metadata import metadata

    connect(path).close()
    with _engine_connection(path, read_only=True) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": True})
        found = [str(difference) for difference in compare_metadata(context, metadata)]
    return found + _view_differences(path)


def is_ours(_item: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Whether Alembic compares an object: all but its own ledger."""
    return not (kind == "table" and name == "alembic_version")


def _view_differences(path: Path) -> list[str]:
    from mlv.schema.views.declared import VIEWS

    with contextlib.closing(connect(path)) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name FROM duckdb_columns() "
            "WHERE table_name IN (SELECT view_name FROM duckdb_views() WHERE NOT internal) ORDER BY ALL"
        ).fetchall()
    declared = {(view.name, column) for view in VIEWS for column in view.columns}
    return [f"view column {'.'.join(column)} differs" for column in sorted(declared ^ set(rows))]
