"""How two results differ, cell by cell: of two versions of a query on one store, or of one query on two stores.

Rows are matched by their key, the columns that say what a row is. Queries put these before what they measure, so the
key is every column that both results have and that stands, in the first one, before its first column of real numbers;
without any, or where these do not tell rows apart, the fewest columns from the left without real numbers that do.
``key`` names others.

Two numbers differ if they are further apart than 1e-9 of the larger one and than 1e-12: less is the order in which a
sum was taken.
"""

from collections.abc import Sequence
from itertools import takewhile

import polars as pl

from mlv.queries.engine.catalogue import text_sha256
from mlv.queries.engine.result import QueryResult
from mlv.schema.errors import UsageError

ROUNDING = 1e-9
"""Largest distance of two equal numbers, relative to the larger."""

ROUNDING_AT_ZERO = 1e-12
"""Largest distance of two equal numbers near zero."""

WHAT = "difference"
"""Name of the column that says how a row of the result is a difference."""

_DIFFERENCE = {
    WHAT: pl.String(),
    "column": pl.String(),
    "first": pl.String(),
    "second": pl.String(),
    "change": pl.Float64(),
}


def compare(
    first: QueryResult, second: QueryResult, stores: tuple[str, str] | None = None, key: Sequence[str] = ()
) -> QueryResult:
    """:func:`differences` of two results, as a result that says what they were.

    ``stores`` names the two stores; None if two queries ran on one store.
    """
    labels = stores or (f"{first.name}@{first.version}", f"{second.name}@{second.version}")
    frames = [_without_keys_of_a_store(result.frame) if stores else result.frame for result in (first, second)]
    frame = differences(frames[0], frames[1], labels, key)
    titles = {"first": f"{first.title}, {first.store}", "second": f"{second.title}, {second.store}"}
    return QueryResult(frame, "diff", None, text_sha256(first.sql_sha256 + second.sql_sha256), titles, first.store)


def summary(frame: pl.DataFrame) -> str:
    """How many differences of each kind, in words."""
    counts = frame.group_by(WHAT, maintain_order=True).len().rows()
    return ", ".join(f"{count:,} {what}" for what, count in counts) or "no difference"


def differences(
    first: pl.DataFrame, second: pl.DataFrame, labels: tuple[str, str], key: Sequence[str] = ()
) -> pl.DataFrame:
    """Every difference as a row; none if the results are the same.

    Columns: the key; ``difference``, which is ``changed``, or ``row only in`` or ``column only in`` with the label of
    one; ``column``; ``first`` and ``second``, the values as text; ``change``, second minus first of numbers.
    Raises UsageError if the key does not tell the rows of a result apart.
    """
    chosen = list(key) or key_columns(first, second)
    for frame, label in ((first, labels[0]), (second, labels[1])):
        _check_key(frame, chosen, label)
    parts = [
        _extra_columns(first, second, f"column only in {labels[0]}"),
        _extra_columns(second, first, f"column only in {labels[1]}"),
        _extra_rows(first, second, chosen, f"row only in {labels[0]}"),
        _extra_rows(second, first, chosen, f"row only in {labels[1]}"),
        _changed_cells(first, second, chosen),
    ]
    empty = pl.DataFrame(schema={**{name: first.schema[name] for name in chosen}, **_DIFFERENCE})
    return pl.concat([empty, *parts], how="diagonal_relaxed")


def key_columns(first: pl.DataFrame, second: pl.DataFrame) -> list[str]:
    """The columns that identify a row, as described above."""
    shared = [name for name in first.columns if name in second.columns]
    before = list(takewhile(lambda name: not first.schema[name].is_float(), shared))
    if before != shared and _tells_apart(first, second, before):
        return before
    texts = [name for name in shared if not first.schema[name].is_float()]
    leading = (texts[:count] for count in range(1, len(texts) + 1))
    return next((key for key in leading if _tells_apart(first, second, key)), texts)


def _tells_apart(first: pl.DataFrame, second: pl.DataFrame, key: Sequence[str]) -> bool:
    return bool(key) and _unique(first, key) and _unique(second, key)


def _without_keys_of_a_store(frame: pl.DataFrame) -> pl.DataFrame:
    """A result without the integer keys (``checkpoint_id``), which another store gives to other things."""
    return frame.select(pl.exclude(r"^.*_id(_[ab])?$"))


def _unique(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    return not frame.select(key).is_duplicated().any()


def _check_key(frame: pl.DataFrame, key: Sequence[str], label: str) -> None:
    missing = [name for name in key if name not in frame.columns]
    if missing or not key:
        raise UsageError(
            f"{label} has no column {missing[0] if missing else 'to match rows by'}.",
            f"It has: {', '.join(frame.columns)}. Name those to match rows by with --key A,B.",
        )
    if not _unique(frame, key):
        raise UsageError(
            f"Several rows of {label} have the same {', '.join(key)}: its rows are something else.",
            "Read the grain of both (mlv query show), and name the columns to match rows by with --key A,B.",
        )


def _extra_columns(frame: pl.DataFrame, other: pl.DataFrame, what: str) -> pl.DataFrame:
    extra = [name for name in frame.columns if name not in other.columns]
    return pl.DataFrame({WHAT: [what] * len(extra), "column": extra}, schema={WHAT: pl.String, "column": pl.String})


def _extra_rows(frame: pl.DataFrame, other: pl.DataFrame, key: list[str], what: str) -> pl.DataFrame:
    extra = frame.select(key).join(other.select(key), on=key, how="anti", nulls_equal=True, maintain_order="left")
    return extra.with_columns(pl.lit(what).alias(WHAT))


def _changed_cells(first: pl.DataFrame, second: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Cells of rows that both have, in the order of the first's rows and, within a row, of its columns."""
    both = first.with_row_index("place").join(second, on=key, how="inner", nulls_equal=True, suffix=":second")
    compared = [name for name in first.columns if name in second.columns and name not in key]
    cells = [_changed(both, key, name, place) for place, name in enumerate(compared)]
    if not cells:
        return pl.DataFrame()
    return pl.concat(cells).sort("place", "place_of_column").drop("place", "place_of_column")


def _changed(both: pl.DataFrame, key: list[str], name: str, place: int) -> pl.DataFrame:
    """The changed cells of a column."""
    before, after = pl.col(name), pl.col(f"{name}:second")
    numbers = both.schema[name].is_numeric() and both.schema[f"{name}:second"].is_numeric()
    same = before.eq_missing(after)
    if numbers:
        largest = pl.max_horizontal(before.abs(), after.abs()).cast(pl.Float64)
        near = pl.max_horizontal(ROUNDING * largest, pl.lit(ROUNDING_AT_ZERO))
        same = same | ((after - before).abs() <= near).fill_null(False)
    elif both.schema[name] != both.schema[f"{name}:second"]:
        same = before.cast(pl.String).eq_missing(after.cast(pl.String))
    return both.filter(~same).select(
        "place",
        pl.lit(place).alias("place_of_column"),
        *key,
        pl.lit("changed").alias(WHAT),
        pl.lit(name).alias("column"),
        before.cast(pl.String).alias("first"),
        after.cast(pl.String).alias("second"),
        ((after - before).cast(pl.Float64) if numbers else pl.lit(None, pl.Float64)).alias("change"),
    )
