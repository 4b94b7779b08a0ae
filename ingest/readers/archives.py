"""Reading zip archives that came from elsewhere: nothing is unpacked that could leave its folder or fill the disk.

An archive is refused as a whole if a member's path leaves the archive or occurs twice, if a member is a link,
encrypted, or packed in a way that cannot be unpacked bit by bit, if members share bytes, or if it unpacks to far
more than it holds. Archives in archives are not opened. Leftovers of file managers (``.DS_Store``, ``__MACOSX/``,
``._*``) do not count as members.
"""

import contextlib
import shutil
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final

from mlv.schema.errors import DataError, excerpt, listed

MAX_RATIO: Final = 200
"""Bytes that a byte of the archive may unpack to. Text packs to a tenth; the highest honest ratio is about 50."""

RATIO_FREE_BYTES: Final = 1 << 20
"""Size up to which the ratio does not matter."""

MAX_BYTES: Final = 8 << 30
"""Bytes that an archive may unpack to in all; the largest survey of all waves has about 2 GiB."""

MAX_MEMBERS: Final = 10_000
"""Members that an archive may have."""

MEMBER_HEADER: Final = 30
"""Bytes before a packed member, at least."""

_PACKINGS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Those that Python unpacks within a limit; a few bytes of bzip2 or LZMA it unpacks to gigabytes at once."""

_UNREADABLE: Final = (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error)
"""What zipfile raises for a damaged archive; a name that is not text is a ValueError."""


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open an archive whose members have been checked. The caller closes it. Raises DataError."""
    try:
        archive = zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise DataError(f"{path} is not a readable zip archive: {error}", "Fetch the file again.") from error
    problems = list(_problems(archive.infolist()))
    if problems:
        archive.close()
        raise DataError(
            f"{path} is refused, nothing was unpacked:{listed(problems)}",
            "Fetch the archive from its origin, or unpack it yourself, look at it, and name the folder.",
        )
    return archive


def _problems(infos: Sequence[zipfile.ZipInfo]) -> Iterator[str]:
    """Why an archive is refused."""
    if len(infos) > MAX_MEMBERS:
        yield f"it has {len(infos):,} members, more than {MAX_MEMBERS:,}"
    total = sum(member.file_size for member in infos)
    if total > MAX_BYTES:
        yield f"it would unpack to {total:,} bytes, more than {MAX_BYTES:,}"
    for member in infos:
        yield from (f"{_quoted(member.filename)} {problem}" for problem in _member_problems(member))
    for name, count in Counter(member.filename for member in infos).items():
        if count > 1:
            yield f"{_quoted(name)} occurs {count} times"
    for before, after in pairwise(sorted(infos, key=lambda member: member.header_offset)):
        if before.header_offset + MEMBER_HEADER + before.compress_size > after.header_offset:
            yield f"{_quoted(before.filename)} and {_quoted(after.filename)} share bytes"


def _member_problems(member: zipfile.ZipInfo) -> Iterator[str]:
    """Why an archive is refused that has this member."""
    name, mode = member.filename, stat.S_IFMT(member.external_attr >> 16)
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not name:
        yield "is a member without a name"
    if ".." in parts or name.startswith(("/", "\\")) or ":" in (parts or ("",))[0]:
        yield "points outside the archive"
    if member.file_size > max(RATIO_FREE_BYTES, MAX_RATIO * member.compress_size):
        yield f"would unpack {member.compress_size:,} bytes to {member.file_size:,}"
    if member.flag_bits & 0x1:
        yield "is encrypted"
    if member.compress_type not in _PACKINGS:
        yield "is packed by another method than deflate"
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        yield "is a link" if mode == stat.S_IFLNK else "is a device or a pipe"


def _quoted(name: str) -> str:
    """A member's name for messages, which may be long and hold any character."""
    return repr(excerpt(name, 200))


def is_junk(name: str) -> bool:
    """Whether a path is a leftover of a file manager."""
    return any(part == "__MACOSX" or part.startswith(".") for part in PurePosixPath(name).parts)


def members(archive: zipfile.ZipFile) -> list[str]:
    """Names of the files in an archive, sorted, without leftovers."""
    return sorted(item.filename for item in archive.infolist() if not item.is_dir() and not is_junk(item.filename))


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Content of a member. Raises DataError if the archive is damaged."""
    with _explain_damage(archive, name):
        return archive.read(name)


def unpack_member(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    """Write the content of a member to ``target``. Raises DataError if the archive is damaged."""
    with _explain_damage(archive, name), archive.open(name) as packed, target.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)


@contextlib.contextmanager
def _explain_damage(archive: zipfile.ZipFile, name: str) -> Iterator[None]:
    try:
        yield
    except (*_UNREADABLE, zlib.error, EOFError) as error:
        raise DataError(
            f"{_quoted(name)} in {archive.filename} cannot be unpacked: {error}", "Fetch the archive again."
        ) from error
