"""Why a file cannot be opened as a store, and what to do: told apart, since restoring a copy loses what came after it.

Whatever can be known of the file is looked at before damage is supposed. It is looked at only after DuckDB has failed:
closing a file gives up the locks that this process has on it.
"""

import os
import re
import shlex
import stat
from pathlib import Path
from typing import Final

from mlv.schema.errors import StoreError
from mlv.schema.store.copies import newest_copy
from mlv.schema.store.wal import wal_path

_MAGIC: Final = (8, b"DUCK")
"""Offset and first bytes of the mark of a DuckDB file."""

JOURNAL_ENDING: Final = ".journal.jsonl"
"""What the name of a store's journal has after the store's."""

_SQLITE: Final = b"SQLite format 3\0"


def reason(error: Exception) -> str:
    """The first line of an error as a sentence."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
    return text.rstrip(".") + "."


def require_file(path: Path) -> None:
    """Raise StoreError if there is a folder, a pipe or a device: opening one may wait for ever."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise StoreError(f"{path} is a folder, not a store.", f"Name the file: --db {_word(path / 'mlv.duckdb')}")
    if not stat.S_ISREG(mode):
        raise StoreError(f"{path} is a pipe or a device, not a file.", "Name another store with --db.")


def open_error(path: Path, error: Exception, *, writing: bool) -> StoreError:
    """The error for a file that DuckDB could not open, for another reason than a lock."""
    return _no_access(path, writing) or _not_duckdb(path) or _of_duckdb(path, error)


def _no_access(path: Path, writing: bool) -> StoreError | None:
    """A file that this user, or this disk, does not let be read or written. Nothing is wrong with it."""
    try:
        with path.open("r+b" if writing else "rb"):
            return None
    except OSError as error:
        done = "written" if writing and os.access(path, os.R_OK) else "read"
        return StoreError(
            f"{path} cannot be {done}: {reason(error)} Nothing is wrong with the store, and it is as it was.",
            "Change its permissions, or copy it (and its .wal, if there is one) to where it can be written, and name "
            "the copy with --db.",
        )


def _not_duckdb(path: Path) -> StoreError | None:
    """A file that does not begin as DuckDB files do. A store whose beginning is lost has a journal, log or copy."""
    at, mark = _MAGIC
    with path.open("rb") as file:
        start = file.read(4096)
    if start[at : at + len(mark)] == mark:
        return None
    kind = "empty" if not start else "a file of SQLite" if start.startswith(_SQLITE) else "not a file of DuckDB"
    message = f"{path} cannot be opened as a store: it is {kind}."
    if _journal(path).exists() or wal_path(path).exists() or newest_copy(path):
        return StoreError(f"{message} What was there is lost.", restore_hint(path))
    return StoreError(f"{message} It was not changed.", "Name the store with --db.")


def _of_duckdb(path: Path, error: Exception) -> StoreError:
    """What DuckDB says of one of its files."""
    message = f"{path} cannot be opened as a store: {reason(error)}"
    if re.search(r"version number \d+, but we can only read", str(error)):
        hint = "A newer DuckDB made or upgraded it; nothing is wrong with it: pip install --upgrade duckdb"
        return StoreError(message, hint)
    return StoreError(message, restore_hint(path))


def log_error(path: Path, error: StoreError) -> StoreError:
    """The error for a store with commits that only opening it for writing brings in, where that is not possible."""
    return StoreError(
        f"{path} was not closed properly, and only opening it for writing brings in its last commits from "
        f"{wal_path(path).name}. That is not possible: {error.message} Nothing is lost.",
        "Open it once where it can be written (both files together): mlv db current --db STORE",
    )


def restore_hint(path: Path) -> str:
    """What to do about a damaged store: what loses nothing first."""
    copy = newest_copy(path)
    again = f"Make it again from its journal: mlv db rebuild --db {_word(path)}"
    restored = f"mlv db snapshot {_word(path)} --db {_word(copy.path)} --replace" if copy else ""
    if _journal(path).exists():
        return f"{again}. Or restore {copy}, without what came after: {restored}" if copy else again
    return f"Restore {copy}: {restored}" if copy else "Restore a backup of it."


def _journal(path: Path) -> Path:
    return path.with_name(path.name + JOURNAL_ENDING)


def _word(path: Path) -> str:
    return shlex.quote(str(path))
