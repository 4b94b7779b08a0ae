"""Rows to and from a connection, the same in every version of DuckDB that mlv runs with."""

import ast
from collections.abc import Iterator
from datetime import date
from importlib.resources import files
from pathlib import Path

import duckdb
import polars as pl
import pytest

from mlv.schema.fetching import fetched, frame_of, registered

ROOMS = ("schema", "migrations", "ingest", "queries", "cli", "docs")
LEFT_TO_FETCHING = {"pl", "register", "unregister"}
"""Methods of a connection that 2.0 lacks, or refuses while a result has rows left."""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def test_a_frame_has_the_rows_and_types_of_the_statement(connection: duckdb.DuckDBPyConnection) -> None:
    found = frame_of(
        connection,
        "SELECT i, i::DOUBLE AS d, 't' || i AS t, sum(i) OVER () AS s, [i] AS l, DATE '2024-01-01' AS day, $n AS n "
        "FROM range(3) AS r(i) ORDER BY i",
        {"n": 7},
    )
    assert found.rows()[1] == (1, 1.0, "t1", 3, [1], date(2024, 1, 1), 7)
    assert found.dtypes == [pl.Int64, pl.Float64, pl.String, pl.Decimal(38, 0), pl.List(pl.Int64), pl.Date, pl.Int32]


def test_a_frame_without_rows_has_columns(connection: duckdb.DuckDBPyConnection) -> None:
    assert frame_of(connection, "SELECT 1 AS a WHERE false").schema == {"a": pl.Int32}


@pytest.mark.filterwarnings("error")
def test_fetching_warns_of_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    assert fetched(connection.execute("SELECT * FROM range(3)")).height == 3


def test_rows_are_registered_whatever_was_left_unread(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("SELECT * FROM range(9)").fetchone()
    with registered(connection, "given", pl.DataFrame({"a": [1, 2]})):
        assert connection.execute("SELECT sum(a) FROM given").fetchall() == [(3,)]
    with pytest.raises(duckdb.CatalogException):
        connection.execute("FROM given")


def test_the_error_of_a_transaction_that_failed_is_the_one_that_is_raised(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute("BEGIN")
    with (
        pytest.raises(duckdb.ConversionException),
        registered(connection, "given", pl.DataFrame({"a": ["x"]})),
    ):
        connection.execute("SELECT a::INTEGER FROM given").fetchall()
    connection.execute("ROLLBACK")
    with pytest.raises(duckdb.CatalogException):
        connection.execute("FROM given")


def _methods_called(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}


@pytest.mark.parametrize("room", ROOMS)
def test_no_other_file_does_what_the_versions_do_differently(room: str) -> None:
    top = Path(str(files("mlv.schema"))).resolve().parent
    found = {
        str(path.relative_to(top)): sorted(left)
        for path in sorted((top / room).rglob("*.py"))
        if path != top / "schema" / "fetching.py" and (left := _methods_called(path) & LEFT_TO_FETCHING)
    }
    assert found == {}
