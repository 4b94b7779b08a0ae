"""Survey files on disk, before their layout is known: CSV, of SPSS or of Stata, plain or packed. No store is needed."""

import contextlib
import csv
import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Literal

import duckdb
import polars as pl

from mlv.ingest.readers import archives
from mlv.ingest.readers.paths import what_is_at
from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.surveys.microdata import ENDINGS, is_microdata, write_csv
from mlv.ingest.readers.text import GZIP_MAGIC, stream_lines
from mlv.ingest.reference.codebook import Codebook
from mlv.ingest.reference.languages import taken_for
from mlv.schema.errors import DataError, NotFoundError, excerpt, joined

RESPONSE_COLUMNS: Final = ("country", "variable", "response_code", "n", "share", "weighted_n", "weighted_share")

TABLES: Final = (".csv", ".csv.gz", ".jsonl", ".jsonl.gz")
"""Endings of the files of text that an archive may hold."""

_SEPARATOR: Final = re.compile(r"(?i)sep=(.)")
"""The line by which Excel is told the delimiter."""


@dataclass(frozen=True)
class ReadSurvey:
    """A survey file that was read."""

    layout: Literal["respondents", "percentages"]
    """Whether it has a row for each respondent, or shares."""

    content_sha256: str
    """SHA-256 of the unpacked CSV's lines, whatever ends them."""

    responses: pl.DataFrame
    """``RESPONSE_COLUMNS``, ordered by the first three; ``country`` is an alpha-2 code, shares lie in [0, 1]."""

    rows_read: int
    rows_kept: int
    rejected: list[Rejected] = field(default_factory=list)
    """Rows, by line; and, with line 0, what was left out of many rows: answers without a code, columns."""

    remarks: list[str] = field(default_factory=list)
    """What was taken for what."""


@dataclass(frozen=True)
class SurveyFile:
    """An unpacked or gzipped CSV, or JSON lines, on disk."""

    path: Path
    columns: list[str]
    header: int
    """Line of the header, from 1: comments may stand before it."""

    delimiter: str
    gzipped: bool
    content_sha256: str

    @property
    def name(self) -> str:
        """Name for messages."""
        return self.path.name

    @property
    def is_json(self) -> bool:
        """Whether it is JSON lines."""
        return not self.columns

    @property
    def capitals(self) -> list[str]:
        """The columns in capital letters: R's haven and others write small ones."""
        return [column.upper() for column in self.columns]

    def view(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the view ``file(c0, c1, ...)`` of its rows, all text."""
        connection.read_csv(
            str(self.path),
            header=True,
            delimiter=self.delimiter,
            quotechar='"',
            escapechar='"',
            columns={f"c{number}": "VARCHAR" for number in range(len(self.columns))},
            auto_detect=False,
            skiprows=self.header - 1,
            compression="gzip" if self.gzipped else "none",
        ).create_view("file")


def layouts(book: Codebook) -> str:
    """Hint for a file that is no survey."""
    columns = joined([*book.country_columns, *book.asked], most=4)
    return (
        "A survey is a file with a row for each respondent (CSV, .sav or .dta) and columns of the codebook "
        f"{book.name} ({columns}); a table with the columns question, country, response_code and one or more of "
        "percent, weighted_percent and n, or with a column for each country, question or response code; or JSON lines "
        "as those of GlobalOpinionQA."
    )


def countries(names: Iterable[str], book: Codebook) -> tuple[dict[str, str | None], list[str]]:
    """Alpha-2 codes by what a file calls its countries, and which of these are no names of ISO 3166-1."""
    codes = {name: book.country_of(name) for name in names}
    taken = {name: taken_for(name) for name in sorted(codes) if name not in book.countries}
    return codes, [f"{excerpt(name)!r} is taken for {country}" for name, country in taken.items() if country]


@contextlib.contextmanager
def csv_at(path: Path, book: Codebook) -> Iterator[Path]:
    """The CSV at ``path``; what is unpacked or converted lies in a temporary folder until the block ends."""
    with unpacked_at(path, layouts(book)) as file:
        if not is_microdata(file.name):
            yield file
            return
        with tempfile.TemporaryDirectory() as folder:
            converted = Path(folder) / file.name
            write_csv(file, converted, lambda name: is_of_interest(name, book))
            yield converted


@contextlib.contextmanager
def unpacked_at(path: Path, hint: str) -> Iterator[Path]:
    """The file at ``path``, or the one table of the zip archive there, until the block ends."""
    if what_is_at(path) != "file":
        raise NotFoundError(f"There is no survey file at {path}.", hint)
    with tempfile.TemporaryDirectory() as folder:
        yield _unpacked(path, Path(folder)) if path.suffix.lower() == ".zip" else path


def is_of_interest(column: str, book: Codebook) -> bool:
    """Whether a column is one of the codebook, or called like its variables: that it is not read is then said."""
    named = {*book.country_columns, book.weight_column, *book.only, *book.variables}
    return column.upper() in {name.upper() for name in named} or bool(_like_variables(book).match(column.upper()))


def _like_variables(book: Codebook) -> re.Pattern[str]:
    """What variables with a number begin with, e.g. Q and a digit."""
    begins = {found[0] for name in book.asked if (found := re.match(r"[A-Z]+(?=\d)", name.upper()))}
    return re.compile(rf"({'|'.join(sorted(begins))})\d" if begins else r"(?!)")


def _unpacked(path: Path, folder: Path) -> Path:
    """The one table of a zip archive, unpacked into a folder. Raises DataError."""
    with archives.open_zip(path) as archive:
        tables = [name for name in archives.members(archive) if name.lower().endswith((*TABLES, *ENDINGS))]
        if len(tables) != 1:
            found = excerpt(joined(tables), 500)
            raise DataError(
                f"{path} has to hold one .csv, .jsonl, .sav or .dta file; it holds {found}.",
                "Unpack it and name the file.",
            )
        unpacked = folder / PurePosixPath(tables[0]).name
        archives.unpack_member(archive, tables[0], unpacked)
        return unpacked


def inspect(path: Path) -> SurveyFile:
    """Columns, delimiter and hash of a CSV or of JSON lines, which have no columns.

    All of it is read, so that damage is found. Raises DataError.
    """
    digest, delimiter, first = hashlib.sha256(), "", ""
    for line in stream_lines(path):
        digest.update(line.encode() + b"\n")
        if not first and (named := _SEPARATOR.fullmatch(line)):
            delimiter = named[1]
        elif not first and is_row(line):
            first = line
    if not first:
        raise DataError(f"{path.name} has nothing but comments.", "Name a file with answers.")
    if first.startswith("{"):
        return SurveyFile(path, [], 0, "", False, digest.hexdigest())
    delimiter = delimiter or max(",;\t", key=first.count)
    place, header = next(_records(path, delimiter))
    columns = [column.strip() for column in header]
    counts = Counter(column.casefold() for column in columns)
    repeated = [column for column in dict.fromkeys(columns) if column and counts[column.casefold()] > 1]
    if repeated:
        named_twice = excerpt(", ".join(repeated))
        raise DataError(
            f"{path.name} has several columns {named_twice!r}, whatever their capitals.", "Keep one of each name."
        )
    with path.open("rb") as file:
        gzipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return SurveyFile(path, columns, place, delimiter, gzipped, digest.hexdigest())


def is_row(line: str) -> bool:
    """Whether a line is neither a comment nor blank, nor names the delimiter."""
    return bool(line.strip()) and not line.startswith("#") and not _SEPARATOR.fullmatch(line)


def records(file: SurveyFile) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with the number of its first line: a cell in quotes may hold line breaks.

    Raises DataError where a row is not valid CSV.
    """
    rows = _records(file.path, file.delimiter)
    next(rows)
    return rows


class _Lines:
    """The lines of a file as a CSV reader takes them; what is no row is left out where a row may begin."""

    def __init__(self, path: Path) -> None:
        self._numbered = enumerate(stream_lines(path), 1)
        self.between_rows = True
        self.start = 0
        """Number of the line in which the row begins."""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        for number, line in self._numbered:
            if self.between_rows and not is_row(line):
                continue
            if self.between_rows:
                self.start, self.between_rows = number, False
            return f"{line}\n"
        raise StopIteration


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV, its header included, each with the number of its first line. Raises DataError."""
    lines = _Lines(path)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.between_rows = True
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path.name}: line {lines.start} is not a valid row of a CSV file: {error}.",
                "Lines end with a line feed; a cell with a line break or a quote stands in quotes, and a quote"
                " in it is doubled. Save it anew as CSV, UTF-8.",
            ) from error
        yield lines.start, row
