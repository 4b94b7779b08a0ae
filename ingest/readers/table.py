"""Tables of texts: TSV, CSV or JSON lines, with a row for each sentence.

Which column is what is said as ``text=sentence,key=id,language=lang``; if nothing is said, columns are called
``text``, ``key`` and ``language``. A column of a language is named by that: ``key=id,de=German,sw=Swahili`` takes two
texts from each row. Numbers mean columns of a file without a header, from 1. Inner values of JSON have dotted names
(``translation.de``). The key is the number of the row where there is no column of it: rows with one number in several
files are then translations of each other.

In TSV a field is what stands between tabs, without the quotes that a writer of CSV put around it; CSV is separated by
commas or semicolons, as its header is.
"""

import csv
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.sources import Source, named_source
from mlv.ingest.readers.text import ReadCorpus, Segments, clean, stem, stream_lines
from mlv.ingest.reference.languages import first_language, language
from mlv.schema.errors import DataError, UsageError, excerpt, joined

ROLES: Final = ("text", "key", "language")
"""What a column can be, beside the text of a language."""

_HOW: Final = "Write e.g. --columns text=sentence,key=id,language=lang, or --columns key=id,de=German,sw=Swahili"


@dataclass(frozen=True)
class Columns:
    """Which column of a table is what: its name, or its number from 1 in a file without a header."""

    texts: Mapping[str | None, str]
    """Columns of text, by language; None for a text whose language is said elsewhere."""

    key: str | None = None
    language: str | None = None

    @property
    def names(self) -> list[str]:
        """All columns that are read."""
        return [name for name in (*self.texts.values(), self.key, self.language) if name is not None]

    @property
    def numbered(self) -> bool:
        """Whether columns are given by their numbers."""
        return all(name.isdecimal() for name in self.names)


class _Row(NamedTuple):
    line: int
    """The line that it begins on, from 1."""

    fields: Mapping[str, str]
    """Values by column; empty for a row that has not as many as the header."""

    raw: str


def columns_of(said: str) -> Columns:
    """The columns that an option means. Raises UsageError if it cannot be read or does not say what the text is."""
    pairs = [(name.strip(), column.strip()) for name, _, column in (pair.partition("=") for pair in said.split(","))]
    named = dict(pairs)
    texts: dict[str | None, str] = {language(name).code: column for name, column in pairs if name and name not in ROLES}
    twofold = len(named) < len(pairs) or (texts and "language" in named)
    if not all(chain(*pairs)) or twofold or ("text" in named) == bool(texts):
        raise UsageError(f"--columns {said} does not say which column is which.", _HOW)
    return Columns(texts or {None: named["text"]}, named.get("key"), named.get("language"))


def _usual(names: Sequence[str]) -> Columns:
    """The columns of a table that are called what they are."""
    key, spoken = (name if name in names else None for name in ("key", "language"))
    return Columns({None: "text"}, key, spoken)


def read(path: Path, said: str | None = None) -> list[ReadCorpus]:
    """The text of each language of a table. The edition is the file's name.

    Raises DataError if the file is no table or lacks a column, UsageError if ``said`` cannot be read.
    """
    columns = columns_of(said) if said else None
    rows = _rows(path, numbered=columns is not None and columns.numbered)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path} has no row.", "Leave it out.")
    columns = columns or _usual(list(first.fields))
    if missing := [name for name in columns.names if name not in first.fields]:
        there = excerpt(joined(first.fields), 500)
        raise DataError(f"{path} has no column {joined(missing)}; its columns are {there}.", _HOW)
    found = _Texts(columns)
    for number, row in enumerate(chain([first], rows), start=1):
        found.add(number, row)
    return found.finish(stem(path))


class _Texts:
    """The texts of a table by language, while its rows are read."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._texts: dict[str | None, Segments] = {}
        self._unplaced: list[Rejected] = []
        """Rows that belong to no text."""

    def add(self, number: int, row: _Row) -> None:
        """Take what a row has in each language."""
        if not row.fields:
            self._unplaced.append(Rejected(row.line, "it has not as many fields as the header", "", row.raw))
            return
        key = str(number) if self._columns.key is None else clean(row.fields.get(self._columns.key, ""))[0]
        for language_code, column in self._columns.texts.items():
            spoken = row.fields.get(self._columns.language, "") if self._columns.language else None
            code = language_code if spoken is None else first_language(spoken)
            if spoken is not None and code is None:
                self._unplaced.append(Rejected(row.line, f"there is no language {excerpt(spoken)!r}", key, row.raw))
            elif not key:
                self._segments(code).reject(row.line, "", "its key is empty", row.raw)
            else:
                self._segments(code).add(row.line, key, row.fields.get(column, ""), empty="its text is empty")

    def _segments(self, code: str | None) -> Segments:
        return self._texts.setdefault(code, Segments())

    def finish(self, edition: str) -> list[ReadCorpus]:
        """All texts; what belongs to none is with the first."""
        texts = self._texts or {None: Segments()}
        next(iter(texts.values())).rejected += self._unplaced
        read = [segments.finish(code, edition) for code, segments in texts.items()]
        return [replace(text, by_row=self._columns.key is None) for text in read]


def _rows(path: Path, *, numbered: bool) -> Iterator[_Row]:
    """The rows of a table. Raises DataError if it is none."""
    lines = stream_lines(path)
    before = []
    for line in lines:
        before.append(line)
        if line.strip():
            break
    first, all_lines = before[-1], chain(before, lines)
    if first.lstrip().startswith("{"):
        yield from _objects(path, all_lines)
        return
    records = _separated(path, all_lines, max("\t,;", key=first.count))
    header = next((record for record in records if any(record[1])), (1, []))
    names = [str(number) for number in range(1, len(header[1]) + 1)] if numbered else [n.strip() for n in header[1]]
    for line_number, record in chain([header] if numbered else [], records):
        if any(record):
            fields = dict(zip(names, record, strict=True)) if len(record) == len(names) else {}
            yield _Row(line_number, fields, "\t".join(record))


def _separated(path: Path, lines: Iterator[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """Line that a record begins on, and its fields."""
    if separator == "\t":
        yield from ((n, [_unquoted(field) for field in line.split("\t")]) for n, line in enumerate(lines, start=1))
        return
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    end = 0
    try:
        for record in reader:
            yield end + 1, record
            end = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{path} is not valid CSV: {error}, in the row that begins in line {end + 1}.",
            "Text with a sentence a line is read with --source lines.",
        ) from error


def _unquoted(field: str) -> str:
    """A field without the quotes of a writer of CSV."""
    quoted = re.fullmatch(r'"((?:[^"]|"")*)"', field)
    return quoted[1].replace('""', '"') if quoted else field


def _objects(path: Path, lines: Iterator[str]) -> Iterator[_Row]:
    """Rows of JSON lines."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number}: no JSON ({error}).", "JSON lines have an object in each line."
            ) from error
        if not isinstance(value, dict):
            raise DataError(f"{path}, line {number}: no JSON object.", "JSON lines have an object in each line.")
        yield _Row(number, dict(_flat(value)), line)


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Values of an object, inner ones under dotted names; lists are no texts."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{before}{name}.")
        elif not isinstance(inner, list):
            yield f"{before}{name}", "" if inner is None else str(inner)


SOURCE: Final[Source] = Source(
    code="table",
    name="Table of texts",
    domain="other",
    citation="No citation: text of the user.",
    licence="",
    read=read,
    patterns=("*.tsv", "*.csv", "*.jsonl"),
    multilingual=True,
    of_publication=lambda publication, _: named_source(SOURCE, publication),
    of_columns=lambda source, said: replace(source, read=lambda path: read(path, said)),
)
