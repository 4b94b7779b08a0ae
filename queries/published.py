"""The published tables of a study: their numbers, and where in the result of which query the store's numbers are.

The numbers are data: ``queries/STUDY/published/table-N.csv`` as printed, ``remarks.csv`` on single cells. What a paper
leaves open is decided by its study, and said in ``PublishedTable.reading``.
"""

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import NamedTuple

import polars as pl


class Cell(NamedTuple):
    """Place of a number in a published table."""

    row: str
    column: str


class Found(NamedTuple):
    """A number of the store that belongs into a cell."""

    cell: Cell
    value: float | None
    lacking: str = ""
    """What it should be over but is not; empty if it is the paper's."""


class Setup(NamedTuple):
    """A model state whose answers a cell rests on: pretrained if there is no source."""

    model: str
    """Its name on the hub."""

    source: str | None = None
    ft_languages: str | None = None
    """Comma-separated in alphabetical order."""

    sentences: int | None = None
    """All languages together."""

    def __str__(self) -> str:
        if self.source is None:
            return f"{self.model}, pretrained"
        return f"{self.model} on {self.source} in {self.ft_languages}, {self.sentences:,} sentences"


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper, and how it is made from a store."""

    number: int
    query: str
    """The query that makes it, with its version."""

    decimals: int
    """Decimals that are printed."""

    tolerance: float
    because: str
    """Why the tolerance is what it is."""

    reading: str
    """What the paper leaves open, and what is taken."""

    find: Callable[[pl.DataFrame], Iterable[Found]]
    """Looks numbers up in the query's result."""

    setups: Callable[[str], list[Setup]]
    """What the cells of a row rest on."""

    country: Callable[[str], str | None] = lambda _: None
    """The country whose people the cells of a row compare with; None if with none."""


def cells(study: str, tables: Sequence[PublishedTable]) -> pl.DataFrame:
    """The published cells of a study's tables: table, row, column, published, remark."""
    remarks = {(int(row["table"]), Cell(row["row"], row["column"])): row for row in _read(study, "remarks")}
    found = []
    for table in tables:
        for record in _read(study, f"table-{table.number}"):
            row, *values = record.values()
            for column, value in zip(list(record)[1:], values, strict=True):
                remark = remarks.get((table.number, Cell(row, column)), {"published": value, "remark": ""})
                found.append((table.number, row, column, float(remark["published"]), remark["remark"]))
    return pl.DataFrame(found, schema=["table", "row", "column", "published", "remark"], orient="row")


def _read(study: str, file: str) -> list[dict[str, str]]:
    """The rows of a data file, whose first line names its source."""
    text = files("mlv.queries").joinpath(study, "published", f"{file}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()[1:]))
