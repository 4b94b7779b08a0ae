"""Opening a store: one DuckDB file, read-only unless it is written.

A store is missing, locked, older or newer than this mlv, or usable: every caller hears which in one way. DuckDB lets
one process write, and while it does no other can open the file; the message names the process.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb

from mlv.schema.errors import StoreError, StoreLockedError

SCHEMA_REVISION = "0002"
"""Alembic revision that this version of mlv reads and writes."""

DEFAULT_STORE = "mlv.duckdb"
"""Name of the store in the current folder, where neither --db nor MLV_DB names one."""


def connect(path: Path, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """Open the file, whatever its revision. The caller closes it.

    Raises StoreLockedError where another process holds it, StoreError where it is no DuckDB file.
    """
    if read_only and not path.exists():
        raise StoreError(f"There is no store at {path}.", f"Make one: mlv db upgrade --db {path}")
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        raise _explained(path, error) from error
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _explained(path: Path, error: duckdb.Error) -> StoreError:
    """What DuckDB says of a file it cannot open, as an error that names the holder of a lock."""
    text = str(error)
    if "lock" in text.lower():
        holder = re.search(r"(?:held in|by)\s+(.+?)\s*\(PID (\d+)\)", text)
        who = f"process {holder[2]} ({holder[1]})" if holder else "another process"
        return StoreLockedError(
            f"{path} is held open by {who}.",
            "Wait for it or end it. While it runs, a copy can be read: take one with `mlv db snapshot` before a "
            "long write.",
        )
    return StoreError(f"{path} cannot be opened as a store: {text.splitlines()[0]}", "Restore a backup of it.")


def revision(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Alembic revision of the open file; None where it has no tables of mlv."""
    known = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'alembic_version'").fetchone()
    if known is None or known[0] == 0:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


@contextlib.contextmanager
def open_store(path: Path, *, read_only: bool = True) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a store of this version's revision, and close it.

    Raises StoreError where it has to be upgraded, or where a newer mlv made it.
    """
    connection = connect(path, read_only=read_only)
    try:
        found = revision(connection)
        if found is None:
            raise StoreError(f"{path} has no tables of mlv.", f"Make them: mlv db upgrade --db {path}")
        if found < SCHEMA_REVISION:
            raise StoreError(
                f"{path} is at revision {found}, this mlv needs {SCHEMA_REVISION}.",
                f"Upgrade it (a backup is made first): mlv db upgrade --db {path}",
            )
        if found > SCHEMA_REVISION:
            raise StoreError(
                f"{path} is at revision {found}, newer than this mlv knows ({SCHEMA_REVISION}).",
                "Install a newer mlv: pip install --upgrade mlv",
            )
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit when the block ends, roll back when it raises."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
