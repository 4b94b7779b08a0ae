"""What reading a file gave: rows, repairs and rejects."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from mlv.schema.errors import UsageError

CONTENT_LIMIT = 500
"""Characters that are kept of a rejected row, of its item and of the reason."""

LONGEST_NAME = 200
"""Characters of a name that a user gives."""


@dataclass(frozen=True)
class Rejected:
    """A row that a reader did not take."""

    line: int
    """Line in the file, from 1; 0 if the whole file is meant."""

    reason: str
    """Why, in words that a researcher can act on."""

    item: str = ""
    """What the row is about, e.g. ``question 130d`` or ``MAT 18:11``."""

    content: str = ""
    """The row as it was."""


@dataclass(frozen=True)
class FileReport:
    """What reading one file gave: for ``ingest_file``, ``reject`` and the message on the screen."""

    kind: str
    """probes, codebook, survey, corpus, task, groups, stereotype_collection or lexicon."""

    target: str
    """What it was read into, e.g. ``pbc/fa/Farsi``."""

    path: Path
    """File, archive or folder that was named."""

    name: str
    """File name; for an archive, archive and member."""

    sha256: str
    """SHA-256 of the file's bytes."""

    rows_read: int
    rows_kept: int
    rows_repaired: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What was taken for what, for the screen."""

    already_there: bool = False
    """Whether the store had the same content before, so that nothing was written."""


def document_report(
    kind: str, target: str, path: Path, rows_read: int, rows_kept: int, already_there: bool
) -> FileReport:
    """The report on a file that was read whole or not at all."""
    return FileReport(
        kind, target, path, path.name, file_sha256(path), rows_read, rows_kept, already_there=already_there
    )


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_name(what: str, name: str) -> None:
    """Raise UsageError if a name is empty, too long, or has characters that cannot be seen or typed."""
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= LONGEST_NAME:
        raise UsageError(
            f"{name[:LONGEST_NAME]!r} is not a valid name of {what}.",
            f"Give one of 1 to {LONGEST_NAME} characters, without line breaks, control characters, or space around it.",
        )
