"""The published numbers of a study, and where in the result of which query the store's numbers are.

The numbers are data: ``queries/STUDY/published/table-N.csv`` as printed, ``text.csv`` those that stand in sentences,
``claims.csv`` what sentences say without a number, ``remarks.csv`` on single cells. What a paper leaves open is decided
by its study, and said in ``PublishedNumbers.reading``; where it can be read in two ways, both are there, each with a
name. So is what a number rests on: its study knows what to look for in a store, and the command that makes it.
"""

import csv
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal, NamedTuple, TypeVar, cast

import polars as pl

V = TypeVar("V")

Relation = Literal["=", "<", "<=", ">=", "claim"]
"""What the paper says of a number: that it is this, or below, at most or at least this. A claim is a statement without
a number: 1 is that it holds, 0 that it does not."""


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

    remark: str = ""
    """Of a claim that does not hold, what is against it."""


@dataclass(frozen=True)
class Supply:
    """Something that numbers rest on, such as probes, or models that were trained, and what makes it."""

    name: str
    """In what a cell lacks; {} stands for those that lack, or for one of them if they are itemised."""

    step: str
    """What is said before the command; {} stands for those that lack, or for their number if they are itemised."""

    command: str
    itemised: bool = False
    """Whether there are so many of them that each has a line of its own."""

    indispensable: bool = False
    """Whether a number that was made without it is none of the paper's."""


class Needed(NamedTuple):
    """Something of a sort that a number rests on."""

    supply: Supply
    what: Hashable
    """What to look for; as text its name."""


Has = Callable[[Needed], bool]
"""Whether a store has it."""


def against(contradictions: Callable[[V], Iterable[str]]) -> Callable[[V], tuple[float, str]]:
    """Concludes from values whether a claim holds, 1 or 0, and what is against it if it does not."""

    def conclude(values: V) -> tuple[float, str]:
        found = list(contradictions(values))
        return (0.0, f"against it: {', '.join(found)}") if found else (1.0, "")

    return conclude


def settings_but(left_open: Sequence[str]) -> pl.Expr:
    """The words of a column ``settings`` but those that a paper leaves open."""
    return (
        pl.col("settings")
        .str.split(" ")
        .list.eval(pl.element().filter(~pl.element().str.split("=").list.first().is_in(list(left_open))))
    )


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
    """Why the tolerance is what it is; empty of claims."""

    reading: str
    """What the paper leaves open, and what is taken."""

    find: Callable[[pl.DataFrame, pl.DataFrame], Iterable[Found]]
    """Looks numbers up in the query's result, with the last checkpoints of all runs beside (``v_checkpoint``)."""

    needs: Callable[[Cell], Sequence[Needed]]
    """What a cell rests on."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of the query, where it is not the defaults."""

    called: str = ""
    """Name of the reading, where there is another one."""

    rows: tuple[str, ...] = ()
    """Its rows of ``text.csv`` and ``claims.csv``; of a table all."""

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
        one._replace(
            number=float(row["published"] or one.number), remark="; ".join(filter(None, (one.remark, row["remark"])))
        )
        if row
        else one
        for one, row in known
    ]


def _in_table(study: str, numbers: PublishedNumbers) -> list[Published]:
    rows = _read(study, numbers.place.lower().replace(" ", "-"))
    head, *columns = list(rows[0])
    return [Published(Cell(row[head], column), float(row[column])) for row in rows for column in columns if row[column]]


def _in_text(study: str, numbers: PublishedNumbers) -> list[Published]:
    rows = [*_read(study, "text"), *_read(study, "claims")]
    return [
        Published(
            Cell(row["row"], row["column"]),
            float(row.get("published", 1)),
            cast(Relation, row.get("relation", "claim")),
            f"\N{LEFT DOUBLE QUOTATION MARK}{row['sentence']}\N{RIGHT DOUBLE QUOTATION MARK}",
        )
        for row in rows
        if row["place"] == numbers.place and row["row"] in numbers.rows
    ]


def _read(study: str, file: str) -> Sequence[dict[str, str]]:
    """The rows of a data file, whose first line names its source; none where a study has no such file."""
    path = files("mlv.queries").joinpath(study, "published", f"{file}.csv")
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()[1:])) if path.is_file() else []
