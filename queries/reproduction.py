"""The published numbers beside what the store has, cell by cell.

The store's numbers are looked up in the results of the queries that make them: all that is done here is what a
sentence does with them, such as to name the highest. A cell is

    exact             the same at the published precision
    holds             as the paper says of it, where that is no number but a bound
    within tolerance  no further apart than the tolerance of the table
    different
    not yet run       the store has no number, or a mean over fewer languages than the paper's

and one that is not yet run comes with what the store lacks for it.
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
from mlv.queries.published import Cell, Found, Published, PublishedNumbers, Setup
from mlv.queries.study import Study
from mlv.schema.errors import UsageError
from mlv.schema.fetching import frame_of

Status = Literal["exact", "holds", "within tolerance", "different", "not yet run"]

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
    setups: tuple[Setup, ...] = ()
    """Model states without answers in a language of the cell."""

    unprobed: tuple[str, ...] = ()
    """Languages of the cell that the store has no probes in."""

    countries: tuple[str, ...] = ()
    """Countries of the cell that the store has no survey of."""

    def __bool__(self) -> bool:
        return bool(self.setups or self.unprobed or self.countries)

    def __str__(self) -> str:
        probes = [f"probes in {','.join(self.unprobed)}"] if self.unprobed else []
        surveys = [f"a survey of {','.join(self.countries)}"] if self.countries else []
        return "; ".join([*probes, *surveys, *map(str, self.setups)])


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
    inventory, asked = _Inventory(connection, study), _Asked(connection, parameters)
    rows, missing = [], []
    for numbers in study.published:
        found = list(numbers.find(asked(numbers).frame, inventory.checkpoints))
        for one in published.cells(study.code, numbers):
            surveyed = not inventory.unsurveyed(numbers.countries(one.cell))
            there = [item for item in found if item.cell == one.cell and surveyed]
            lacking = inventory.missing(numbers, one.cell)
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
    _, value, lacking = min(found, key=lambda item: bool(item.lacking), default=Found(one.cell, None))
    status = "not yet run" if value is None or lacking else _status(one, value, numbers)
    remarks = [
        one.remark,
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
            pl.col("row").is_in(list(numbers.rows)) if numbers.rows else True,
        )
        statuses = rows["status"].to_list()
        counts = ", ".join(f"{statuses.count(name)} {name}" for name in get_args(Status) if name in statuses)
        yield f"{', '.join(part for part in numbers.key if part)}: {counts}."
        yield f"  tolerance {numbers.tolerance:g}: {numbers.because}."
        yield f"  {numbers.reading}"


class _Inventory:
    """What a store has of what published numbers rest on."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, study: Study) -> None:
        def values(sql: str) -> set[str]:
            return {value for (value,) in connection.execute(sql).fetchall()}

        self.checkpoints = frame_of(connection, "FROM v_checkpoint WHERE is_final")
        self._languages = values("SELECT DISTINCT language FROM v_probe")
        self._countries = values("SELECT DISTINCT country FROM v_country_profile WHERE NOT illustrative")
        self._answered = set(_answered(connection, study))
        self._traced = set(_traced(connection, study))

    def unsurveyed(self, countries: tuple[str, ...]) -> tuple[str, ...]:
        """The countries of which no real people's answers are there."""
        return tuple(country for country in countries if country not in self._countries)

    def missing(self, numbers: PublishedNumbers, cell: Cell) -> Missing:
        """What a cell lacks."""
        of_all = set(numbers.languages)
        languages = {cell.column} if cell.column in of_all else of_all
        return Missing(
            numbers.place,
            cell,
            tuple(setup for setup in numbers.setups(cell) if not self._has(_last_name(setup), languages)),
            tuple(sorted(languages - self._languages)),
            self.unsurveyed(numbers.countries(cell)),
        )

    def _has(self, setup: Setup, languages: set[str]) -> bool:
        untraced = setup._replace(traced=False)
        answered = all((untraced, language) in self._answered for language in languages)
        return answered and (not setup.traced or setup in self._traced)


def _last_name(setup: Setup) -> Setup:
    """A setup whose model is named as on the hub, without its owner: a store may have it under a path."""
    return setup._replace(model=setup.model.rpartition("/")[2])


_SETUP = "model, source, ft_languages, sentences"


def _answered(connection: duckdb.DuckDBPyConnection, study: Study) -> Iterator[tuple[Setup, str]]:
    """Which setups have answers in which languages."""
    frame = frame_of(
        connection,
        f"SELECT DISTINCT {_SETUP}, settings, language FROM v_checkpoint JOIN v_answer USING (checkpoint_id) "
        "WHERE is_final",
    )
    for row in frame.filter(pl.col("source").is_null() | study.as_in_paper).to_dicts():
        setup = Setup(row["model"], row["source"], row["ft_languages"], row["sentences"])
        yield _last_name(setup), row["language"]


def _traced(connection: duckdb.DuckDBPyConnection, study: Study) -> Iterator[Setup]:
    """Setups whose examples were ranked."""
    frame = frame_of(connection, f"SELECT DISTINCT {_SETUP}, settings FROM v_influence_run")
    for row in frame.filter(study.as_in_paper).select(_SETUP.split(", ")).rows():
        yield _last_name(Setup(*row)._replace(traced=True))
