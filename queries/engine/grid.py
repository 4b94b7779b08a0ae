"""A frame as cells of text: plain types for machines, and what people read."""

import json
from typing import Any

import polars as pl

DECIMALS = 3
"""Decimals of real numbers in the formats for people, if no other number is asked for."""

CONTROL = (*range(32), *range(127, 160))
"""Characters that would move a terminal's cursor, or stop LaTeX."""

Grid = tuple[list[list[str]], list[bool]]
"""Cells by row, the header first; and for every column whether it holds numbers."""


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Times, binary and enumerations as text; whole decimals, such as DuckDB's sum of integers, as integers."""
    columns = (_plain_column(pl.col(name), dtype) for name, dtype in frame.schema.items())
    return frame.with_columns(column for column in columns if column is not None)


def _plain_column(column: pl.Expr, dtype: pl.DataType) -> pl.Expr | None:
    """How a column becomes one of a plain type; None if it is of one."""
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("%:z" if dtype.time_zone else ""))
    if isinstance(dtype, pl.Time):
        return column.dt.strftime("%H:%M:%S%.f")
    if isinstance(dtype, pl.Binary):
        return column.bin.encode("hex")
    if isinstance(dtype, pl.Date | pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if isinstance(dtype, pl.Decimal) and dtype.scale == 0:
        return column.cast(pl.Int128)
    return None


def numeric(frame: pl.DataFrame) -> pl.DataFrame:
    """Decimals as numbers, which JSON would hold as text."""
    return frame.with_columns(pl.col(pl.Decimal).cast(pl.Float64))


def flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists and structures as JSON texts."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(
        pl.Series(name, [_json_text(value) for value in frame[name].to_list()], dtype=pl.String) for name in nested
    )


def _json_text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def cells(frame: pl.DataFrame, missing: str, escapes: dict[int, str], digits: int = DECIMALS) -> Grid:
    """Cells as people read them, escaped; real numbers with ``digits`` decimals."""
    flattened = flat(plain(frame))
    numbers = [dtype.is_numeric() for dtype in flattened.schema.values()]
    rows = [
        [missing if value is None else _cell(value, digits).translate(escapes) for value in row]
        for row in flattened.rows()
    ]
    return [[name.translate(escapes) for name in flattened.columns], *rows], numbers


def _cell(value: Any, digits: int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _real(value, digits)
    return str(value)


def _real(value: float, digits: int) -> str:
    if value != 0 and abs(value) < 0.5 * 10**-digits:
        return f"{value:.1e}"
    text = f"{value:.{digits}f}"
    return text if len(text) < 16 else f"{value:.{digits}e}"


def interval(name: str) -> tuple[str, str]:
    """Names of the columns of a column's interval."""
    return f"{name}_low", f"{name}_high"


def with_brackets(grid: Grid, missing: str) -> Grid:
    """Intervals in brackets behind their values: ``0.5 [0.4, 0.6]``; without brackets where an end is missing."""
    (header, *rows), numbers = grid
    place = {name: column for column, name in enumerate(header)}
    ends = {name: tuple(place.get(end, -1) for end in interval(name)) for name in header}
    ends = {name: pair for name, pair in ends.items() if -1 not in pair}
    columns = [name for name in header if place[name] not in {end for pair in ends.values() for end in pair}]

    def cell(row: list[str], name: str) -> str:
        low, high = (row[end] for end in ends[name]) if name in ends else (missing, missing)
        value = row[place[name]]
        return value if missing in (low, high, value) else f"{value} [{low}, {high}]"

    return [columns, *([cell(row, name) for name in columns] for row in rows)], [numbers[place[n]] for n in columns]
