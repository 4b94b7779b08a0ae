"""Opening a store: one DuckDB file, read-only unless it is written.

A store is missing, locked, older or newer than this mlv, or usable: every caller hears which in one way. DuckDB lets
one process write, and while it does no other can open the file: one waits for it as ``mlv.schema.store.waiting``
says, and the message then names the process and a copy of the store that can be read meanwhile.
"""

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import duckdb

from mlv.schema.errors import StoreError, StoreLockedError
from mlv.schema.store.copies import newest_copy
from mlv.schema.store.file_locks import require_locks
from mlv.schema.store.ledger import revision
from mlv.schema.store.waiting import patiently
from mlv.schema.store.wal import mend

SCHEMA_REVISION = "0001"
"""Revision of the schema that this version of mlv reads and writes."""

DEFAULT_STORE = "mlv.duckdb"
"""Name of the store in the current folder, where neither --db nor MLV_DB names one."""

DISK_ERRORS = (duckdb.IOException, duckdb.TransactionException, duckdb.OutOfMemoryException)
"""What DuckDB raises where the disk or the memory is full or a file cannot be written."""

COMMAND_SHOWN = 100
"""Characters of another process's command that a message shows."""

DAMAGE_ERRORS = (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)


def connect(path: Path, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """Open an existing file, whatever its revision. The caller closes it.

    Raises StoreLockedError where another process holds it for longer than one waits, StoreError where there is none, it
    is no DuckDB file, or it is to be written where locks do not work.
    """
    try:
        connection = patiently(lambda: _opened(path, read_only), read_only=read_only)
    except StoreLockedError as error:
        raise StoreLockedError(error.message, f"{error.hint} {_meanwhile(path)}") from error
    connection.execute("SET TimeZone = 'UTC'")
    # a view of a store from somebody else would fetch and load them
    connection.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    return connection


def _opened(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    if not exists(path):
        raise StoreError(f"There is no store at {path}.", f"Make one: mlv db upgrade --db {shlex.quote(str(path))}")
    if not read_only:
        require_locks(path)
    mend(path)
    before = path.stat().st_ino
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except DAMAGE_ERRORS as error:
        raise _unopened(path, error) from error
    if not read_only and (not exists(path) or path.stat().st_ino != before):
        # compacted after it was opened and before it was locked: what is written to the old file is lost
        connection.close()
        return _opened(path, read_only)
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
    return _locked(path, error) or StoreError(f"{path} cannot be opened as a store: {reason(error)}", restoring(path))


def restoring(path: Path) -> str:
    """What to do about a damaged store."""
    copy = newest_copy(path)
    if copy is None:
        return "Restore a backup of it."
    return f"Restore {copy}: mlv db snapshot {shlex.quote(str(path))} --db {shlex.quote(str(copy.path))}"


def unwritten(path: Path, error: Exception) -> StoreError:
    """What DuckDB says of a file it cannot write, after its transaction was rolled back."""
    return _locked(path, error) or StoreError(
        f"{path} cannot be written: {reason(error)} Nothing was written.",
        "Free some space there, or name another store with --db.",
    )


def _locked(path: Path, error: Exception) -> StoreError | None:
    """The error that names the holder of a lock; None where it is not a lock that DuckDB speaks of."""
    text = str(error)
    if not re.search(r"Could not set lock|Conflicting lock", text):
        return None
    if "Conflicting lock" not in text:
        return StoreError(
            f"{path} cannot be locked: {reason(error)}",
            "Put it on a disk of this machine: where there are no locks, two processes could write it at once.",
        )
    return StoreLockedError(
        f"{path} is held open by {_holder(text)}.",
        "Wait for it (longer: MLV_WAIT=SECONDS) or end it.",
    )


def _holder(text: str) -> str:
    """The process that DuckDB names, with the command that it runs where the system tells."""
    found = re.search(r"(?:held in|by)\s+(.+?)\s*\(PID (\d+)\)", text)
    if not found:
        return "another process"
    program, number = found.groups()
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").split()
        # of an interpreter and its script the names are enough: long paths would leave no room for the arguments
        program = " ".join([*(Path(word).name for word in words[:2]), *words[2:]])[:COMMAND_SHOWN] or program
    return f"process {number} ({program})"


def _meanwhile(path: Path) -> str:
    """What can be read while a store is held."""
    copy = newest_copy(path, SCHEMA_REVISION)
    if copy is None:
        return "A copy taken before (`mlv db snapshot`) could be read meanwhile; there is none beside the store."
    return f"A copy taken before can be read meanwhile: --db {copy}"


@contextlib.contextmanager
def open_store(
    path: Path, *, read_only: bool = True, sealed: bool | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a store of this version's revision, and close it.

    ``sealed``: whether it is :func:`seal`-ed; if not said, when it is only read.

    Raises StoreError where it has to be upgraded, where a newer mlv made it, or where it cannot be written (disk full).
    """
    connection = connect(path, read_only=read_only)
    try:
        _check_revision(path, revision(connection))
        if read_only if sealed is None else sealed:
            seal(connection)
        yield connection
    except DISK_ERRORS as error:
        if read_only:
            raise
        raise unwritten(path, error) from error
    finally:
        connection.close()


def seal(connection: duckdb.DuckDBPyConnection) -> None:
    """Have a connection reach nothing but the open store until it is closed: no other file, no network, no variable.

    A store may come from somebody else, and its views are SQL of whoever made them.
    """
    connection.execute("SET enable_external_access = false")
    connection.execute("SET python_enable_replacements = false")


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
