"""Rows of a query beside those that a test works out for itself."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

Key = tuple[Any, ...]
Row = dict[str, Any]

CLOSE = 1e-9
"""How far apart two real numbers may be for the order in which they were added up."""


def expect(frame: pl.DataFrame, keys: list[str], expected: Mapping[Key, Mapping[str, Any]]) -> None:
    """The frame has exactly the expected rows by their keys, each once; other columns are not looked at.

    A column ``rate`` is the learning rate that ``settings`` has.
    """
    if "settings" in frame.columns:
        frame = frame.with_columns(rate=frame["settings"].str.extract(r"learning_rate=(\S+)").cast(pl.Float64))
    got = {tuple(row[key] for key in keys): row for row in frame.iter_rows(named=True)}
    assert len(got) == frame.height > 0
    assert got.keys() == expected.keys()
    for key, values in expected.items():
        for column, value in values.items():
            close = pytest.approx(value, abs=CLOSE) if isinstance(value, float) else value
            assert got[key][column] == close, (key, column)


def expect_column(frame: pl.DataFrame, keys: list[str], column: str, expected: Mapping[Key, Any]) -> None:
    """The same of one column's values."""
    expect(frame, keys, {key: {column: value} for key, value in expected.items()})


def expect_rows(frame: pl.DataFrame, keys: list[str], expected: list[Row]) -> None:
    """The frame has exactly the expected rows by their columns, in whatever order, and not none."""
    assert expected
    wanted = pl.DataFrame(expected, infer_schema_length=None)
    got = frame.select(wanted.columns)
    # rows of the same keys by what else they have, whatever its last digits
    numbers = [name for name in wanted.columns if wanted[name].dtype.is_float()]
    order = [pl.col(name).round(6) if name in numbers else pl.col(name) for name in [*keys, *numbers]]
    assert_frame_equal(got.sort(order), wanted.sort(order), check_dtypes=False, rel_tol=CLOSE, abs_tol=CLOSE)


def mean(values: Iterable[float]) -> float:
    """As numpy has it."""
    return float(np.mean(list(values)))
