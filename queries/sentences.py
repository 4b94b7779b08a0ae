"""Sentences that say what rows answer: the extreme cells, the mean, and how much is behind them.

A sentence says what the rows say and no more: it names cells, not causes, and gives intervals if the rows have them.
"""

from collections.abc import Callable
from typing import Any

import polars as pl

from mlv.queries.figures.style import AVERAGE, interval, words

Sentence = Callable[[pl.DataFrame], str]
"""What a query's rows answer to its question."""

Row = dict[str, Any]

_PLACES = (
    "checkpoint_a",
    "checkpoint_b",
    "scores",
    "model",
    "task",
    "source",
    "source_a",
    "source_b",
    "ft_languages",
    "strategy",
    "sentences",
    "few",
    "many",
    "seed",
    "epoch",
    "training",
    "masks",
    "layer",
    "direction",
    "category",
    "country",
    "country_a",
    "country_b",
    "language",
    "language_a",
    "language_b",
    "ft_language",
    "ft_language_a",
    "ft_language_b",
    "train_language",
    "seeds",
    "k",
)
"""Columns that say where a row stands, as far as they differ within the rows."""

_PHRASES = {
    "training": "{} training",
    "masks": "{} masks",
    "layer": "layer {}",
    "language": "test language {}",
    "ft_languages": "fine-tuned on {}",
    "ft_language": "examples in {}",
    "train_language": "examples in {}",
    "language_a": "test languages {}",
    "ft_language_a": "fine-tuned on {}",
    "few": "{:,} sentences",
    "many": "{:,} sentences",
    "seeds": "{} seeds",
    "k": "k = {}",
}


def spanning(
    beginning: str, value: str, n: str, of: str, unit: str = "%", decimals: int = 1, sign: str = ""
) -> Sentence:
    """A sentence that leads to the span of a value; ``n`` is the column that counts ``of``, which are behind a cell."""

    def sentence(rows: pl.DataFrame) -> str:
        if without_means(rows)[value].count() == 0:
            return f"Not one of {rows.height:,} cells is defined{behind(rows, n, of)}."
        return f"{beginning} {span(rows, value, unit, decimals, sign)}{behind(rows, n, of)}.{significant(rows)}"

    return sentence


def with_mean(beginning: str, value: str, n: str, of: str, unit: str = "%", decimals: int = 1) -> Sentence:
    """The same, and the query's own means over languages, which are not the mean of all cells."""
    plain = spanning(beginning, value, n, of, unit, decimals)

    def sentence(rows: pl.DataFrame) -> str:
        column = "language" if "language" in rows.columns else "language_a"
        means = rows.filter(pl.col(column) == AVERAGE).drop_nulls(value)[value]
        if means.is_empty():
            return plain(rows)
        low, high = (number(float(end), unit, decimals) for end in (means.min(), means.max()))  # type: ignore[arg-type]
        return f"{plain(rows)} Means by setup: {low if low == high else f'{low} to {high}'}."

    return sentence


def without_means(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that are not means of others."""
    named = [column for column in ("language", "language_a", "ft_language_a") if column in rows.columns]
    return rows.filter(*(pl.col(column) != AVERAGE for column in named))


def place(row: Row, rows: pl.DataFrame) -> str:
    """What tells a row from the others, in words."""
    telling = (column for column in _PLACES if column in rows.columns and rows[column].n_unique() > 1)
    if "ft_languages" in rows.columns:
        telling = (column for column in telling if column != "strategy")
    return ", ".join(_phrase(column, row[column]) for column in telling if row[column] is not None)


def _phrase(column: str, value: Any) -> str:
    if column in {"strategy", "ft_languages"}:
        value = words(column, value)
    return _PHRASES[column].format(value) if column in _PHRASES else words(column, value)


def number(value: float, unit: str, decimals: int, sign: str = "") -> str:
    """A number with its unit; with a plus sign if ``sign`` is one."""
    return f"{value:{sign}.{decimals}f}{unit}".replace("-", "\N{MINUS SIGN}")


def cell(row: Row, rows: pl.DataFrame, value: str, unit: str, decimals: int, sign: str = "") -> str:
    """A value with its interval, and where it stands."""
    text = number(row[value], unit, decimals, sign)
    bounds = interval(rows, value)
    low, high = (row[bound] for bound in bounds) if bounds else (None, None)
    if low is not None and high is not None:
        text += f" [{number(low, '', decimals, sign)}, {number(high, '', decimals, sign)}]"
    others = rows.filter(pl.col(value) == row[value]).height - 1
    where = place(row, rows) + (f"; {others:,} other{'s' if others > 1 else ''} alike" if others else "")
    return f"{text} ({where})" if where else text


def span(rows: pl.DataFrame, value: str, unit: str = "%", decimals: int = 1, sign: str = "") -> str:
    """From the lowest to the highest cell, and the mean of all; that it is unmeasured where no cell has a value."""
    cells = without_means(rows).drop_nulls(value)
    if cells.is_empty():
        return "unmeasured: no cell has a value"
    ends = [cells.sort(value, maintain_order=True).row(at, named=True) for at in (0, -1)]
    low, high = (cell(end, cells, value, unit, decimals, sign) for end in ends)
    if cells.height == 1:
        return f"{low} in the one cell there is"
    mean = number(float(cells[value].mean()), unit, decimals, sign)  # type: ignore[arg-type]
    return f"from {low} to {high}, on average {mean} over {cells.height:,} cells"


def behind(rows: pl.DataFrame, column: str, of: str) -> str:
    """How much is behind a cell."""
    counts = without_means(rows)[column].drop_nulls()
    if counts.is_empty():
        return ""
    low, high = min(counts), max(counts)
    of = of.removesuffix("s") if high == 1 else of
    return f" ({low:,} {of} a cell)" if low == high else f" ({low:,} to {high:,} {of} a cell)"


def significant(rows: pl.DataFrame) -> str:
    """How many cells differ from zero, each corrected for its family; nothing if no cell has a test."""
    if "p_family" not in rows.columns or rows["p_family"].null_count() == rows.height:
        return ""
    tested = rows.drop_nulls("p_family")
    count = tested.filter(pl.col("p_family") < 0.05).height
    return f" Corrected for the cells of their table, {count:,} of {tested.height:,} have p < 0.05."
