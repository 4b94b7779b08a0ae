"""Writing what reading a file gave: its report and its rejects."""

import duckdb
import polars as pl

from mlv.ingest.readers.report import CONTENT_LIMIT, FileReport
from mlv.schema.files import now
from mlv.schema.store.rows import append, next_id


def record(connection: duckdb.DuckDBPyConnection, report: FileReport) -> None:
    """Write a file's report and its rejects, unless the store has them. Within the caller's transaction."""
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
