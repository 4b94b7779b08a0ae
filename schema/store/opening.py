"""Opening a store: one DuckDB file, read-only unless it is written.

A store is missing, locked, older or newer than this mlv, or usable, and every caller gets the same error for the same
state. DuckDB lets one process write, and while it does no other can open the file: opening waits for it within the
limits of ``mlv.schema.store.waiting``, and the error then names the process and a copy of the store that can be read
meanwhile.
"""

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import duckdb

from mlv.schema.errors import StoreError, StoreLockedError
from mlv.schema.store.causes import log_error, open_error, reason, require_file
from mlv.schema.store.copies import newest_copy
from mlv.schema.store.file_locks import require_locks
from mlv.schema.store.ledger import revision
from mlv.schema.store.waiting import retry_while_locked
from mlv.schema.store.wal import repair

SCHEMA_REVISION = "0001"
"""Revision of the schema that this version of mlv reads and writes."""

DEFAULT_STORE = "mlv.duckdb"
"""Name of the store in the current folder, if neither --db nor MLV_DB names one."""

DISK_ERRORS = (duckdb.IOException, duckdb.TransactionException, duckdb.OutOfMemoryException)
"""What DuckDB raises if the disk or the memory is full or a file cannot be written."""

COMMAND_SHOWN = 100
"""Characters of another process's command that a message shows."""

_ONLY_FOR_WRITING = re.compile("replaying WAL file.*Could not write file", re.DOTALL)
"""What DuckDB 1.5 says of a log with an index of the user's own: the file is open for reading alone."""

_DAMAGE_ERRORS = (duckdb.IOException, duckdb.SerializationException, duckdb.InternalException, duckdb.FatalException)


def may_be_damage(error: duckdb.Error) -> bool:
    """Whether an error can come of a damaged file. DuckDB 2.0 has no class of its own for a wrong checksum."""
    return isinstance(error, _DAMAGE_ERRORS) or type(error) is duckdb.Error


def connect(path: Path, *, read_only: bool = True) -> duckdb.DuckDBPyConnection:
    """Open an existing file, whatever its revision. The caller closes it.

    Raises StoreLockedError if another process has locked it for longer than the limit, StoreError if there is none, if
    it is not a DuckDB file, or if it is to be written in a folder where locks do not work.
    """
    try:
        connection = retry_while_locked(lambda: _open(path, read_only), read_only=read_only)
    except StoreLockedError as error:
        raise StoreLockedError(error.message, f"{error.hint} {_copy_hint(path)}") from error
    connection.execute("SET TimeZone = 'UTC'")
    # a view of a store from somebody else would fetch and load them
    connection.execute("SET autoinstall_known_extensions = false; SET autoload_known_extensions = false")
    # of a file rewritten at once with as many bytes, DuckDB's cache has parts of the one before
    connection.execute("SET enable_external_file_cache = false")
    return connection


def _open(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    if not exists(path):
        raise StoreError(f"There is no store at {path}.", f"Make one: mlv db upgrade --db {shlex.quote(str(path))}")
    require_file(path)
    if not read_only:
        check_name(path)
        require_locks(path)
    repair(path)
    before = path.stat().st_ino
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.Error as error:
        if not may_be_damage(error):
            raise
        if not (read_only and _ONLY_FOR_WRITING.search(str(error))):
            raise _open_error(path, error, read_only=read_only) from error
        connection = _replayed(path)
    if not read_only and (not exists(path) or path.stat().st_ino != before):
        # compacted after it was opened and before it was locked: what is written to the old file is lost
        connection.close()
        return _open(path, read_only)
    return connection


def check_name(path: Path) -> None:
    """Raise StoreError for a path at which DuckDB writes no database."""
    if "?" in str(path.absolute()):
        raise StoreError(
            f"No store can be written at {path.absolute()}: DuckDB takes what follows the ? for no part of the name.",
            "Rename the file or folder that has the ?, or name another path with --db.",
        )


def _replayed(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a store for reading whose log DuckDB replays only when it may write: open it so first, and close it."""
    try:
        _open(path, read_only=False).close()
    except StoreLockedError:
        raise
    except StoreError as error:
        raise log_error(path, error) from error
    return duckdb.connect(str(path), read_only=True)


def exists(path: Path) -> bool:
    """Whether there is a file; raises StoreError if its folder cannot be read, or the path names no file."""
    if not path.name:
        raise StoreError(f"{path} names no file.", "Name the file of a store.")
    try:
        return path.exists()
    except OSError as error:
        raise StoreError(f"{path} cannot be reached: {error.strerror}.", "Name another path with --db.") from error


def _open_error(path: Path, error: duckdb.Error, *, read_only: bool) -> StoreError:
    """The error for a file that DuckDB cannot open."""
    return _lock_error(path, error) or open_error(path, error, writing=not read_only)


def write_error(path: Path, error: Exception) -> StoreError:
    """The error for a file that DuckDB cannot write, after its transaction was rolled back."""
    denied = re.search(r"permission denied|read-only|not permitted", str(error), re.IGNORECASE)
    remedy = "Check the permissions of the file and its folder" if denied else "Free some space there"
    return _lock_error(path, error) or StoreError(
        f"{path} cannot be written: {reason(error)} Nothing was written.",
        f"{remedy}, or name another store with --db.",
    )


def _lock_error(path: Path, error: Exception) -> StoreError | None:
    """The error that names the process that has the lock; None if DuckDB's error is not about a lock."""
    text = str(error)
    if not re.search(r"Could not set lock|Conflicting lock", text):
        return None
    if "Conflicting lock" not in text:
        return StoreError(
            f"{path} cannot be locked: {reason(error)}",
            "Put it on a disk of this machine: without locks, two processes could write it at once.",
        )
    return StoreLockedError(
        f"{path} is held open by {_holder(text)}.",
        "Wait for it (longer: MLV_WAIT=SECONDS) or end it.",
    )


def _holder(text: str) -> str:
    """The process that DuckDB names, with its command if the system gives it."""
    found = re.search(r"(?:held in|by)\s+(.+?)\s*\(PID (\d+)\)", text)
    if not found:
        return "another process"
    program, number = found.groups()
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").split()
        # names without folders, so that the arguments are shown, too
        program = " ".join([*(Path(word).name for word in words[:2]), *words[2:]])[:COMMAND_SHOWN] or program
    return f"process {number} ({program})"


def _copy_hint(path: Path) -> str:
    """What can be read while a store is locked."""
    copy = newest_copy(path, SCHEMA_REVISION)
    if copy is None:
        return "A copy taken before (`mlv db snapshot`) could be read meanwhile; there is none beside the store."
    return f"A copy taken before can be read meanwhile: --db {copy}"


@contextlib.contextmanager
def open_store(
    path: Path, *, read_only: bool = True, sealed: bool | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a store of this version's revision, and close it.

    ``sealed``: whether it is :func:`seal`-ed; if not given, a store that is only read is.

    Raises StoreError if it has to be upgraded, if a newer mlv made it, or if it cannot be written (disk full).
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
        raise write_error(path, error) from error
    finally:
        connection.close()


def seal(connection: duckdb.DuckDBPyConnection) -> None:
    """Keep a connection to the open store until it is closed: it reaches no other file, no network, no variable.

    A store may come from somebody else, and its views are that person's SQL.
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
        raise newer_store(path, found)


def newer_store(path: Path, found: str) -> StoreError:
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
        # DuckDB itself ends a transaction that it cannot commit; the first error is the one to report
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
