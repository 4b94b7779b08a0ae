"""The log of a store that was killed while it wrote it, cut back to its last whole commit before DuckDB replays it.

DuckDB writes a commit to ``STORE.wal`` and ends it with a mark; what has no mark was not committed. Replaying, DuckDB
1.5 rolls that back but for rows that came in bulk: of a transaction that was cut off they alone would appear. The
layout, as far as it matters here: a header, then entries of a size and a checksum, 8 bytes each, and content that
begins with its kind. A log with another header is left to DuckDB.

As a program (``python -m mlv.schema.store.wal STORE``) it cuts. It is a process of its own, since closing a file gives
up all locks that the process has on it.
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
"""How entries begin that say that what is before them is in the file, or is committed."""


def log(path: Path) -> Path:
    """Where DuckDB keeps the commits that are not yet in the file, and from where it replays them on opening."""
    return path.with_name(path.name + ".wal")


def mend(path: Path) -> None:
    """Cut the log of a store that nobody holds, if it is torn."""
    if torn(log(path)) is not None:
        subprocess.run([sys.executable, "-m", "mlv.schema.store.wal", str(path)], check=False)


def torn(path: Path) -> int | None:
    """Where the last whole commit of a log ends; None where nothing comes after it, or the log is of another layout."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        if file.read(len(HEADER)) != HEADER:
            return None
        at = whole = len(HEADER)
        while len(entry := file.read(_ENTRY.size)) == _ENTRY.size:
            at += _ENTRY.size + _ENTRY.unpack(entry)[0]
            if at > length:
                break
            if file.read(3) in _ENDS:
                whole = at
            file.seek(at)
        return whole if whole < length else None
    return None


def _cut(store: Path) -> None:
    """Cut the log of a store, unless a process holds the store: then it is being written."""
    with contextlib.suppress(OSError), store.open("r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        whole = torn(log(store))
        if whole == len(HEADER):
            log(store).unlink()
        elif whole is not None:
            os.truncate(log(store), whole)


if __name__ == "__main__":
    _cut(Path(sys.argv[1]))
