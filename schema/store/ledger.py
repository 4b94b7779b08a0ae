"""The table in which a store says what revision of the schema it is at."""

import duckdb

from mlv.schema.errors import StoreError

LEDGER = "schema_revision"
"""Its name; Alembic keeps it."""

_BEFORE_RELEASE = {"alembic_version", "run"}
"""Tables that a store from before the first release has, whose revisions had the same numbers as those of today."""


def revision(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Schema revision of the open file; None if it has no tables of mlv. Raises StoreError for one that is too old."""
    tables = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if LEDGER not in tables:
        if tables >= _BEFORE_RELEASE:
            raise _unreleased(connection)
        return None
    row = connection.execute(f"SELECT version_num FROM {LEDGER}").fetchone()
    return None if row is None else str(row[0])


def _unreleased(connection: duckdb.DuckDBPyConnection) -> StoreError:
    """The error for a store from before the first release, whose revisions are not those of today."""
    (path,) = connection.execute(
        "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchone() or ("The file",)
    return StoreError(
        f"{path} was made by an mlv from before the first release; it cannot be upgraded.",
        "Make a new store under another name (--db), ingest the sources again and run the jobs again; the mlv that "
        "made this one still opens it.",
    )
