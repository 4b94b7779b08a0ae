"""The write-ahead log of a store whose writer was killed, truncated to its last commit before DuckDB replays it.

DuckDB writes a commit to ``STORE.wal`` and ends it with a mark; without the mark it was not committed. When it replays
the log, DuckDB 1.5 rolls such a transaction back except its rows that came in bulk: they alone would appear. The
layout, as far as it matters here: a header, then entries of a size and a checksum, 8 bytes each, and content that
begins with its kind. A log with another header is left to DuckDB.

As a program (``python -m mlv.schema.store.wal STORE``) it truncates. It is a process of its own, since closing a file
gives up all locks that the process has on it.
"""

import contextlib
import fcntl
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final

HEADER: Final = bytes.fromhex("640062650002ffff")
_ENTRY: Final = struct.Struct("<QQ")
_ENDS: Final = (bytes.fromhex("640063"), bytes.fromhex("640064"))
"""First bytes of the entries that mark everything before them as moved to the file, or as committed."""


def wal_path(store: Path) -> Path:
    """Where DuckDB keeps the commits that are not yet in the file, and replays them from on opening."""
    return store.with_name(store.name + ".wal")


def repair(store: Path) -> None:
    """Truncate the log of a store that no process has open, if its last commit is incomplete."""
    if last_commit_end(wal_path(store)) is not None:
        subprocess.run([sys.executable, "-m", "mlv.schema.store.wal", str(store)], check=False)


def last_commit_end(path: Path) -> int | None:
    """Where the last commit of a log ends, in bytes; None if nothing follows it, or the log is of another layout."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        if file.read(len(HEADER)) != HEADER:
            return None
        position = end = len(HEADER)
        while len(entry := file.read(_ENTRY.size)) == _ENTRY.size:
            position += _ENTRY.size + _ENTRY.unpack(entry)[0]
            if position > length:
                break
            if file.read(3) in _ENDS:
                end = position
            file.seek(position)
        return end if end < length else None
    return None


def _truncate(store: Path) -> None:
    """Truncate the log of a store, unless a process has locked the store: then it is being written."""
    with contextlib.suppress(OSError), store.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        log = wal_path(store)
        end = last_commit_end(log)
        if end == len(HEADER):
            log.unlink()
        elif end is not None:
            os.truncate(log, end)


if __name__ == "__main__":
    _truncate(Path(sys.argv[1]))
