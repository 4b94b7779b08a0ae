"""Stores, made once and copied for each test: an empty one, and one with the demo's data."""

import shutil
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import duckdb
import pytest
from planned import Jobs

from mlv.ingest.writing.corpora import ingest_corpus
from mlv.ingest.writing.probes import ingest_probes
from mlv.ingest.writing.reference import ensure_reference
from mlv.migrations import upgrade
from mlv.schema.store.opening import connect, transaction


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


@pytest.fixture(scope="session")
def study_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the demo's probes and two of its corpora."""
    path = Path(shutil.copyfile(empty_store, tmp_path_factory.mktemp("store") / "study.duckdb"))
    with connect(path, read_only=False) as connection, as_file(files("mlv.ingest") / "demo") as demo:
        with transaction(connection):
            ensure_reference(connection)
        ingest_probes(connection, demo / "probes", collection="demo", citation="own")
        for language in ("fa", "ko"):
            ingest_corpus(connection, "lines", [demo / "corpus" / f"{language}.txt"], language=language)
    return path


@pytest.fixture
def study(study_store: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to such a store, open for writing."""
    path = tmp_path / "store.duckdb"
    shutil.copyfile(study_store, path)
    with connect(path, read_only=False) as connection:
        yield connection


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    """Where jobs go: beside the store, which is ``store.duckdb`` in the same folder."""
    return Jobs(tmp_path / "jobs", {"arguments": ["test"]})


@pytest.fixture
def parallel(tmp_path: Path) -> Path:
    """Six parallel lines in three languages; line 2 lacks Farsi, line 5 Korean."""
    folder = tmp_path / "parallel"
    folder.mkdir()
    for language, lines in {
        "fa": ("یک", "", "سه", "چهار", "پنج", "شش"),
        "ko": ("일", "이", "삼", "사", "", "육"),
        "ru": ("один", "два", "три", "четыре", "пять", "шесть"),
    }.items():
        (folder / f"{language}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder
