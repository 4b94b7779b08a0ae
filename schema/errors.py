"""Errors of the domain, and how their messages are worded.

Each error says what is wrong, where, and the likely cause; ``hint`` says what to do next. Raised in every package,
turned into a message and an exit code once, at the edge of the command line.
"""

import errno
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, get_args

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

MOST_LISTED: Final = 20
"""Problems or names that a message lists; the others are counted."""

LONGEST_INPUT: Final = 100
"""Characters of a user's input that a message repeats."""

PLAN_AGAIN: Final = "Delete the job directory and plan the job again."
"""Hint for a job directory whose content cannot be used."""


class MlvError(Exception):
    """Something that a user can put right. ``hint`` is the next command to type or the thing to change.

    In a notebook or a script it stands as a note below the message.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if hint:
            self.add_note(f"  try: {hint}")

    @property
    def line(self) -> str:
        """Message and hint in one line."""
        return f"{self.message} {self.hint}".strip()


class UsageError(MlvError):
    """An argument, option, query or parameter that does not exist or does not fit."""


class DataError(MlvError):
    """A file or table whose content cannot be used: encoding, format, missing parts, failed quality gates."""


class NotFoundError(MlvError):
    """A model, checkpoint, run, corpus, language or file that is not there."""


class StoreError(MlvError):
    """A store that is missing, damaged, or from another version of mlv."""


class StoreLockedError(StoreError):
    """A store that another process holds open."""


class JobError(MlvError):
    """A job that failed, or a job directory that is damaged or incomplete."""


class DownloadError(MlvError):
    """An origin that cannot be reached, or a file whose checksum differs from the pinned one."""


_HINTS: Final = {
    errno.ENOSPC: "Free some space there, then repeat the command: what is done is not done again.",
    errno.EDQUOT: "Free some space there, then repeat the command: what is done is not done again.",
    errno.EFBIG: "Files there may not be so large (`ulimit -f`): raise the limit, or name another place.",
    errno.EROFS: "Name a place that can be written.",
    errno.EACCES: "Check the permissions of the file and of its folder, or name another place.",
    errno.EPERM: "Check the permissions of the file and of its folder, or name another place.",
    errno.ENAMETOOLONG: "Use a shorter name.",
    errno.ENOENT: "Check the name.",
    errno.ENOTDIR: "Check the name: a part of it is a file.",
    errno.EISDIR: "Name a file.",
    errno.EEXIST: "Name another place.",
    errno.ELOOP: "Check the links on the way to it.",
    errno.EMFILE: "Fewer files may be open (`ulimit -n`) than this needs: raise the limit.",
    errno.EIO: "Check the disk.",
    errno.ESTALE: "Check the network file system.",
    errno.ENXIO: "Name a file.",
}
"""What to do about errors of the operating system that are of a user's making or of the machine's."""


def of_the_system(error: OSError) -> MlvError | None:
    """The error for one of the operating system that nobody expected where it came; None if it is not known.

    A full disk, a folder that may not be written and a name that is too long can meet whatever opens a file.
    """
    hint = _HINTS.get(error.errno or 0)
    if hint is None:
        return None
    where = " -> ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    return DataError(f"{where or 'A file'} cannot be used: {error.strerror}.", hint)


def excerpt(text: str, length: int = LONGEST_INPUT) -> str:
    """A text for messages, cut off after ``length`` characters."""
    return text if len(text) <= length else f"{text[:length]}..."


def listed(problems: Iterable[str], most: int = MOST_LISTED) -> str:
    """Problems as lines below a message that ends in a colon, each after ``"\\n  - "``."""
    lines = list(problems)
    more = [f"{len(lines) - most:,} more"] if len(lines) > most else []
    return "".join(f"\n  - {line}" for line in [*lines[:most], *more])


def joined(names: Iterable[str], most: int = MOST_LISTED) -> str:
    """Names within a sentence: ``a, b and 7 more``; ``none`` if there are none."""
    known = list(names)
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return (", ".join(known[:most]) or "none") + more


def at_key(location: Sequence[int | str]) -> str:
    """A place in a file as its reader counts: ``job #2.languages #1`` for ``("job", 1, "languages", 0)``."""
    parts = (f" #{part + 1}" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".").strip()


def format_validation_errors(
    error: "ValidationError",
    model: "type[BaseModel]",
    place: Callable[[Sequence[int | str]], str] = at_key,
) -> list[str]:
    """What pydantic found, a sentence each: where, what is wrong, and what to do about it.

    Args:
        error: Raised when ``model`` was validated.
        model: Names the keys that are known where an unknown one was given.
        place: Words a location, e.g. as the option of a command that a field stands for.
    """
    return [_sentence(detail, model, place) for detail in error.errors()]


def _sentence(detail: Any, model: "type[BaseModel]", place: Callable[[Sequence[int | str]], str]) -> str:
    where, kind = excerpt(place(detail["loc"])), detail["type"]
    if kind == "extra_forbidden":
        known = joined(_known_keys(model, detail["loc"][:-1]), most=50)
        what = f"there is no such key. Known here: {known}."
    elif kind == "missing":
        what = "it is missing. Add it."
    elif kind == "value_error":
        what = str(detail["ctx"]["error"])
    else:
        what = f"{detail['msg'].removeprefix('Input ')}, not {excerpt(repr(detail['input']))}."
    return f"{where}: {what}" if where else what


def _known_keys(model: "type[BaseModel]", location: Sequence[int | str]) -> list[str]:
    """Keys of the table at a location, or of all tables that may stand there."""
    tables = [model]
    for part in location:
        if any(part in table.model_fields for table in tables):
            fields = [table.model_fields[part] for table in tables if part in table.model_fields]
            tables = [inner for field in fields for inner in _tables(field.annotation)]
    return list(dict.fromkeys(key for table in tables for key in table.model_fields))


def _tables(annotation: Any) -> list["type[BaseModel]"]:
    """The models in a field's type."""
    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for inner in get_args(annotation) for table in _tables(inner)]
