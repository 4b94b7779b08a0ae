"""Rows from a connection and rows for it, in the ways that DuckDB 1.5 and 2.0 have both.

2.0 registers nothing while a result has rows left, and gives no polars frame of what ``execute`` returned.
"""

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import polars as pl


def frame_of(
    connection: duckdb.DuckDBPyConnection,
    statement: str,
    parameters: Sequence[object] | Mapping[str, object] | None = None,
) -> pl.DataFrame:
    """All rows of a statement that returns some."""
    return fetched(connection.execute(statement, parameters))


def fetched(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """All rows that are left of what a connection executed last."""
    with warnings.catch_warnings():
        # 2.0 advises `sql`, which copies rows less; in 1.5 that copies those of statements with parameters once more
        warnings.filterwarnings("ignore", "Arrow output on a DB-API result", UserWarning)
        table: Any = connection.to_arrow_table()
    return pl.DataFrame(pl.from_arrow(table))


@contextlib.contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, rows: pl.DataFrame) -> Iterator[None]:
    """Let SQL read a frame by a name. What the block executes it reads to the end."""
    connection.execute("SELECT 1").fetchall()  # what was executed before may have rows left
    connection.register(name, rows)
    try:
        yield
    finally:
        # 2.0 refuses it in a transaction that has failed, which takes the name along
        with contextlib.suppress(duckdb.TransactionException):
            connection.unregister(name)
