"""Running queries: released ones by name, and any SQL by hand. Every result knows what it was made with.

Queries run on an open store of any mode; whether anything can be written is up to the connection.
"""

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import duckdb
import polars as pl

from mlv.queries.engine.catalogue import INTERVALS, Query, find, text_sha256
from mlv.queries.engine.macros import install_macros
from mlv.queries.engine.parameters import Given, bind
from mlv.queries.engine.result import QueryResult
from mlv.queries.engine.state import store_state
from mlv.schema.errors import UsageError, excerpt
from mlv.schema.fetching import fetched
from mlv.schema.store.opening import seal

_SIGNAL_SECONDS = 0.1
"""Between two looks for Ctrl-C while a query runs, and between two attempts to end it."""

_WITHOUT_FRAME = re.compile(r"\b(INTERVAL|MAP|BIT|UNION|VARIANT|BIGNUM|UHUGEINT|GEOMETRY|TIME WITH TIME ZONE)\b")
"""Types of DuckDB that a polars frame has no column for, or not one that can be written to every format."""

_SHOWN = 5_000
"""Characters that an error quotes of DuckDB's, which repeats the SQL."""

_PER_YEAR = {"d": 366, "ms": 366 * 86_400e3, "us": 366 * 86_400e6, "ns": 366 * 86_400e9}
_YEARS = 200_000
"""Years from 1970 that polars can still write out; infinite times are beyond."""


def run(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    version: int | None = None,
    parameters: Mapping[str, Given] | None = None,
) -> QueryResult:
    """Run a released query, its newest version unless one is named.

    ``parameters`` may be Python values or their texts; None stands for the default.
    Raises UsageError if the query, the version, a parameter or a value does not exist.
    """
    query = find(name if version is None else f"{name}@{version}")
    return run_query(connection, query, parameters or {})


def run_query(connection: duckdb.DuckDBPyConnection, query: Query, parameters: Mapping[str, Given]) -> QueryResult:
    """Run a query of the catalogue."""
    install_macros(connection)
    values = bind(connection, query, parameters)
    frame = _frame(connection, query.text, values)
    if not values.get(INTERVALS):
        frame = frame.drop(query.intervals)
    return QueryResult(frame, query.name, query.version, query.sha256, values, store_state(connection), query.question)


def execute_sql(
    connection: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    sealed: bool = True,
) -> QueryResult:
    """Run SQL by hand, one statement or several; the result is the last one's.

    ``parameters`` are bound in every statement that names them. A sealed connection reaches nothing but the open
    store: no other file, no network, no Python variable. Sealing lasts until the connection is closed.
    Raises UsageError with DuckDB's message if the SQL fails.
    """
    install_macros(connection)
    if sealed:
        seal(connection)
    try:
        text.encode()
        statements = connection.extract_statements(text)
    except UnicodeEncodeError as error:
        raise UsageError(
            f"The SQL is not UTF-8: character {error.start}.", "Write it anew, or save it as UTF-8."
        ) from error
    except duckdb.Error as error:
        raise _explained(connection, error) from error
    if not statements:
        raise UsageError("There is no SQL to run.", 'Write for example: mlv sql "SELECT * FROM v_run"')
    given = dict(parameters or {})
    frame = pl.DataFrame()
    for statement in statements:
        named = {name: value for name, value in given.items() if name in statement.named_parameters}
        frame = _frame(connection, statement, named)
    return QueryResult(frame, "sql", None, text_sha256(text), given, store_state(connection))


def _frame(
    connection: duckdb.DuckDBPyConnection, sql: str | duckdb.Statement, values: Mapping[str, Any]
) -> pl.DataFrame:
    """Execute and fetch; an empty frame without columns if a statement returns nothing."""
    try:
        return _interruptible(connection, lambda: _fetched(connection, sql, values))
    except duckdb.Error as error:
        raise _explained(connection, error) from error


def _fetched(
    connection: duckdb.DuckDBPyConnection, sql: str | duckdb.Statement, values: Mapping[str, Any]
) -> pl.DataFrame:
    connection.execute(sql, dict(values))
    columns = connection.description or []
    for column, type_code, *_ in columns:
        if _WITHOUT_FRAME.search(str(type_code)):
            raise UsageError(
                f"Column {column} is of type {type_code}, which results cannot hold.",
                f'Cast it in the query: CAST("{column}" AS VARCHAR)',
            )
    if not columns:
        return pl.DataFrame()
    try:
        frame = fetched(connection)
    except pl.exceptions.PolarsError as error:
        hint = "Cast such columns in the query: CAST(COLUMN AS VARCHAR)"
        raise UsageError(f"The rows make no table: {str(error).splitlines()[0]}", hint) from error
    _refuse_endless(frame)
    return frame


def _refuse_endless(frame: pl.DataFrame) -> None:
    """Raise UsageError if times are infinite or farther away than results can show."""
    for name, dtype in frame.schema.items():
        if dtype.is_temporal() and dtype not in (pl.Time, pl.Duration):
            years = frame[name].to_physical() / _PER_YEAR[getattr(dtype, "time_unit", "d")]
            if (years.abs() > _YEARS).any():
                raise UsageError(
                    f"Column {name} has times that are infinite or too far away to show.",
                    f'Cast it in the query: CAST("{name}" AS VARCHAR)',
                )


def _interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Do ``work`` on the connection so that Ctrl-C ends it.

    DuckDB looks for no signal while it computes. It computes in a thread therefore, and the caller's looks. It wakes up
    for that, because polars has system calls go on after a signal: a wait without a limit would not end.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        try:
            while not future.done():
                wait([future], _SIGNAL_SECONDS)
        except KeyboardInterrupt:
            # more than once: an attempt before the query has begun has no effect
            while not future.done():
                connection.interrupt()
                wait([future], _SIGNAL_SECONDS)
            raise
        return future.result()


def _explained(connection: duckdb.DuckDBPyConnection, error: duckdb.Error) -> UsageError:
    """What DuckDB says, and what to do about it."""
    text = str(error).strip()
    if isinstance(error, duckdb.OutOfMemoryException):
        reason = text.splitlines()[0].removeprefix("Out of Memory Error: ")
        text = f"The query ran out of memory: {reason}"
        hint = "Take fewer runs (--param model=..., source=..., seed=...), or leave out --ci (mlv report: --no-ci)."
    elif "read-only" in text:
        hint = "The store is open for reading; what changes it needs --write."
    elif isinstance(error, duckdb.PermissionException):
        hint = "SQL reaches nothing but the store. Write a result with -o PATH; --write lifts the limit."
    elif "Table with name" in text:
        hint = f"Views to read: {', '.join(_views(connection))}."
    elif isinstance(error, duckdb.BinderException):
        hint = 'See the columns of a view: mlv sql "DESCRIBE v_answer"'
    else:
        hint = 'See what there is: mlv sql "SHOW TABLES", mlv sql "DESCRIBE v_answer"'
    return UsageError(excerpt(text, _SHOWN), hint)


def _views(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE view_name LIKE 'v\\_%' ESCAPE '\\' ORDER BY view_name"
    ).fetchall()
    return [str(row[0]) for row in rows]
