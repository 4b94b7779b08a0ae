"""The published tables beside what the store has, cell by cell.

The store's numbers are looked up in the results of the queries that make the tables; nothing is computed here. A cell
is

    exact             the same at the published precision
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
from mlv.queries.published import Cell, Found, PublishedTable, Setup
from mlv.queries.study import Study
from mlv.schema.errors import UsageError

Status = Literal["exact", "within tolerance", "different", "not yet run"]

AVERAGE = "avg."
"""The column of a mean over all others."""

_COLUMNS: dict[str, type[pl.DataType]] = {
    "table": pl.Int64,
    "row": pl.String,
    "column": pl.String,
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

    table: int
    cell: Cell
    setups: tuple[Setup, ...] = ()
    """Model states without answers in a language of the cell."""

    unprobed: tuple[str, ...] = ()
    """Languages of the cell that the store has no probes in."""

    country: str | None = None
    """Country that the store has no survey of; None if it has, or none is needed."""

    def __bool__(self) -> bool:
        return bool(self.setups or self.unprobed or self.country)

    def __str__(self) -> str:
        probes = [f"probes in {','.join(self.unprobed)}"] if self.unprobed else []
        survey = [f"a survey of {self.country}"] if self.country else []
        return "; ".join([*probes, *survey, *map(str, self.setups)])


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
        study: Its published tables are compared.
        parameters: Of the tables' queries, e.g. the score; a query that has none of the name, or a value of None, is
            asked as it is. What was taken is in the result's parameters.

    Raises:
        UsageError: None of the study's published tables are here, or the store lacks a value.
    """
    if not study.tables:
        raise UsageError(
            f"No published tables of {study.code} are here.", "Compare with its paper by hand: mlv report."
        )
    published_cells, inventory = published.cells(study.code, study.tables), _Inventory(connection, study)
    results, rows, missing = [], [], []
    for table in study.tables:
        query = find(table.query)
        given = {name: value for name, value in parameters.items() if value is not None and name in query.parameters}
        results.append(run_query(connection, query, given))
        found = list(table.find(results[-1].frame))
        cells = published_cells.filter(pl.col("table") == table.number)
        languages = set(cells["column"]) - {AVERAGE}
        for _, row, column, number, remark in cells.rows():
            cell = Cell(row, column)
            there = [item for item in found if item.cell == cell and inventory.has_survey(table.country(row))]
            lacking = inventory.missing(table, cell, languages if column == AVERAGE else {column})
            rows.append(_compared(table, cell, number, remark, there, lacking))
            if rows[-1][-1] is not None:
                missing.append(lacking)
    titles = {"study": study.code, **{result.name: result.title for result in results}}
    hashes = text_sha256("".join(result.sql_sha256 for result in results))
    frame = pl.DataFrame(rows, schema=_COLUMNS, orient="row")
    return Reproduction(QueryResult(frame, "reproduce", None, hashes, titles, store_state(connection)), tuple(missing))


def _compared(
    table: PublishedTable, cell: Cell, number: float, remark: str, found: list[Found], missing: Missing
) -> tuple[Any, ...]:
    """A row of the result; what is missing comes last."""
    # setups that differ in what the paper does not say, such as the precision: one that is whole counts first
    _, value, lacking = min(found, key=lambda item: bool(item.lacking), default=Found(cell, None))
    status = "not yet run" if value is None or lacking else _status(number, value, table)
    remarks = [
        remark,
        f"the store's mean is without {lacking}" if lacking else "",
        f"one of {len(found)} setups, the first" if len(found) > 1 else "",
        "nothing is left to run, but the query has no number" if value is None and not missing else "",
    ]
    return (
        table.number,
        *cell,
        number,
        value,
        None if value is None else value - number,
        status,
        table.tolerance,
        table.query,
        "; ".join(filter(None, remarks)) or None,
        str(missing) if status == "not yet run" and missing else None,
    )


def _status(number: float, value: float, table: PublishedTable) -> Status:
    # a hair more, because decimal fractions are not exact: 82.5 may stand for 82 and for 83
    distance = abs(value - number) - 1e-9
    if distance <= 0.5 * 10**-table.decimals:
        return "exact"
    return "within tolerance" if distance <= table.tolerance else "different"


def summary(result: QueryResult, study: Study) -> Iterator[str]:
    """Lines about the rows: counts, tolerance and reading of every table."""
    for table in study.tables:
        statuses = result.frame.filter(pl.col("table") == table.number)["status"].to_list()
        counts = ", ".join(f"{statuses.count(name)} {name}" for name in get_args(Status) if name in statuses)
        yield f"Table {table.number}: {counts}."
        yield f"  tolerance {table.tolerance:g}: {table.because}."
        yield f"  {table.reading}"


class _Inventory:
    """What a store has of what the tables rest on."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, study: Study) -> None:
        def rows(sql: str) -> set[tuple[Any, ...]]:
            return set(connection.execute(sql).fetchall())

        self._languages = {language for (language,) in rows("SELECT DISTINCT language FROM v_probe")}
        self._countries = {
            country for (country,) in rows("SELECT DISTINCT country FROM v_country_profile WHERE NOT illustrative")
        }
        self._answered = set(_answered(connection, study))

    def has_survey(self, country: str | None) -> bool:
        """Whether there is what real people of a country answered; of no country, yes."""
        return country is None or country in self._countries

    def missing(self, table: PublishedTable, cell: Cell, languages: set[str]) -> Missing:
        """What a cell over some languages lacks."""
        country = table.country(cell.row)
        setups = [
            setup
            for setup in table.setups(cell.row)
            if any((_last_name(setup), language) not in self._answered for language in languages)
        ]
        return Missing(
            table.number,
            cell,
            tuple(setups),
            tuple(sorted(languages - self._languages)),
            None if self.has_survey(country) else country,
        )


def _last_name(setup: Setup) -> Setup:
    """A setup whose model is named as on the hub, without its owner: a store may have it under a path."""
    return setup._replace(model=setup.model.rpartition("/")[2])


def _answered(connection: duckdb.DuckDBPyConnection, study: Study) -> Iterator[tuple[Setup, str]]:
    """Which setups have answers in which languages."""
    frame = connection.execute(
        "SELECT DISTINCT model, source, ft_languages, sentences, settings, language "
        "FROM v_checkpoint JOIN v_answer USING (checkpoint_id) WHERE is_final"
    ).pl()
    for row in frame.filter(pl.col("source").is_null() | study.as_in_paper).to_dicts():
        setup = Setup(row["model"], row["source"], row["ft_languages"], row["sentences"])
        yield _last_name(setup), row["language"]
