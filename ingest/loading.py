"""Writing rows into an open store: dimension rows by natural key, fact rows in bulk, and what a file gave.

Every function expects a transaction of the caller, so that a file or a job enters the store whole or not at all.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl

from mlv.schema.errors import UsageError
from mlv.schema.jobs import now
from mlv.schema.quoting import quoted

CONTENT_LIMIT = 500
"""Characters of a rejected row, and of what is said of it, that are kept."""


LONGEST_NAME = 200
"""Characters of a name that a person gives."""


@dataclass(frozen=True)
class Rejected:
    """A row that a reader did not take."""

    line: int
    """Line in the file, from 1; 0 where the whole file is meant."""

    reason: str
    """Why, in words that a researcher can act on."""

    item: str = ""
    """What the row is about, e.g. ``question 130d`` or ``MAT 18:11``."""

    content: str = ""
    """The row as it was."""


@dataclass(frozen=True)
class FileReport:
    """What reading one file gave: for ``ingest_file``, ``reject`` and the message on the screen."""

    kind: str
    """probes, survey or corpus."""

    target: str
    """What it was read into, e.g. ``pbc/fa/Farsi``."""

    path: Path
    """File, archive or folder that was named."""

    name: str
    """File name; for an archive, archive and member."""

    sha256: str
    """SHA-256 of the file's bytes."""

    rows_read: int
    rows_kept: int
    rows_repaired: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    already_there: bool = False
    """Whether the store had the same content before, so that nothing was written."""


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_name(what: str, name: str) -> None:
    """Raise UsageError where a name is empty, long, or has what cannot be seen or typed."""
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= LONGEST_NAME:
        raise UsageError(
            f"{name[:LONGEST_NAME]!r} is no name of {what}.",
            f"Give one of 1 to {LONGEST_NAME} characters, without line breaks, control characters, or space around it.",
        )


def ensure(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Insert the rows of ``frame`` whose natural key is new; return ``frame``'s keys with their ids.

    ``frame`` has the table's columns but for its integer key ``<table>_id``. Rows that are there already stay as
    they are.

    Returns:
        ``key`` columns and ``<table>_id``, one row per row of ``frame``, in its order.
    """
    identifier = f"{table}_id"
    columns = ", ".join(quoted(name) for name in frame.columns)
    same = " AND ".join(f"t.{quoted(name)} = f.{quoted(name)}" for name in key)
    keys = ", ".join(f"f.{quoted(name)}" for name in key)
    connection.register("_frame", frame.with_row_index("_order"))
    try:
        connection.execute(
            f"INSERT INTO {quoted(table)} ({identifier}, {columns}) "
            f"SELECT (SELECT coalesce(max({identifier}), 0) FROM {quoted(table)}) "
            f"       + row_number() OVER (ORDER BY _order), {columns} "
            f"FROM _frame f WHERE NOT EXISTS (SELECT 1 FROM {quoted(table)} t WHERE {same}) "
            f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY _order) = 1"
        )
        return connection.execute(
            f"SELECT {keys}, t.{identifier} FROM _frame f JOIN {quoted(table)} t ON {same} ORDER BY f._order"
        ).pl()
    finally:
        connection.unregister("_frame")


def append(connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame) -> int:
    """Insert all rows of ``frame`` into a fact table; return their number."""
    columns = ", ".join(quoted(name) for name in frame.columns)
    connection.register("_frame", frame)
    try:
        connection.execute(f"INSERT INTO {quoted(table)} ({columns}) SELECT {columns} FROM _frame")
    finally:
        connection.unregister("_frame")
    return frame.height


def number(connection: duckdb.DuckDBPyConnection, statement: str, parameters: Sequence[object] = ()) -> int:
    """The one number that a statement answers: of a count, or of an insert's rows."""
    row = connection.execute(statement, list(parameters)).fetchone()
    return int(row[0]) if row else 0


def next_id(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    """The lowest integer above all keys of a table."""
    return number(connection, f"SELECT coalesce(max({table}_id), 0) + 1 FROM {quoted(table)}")


def record(connection: duckdb.DuckDBPyConnection, report: FileReport) -> None:
    """Keep a file's report and its rejects; a file that was read before is not recorded twice."""
    known = connection.execute(
        "SELECT count(*) FROM ingest_file WHERE kind = ? AND sha256 = ? AND target = ?",
        [report.kind, report.sha256, report.target],
    ).fetchone()
    if known and known[0]:
        return
    file_id = next_id(connection, "ingest_file")
    connection.execute(
        "INSERT INTO ingest_file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            file_id,
            report.kind,
            report.target,
            report.name,
            report.sha256,
            report.rows_read,
            report.rows_kept,
            len(report.rejected),
            report.rows_repaired,
            now(),
        ],
    )
    rejects = [
        (file_id, row.line, *(text[:CONTENT_LIMIT] for text in (row.item, row.reason, row.content)))
        for row in report.rejected
    ]
    if rejects:
        names = ("ingest_file_id", "line", "item", "reason", "content")
        append(connection, "reject", pl.DataFrame(rejects, schema=list(names), orient="row"))
