"""Reading zip archives that came from elsewhere: nothing is unpacked that could write or grow where it should not.

An archive is refused as a whole where a member's path leaves the archive, where a member is encrypted, and where it
unpacks to far more than it holds. Leftovers of file managers (``.DS_Store``, ``__MACOSX/``, ``._*``) are no members.
"""

import contextlib
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlv.schema.errors import DataError

MAX_RATIO = 200
"""Bytes that a byte of the archive may unpack to. Text packs to a tenth; the highest honest ratio is about 50."""

RATIO_FREE_BYTES = 1 << 20
"""Size up to which the ratio does not matter."""


def open_zip(path: Path) -> zipfile.ZipFile:
    """Open an archive whose members have been checked. The caller closes it. Raises DataError."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{path} is not a readable zip archive: {error}", "Fetch the file again.") from error
    problems = [problem for member in archive.infolist() for problem in _problems(member)]
    if problems:
        archive.close()
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise DataError(
            f"{path} is refused, nothing was unpacked:{listed}",
            "Fetch the archive from its origin, or unpack it yourself, look at it, and name the folder.",
        )
    return archive


def _problems(member: zipfile.ZipInfo) -> list[str]:
    """What makes a member unfit, in words."""
    name, problems = member.filename, []
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or ":" in (parts or ("",))[0]:
        problems.append(f"{name!r} points outside the archive")
    if member.file_size > max(RATIO_FREE_BYTES, MAX_RATIO * member.compress_size):
        problems.append(f"{name!r} would unpack {member.compress_size:,} bytes to {member.file_size:,}")
    if member.flag_bits & 0x1:
        problems.append(f"{name!r} is encrypted")
    return problems


def is_junk(name: str) -> bool:
    """Whether a path is a leftover of a file manager."""
    return any(part == "__MACOSX" or part.startswith(".") for part in PurePosixPath(name).parts)


def members(archive: zipfile.ZipFile) -> list[str]:
    """Names of the files in an archive, sorted, without leftovers."""
    return sorted(item.filename for item in archive.infolist() if not item.is_dir() and not is_junk(item.filename))


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Content of a member. Raises DataError where the archive is damaged."""
    with _damage_explained(archive, name):
        return archive.read(name)


def unpack_member(archive: zipfile.ZipFile, name: str, target: Path) -> None:
    """Write the content of a member to ``target``. Raises DataError where the archive is damaged."""
    with _damage_explained(archive, name), archive.open(name) as packed, target.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)


@contextlib.contextmanager
def _damage_explained(archive: zipfile.ZipFile, name: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DataError(
            f"{name} in {archive.filename} cannot be unpacked: {error}", "Fetch the archive again."
        ) from error
