"""What opening a store says where it cannot be opened."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from mlv import migrations
from mlv.schema.errors import StoreError, StoreLockedError
from mlv.schema.store import connect, open_store, transaction

HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_missing_store_names_the_command_that_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "none.duckdb"
    with pytest.raises(StoreError) as caught, open_store(path):
        pass
    assert caught.value.hint == f"Make one: mlv db upgrade --db {path}"
    assert not path.exists()


def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "text.duckdb"
    path.write_text("not a database, but long enough to look like a file of one " * 100)
    with pytest.raises(StoreError, match="cannot be opened as a store"):
        connect(path)


def test_a_database_without_our_tables(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    duckdb.connect(str(path)).close()
    with pytest.raises(StoreError, match="no tables of mlv"), open_store(path):
        pass


@pytest.mark.parametrize("read_only", [True, False])
def test_a_lock_names_the_process_that_holds_it(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    before = path.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StoreLockedError, match=rf"process {holder.pid}\b") as caught:
            connect(path, read_only=read_only)
        holder.kill()
    assert "mlv db snapshot" in caught.value.hint
    assert path.read_bytes() == before


def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    with open_store(path, read_only=False) as connection:
        with pytest.raises(RuntimeError), transaction(connection):
            connection.execute("INSERT INTO language VALUES (1, 'fa', 'fas', 'Persian')")
            raise RuntimeError
        assert connection.execute("SELECT count(*) FROM language").fetchone() == (0,)
