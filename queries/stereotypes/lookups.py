"""How D6's numbers are looked up in the rows of queries, and what is concluded from several of them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import polars as pl

from mlv.queries.published import Cell, Found
from mlv.queries.stereotypes.setups import Setup, setup_of, setups_by_name

Find = Callable[[pl.DataFrame, pl.DataFrame], Iterator[Found]]

Row = Mapping[str, Any]

Values = Mapping[tuple[Any, ...], float]
"""Values of rows by setups and the columns that a row is known by. What is not there is a KeyError, so that nothing is
concluded from rows that are lacking."""

PAIRED: Final = ("checkpoint_a", "checkpoint_b")


class Rows(NamedTuple):
    """What is read of a query."""

    query: str
    """With its version."""

    value: str
    keys: tuple[str, ...] = ()
    """Columns that a row of its setups is known by."""

    scale: float = 1.0
    """Units of the value in one of the paper's."""


def _setups(row: Row, names: Mapping[str, Setup]) -> tuple[Setup | None, ...]:
    """What a row is of: checkpoints by name, one or two, or a model and how it was trained."""
    if "checkpoint_a" in row:
        return tuple(names.get(row[name]) for name in PAIRED)
    return (names.get(row["checkpoint"]) if "checkpoint" in row else setup_of(row),)


def _known(rows: Rows, frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[tuple[tuple[Any, ...], float]]:
    """Rows of the paper's setups that have a value, by setups and keys."""
    names = setups_by_name(checkpoints)
    for row in frame.drop_nulls(rows.value).iter_rows(named=True):
        setups = _setups(row, names)
        if None not in setups:
            yield (*setups, *(row[key] for key in rows.keys)), row[rows.value] / rows.scale


def each(rows: Rows, cell: Callable[..., Cell | None]) -> Find:
    """A number for every row; the cell is found by the setups and the keys, None for a row that is none of the
    paper's."""

    def find(frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[Found]:
        for key, value in _known(rows, frame, checkpoints):
            if place := cell(*key):
                yield Found(place, value)

    return find


def counted(value: str, cell: Callable[[Row], Cell | None]) -> Find:
    """A number for every row, whatever models there are."""

    def find(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
        for row in frame.iter_rows(named=True):
            if place := cell(row):
                yield Found(place, float(row[value]))

    return find


def concluded(rows: Rows, cell: Cell, conclude: Callable[[Values], tuple[float, str]]) -> Find:
    """A number, with a remark, that takes several rows: of each setup the first that there are."""

    def find(frame: pl.DataFrame, checkpoints: pl.DataFrame) -> Iterator[Found]:
        values: dict[tuple[Any, ...], float] = {}
        for key, value in _known(rows, frame, checkpoints):
            values.setdefault(key, value)
        if not values:
            return
        try:
            value, remark = conclude(values)
        except KeyError as missing:
            yield Found(cell, None, ", ".join(map(str, missing.args[0])))
        else:
            yield Found(cell, value, "", remark)

    return find
