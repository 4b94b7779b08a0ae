"""Writing rows into an open store: dimension rows by natural key, fact rows in bulk.

Every function expects a transaction of the caller, so that a file or a job enters the store whole or not at all.
"""

from collections.abc import Mapping, Sequence

import duckdb
import polars as pl

from mlv.schema.fetching import frame_of, registered
from mlv.schema.store.sql import quoted


def ensure(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Insert the rows of ``frame`` whose natural key is new; return ``frame``'s keys with their ids.

    ``frame`` has the table's columns but for its integer key ``<table>_id``. Rows that the table has stay as they are.

    Returns:
        ``key`` columns and ``<table>_id``, one row per row of ``frame``, in its order.
    """
    identifier = f"{table}_id"
    columns = ", ".join(quoted(name) for name in frame.columns)
    same = " AND ".join(f"t.{quoted(name)} = f.{quoted(name)}" for name in key)
    keys = ", ".join(f"f.{quoted(name)}" for name in key)
    with registered(connection, "_frame", frame.with_row_index("_order")):
        connection.execute(
            f"INSERT INTO {quoted(table)} ({identifier}, {columns}) "
            f"SELECT (SELECT coalesce(max({identifier}), 0) FROM {quoted(table)}) "
            f"       + row_number() OVER (ORDER BY _order), {columns} "
            f"FROM _frame f WHERE NOT EXISTS (SELECT 1 FROM {quoted(table)} t WHERE {same}) "
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY _order) = 1"
        )
        return frame_of(
            connection,
            f"SELECT {keys}, t.{identifier} FROM _frame f JOIN {quoted(table)} t ON {same} ORDER BY f._order",
        )


def append(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> int:
    """Insert all rows of ``frame`` into a fact table; return their number."""
    columns = ", ".join(quoted(name) for name in frame.columns)
    with registered(connection, "_frame", frame):
        connection.execute(f"INSERT INTO {quoted(table)} ({columns}) SELECT {columns} FROM _frame")
    return frame.height


def number(
    connection: duckdb.DuckDBPyConnection, statement: str, parameters: Sequence[object] | Mapping[str, object] = ()
) -> int:
    """The one number that a statement returns: a count, or how many rows were inserted."""
    rows = connection.execute(statement, parameters).fetchall()
    return int(rows[0][0]) if rows else 0


def next_id(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """The lowest integer above all keys of a table."""
    return number(connection, f"SELECT coalesce(max({table}_id), 0) + 1 FROM {quoted(table)}")
