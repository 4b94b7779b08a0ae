"""Paths that a user named or an archive came with: what is there, found out before anything is opened.

A file is read more than once (its rows, its hash), and to its end, which a pipe, a device or a socket does not allow.
Names are kept in the store, which is UTF-8.
"""

import stat
from pathlib import Path
from typing import Literal

from mlv.schema.errors import DataError


def what_is_at(path: Path) -> Literal["file", "folder", "none"]:
    """What is at a path. Raises DataError if it is neither, cannot be reached, or has a name that is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode("utf-8", "backslashreplace").decode()
        raise DataError(f"The name {shown} is not UTF-8.", "Rename the file.") from None
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "none"
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", "Check its name and permissions.") from error
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        raise DataError(
            f"{path} is not a file but a pipe or a device, which can be read only once or has no end.",
            "Write its content to a file, and name that.",
        )
    return "file"
