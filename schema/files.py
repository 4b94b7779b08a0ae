"""Files and folders that are complete as soon as they exist: written aside and renamed into place.

What a user names may be more than a file. A link stays, and what it leads to is replaced; a file keeps its mode and its
owner; what cannot be replaced (a device, a pipe, ``/dev/stdout``) is written into.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_OPEN_FILES: Final = re.compile(r"/dev/fd|/proc/(self|\d+)(/task/\d+)?/fd")
"""Folders in which the files that a process has open are links."""

_LONGEST_NAME: Final = 200
"""Bytes of a file's name that the name aside takes over: with what is added they fit the 255 of file systems."""


@contextlib.contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """Give a new folder beside ``path``; when the block ends without an error it replaces ``path``."""
    aside = aside_path(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        shutil.rmtree(path, ignore_errors=True)
        aside.replace(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def now() -> datetime:
    """The present, UTC, without a time zone: as the store keeps times."""
    return datetime.now(UTC).replace(tzinfo=None)


def aside_path(path: Path) -> Path:
    """Where this process writes a file before it is renamed to ``path``."""
    name = os.fsencode(path.name)[:_LONGEST_NAME].decode(errors="ignore")
    return path.with_name(f".{name}.{os.getpid()}.part")


def real_path(path: Path) -> Path:
    """What is replaced where ``path`` is: the file behind all links, whether it is there yet or not."""
    return Path(os.path.realpath(path))


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to. When the block ends without an error, it is what ``path`` is.

    It lies beside the file that ``path`` is or leads to, and is renamed to it. What is no file is written into instead.
    Raises OSError where that cannot be done; a file that may not be written is not replaced either.
    """
    with _streamed(path) if is_stream(path) else _replaced(real_path(path)) as aside:
        yield aside


@contextlib.contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.stat() if path.exists() else None
    if before and stat.S_ISDIR(before.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if before and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    aside = aside_path(path)
    try:
        yield aside
        if before:
            take_over(aside, before)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def take_over(path: Path, before: os.stat_result) -> None:
    """Give a file the owner, if this process may, and the mode of the one that it replaces."""
    made = path.stat()
    if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
        with contextlib.suppress(PermissionError):
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))


@contextlib.contextmanager
def _streamed(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mlv-") as folder:
        aside = Path(folder, "written")
        yield aside
        # what a shell wrote before into the file that is open there stays
        with aside.open("rb") as written, path.open("ab") as stream:
            shutil.copyfileobj(written, stream)


def is_stream(path: Path) -> bool:
    """Whether what is at ``path`` is written into, not replaced: a device, a pipe, a file that a process has open."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _is_open_file(path)


def _is_open_file(path: Path) -> bool:
    """Whether links lead to a file by its number in a process, as ``/dev/stdout`` does."""
    while path.is_symlink():
        folder = Path(os.path.realpath(path.parent))
        if _OPEN_FILES.fullmatch(str(folder)):
            return True
        path = folder / path.readlink()
    return False


def write_json(path: Path, value: Any) -> None:
    """Write JSON aside and rename it into place."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
