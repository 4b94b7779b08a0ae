"""What a store holds at the moment, in short: for the provenance of results."""

import hashlib
from dataclasses import dataclass

import duckdb

from mlv.schema.store import ledger

_CONTENT = """
SELECT 'run ' || spec_hash AS item FROM run WHERE status = 'committed'
UNION ALL
SELECT concat_ws(' ', 'file', kind, target, sha256) FROM ingest_file
ORDER BY item
"""

_RUNS = "SELECT name FROM run WHERE status = 'committed' ORDER BY name"


@dataclass(frozen=True)
class StoreState:
    """What a store held."""

    revision: str
    """Alembic revision of its tables."""

    digest: str
    """SHA-256 over its committed runs and ingested files."""

    runs: tuple[str, ...]
    """Names of its committed runs."""

    def __str__(self) -> str:
        return f"store at revision {self.revision}, state {self.digest[:12]}, {len(self.runs):,} runs"


def store_state(connection: duckdb.DuckDBPyConnection) -> StoreState | None:
    """The state of an open store; None if SQL has attached another database to the connection."""
    try:
        revision = ledger.revision(connection)
        content = "\n".join(item for (item,) in connection.execute(_CONTENT).fetchall())
        runs = tuple(name for (name,) in connection.execute(_RUNS).fetchall())
    except duckdb.Error:
        return None
    if revision is None:
        return None
    return StoreState(revision, hashlib.sha256(content.encode()).hexdigest(), runs)
