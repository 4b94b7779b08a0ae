"""The published table of S and the numbers in its text, and what in a store is theirs."""

from collections.abc import Iterator
from functools import partial
from typing import Final

import polars as pl

from mlv.queries.published import Cell, Found, PublishedNumbers
from mlv.queries.selfalign.lookups import FELL, IMPROVED, MISALIGNED, STAYED, Values, concluded, each
from mlv.queries.selfalign.setups import Asked, resting_on
from mlv.schema.papers import selfalign

_CHANGES: Final = {"increased": IMPROVED, "constant": STAYED, "decreased": FELL}

_READING: Final = (
    "Wording of prompts, order of demonstrations and what becomes of answers that name no option are not given. "
    "Any wording counts, any order that all samples have, and such answers are not in line."
)

_HALF_WIDTH: Final = "half an interval of a share of 100 to 200 misaligned examples"


def of_cell(cell: Cell) -> list[Asked]:
    """The run of a cell of Table 8.1."""
    return [Asked(cell.row.rpartition(" ")[0], cell.column, "chrf")]


def _changes(frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[Found]:
    """How many increased, stayed and decreased."""
    for change, rows in _CHANGES.items():
        find = each(rows, partial(_cell, change))
        yield from find(frame, checkpoints)


def _cell(change: str, asked: Asked) -> Cell | None:
    in_table = asked.strategy == "chrf" and not asked.shuffled
    return Cell(f"{asked.model} {change}", asked.language) if in_table else None


TABLE_81: Final = PublishedNumbers(
    "Table 8.1", IMPROVED.query, 0, 10.0, _HALF_WIDTH, _READING, _changes, resting_on(of_cell)
)


def _misaligned(asked: Asked) -> Cell | None:
    return Cell(asked.model, "misaligned") if asked.language == "en" else None


FIGURE_84: Final = PublishedNumbers(
    "Figure 8.4",
    MISALIGNED.query,
    0,
    24.0,
    "10 points of 237 questions: the survey's file and the wording of the prompts differ",
    "Questions with at least one of 10 zero-shot answers that is not in line.",
    each(MISALIGNED, _misaligned),
    resting_on(lambda cell: [Asked(cell.row, "en")]),
)

_SHUFFLED: Final = Asked("Llama3-8B", "en", "chrf", shuffled=True)


def _shuffled(asked: Asked) -> Cell | None:
    return Cell("increased, shuffled anew for each draw", "Llama3-8B en") if asked == _SHUFFLED else None


SHUFFLED: Final = PublishedNumbers(
    "section 8.5.2",
    IMPROVED.query,
    0,
    10.0,
    _HALF_WIDTH,
    "Demonstrations by chrF++ across categories, each sample with an order of its own.",
    each(IMPROVED, _shuffled),
    resting_on(lambda _: [_SHUFFLED]),
    rows=("increased, shuffled anew for each draw",),
)

_BLOOMZ: Final = [Asked("BLOOMz", language, "chrf") for language in selfalign.LANGUAGES["BLOOMz"]]


def _above_english(values: Values) -> tuple[float, str]:
    english, *others = (values[(asked,)] for asked in _BLOOMZ)
    return float(sum(value > english for value in others)), ""


ABOVE_ENGLISH: Final = PublishedNumbers(
    "section 8.6.2",
    IMPROVED.query,
    0,
    2.0,
    "a guess: two of the table's languages are within 2 points of English",
    "Of the 11 languages of Table 8.1 beside English, although the text says 12.",
    concluded(IMPROVED, Cell("languages with more increases than English, of 11", "BLOOMz"), _above_english),
    resting_on(lambda _: _BLOOMZ),
    rows=("languages with more increases than English, of 11",),
)
