"""How S's numbers are looked up in the rows of queries, and what is concluded from several of them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import polars as pl

from mlv.queries.published import Cell, Found
from mlv.queries.selfalign.setups import Asked, of_paper
from mlv.schema.papers.echoes import ECHOES_QUESTIONS

Find = Callable[[pl.DataFrame, pl.DataFrame], Iterator[Found]]

Values = Mapping[tuple[Any, ...], float]
"""Values of rows by run and the columns that a row is known by. What is not there is a KeyError, so that nothing is
concluded from rows that are lacking."""


class Rows(NamedTuple):
    """What is read of a query."""

    query: str
    """With its version."""

    value: str | pl.Expr
    keys: tuple[str, ...] = ()
    """Columns that a row of a run is known by."""


class Row(NamedTuple):
    """A row of a run that is as in the paper."""

    asked: Asked
    keys: tuple[Any, ...]
    value: float
    remark: str
    """That it is over fewer questions."""


def found_rows(rows: Rows, frame: pl.DataFrame) -> Iterator[Row]:
    """Every row that has a value; lower draws come first."""
    found = of_paper(frame).with_columns(found_value=rows.value).drop_nulls("found_value")
    for row in found.sort("draw", maintain_order=True).to_dicts():
        asked = Asked(row["name"], row["language"], row.get("strategy") or "", row.get("ordering") == "shuffled")
        probes = row.get("probes") or ECHOES_QUESTIONS
        remark = f"over {probes} of {ECHOES_QUESTIONS} questions" if probes < ECHOES_QUESTIONS else ""
        yield Row(asked, tuple(row[key] for key in rows.keys), float(row["found_value"]), remark)


def each(rows: Rows, cell: Callable[..., Cell | None]) -> Find:
    """A number for every row; the cell is found by run and keys, None for a row that is none of the table's."""

    def find(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
        for row in found_rows(rows, frame):
            if place := cell(row.asked, *row.keys):
                yield Found(place, row.value, "", row.remark)

    return find


def concluded(rows: Rows, cell: Cell, conclude: Callable[[Values], tuple[float, str]]) -> Find:
    """A number, with a remark, that takes several rows: of each run the lowest draw."""

    def find(frame: pl.DataFrame, _: pl.DataFrame) -> Iterator[Found]:
        together: dict[tuple[Any, ...], float] = {}
        for row in found_rows(rows, frame):
            together.setdefault((row.asked, *row.keys), row.value)
        if not together:
            return
        try:
            value, remark = conclude(together)
        except KeyError as missing:
            yield Found(cell, None, " ".join(map(str, missing.args[0])))
        else:
            yield Found(cell, value, "", remark)

    return find


IMPROVED: Final = Rows("self_alignment@1", "improved")
STAYED: Final = IMPROVED._replace(value="same")
FELL: Final = IMPROVED._replace(value="worse")
STAYED_RATHER: Final = IMPROVED._replace(value=pl.col("same") - pl.col("worse"))
REDUCTIONS: Final = Rows("error_reduction@1", "share", ("reduction",))
MEAN_REDUCTION: Final = Rows("error_reduction@1", "mean")
ERRORS: Final = Rows("error_distribution@1", "share", ("error",))
MISALIGNED: Final = Rows("misalignment@1", "misaligned")
MISALIGNED_SHARE: Final = Rows("misalignment@1", "misaligned_share")
BY_CATEGORY: Final = Rows("self_alignment_by_category@1", "improved_probes", ("category",))
