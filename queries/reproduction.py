"""The published numbers beside what the store has, cell by cell.

The store's numbers are looked up in the results of the queries that make them: all that is done here is what a
sentence does with them, such as to name the highest. A cell is

    exact             the same at the published precision
    holds             as the paper says of it, where that is no number but a bound or a claim
    does not hold     of a claim
    within tolerance  no further apart than the tolerance of the table
    different
    not yet run       the store has no number, or a mean over fewer languages than the paper's

and one that is not yet run comes with what the store lacks for it. What a number rests on is known by its study alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

import duckdb
import polars as pl

from mlv.queries import published
from mlv.queries.engine.catalogue import find, text_sha256
from mlv.queries.engine.execution import run_query
from mlv.queries.engine.result import QueryResult
from mlv.queries.engine.state import store_state
from mlv.queries.published import Cell, Found, Needed, Published, PublishedNumbers, Supply
from mlv.queries.study import Study
from mlv.schema.errors import UsageError
from mlv.schema.fetching import frame_of

Status = Literal["exact", "holds", "does not hold", "within tolerance", "different", "not yet run"]

_COLUMNS: dict[str, type[pl.DataType]] = {
    "place": pl.String,
    "reading": pl.String,
    "row": pl.String,
    "column": pl.String,
    "relation": pl.String,
    "published": pl.Float64,
    "store": pl.Float64,
    "difference": pl.Float64,
    "status": pl.String,
    "tolerance": pl.Float64,
    "query": pl.String,
    "remark": pl.String,
    "missing": pl.String,
}


@dataclass(frozen=True)
class Missing:
    """What a store lacks for a published cell."""

    place: str
    cell: Cell
    needs: tuple[Needed, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.needs)

    def __str__(self) -> str:
        return "; ".join(part for supply, names in self.by_supply().items() for part in _named(supply, names))

    @property
    def counts(self) -> bool:
        """Whether a number that is there counts."""
        return not any(need.supply.indispensable for need in self.needs)

    def by_supply(self) -> dict[Supply, list[str]]:
        """Names of what lacks, by what it is, in the order in which a cell needs it."""
        names: dict[Supply, list[str]] = {}
        for supply, what in self.needs:
            names.setdefault(supply, []).append(str(what))
        return names


def _named(supply: Supply, names: list[str]) -> list[str]:
    return [supply.name.format(name) for name in (names if supply.itemised else [",".join(names)])]


@dataclass(frozen=True)
class Reproduction:
    """Published cells beside the store's."""

    result: QueryResult
    """A row for every cell; what is missing as text."""

    missing: tuple[Missing, ...]
    """Of every cell that is not yet run and lacks something."""


def reproduce(
    connection: duckdb.DuckDBPyConnection, study: Study, parameters: Mapping[str, str | None] = MappingProxyType({})
) -> Reproduction:
    """Compare every published cell of a study with the store's number.

    Args:
        connection: A store.
        study: Its published numbers are compared.
        parameters: Of the queries, e.g. the score; a query that has none of the name, or a value of None, is
            asked as it is. What was taken is in the result's parameters.

    Raises:
        UsageError: None of the study's published numbers are here, or the store lacks a value.
    """
    if not study.published:
        raise UsageError(
            f"No published numbers of {study.code} are here.", "Compare with its paper by hand: mlv report."
        )
    has, asked = study.inventory(connection), _Asked(connection, parameters)
    checkpoints = frame_of(connection, "FROM v_checkpoint WHERE is_final")
    rows, missing = [], []
    for numbers in study.published:
        found = list(numbers.find(asked(numbers).frame, checkpoints))
        for one in published.cells(study.code, numbers):
            needs = tuple(need for need in numbers.needs(one.cell) if not has(need))
            lacking = Missing(numbers.place, one.cell, needs)
            there = [item for item in found if item.cell == one.cell and lacking.counts]
            rows.append(_compared(numbers, one, there, lacking))
            if rows[-1][-1] is not None:
                missing.append(lacking)
    titles = {"study": study.code} | {result.name: result.title for result in asked.results}
    hashes = text_sha256("".join(result.sql_sha256 for result in asked.results))
    frame = pl.DataFrame(rows, schema=_COLUMNS, orient="row")
    return Reproduction(QueryResult(frame, "reproduce", None, hashes, titles, store_state(connection)), tuple(missing))


class _Asked:
    """Results of queries, each asked once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, parameters: Mapping[str, str | None]) -> None:
        self._connection, self._given = connection, parameters
        self._by_query: dict[tuple[Any, ...], QueryResult] = {}

    @property
    def results(self) -> list[QueryResult]:
        """In the order in which they were asked."""
        return list(self._by_query.values())

    def __call__(self, numbers: PublishedNumbers) -> QueryResult:
        query = find(numbers.query)
        given = {name: value for name, value in self._given.items() if value is not None and name in query.parameters}
        asked = {**given, **numbers.parameters}
        key = (query.reference, *sorted(asked.items()))
        if key not in self._by_query:
            self._by_query[key] = run_query(self._connection, query, asked)
        return self._by_query[key]


def _compared(numbers: PublishedNumbers, one: Published, found: list[Found], missing: Missing) -> tuple[Any, ...]:
    """A row of the result; what is missing comes last."""
    # setups that differ in what the paper does not say, such as the precision: one that is whole counts first
    _, value, lacking, remark = min(found, key=lambda item: bool(item.lacking), default=Found(one.cell, None))
    status = "not yet run" if value is None or lacking else _status(one, value, numbers)
    remarks = [
        one.remark,
        remark,
        f"the store's is without {lacking}" if lacking else "",
        f"one of {len(found)} setups, the first" if len(found) > 1 else "",
        "nothing is left to run, but the query has no number" if value is None and not missing else "",
    ]
    return (
        numbers.place,
        numbers.called or None,
        *one.cell,
        one.relation,
        one.number,
        value,
        None if value is None else value - one.number,
        status,
        numbers.tolerance,
        numbers.query,
        "; ".join(filter(None, remarks)) or None,
        str(missing) if status == "not yet run" and missing else None,
    )


def _status(one: Published, value: float, numbers: PublishedNumbers) -> Status:
    if one.relation == "claim":
        return "holds" if value == one.number else "does not hold"
    above = value - one.number
    beyond = {"=": abs(above), "<": max(above, 0), "<=": max(above, 0), ">=": max(-above, 0)}[one.relation]
    # a hair more, because decimal fractions are not exact: 82.5 may stand for 82 and for 83
    distance = beyond - 1e-9
    if distance <= (0 if one.relation == "<" else 0.5 * 10**-numbers.decimals):
        return "exact" if one.relation == "=" else "holds"
    return "within tolerance" if distance <= numbers.tolerance else "different"


def summary(result: QueryResult, study: Study) -> Iterator[str]:
    """Lines about the rows: counts, tolerance and reading of every table, and of the numbers of a kind in the text."""
    for numbers in study.published:
        rows = result.frame.filter(
            pl.col("place") == numbers.place,
            pl.col("reading").fill_null("") == numbers.called,
            pl.col("row").is_in(list(numbers.rows)) if numbers.rows else pl.col("relation") != "claim",
        )
        statuses = rows["status"].to_list()
        counts = ", ".join(f"{statuses.count(name)} {name}" for name in get_args(Status) if name in statuses)
        yield f"{', '.join(part for part in numbers.key if part)}: {counts}."
        if numbers.because:
            yield f"  tolerance {numbers.tolerance:g}: {numbers.because}."
        yield f"  {numbers.reading}"
