"""Survey files on disk, before their layout is known: plain, gzipped or zipped CSV. No store is needed."""

import contextlib
import csv
import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import polars as pl

from mlv.ingest.readers import archives
from mlv.ingest.readers.paths import what_is_at
from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.text import GZIP_MAGIC, stream_lines
from mlv.schema.errors import DataError, NotFoundError, excerpt, joined

RESPONSE_COLUMNS: Final = ("country", "variable", "response_code", "n", "share", "weighted_n", "weighted_share")

LAYOUTS: Final = (
    "A survey is either the official cross-national CSV (columns B_COUNTRY_ALPHA or B_COUNTRY, W_WEIGHT, Q1, Q2, ...), "
    "or a table with the columns question, country, response_code, percent."
)
"""Hint for a file that is neither."""

LOWEST_CODE: Final = -100
"""Codes of missing answers are above; the official file has -1 to -5."""


@dataclass(frozen=True)
class ReadSurvey:
    """A survey file that was read."""

    layout: Literal["respondents", "percentages"]
    content_sha256: str
    """SHA-256 of the unpacked CSV's lines, whatever ends them."""

    responses: pl.DataFrame
    """``RESPONSE_COLUMNS``, ordered by the first three; ``country`` is an alpha-2 code, shares lie in [0, 1]."""

    rows_read: int
    rows_kept: int
    rejected: list[Rejected] = field(default_factory=list)
    """Rows, by line; and, with line 0, what was left out of many rows: answers without a code, columns."""


@dataclass(frozen=True)
class SurveyFile:
    """An unpacked or gzipped CSV on disk."""

    path: Path
    columns: list[str]
    delimiter: str
    gzipped: bool
    content_sha256: str

    @property
    def name(self) -> str:
        """Name for messages."""
        return self.path.name


@contextlib.contextmanager
def csv_at(path: Path) -> Iterator[Path]:
    """The CSV at ``path``; that of a zip archive lies in a temporary folder until the block ends."""
    if what_is_at(path) != "file":
        raise NotFoundError(f"There is no survey file at {path}.", LAYOUTS)
    if path.suffix.lower() != ".zip":
        yield path
        return
    with archives.open_zip(path) as archive, tempfile.TemporaryDirectory() as folder:
        tables = [name for name in archives.members(archive) if name.lower().endswith((".csv", ".csv.gz"))]
        if len(tables) != 1:
            found = excerpt(joined(tables), 500)
            raise DataError(f"{path} has to hold one .csv file; it holds {found}.", "Unpack it and name the file.")
        unpacked = Path(folder) / PurePosixPath(tables[0]).name
        archives.unpack_member(archive, tables[0], unpacked)
        yield unpacked


def inspect(path: Path) -> SurveyFile:
    """Columns, delimiter and hash of a CSV. All of it is read, so that damage is found. Raises DataError."""
    digest, header, place = hashlib.sha256(), "", 0
    for number, line in enumerate(stream_lines(path), 1):
        digest.update(line.encode() + b"\n")
        if not header and is_row(line):
            header, place = line, number
    if not header:
        raise DataError(f"{path.name} has nothing but comments.", LAYOUTS)
    delimiter = max(",;\t", key=header.count)
    columns = [column.strip() for column in cells(path.name, place, header, delimiter)]
    repeated = [column for column, count in Counter(columns).items() if column and count > 1]
    if repeated:
        raise DataError(f"{path.name} has several columns {excerpt(', '.join(repeated))!r}.", "Keep one of each name.")
    with path.open("rb") as file:
        gzipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return SurveyFile(path, columns, delimiter, gzipped, digest.hexdigest())


def is_row(line: str) -> bool:
    """Whether a line is neither a comment nor blank."""
    return bool(line.strip()) and not line.startswith("#")


def cells(name: str, number: int, line: str, delimiter: str) -> list[str]:
    """The cells of a line. Raises DataError if it is not valid CSV."""
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error as error:
        raise DataError(
            f"{name}: line {number} is not a valid row of a CSV file: {error}.",
            "Lines end with a line feed, and a cell holds no line break: save it anew as CSV, UTF-8.",
        ) from error
