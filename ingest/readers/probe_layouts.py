"""The two layouts of probe files: that of Arora et al. (2023), and tables whose columns have names.

The first has the header ``<empty> 0 1 2 3``: row index, question, sentence, first answer, second answer, and a sixth
column if the header says ``battery``. A table has the columns ``COLUMNS``, in any order. Either is separated by tabs,
commas or semicolons, as its header is, whatever its ending. Rows before the header that begin with ``#`` are remarks,
and so is Excel's ``sep=``.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mlv.schema.errors import DataError, excerpt, joined

PUBLISHED: Final = ["", "0", "1", "2", "3"]
"""Header of the published files."""

PUBLISHED_COLUMNS: Final = ("", "question", "template", "answer_first", "answer_second", "battery")
"""What the columns of a published file are."""

COLUMNS: Final = {
    "question": "Identifier of the question, any text. 1 to 259, alone or like 106a, are the questions of World Values "
    "Survey wave 7; give questions of your own other identifiers.",
    "language": "ISO 639 code or English name. Leave the column out if the file is named after its language (sw.csv).",
    "template": "The sentence, with [MASK] where an answer goes.",
    "answer_first": "The first answer, as it takes the place of [MASK].",
    "answer_second": "The second answer.",
    "battery": "What questions that share a frame and a pair of answers have in common: intervals draw and leave out "
    "batteries. Empty: that of the questionnaire, or the question alone.",
    "category": "Theme of a question of your own, for queries by category. Empty: other.",
    "polarity": "canonical if answer_first is on the side that the survey's codes call first, reversed if it is on the "
    "other one (profiles then take 1 - p), undefined if that cannot be told. Empty: canonical.",
}
"""Columns of a table, and what is in them."""

REQUIRED: Final = ("question", "template", "answer_first", "answer_second")
"""Columns that a table cannot lack."""

_EXAMPLES: Final = (
    ("own-1", "en", "For me, time with my family is [MASK].", "important", "unimportant", "life", "well-being", ""),
    ("own-2", "en", "I find it [MASK] when neighbours quarrel.", "bad", "good", "", "well-being", "reversed"),
)


@dataclass(frozen=True)
class Layout:
    """What the header of a file says."""

    columns: tuple[str, ...]
    """Name of each column; empty for those that are not read."""

    named: bool
    """Whether the columns have names: no file of the published archive has."""

    unread: tuple[str, ...] = ()
    """Columns of other names."""


def template() -> str:
    """A table with two example rows, and what each column is in remarks above it."""
    remarks = [f"# {name}: {about}" for name, about in COLUMNS.items()]
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([list(COLUMNS), *_EXAMPLES])
    head = "# A row is a question in a language. Replace the example rows; these remarks may stay."
    return "\n".join([head, *remarks, table.getvalue()])


def read_rows(name: str, text: str) -> tuple[Layout, Iterator[tuple[int, list[str]]]]:
    """The layout of a file, and its rows that are not blank, each with the line that it begins on.

    Raises DataError, now or from the iterator, if the header is of neither layout or the text is no CSV.
    """
    rows = _rows(name, text)
    _, header = next(rows, (0, []))
    return _layout(name, header), rows


def _rows(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    end, begun = 0, False
    try:
        for row in reader:
            start, end = end + 1, reader.line_num
            remark = not begun and row and row[0].startswith(("#", "sep="))
            if any(row) and not remark:
                begun = True
                yield start, row
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error} (a quote that is not closed?)") from error


def _delimiter(text: str) -> str:
    """What separates the columns of the header: of tab, semicolon and comma the one that is most often in it."""
    header = next((line for line in text.splitlines() if line.strip() and not line.lstrip('"').startswith("#")), "")
    return max("\t;,", key=header.count)


def _layout(name: str, header: list[str]) -> Layout:
    """The layout that a header means. Raises DataError if it is none."""
    if header in (PUBLISHED, [*PUBLISHED, "battery"]):
        return Layout(PUBLISHED_COLUMNS[: len(header)], named=False)
    names = [column.strip().casefold() for column in header]
    if missing := [column for column in REQUIRED if column not in names]:
        raise DataError(
            f"{name}: the header is {excerpt(str(header[:8]))}; it lacks {', '.join(missing)}, and is not {PUBLISHED}"
        )
    if twice := {column for column in names if column in COLUMNS and names.count(column) > 1}:
        raise DataError(f"{name}: the header has {', '.join(sorted(twice))} more than once")
    unread = [column for column in names if column and column not in COLUMNS]
    if more := [column for column in unread if column.startswith("answer")]:
        raise DataError(f"{name}: a probe has two answers, and the header has {joined(more)} as well")
    return Layout(tuple(column if column in COLUMNS else "" for column in names), True, tuple(unread))
