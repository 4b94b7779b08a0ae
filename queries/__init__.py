"""Analyses: the catalogue of released queries, SQL by hand, and results in every format.

In a notebook::

    from mlv.queries import open_store

    with open_store("mlv.duckdb") as store:
        store.query("agreement", score="mean")  # a polars.DataFrame
        store.sql("SELECT * FROM v_run WHERE source = $source", {"source": "pbc"})
"""

from mlv.queries.engine.catalogue import Parameter, Query, all_versions, catalogue, find
from mlv.queries.engine.execution import execute_sql, run, run_query
from mlv.queries.engine.macros import install_macros
from mlv.queries.engine.parameters import parse_assignments
from mlv.queries.engine.rendering import FORMATS, notes, render
from mlv.queries.engine.result import QueryResult
from mlv.queries.notebook import Store, open_store

__all__ = [
    "FORMATS",
    "Parameter",
    "Query",
    "QueryResult",
    "Store",
    "all_versions",
    "catalogue",
    "execute_sql",
    "find",
    "install_macros",
    "notes",
    "open_store",
    "parse_assignments",
    "render",
    "run",
    "run_query",
]
