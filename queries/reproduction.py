"""The published tables beside what the store has, cell by cell.

The store's numbers are looked up in the results of the queries that make the tables; nothing is computed here. A cell
is

    exact             the same at the published precision
    within tolerance  no further apart than the tolerance of the table
    different
    not yet run       the store has no number, or a mean over fewer languages than the paper's

and one that is not yet run comes with the commands that fill it.
"""

import shlex
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal, get_args

import duckdb
import polars as pl

from mlv.queries.catalogue import find, text_sha256
from mlv.queries.execution import run_query
from mlv.queries.published import AS_IN_PAPER, Cell, Found, PublishedTable, Setup, published, tables
from mlv.queries.result import QueryResult
from mlv.queries.state import store_state
from mlv.schema.papers import echoes

Status = Literal["exact", "within tolerance", "different", "not yet run"]

AND = " && "
"""Between two commands of a cell."""

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
    "commands": pl.String,
}


def reproduce(connection: duckdb.DuckDBPyConnection, name: str) -> QueryResult:
    """A row for every published cell of a paper: the store's number, how it compares, and what would fill it.

    Raises UsageError where there is no such paper.
    """
    cells, inventory = published(name), _Inventory(connection)
    results, rows = [], []
    for table in tables(name):
        results.append(run_query(connection, find(table.query), {}))
        found = list(table.find(results[-1].frame))
        for _, row, column, number, remark in cells.filter(pl.col("table") == table.number).rows():
            cell = Cell(row, column)
            there = [item for item in found if item.cell == cell and inventory.has_people(table.country(row))]
            rows.append(_compared(table, cell, number, remark, there, inventory))
    titles = {"paper": name, **{result.name: result.title for result in results}}
    hashes = text_sha256("".join(result.sql_sha256 for result in results))
    frame = pl.DataFrame(rows, schema=_COLUMNS, orient="row")
    return QueryResult(frame, "reproduce", None, hashes, titles, store_state(connection))


def _compared(
    table: PublishedTable, cell: Cell, number: float, remark: str, found: list[Found], inventory: "_Inventory"
) -> tuple[Any, ...]:
    """A row of the result."""
    # setups that differ in what the paper does not say, such as the precision: one that is whole counts first
    _, value, lacking = min(found, key=lambda item: bool(item.lacking), default=Found(cell, None))
    status = "not yet run" if value is None or lacking else _status(number, value, table)
    commands = list(inventory.commands(table, cell)) if status == "not yet run" else []
    remarks = [
        remark,
        f"the store's mean is without {lacking}" if lacking else "",
        f"one of {len(found)} setups, the first" if len(found) > 1 else "",
        "nothing is left to run, but the query has no number" if value is None and not commands else "",
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
        AND.join(commands) or None,
    )


def _status(number: float, value: float, table: PublishedTable) -> Status:
    # a hair more, because decimal fractions are not exact: 82.5 may stand for 82 and for 83
    distance = abs(value - number) - 1e-9
    if distance <= 0.5 * 10**-table.decimals:
        return "exact"
    return "within tolerance" if distance <= table.tolerance else "different"


def report(result: QueryResult, name: str) -> Iterator[str]:
    """What to say of :func:`reproduce`'s result: counts, tolerance and reading of tables, and what is left to run."""
    for table in tables(name):
        statuses = result.frame.filter(pl.col("table") == table.number)["status"].to_list()
        counts = ", ".join(f"{statuses.count(name)} {name}" for name in get_args(Status) if name in statuses)
        yield f"Table {table.number}: {counts}."
        yield f"  tolerance {table.tolerance:g}: {table.because}."
        yield f"  {table.reading}"
    commands = list(dict.fromkeys(step for cell in result.frame["commands"].drop_nulls() for step in cell.split(AND)))
    if commands:
        yield "What fills the missing cells:"
        # what reads data before what computes
        yield from (f"  {command}" for command in sorted(commands, key=lambda step: not step.startswith("mlv ingest")))


class _Inventory:
    """What a store has of what the tables rest on."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        def rows(sql: str) -> set[tuple[Any, ...]]:
            return set(connection.execute(sql).fetchall())

        self._languages = {language for (language,) in rows("SELECT DISTINCT language FROM v_probe")}
        self._countries = {
            country for (country,) in rows("SELECT DISTINCT country FROM v_country_profile WHERE NOT illustrative")
        }
        self._texts = rows("SELECT DISTINCT source, language FROM v_segment")
        models = rows("SELECT DISTINCT model FROM v_checkpoint")
        self._names = {name.rpartition("/")[2]: name for (name,) in models}
        self._answered = set(_answered(connection))

    def has_people(self, country: str | None) -> bool:
        """Whether there is what real people of a country answered; of no country, yes."""
        return country is None or country in self._countries

    def commands(self, table: PublishedTable, cell: Cell) -> Iterator[str]:
        """What has to be run for a cell, in order."""
        languages = set(echoes.TEST_LANGUAGES) if cell.column == "avg." else {cell.column}
        if not languages <= self._languages:
            yield "mlv ingest probes --download"
        if not self.has_people(table.country(cell.row)):
            yield "mlv ingest survey WVS_Cross-National_Wave_7_csv_v6_0.csv --name wvs7-v6.0"
        lacking = [
            setup
            for setup in table.setups(cell.row)
            if any((setup, language) not in self._answered for language in languages)
        ]
        yield from self._corpora(lacking)
        yield from map(self._command, lacking)

    def _corpora(self, setups: Iterable[Setup]) -> Iterator[str]:
        """What brings the texts in that are trained on."""
        trained = {(s.source, language) for s in setups if s.source for language in (s.ft_languages or "").split(",")}
        for source, languages in groupby(sorted(trained - self._texts), key=itemgetter(0)):
            listed = ",".join(language for _, language in languages)
            yield f"mlv ingest corpus --source {source} --language {listed} --download"

    def _command(self, setup: Setup) -> str:
        model = shlex.quote(self._names.get(setup.model, f"google/{setup.model}"))
        if setup.source is None:
            return f"mlv compute probe --model {model}"
        languages = [code for code in echoes.FINETUNING_LANGUAGES if code in (setup.ft_languages or "").split(",")]
        return (
            f"mlv compute finetune --model {model} --corpus {setup.source} --language {','.join(languages)} "
            f"--sentences {setup.sentences}"
        )


def _answered(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Setup, str]]:
    """Which setups have answers in which languages."""
    frame = connection.execute(
        "SELECT DISTINCT model, source, ft_languages, sentences, settings, language "
        "FROM v_checkpoint JOIN v_answer USING (checkpoint_id) WHERE is_final"
    ).pl()
    for row in frame.filter(pl.col("source").is_null() | AS_IN_PAPER).to_dicts():
        model = row["model"].rpartition("/")[2]
        yield Setup(model, row["source"], row["ft_languages"], row["sentences"]), row["language"]
