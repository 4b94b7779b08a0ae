"""Tables of shares, brought into one form: a row for each answer to a question in a country.

A table is *long*, with the columns ``question`` (or ``question_id``, ``variable``), ``country`` (or
``country_alpha3``), ``response_code`` or else a label, and one or more of ``percent``, ``weighted_percent`` and ``n``;
or *wide*: one of question, country and answer is not a column but the headings of many, and their cells are
percentages, shares or numbers of people. Lines that begin with ``#`` are comments; numbers may have a decimal comma,
percentages a percent sign.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal, cast

import polars as pl

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.surveys.files import SurveyFile, records
from mlv.ingest.reference.codebook import Codebook, folded, plain
from mlv.schema.errors import DataError, excerpt, joined

PERCENTS: Final = {"percent": "percentages", "weighted_percent": "weighted percentages"}
"""Columns of percentages, and what they are called."""

MEASURES: Final = (*PERCENTS, "n")
"""Columns of which a table has at least one."""

COLUMNS: Final = {
    "question": ("question_id", "question", "variable"),
    "country": ("country_alpha3", "country"),
    "response_code": ("response_code",),
    "label": ("response_label", "label", "answer"),
    "percent": ("percent",),
    "weighted_percent": ("weighted_percent",),
    "n": ("n",),
}
"""What a table holds, and the names of columns that hold it, whatever their capitals."""

PARTS: Final = ("question", "country", "answer")
"""What tells a share from the others of a table; a response code or a label is the answer."""

SCHEMA: Final = {"line": pl.Int64, **dict.fromkeys(("content", *COLUMNS), pl.String)}

Part = Literal["question", "country", "answer"]


@dataclass(frozen=True)
class Table:
    """Rows of shares as a file has them."""

    rows: pl.DataFrame
    """``SCHEMA``: line, content and the cells as text; null where there is nothing."""

    rejected: list[Rejected] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def has_layout(file: SurveyFile, book: Codebook) -> bool:
    """Whether a file is such a table, by its columns."""
    return _is_long(file, book) or _wide_part(file, book) is not None


def table(file: SurveyFile, book: Codebook) -> Table:
    """The rows of a long or wide table. Raises DataError if nothing says what the cells of a wide one are."""
    part = None if _is_long(file, book) else _wide_part(file, book)
    return _long(file, book) if part is None else _wide(file, book, part)


def _places(file: SurveyFile) -> dict[str, int]:
    """The position of each of ``COLUMNS`` that the file has."""
    positions = {column.lower(): position for position, column in enumerate(file.columns)}
    found = {part: [positions[name] for name in names if name in positions] for part, names in COLUMNS.items()}
    return {part: places[0] for part, places in found.items() if places}


def _parts(file: SurveyFile, book: Codebook) -> set[str]:
    """Which of ``PARTS`` are columns of a file, or said by the codebook."""
    found = {*_places(file), *(["country"] if book.country else [])}
    return {"answer" if part in ("response_code", "label") else part for part in found if part not in MEASURES}


def _is_long(file: SurveyFile, book: Codebook) -> bool:
    return _parts(file, book) == set(PARTS) and not _places(file).keys().isdisjoint(MEASURES)


def _long(file: SurveyFile, book: Codebook) -> Table:
    places = _places(file)
    rows = [
        {"line": number, "content": file.delimiter.join(row), **_named(places, book, row)}
        for number, row in records(file)
    ]
    return Table(pl.DataFrame(rows, schema=SCHEMA))


def _named(places: dict[str, int], book: Codebook, row: list[str]) -> dict[str, str | None]:
    """The cells of a row whose columns have a name of ``COLUMNS``, and the country that the codebook says."""
    cells = {part: row[place].strip() or None for part, place in places.items() if place < len(row)}
    return {"country": book.country or None, **cells}


def _wide_part(file: SurveyFile, book: Codebook) -> Part | None:
    """What the headings of a wide table are, if a file is one: the part that is no column, and one heading is."""
    lacking = set(PARTS) - _parts(file, book)
    places = _places(file).keys()
    if len(lacking) != 1 or not places.isdisjoint(MEASURES):
        return None
    part = cast("Part", lacking.pop())
    if part == "question" and "response_code" not in places:
        # microdata may have a column named answer or label, too
        return None
    return part if _headings(file, book, part) else None


def _headings(file: SurveyFile, book: Codebook, part: Part) -> dict[int, str]:
    """The columns of a wide table whose heading is a question, country or answer, by position."""
    labels = {label for _, label in book.codes_by_label}
    taken = set(_places(file).values())

    def means(heading: str) -> bool:
        if part == "question":
            return folded(heading) in book.variables_by_name
        if part == "country":
            # id and no are columns of many tables, ID and NO are Indonesia and Norway
            return not re.fullmatch("[a-z]{1,3}", heading) and book.country_of(heading) is not None
        return re.fullmatch(r"-?\d+", heading) is not None or plain(heading) in labels

    return {place: name for place, name in enumerate(file.columns) if place not in taken and name and means(name)}


def _wide(file: SurveyFile, book: Codebook, part: Part) -> Table:
    """A row for each cell below a heading that means something; empty cells are none."""
    places, headings = _places(file), _headings(file, book, part)
    rows = []
    for number, row in records(file):
        named = _named(places, book, row)
        for place, heading in headings.items():
            if place < len(row) and (cell := row[place].strip()):
                rows.append({"line": number, "content": f"{heading}: {cell}", **named, part: heading, "cell": cell})
    cells = pl.DataFrame(rows, schema={**SCHEMA, "answer": pl.String, "cell": pl.String})
    is_code = pl.col("answer").str.contains(r"^-?\d+$")
    cells = cells.with_columns(
        response_code=pl.coalesce("response_code", pl.when(is_code).then("answer")),
        label=pl.coalesce("label", pl.when(~is_code).then("answer")),
    )
    measure, scale = _measure(file, cells)
    shown = f"{len(headings)} columns are taken for {_called(part)}, their cells for {_SAID[measure, scale]}"
    filled = cells.with_columns(_scaled("cell", scale).alias(measure)).select(*SCHEMA)
    return Table(filled, _unread(file, {*places.values(), *headings}, part), [shown])


_SAID: Final = {("percent", 1): "percentages", ("percent", 100): "shares of 1", ("n", 1): "numbers of people"}
"""What the cells of a wide table are called, by the measure and what they are multiplied with."""


def _called(part: Part) -> str:
    return {"question": "questions", "country": "countries", "answer": "answers"}[part]


def _measure(file: SurveyFile, cells: pl.DataFrame) -> tuple[str, int]:
    """What the cells of a wide table are, and what makes percentages of shares.

    Percentages of most questions in a country add up to 100, shares to 1; whole numbers that do neither are counts.
    Raises DataError if they are none of these.
    """
    numbers = cells.with_columns(number=as_number("cell", percent=True)).filter(pl.col("number") >= 0)
    total = numbers.group_by("question", "country").agg(pl.col("number").sum())["number"].median()
    if isinstance(total, float) and abs(total - 100) <= 1:
        return "percent", 1
    if isinstance(total, float) and abs(total - 1) <= 0.01:
        return "percent", 100
    if isinstance(total, float) and numbers.select((pl.col("number") % 1 == 0).all()).item():
        return "n", 1
    sums = f"{total:g}" if isinstance(total, float) else "nothing"
    raise DataError(
        f"{file.name}: the cells of a question and country add up to {sums} where "
        "percentages would give 100 and shares 1, so that nothing says what they are.",
        "Give all answers to a question, or write a column named percent, weighted_percent or n.",
    )


def as_number(column: str, *, percent: bool) -> pl.Expr:
    """The number in a cell, with a point or a comma; null if there is nothing in it, and -1 if it is no number."""
    text = pl.col(column).str.replace(r"\s*%$", "") if percent else pl.col(column)
    number = text.str.replace(r"^(\d*),(\d+)$", "${1}.${2}").cast(pl.Float64, strict=False)
    return pl.when(text.is_not_null()).then(number.fill_null(-1))


def _scaled(column: str, scale: int) -> pl.Expr:
    if scale == 1:
        return pl.col(column)
    return (as_number(column, percent=True) * scale).round(10).cast(pl.String)


def _unread(file: SurveyFile, taken: Iterable[int], part: Part) -> list[Rejected]:
    """The columns of a wide table that are not read."""
    known = set(taken)
    names = [name for place, name in enumerate(file.columns) if place not in known and name]
    said = excerpt(joined(names, most=50), 500)
    return [Rejected(0, f"not read, their headings are no {_called(part)}", "columns", said)] if names else []
