"""A store with its tables, made once and copied for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from mlv.migrations import upgrade
from mlv.schema.store import connect


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "empty.duckdb"
    upgrade(path)
    return path


@pytest.fixture
def store(empty_store: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to an empty store, open for writing."""
    path = tmp_path / "store.duckdb"
    shutil.copyfile(empty_store, path)
    with connect(path, read_only=False) as connection:
        yield connection
