"""Copies of a store have a label: of what, and when they were taken, in a comment that is not part of the schema.

When a store is locked or damaged, a message can then name the file beside it to read or to restore.
"""

import contextlib
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from mlv.schema.store.sql import literal


class Copy(NamedTuple):
    """A copy of a store."""

    path: Path
    taken: datetime
    """UTC."""

    revision: str
    """Of its schema."""

    def __str__(self) -> str:
        age = datetime.now(UTC).replace(tzinfo=None) - self.taken
        hours, minutes = age.total_seconds() // 3600, age.total_seconds() // 60
        shown = f"{hours:,.0f} hours" if hours >= 2 else f"{minutes:,.0f} minutes"
        return f"{shlex.quote(str(self.path))} ({shown} old)"


def label(connection: duckdb.DuckDBPyConnection, store: Path, taken: datetime) -> None:
    """Label the open file as a copy of ``store``."""
    text = f"copy of {store.name} at {taken.isoformat()}"
    connection.execute(f"COMMENT ON TABLE alembic_version IS {literal(text)}")


def newest_copy(store: Path, revision: str | None = None) -> Copy | None:
    """The newest copy beside a store; with ``revision`` of those that have it."""
    found = [copy for copy in _copies(store) if revision in (None, copy.revision)]
    return max(found, key=lambda copy: copy.taken, default=None)


def _copies(store: Path) -> Iterator[Copy]:
    for path in store.parent.glob("*.duckdb"):
        # whatever is wrong with a file, it is not to be recommended
        with contextlib.suppress(duckdb.Error, OSError, ValueError, TypeError):
            if not path.samefile(store):
                with duckdb.connect(str(path), read_only=True) as connection:
                    yield _read_label(connection, path, store)


def _read_label(connection: duckdb.DuckDBPyConnection, path: Path, store: Path) -> Copy:
    """The copy that a file is by its label. Raises ValueError or TypeError if it is not a copy of ``store``."""
    ((comment, revision),) = connection.execute(
        "SELECT comment, version_num FROM duckdb_tables(), alembic_version WHERE table_name = 'alembic_version'"
    ).fetchall()
    name, _, taken = str(comment).removeprefix("copy of ").rpartition(" at ")
    if name != store.name:
        raise ValueError(name)
    return Copy(path, datetime.fromisoformat(taken), revision)
