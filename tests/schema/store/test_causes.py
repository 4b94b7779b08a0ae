"""What is said of a file that cannot be opened as a store: a backup is to be restored only where it is damaged."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from mlv import migrations
from mlv.schema.errors import StoreError
from mlv.schema.store import causes
from mlv.schema.store.causes import JOURNAL_ENDING, open_error
from mlv.schema.store.opening import connect, open_store
from mlv.schema.store.wal import wal_path

CRASH = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("PRAGMA disable_checkpoint_on_shutdown; SET wal_autocheckpoint = '1TB'")
connection.execute("CREATE INDEX mine ON category (name); INSERT INTO country VALUES (99, 'XX', 'XXX', 'Nowhere')")
os._exit(9)
"""


needs_writing = pytest.mark.skipif(
    not duckdb.__version__.startswith("1."), reason="DuckDB 2.0 replays a log with an index while it reads"
)


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with some rows to index."""
    path = tmp_path_factory.mktemp("empty") / "mlv.duckdb"
    migrations.upgrade(path)
    with connect(path, read_only=False) as connection:
        connection.execute("INSERT INTO category SELECT i, 'c' || i, 'n' || i, i, i, true FROM range(1, 9) AS r(i)")
    return path


@pytest.fixture
def path(empty_store: Path, tmp_path: Path) -> Path:
    """A store that may be damaged."""
    return Path(shutil.copyfile(empty_store, tmp_path / "my store.duckdb"))


def _said(path: Path, *, read_only: bool = True) -> StoreError:
    with pytest.raises(StoreError) as caught:
        connect(path, read_only=read_only)
    return caught.value


@needs_writing
def test_a_log_with_an_index_is_replayed_by_a_reader_and_nothing_is_lost(path: Path) -> None:
    subprocess.run([sys.executable, "-c", CRASH, str(path)], check=False)
    assert wal_path(path).exists()
    with pytest.raises(duckdb.IOException, match="replaying WAL file"):
        duckdb.connect(str(path), read_only=True)
    with open_store(path) as connection:
        assert connection.execute("SELECT name FROM country WHERE country_id = 99").fetchall() == [("Nowhere",)]
        assert connection.execute("SELECT index_name FROM duckdb_indexes() WHERE index_name = 'mine'").fetchall()
    assert not wal_path(path).exists()


@needs_writing
def test_a_log_that_cannot_be_replayed_there_is_told_apart_from_damage(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([sys.executable, "-c", CRASH, str(path)], check=False)

    def refuses(_: Path) -> None:
        raise StoreError(f"{path} cannot be written: Read-only file system.", "Name another.")

    monkeypatch.setattr("mlv.schema.store.opening.require_locks", refuses)
    error = _said(path)
    assert "only opening it for writing brings in its last commits from my store.duckdb.wal" in error.message
    assert error.message.endswith("Read-only file system. Nothing is lost.")
    assert "both files together" in error.hint


def test_a_folder_and_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for read_only in (True, False):
        assert _said(tmp_path, read_only=read_only).message == f"{tmp_path} is a folder, not a store."
        assert _said(tmp_path / "pipe", read_only=read_only).message.endswith("is a pipe or a device, not a file.")


@pytest.mark.parametrize("writing", [True, False])
def test_a_file_that_must_not_be_read_or_written(path: Path, monkeypatch: pytest.MonkeyPatch, writing: bool) -> None:
    def refuses(_: Path, mode: str) -> None:
        assert mode == ("r+b" if writing else "rb")
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "open", refuses)
    error = open_error(path, duckdb.IOException("Cannot open file"), writing=writing)
    assert f"cannot be {'written' if writing else 'read'}: Read-only file system." in error.message
    assert "Nothing is wrong with the store" in error.message
    assert "estore" not in error.hint


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"", "empty"), (b"some notes", "not a file of DuckDB"), (b"x" * 9999, "not a file of DuckDB")],
)
def test_another_file_is_not_taken_for_a_damaged_store(tmp_path: Path, content: bytes, kind: str) -> None:
    (tmp_path / "notes").write_bytes(content)
    error = _said(tmp_path / "notes")
    assert error.message == f"{tmp_path / 'notes'} cannot be opened as a store: it is {kind}. It was not changed."
    assert error.hint == "Name the store with --db."


def test_a_database_of_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE a (b)")
    assert "it is a file of SQLite" in open_error(path, duckdb.IOException("x"), writing=False).message


def test_a_store_whose_beginning_is_lost_is_damaged(path: Path) -> None:
    path.with_name(path.name + JOURNAL_ENDING).write_text("")
    path.write_bytes(b"\0" * 9999)
    error = _said(path)
    assert error.message.endswith("it is not a file of DuckDB. What was there is lost.")
    assert error.hint == f"Make it again from its journal: mlv db rebuild --db '{path}'"


def test_what_loses_nothing_is_named_before_a_copy(path: Path) -> None:
    copy = migrations.backup(path, path.with_name("copy.duckdb"))
    _damage(path)
    assert re.match(rf"Restore {copy} \(0 minutes old\): mlv db snapshot", _said(path).hint)
    path.with_name(path.name + JOURNAL_ENDING).write_text("")
    hint = _said(path).hint
    assert hint.startswith(f"Make it again from its journal: mlv db rebuild --db '{path}'. Or restore {copy} ")


def test_damage_without_a_journal_or_a_copy(path: Path) -> None:
    _damage(path)
    error = _said(path)
    assert "computed checksum" in error.message
    assert error.hint == "Restore a backup of it."


def _damage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4100)
        file.write(b"XXXXXXXX")


def test_a_file_of_a_newer_duckdb_is_not_damaged(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(12)
        file.write((9999).to_bytes(8, "little"))
    with pytest.raises(duckdb.Error) as caught:
        duckdb.connect(str(path), read_only=True)
    computed = re.search(r"computed checksum (\d+)", str(caught.value))
    assert computed
    with path.open("r+b") as file:
        file.write(int(computed[1]).to_bytes(8, "little"))
    error = _said(path)
    assert "version number 9999" in error.message
    assert error.hint.endswith("nothing is wrong with it: pip install --upgrade duckdb")


def test_looking_for_the_cause_does_not_change_the_file(path: Path) -> None:
    before = path.read_bytes()
    for writing in (True, False):
        assert causes.open_error(path, duckdb.IOException("x"), writing=writing).message
    assert path.read_bytes() == before
