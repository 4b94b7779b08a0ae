"""A result as a paper prints it: which columns, one column for each value of another, and what all rows have alike.

Columns ``NAME_low`` and ``NAME_high`` are the interval of ``NAME``: they go where it goes, and people read them in
brackets behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import polars as pl

from mlv.queries.engine.catalogue import INTERVALS, near
from mlv.queries.engine.grid import cells, interval
from mlv.queries.engine.result import QueryResult
from mlv.schema.errors import UsageError

WORDS = ("settings", "tracing")
"""Columns of words such as ``epochs=5``, of which those that all rows have are said once."""

_OVER = {
    "questions": "over questions, by battery",
    "seeds": "over seeds",
    "both": "over questions and seeds",
    "groups": "over groups",
}


@dataclass(frozen=True)
class Shape:
    """What of a result is wanted, and how."""

    columns: Sequence[str] = ()
    """Columns in their order, each with its interval; all if there are none."""

    pivot: str | None = None
    """Column whose values become columns."""

    values: str | None = None
    """Column that these hold; the first of real numbers if it is None."""


@dataclass(frozen=True)
class Sheet:
    """Rows for people, and the sentences that stand above them."""

    frame: pl.DataFrame
    caption: str


def shaped(result: QueryResult, shape: Shape) -> QueryResult:
    """The result in a shape. Raises UsageError if it has no such column, or if several rows would be one cell."""
    if shape.pivot is None:
        if shape.values is not None:
            raise UsageError("--values is what --pivot fills its columns with.", "Add --pivot language, for example.")
        frame = _chosen(result.frame, shape.columns) if shape.columns else result.frame
    else:
        frame = _pivoted(result.frame, shape.columns, shape.pivot, shape.values)
    return replace(result, frame=frame, kept=tuple(shape.columns))


def _chosen(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    for name in columns:
        if name not in frame.columns:
            raise UsageError(
                f"The result has no column {name!r}.", near(name, frame.columns, f"It has: {', '.join(frame.columns)}.")
            )
    wanted = (part for name in columns for part in (name, *interval(name)) if part in frame.columns)
    return frame.select(list(dict.fromkeys(wanted)))


def _pivoted(frame: pl.DataFrame, columns: Sequence[str], column: str, values: str | None) -> pl.DataFrame:
    """One column, and its interval, for each value of ``column``, in the order of their first rows."""
    reals = [name for name in columns or frame.columns if name in frame.columns and frame.schema[name].is_float()]
    if values is None and not reals:
        raise UsageError("The result has no column of real numbers.", "Name what fills the cells with --values COLUMN.")
    values = values or next(iter(reals))
    rows = columns or list(takewhile(lambda name: name not in reals, frame.columns))
    rows = [name for name in rows if name not in (column, values, *interval(values))]
    frame = _chosen(frame, [*rows, column, values]).with_columns(pl.lit(0).alias(""))
    _refuse_several(frame, rows, column)
    keys = ["", *rows]
    filled = frame.select(keys).unique(maintain_order=True)
    for value in frame[column].unique(maintain_order=True):
        name = "NULL" if value is None else str(value)
        name = f"{column} {name}" if name in filled.columns else name
        part = frame.filter(pl.col(column).eq_missing(pl.lit(value, frame.schema[column])))
        held = [(values, name), *zip(interval(values), interval(name), strict=True)]
        part = part.select(*keys, *(pl.col(old).alias(new) for old, new in held if old in frame.columns))
        filled = filled.join(part, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return filled.drop("")


def _refuse_several(frame: pl.DataFrame, rows: Sequence[str], column: str) -> None:
    if frame.select(*rows, column).is_duplicated().any():
        raise UsageError(
            f"Several rows have the same {', '.join([*rows, column])}: they would be one cell.",
            "Name the columns that tell rows apart with --columns, or restrict the query with --param.",
        )


def sheet(result: QueryResult) -> Sheet:
    """The result without what all rows have alike, which its caption says, with the question.

    Columns that were asked for by name stay.
    """
    frame, alike = without_constants(result.frame, result.kept)
    sentences = [
        result.question,
        f"In all rows: {'; '.join(f'{name} {value}' for name, value in alike)}." if alike else "",
        _brackets(result),
    ]
    return Sheet(frame, " ".join(filter(None, sentences)))


def _brackets(result: QueryResult) -> str:
    varied = _OVER.get(str(result.parameters.get(INTERVALS)))
    has = any(set(interval(name)) <= set(result.frame.columns) for name in result.frame.columns)
    return f"In brackets: 95% intervals {varied}." if varied and has else ""


def without_constants(frame: pl.DataFrame, kept: Sequence[str] = ()) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """Rows without columns, and without words of ``WORDS``, that are the same in all; and these as texts.

    Columns without any value are left out, and not named; those of ``kept`` stay. A single row has all but ``WORDS``.
    """
    if frame.is_empty():
        return frame, []
    whole = {end: name for name in frame.columns for end in interval(name) if end in frame.columns}
    varying = {whole.get(name, name) for name in frame.columns if name in kept or frame[name].n_unique() > 1}
    constant = [name for name in frame.columns if whole.get(name, name) not in varying]
    if len(constant) == frame.width:
        constant = [name for name in WORDS if name in constant and frame.width > 1]
    _, *first = cells(frame.select(constant).head(1), "", {})[0]
    alike = [(name, cell) for row in first for name, cell in zip(constant, row, strict=True) if cell]
    for name in WORDS:
        if name in frame.columns and name not in (*constant, *kept):
            shared = shared_words(frame[name])
            alike.append((name, " ".join(sorted(shared))))
            rest = [
                None if text is None else " ".join(w for w in text.split() if w not in shared) for text in frame[name]
            ]
            frame = frame.with_columns(pl.Series(name, rest, dtype=pl.String))
    return frame.drop(constant), [(name, text) for name, text in alike if text]


def shared_words(values: pl.Series) -> set[str]:
    """Words such as ``seed=1`` that every value has."""
    several = [set(value.split()) for value in values.drop_nulls().unique()]
    return set.intersection(*several) if several else set()
