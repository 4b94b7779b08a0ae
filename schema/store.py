"""Opening a store: one DuckDB file, read-only unless it is written.

A store is missing, locked, older or newer than this mlv, or usable: every caller hears which in one way. DuckDB lets
one process write, and while it does no other can open the file; the message names the process.
"""

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import duckdb

from mlv.schema.errors import StoreError, StoreLockedError

SCHEMA_REVISION = "0004"
"""Alembic revision that this version of mlv reads and writes."""

DEFAULT_STORE = "mlv.duckdb"
"""Name of the store in the current folder, where neither --db nor MLV_DB names one."""


DISK_ERRORS = (duckdb.IOException, duckdb.TransactionException, duckdb.OutOfMemoryException)
"""What DuckDB raises where the disk or the memory is full or a file cannot be written."""

_DAMAGE_ERRORS = (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)


def connect(path: Path, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """Open an existing file, whatever its revision. The caller closes it.

    Raises StoreLockedError where another process holds it, StoreError where there is none or it is no DuckDB file.
    """
    if not exists(path):
        raise StoreError(f"There is no store at {path}.", f"Make one: mlv db upgrade --db {shlex.quote(str(path))}")
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except _DAMAGE_ERRORS as error:
        raise _unopened(path, error) from error
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def exists(path: Path) -> bool:
    """Whether there is a file; raises StoreError where its folder keeps that to itself."""
    try:
        return path.exists()
    except OSError as error:
        raise StoreError(f"{path} cannot be reached: {error.strerror}.", "Name another path with --db.") from error


def reason(error: Exception) -> str:
    """The first line of an error as a sentence."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
    return text.rstrip(".") + "."


def _unopened(path: Path, error: duckdb.Error) -> StoreError:
    """What DuckDB says of a file it cannot open."""
    return _locked(path, error) or StoreError(
        f"{path} cannot be opened as a store: {reason(error)}", "Restore a backup of it."
    )


def unwritten(path: Path, error: Exception) -> StoreError:
    """What DuckDB says of a file it cannot write, after its transaction was rolled back."""
    return _locked(path, error) or StoreError(
        f"{path} cannot be written: {reason(error)} Nothing was written.",
        "Free some space there, or name another store with --db.",
    )


def _locked(path: Path, error: Exception) -> StoreLockedError | None:
    """The error that names the holder of a lock; None where it is not a lock that DuckDB speaks of."""
    text = str(error)
    if not re.search(r"Could not set lock|Conflicting lock", text):
        return None
    holder = re.search(r"(?:held in|by)\s+(.+?)\s*\(PID (\d+)\)", text)
    who = f"process {holder[2]} ({holder[1]})" if holder else "another process"
    return StoreLockedError(
        f"{path} is held open by {who}.",
        "Wait for it or end it. A copy taken before (`mlv db snapshot`) can be read meanwhile.",
    )


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

    Raises StoreError where it has to be upgraded, where a newer mlv made it, or where it cannot be written (disk full).
    """
    connection = connect(path, read_only=read_only)
    try:
        _check_revision(path, revision(connection))
        yield connection
    except DISK_ERRORS as error:
        if read_only:
            raise
        raise unwritten(path, error) from error
    finally:
        connection.close()


def _check_revision(path: Path, found: str | None) -> None:
    command = f"mlv db upgrade --db {shlex.quote(str(path))}"
    if found is None:
        raise StoreError(f"{path} has no tables of mlv.", f"Name another store with --db, or make one: {command}")
    if found < SCHEMA_REVISION:
        raise StoreError(
            f"{path} is at revision {found}, this mlv needs {SCHEMA_REVISION}.",
            f"Upgrade it (a backup is made first): {command}",
        )
    if found > SCHEMA_REVISION:
        raise newer(path, found)


def newer(path: Path, found: str) -> StoreError:
    """The error for a store whose revision this mlv does not know."""
    return StoreError(
        f"{path} is at revision {found}, newer than this mlv knows ({SCHEMA_REVISION}).",
        "Install a newer mlv: pip install --upgrade mlv",
    )


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit when the block ends, roll back when it or the commit raises."""
    connection.execute("BEGIN")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # DuckDB itself ends a transaction that it cannot commit; the first error is the one to hear of
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
