"""Making a store, and bringing it to the newest revision: in one transaction, after a backup.

Views are made anew from their definitions at every upgrade, since they hold no data.
"""

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from mlv.migrations.copying import backup
from mlv.migrations.engine import config, engine_connection
from mlv.schema.errors import StoreError, StoreLockedError
from mlv.schema.store import opening
from mlv.schema.store.causes import reason
from mlv.schema.store.copies import Label, label_statement, parse_label
from mlv.schema.store.file_locks import require_locks
from mlv.schema.store.ledger import LEDGER, revision
from mlv.schema.store.opening import DISK_ERRORS, check_name, connect, exists, newer_store, write_error
from mlv.schema.store.sql import literal
from mlv.schema.store.waiting import retry_while_locked
from mlv.schema.store.wal import wal_path

if TYPE_CHECKING:
    import sqlalchemy as sa


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did."""

    before: str | None
    """Revision that was found; None for a new store."""

    after: str
    backup: Path | None
    """Copy made before the first change; None where there was nothing to lose."""


def upgrade(path: Path, target: str = "head") -> Upgrade:
    """Make the store at ``path`` or bring it to ``target``; a store with tables is backed up first.

    Raises StoreError where a newer mlv or another program made the file or it cannot be written, StoreLockedError where
    another process holds it.
    """
    from alembic import command

    before = _revision_before(path)
    goal = opening.SCHEMA_REVISION if target == "head" else target
    saved = None
    if before not in (None, goal):
        # a reader would stop the upgrade, though not the copy: hear of it before there is one
        connect(path, read_only=False).close()
        saved = backup(path)
    with whole_or_absent(path):
        if not exists(path):
            retry_while_locked(lambda: _create(path), read_only=False)
        with engine_connection(path, read_only=False) as connection:
            command.upgrade(config(connection), target)
            if goal == opening.SCHEMA_REVISION:
                _install_views(connection)
                _identify(connection)
    return Upgrade(before, goal, saved)


def _create(path: Path) -> None:
    """Make an empty database."""
    check_name(path)
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
    if found is not None and found > opening.SCHEMA_REVISION:
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


def _identify(connection: "sa.Connection") -> None:
    """Give a store that has no identifier one, by which its copies are known."""
    statement = f"SELECT comment FROM duckdb_tables() WHERE table_name = {literal(LEDGER)}"
    if not parse_label(connection.exec_driver_sql(statement).scalar()).store:
        connection.exec_driver_sql(label_statement(Label(uuid.uuid4().hex)))


def _install_views(connection: "sa.Connection") -> None:
    from mlv.schema.views.declared import VIEWS

    statements = [f"DROP VIEW IF EXISTS {view.name}" for view in reversed(VIEWS)]
    for view in VIEWS:
        statements.append(f"CREATE VIEW {view.name} AS {view.sql}")
        statements.append(f"COMMENT ON VIEW {view.name} IS {literal(view.comment)}")
        for name, comment in view.columns.items():
            statements.append(f'COMMENT ON COLUMN {view.name}."{name}" IS {literal(comment)}')
    # at once: one by one they take several times as long
    connection.exec_driver_sql(";\n".join(statements))
