"""What a result rests on: the query, its parameters, and the state of the store that it was asked of.

A store's state is a SHA-256 over the specification hashes of its committed runs and the hashes of the files that were
ingested: another run, one less, or another text or survey gives another state, and two stores with the same runs and
files have the same one. It covers every run, whether the result uses it or not, because a mean does not say what it is
over; the runs that rows name are listed apart. A run that was computed anew from the same specification is the same.
"""

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl

from mlv.schema import store

if TYPE_CHECKING:
    from mlv.queries.execution import QueryResult

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
    """The state of an open store; None where SQL has led the connection to another database."""
    try:
        revision = store.revision(connection)
        content = "\n".join(item for (item,) in connection.execute(_CONTENT).fetchall())
        runs = tuple(name for (name,) in connection.execute(_RUNS).fetchall())
    except duckdb.Error:
        return None
    if revision is None:
        return None
    return StoreState(revision, hashlib.sha256(content.encode()).hexdigest(), runs)


def provenance(result: "QueryResult") -> dict[str, Any]:
    """Everything that is known about how a result came about, as JSON takes it."""
    state = result.store
    return {
        "mlv": version("mlv"),
        "query": result.name,
        "version": result.version,
        "sql_sha256": result.sql_sha256,
        "parameters": dict(result.parameters),
        "rows": result.frame.height,
        "runs_in_rows": _runs_in_rows(result.frame, state),
        "store": state and {"revision": state.revision, "state": state.digest, "runs": list(state.runs)},
    }


def provenance_json(result: "QueryResult") -> str:
    """:func:`provenance` as text."""
    return json.dumps(provenance(result), ensure_ascii=False, indent=1, default=str) + "\n"


def _runs_in_rows(frame: pl.DataFrame, state: StoreState | None) -> list[str]:
    """The committed runs that a cell names, itself or a checkpoint of it (``run/epoch-N``)."""
    texts = (frame[name].unique().drop_nulls() for name, dtype in frame.schema.items() if dtype == pl.String)
    named = {text.partition("/epoch-")[0] for column in texts for text in column}
    return [run for run in state.runs if run in named] if state else []
