"""Rows of tables: TSV, CSV and JSON lines, told apart by their first line.

In TSV a field is what stands between tabs, without the quotes that a writer of CSV put around it; CSV is separated by
commas or semicolons, as its first line is. Inner values of JSON have dotted names (``translation.de``). Columns of a
table without a header are called by their numbers, from 1.
"""

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from mlv.ingest.readers.text import stream_lines
from mlv.schema.errors import DataError


class TableRow(NamedTuple):
    """A row of a table."""

    line: int
    """The line that it begins on, from 1."""

    fields: Mapping[str, str]
    """Values by column; empty for a row that has not as many as the first."""

    raw: str
    """The row as it was; fields of CSV with tabs between them."""

    unquoted: bool = False
    """Whether a field of TSV was in the quotes of a writer of CSV."""


def read_rows(
    path: Path, has_header: Callable[[Sequence[str]], bool] = lambda _: True
) -> tuple[list[str], Iterator[TableRow]]:
    """The names of a table's columns, and its rows without the empty ones.

    Args:
        path: The table.
        has_header: Says of the fields of the first row whether they are names; not asked of JSON lines.

    Raises:
        DataError: It has no row, or is not such a table; the latter may show when rows are taken.
    """
    lines = stream_lines(path)
    before = []
    for line in lines:
        before.append(line)
        if line.strip():
            break
    first, all_lines = before[-1], chain(before, lines)
    if first.lstrip().startswith("{"):
        return _begun(path, None, _objects(path, all_lines))
    separator = "\t" if "\t" in first else max(",;", key=first.count)
    records = (record for record in _separated(path, all_lines, separator) if any(record.fields))
    header = next(records, None)
    if header is None:
        raise _no_row(path)
    named = has_header(header.fields)
    names = [name.strip() for name in header.fields] if named else [str(n + 1) for n in range(len(header.fields))]
    return _begun(path, names, _rows(names, records if named else chain([header], records)))


class _Record(NamedTuple):
    line: int
    fields: list[str]
    unquoted: bool = False


def _rows(names: list[str], records: Iterator[_Record]) -> Iterator[TableRow]:
    for line, fields, freed in records:
        whole = len(fields) == len(names)
        yield TableRow(line, dict(zip(names, fields, strict=True)) if whole else {}, "\t".join(fields), freed)


def _begun(path: Path, names: list[str] | None, rows: Iterator[TableRow]) -> tuple[list[str], Iterator[TableRow]]:
    """The names, those of the first row if there is no header, and all rows. Raises DataError if there is none."""
    first = next(rows, None)
    if first is None:
        raise _no_row(path)
    return list(first.fields) if names is None else names, chain([first], rows)


def _no_row(path: Path) -> DataError:
    return DataError(f"{path} has no row.", "Leave it out.")


def _separated(path: Path, lines: Iterator[str], separator: str) -> Iterator[_Record]:
    if separator == "\t":
        for number, line in enumerate(lines, start=1):
            written = line.split("\t")
            fields = [_unquoted(field) for field in written]
            yield _Record(number, fields, fields != written)
        return
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=separator, strict=True)
    end = 0
    try:
        for record in reader:
            yield _Record(end + 1, record)
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


def _objects(path: Path, lines: Iterator[str]) -> Iterator[TableRow]:
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
        yield TableRow(number, dict(_flat(value)), line)


def _flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Values of an object, inner ones under dotted names; lists are no texts."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{before}{name}.")
        elif not isinstance(inner, list):
            yield f"{before}{name}", "" if inner is None else str(inner)
