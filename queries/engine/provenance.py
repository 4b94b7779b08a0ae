"""What a result rests on: the query, its parameters, and the state of the store.

A store's state is a SHA-256 over the specification hashes of its committed runs and the hashes of the files that were
ingested: another run, one less, or another text or survey gives another state, and two stores with the same runs and
files have the same one. It covers every run, whether the result uses it or not, because a mean does not say what it is
over; the runs that rows name are listed apart. A run that was computed anew from the same specification is the same.
"""

import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl

from mlv.queries.engine.state import StoreState

if TYPE_CHECKING:
    from mlv.queries.engine.result import QueryResult


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
