"""A store opened from a notebook or a script."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from mlv.queries.engine.catalogue import find
from mlv.queries.engine.execution import execute_sql, run_query
from mlv.queries.engine.parameters import Given
from mlv.schema.store import opening


class Store:
    """An open, read-only store."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def query(self, reference: str, **parameters: Given) -> pl.DataFrame:
        """Rows of the released query ``NAME`` or ``NAME@VERSION``; parameters as ``mlv query show`` lists them."""
        return run_query(self.connection, find(reference), parameters).frame

    def sql(self, text: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Rows of SQL by hand; ``$name`` in it takes its value from ``parameters``.

        Other files can be read, if the store is not sealed.
        """
        return execute_sql(self.connection, text, parameters, sealed=False).frame


@contextlib.contextmanager
def open_store(path: str | os.PathLike[str] = opening.DEFAULT_STORE, *, sealed: bool = False) -> Iterator[Store]:
    """Open a store for reading, and close it.

    Its SQL can read other files, unless ``sealed``: for a store from somebody you do not know.

    Raises StoreError if it is missing or of another version, StoreLockedError while another process writes it.
    """
    with opening.open_store(Path(path), sealed=sealed) as connection:
        yield Store(connection)
