"""The published numbers of a study, and where in the result of which query the store's numbers are.

The numbers are data: ``queries/STUDY/published/table-N.csv`` as printed, ``text.csv`` those that stand in sentences,
``remarks.csv`` on single cells. What a paper leaves open is decided by its study, and said in
``PublishedNumbers.reading``; where it can be read in two ways, both are there, each with a name.
"""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal, NamedTuple, cast

import polars as pl

Relation = Literal["=", "<", "<=", ">="]
"""What the paper says of a number: that it is this, or below, at most or at least this."""


class Cell(NamedTuple):
    """Place of a number in a published table; of one in a sentence, what it is and what it is of."""

    row: str
    column: str


class Published(NamedTuple):
    """A number as the paper has it."""

    cell: Cell
    number: float
    relation: Relation = "="
    remark: str = ""
    """The sentence of a number that stands in one, and what else is to be known."""


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

    traced: bool = False
    """Whether its most influential examples are needed, too."""

    def __str__(self) -> str:
        if self.source is None:
            return f"{self.model}, pretrained"
        traced = ", traced" if self.traced else ""
        return f"{self.model} on {self.source} in {self.ft_languages}, {self.sentences:,} sentences{traced}"


@dataclass(frozen=True)
class PublishedNumbers:
    """A table of a paper, or numbers of one kind in its text, and how they are made from a store."""

    place: str
    """In the paper: Table 1, section 7."""

    query: str
    """The query that makes them, with its version."""

    decimals: int
    """Decimals that are printed."""

    tolerance: float
    because: str
    """Why the tolerance is what it is."""

    reading: str
    """What the paper leaves open, and what is taken."""

    find: Callable[[pl.DataFrame, pl.DataFrame], Iterable[Found]]
    """Looks numbers up in the query's result, with the last checkpoints of all runs beside (``v_checkpoint``)."""

    setups: Callable[[Cell], list[Setup]]
    """What a cell rests on."""

    languages: tuple[str, ...]
    """Test languages: a cell is of that which its column names, else of all."""

    countries: Callable[[Cell], tuple[str, ...]] = lambda _: ()
    """The countries whose people a cell is of."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of the query, where it is not the defaults."""

    called: str = ""
    """Name of the reading, where there is another one."""

    rows: tuple[str, ...] = ()
    """Its rows of ``text.csv``; of a table all."""

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it apart from others of its study."""
        return self.place, self.called, *self.rows


def cells(study: str, numbers: PublishedNumbers) -> list[Published]:
    """The published cells, in the order of the data file."""
    remarks = {(row["place"], Cell(row["row"], row["column"])): row for row in _read(study, "remarks")}
    found = _in_text(study, numbers) if numbers.rows else _in_table(study, numbers)
    known = [(one, remarks.get((numbers.place, one.cell))) for one in found]
    return [
        one._replace(number=float(row["published"] or one.number), remark=row["remark"]) if row else one
        for one, row in known
    ]


def _in_table(study: str, numbers: PublishedNumbers) -> list[Published]:
    rows = _read(study, numbers.place.lower().replace(" ", "-"))
    head, *columns = list(rows[0])
    return [Published(Cell(row[head], column), float(row[column])) for row in rows for column in columns]


def _in_text(study: str, numbers: PublishedNumbers) -> list[Published]:
    rows = [row for row in _read(study, "text") if row["place"] == numbers.place and row["row"] in numbers.rows]
    return [
        Published(
            Cell(row["row"], row["column"]),
            float(row["published"]),
            cast(Relation, row["relation"]),
            f"\N{LEFT DOUBLE QUOTATION MARK}{row['sentence']}\N{RIGHT DOUBLE QUOTATION MARK}",
        )
        for row in rows
    ]


def _read(study: str, file: str) -> Sequence[dict[str, str]]:
    """The rows of a data file, whose first line names its source."""
    text = files("mlv.queries").joinpath(study, "published", f"{file}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()[1:]))
