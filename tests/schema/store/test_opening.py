"""The errors of stores that cannot be opened or written."""

import contextlib
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from mlv import migrations
from mlv.schema.errors import DataError, StoreError, StoreLockedError
from mlv.schema.store.opening import connect, open_store, transaction

FULL = """
import resource, signal, sys
from pathlib import Path
from mlv.schema.errors import StoreError
from mlv.schema.store.opening import open_store, transaction
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    with open_store(Path(sys.argv[1]), read_only=False) as connection, transaction(connection):
        connection.execute("INSERT INTO language SELECT i, 'l' || i, 'x' || i, 'n' || i FROM range(200_000) AS r(i)")
except StoreError as error:
    print(error.message, "|", error.hint)
"""

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


def test_opening_for_writing_makes_no_store(tmp_path: Path) -> None:
    path = tmp_path / "my store.duckdb"
    with pytest.raises(StoreError, match="no store at") as caught, open_store(path, read_only=False):
        pass
    assert caught.value.hint == f"Make one: mlv db upgrade --db '{path}'"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_a_store(tmp_path: Path) -> None:
    path = tmp_path / "text.duckdb"
    path.write_text("not a database, but long enough to look like a file of one " * 100)
    with pytest.raises(StoreError, match="cannot be opened as a store"):
        connect(path)


def test_a_damaged_file_in_a_folder_whose_name_has_the_word_lock(tmp_path: Path) -> None:
    path = tmp_path / "block" / "text.duckdb"
    path.parent.mkdir()
    path.write_text("not a database, but long enough to look like a file of one " * 100)
    with pytest.raises(StoreError, match="cannot be opened as a store") as caught:
        connect(path)
    assert not isinstance(caught.value, StoreLockedError)


def test_a_database_without_our_tables(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    duckdb.connect(str(path)).close()
    with pytest.raises(StoreError, match="no tables of mlv"), open_store(path):
        pass


@pytest.mark.parametrize("read_only", [True, False])
def test_a_lock_error_names_the_process_that_has_it(tmp_path: Path, read_only: bool) -> None:
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
    assert "A copy taken before" in caught.value.hint
    assert path.read_bytes() == before


def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    with open_store(path, read_only=False) as connection:
        with pytest.raises(RuntimeError), transaction(connection):
            connection.execute("INSERT INTO language VALUES (1, 'fa', 'fas', 'Persian')")
            raise RuntimeError
        assert connection.execute("SELECT count(*) FROM language").fetchone() == (0,)


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    message, _, hint = done.stdout.partition(" | ")
    assert str(path) in message
    assert "File too large. Nothing was written." in message
    assert "Free some space" in hint
    with open_store(path) as connection:
        assert connection.execute("SELECT count(*) FROM language").fetchone() == (0,)


def test_a_domain_error_passes_through_a_transaction_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    error = DataError("a bad row")
    with (
        pytest.raises(DataError) as caught,
        open_store(path, read_only=False) as connection,
        transaction(connection),
    ):
        raise error
    assert caught.value is error


def test_a_wrong_statement_is_not_reported_as_an_error_of_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    with (
        pytest.raises(duckdb.CatalogException),
        open_store(path, read_only=False) as connection,
        transaction(connection),
    ):
        connection.execute("INSERT INTO no_such_table VALUES (1)")


def test_a_file_rewritten_with_as_many_bytes_is_read_again(tmp_path: Path) -> None:
    duckdb.connect(str(tmp_path / "store.duckdb")).close()
    path = tmp_path / "rows.parquet"
    random = np.random.default_rng(0)
    with contextlib.closing(connect(tmp_path / "store.duckdb")) as connection:
        for _ in range(400):
            values = random.integers(0, 100, int(random.integers(3, 12)))
            pl.DataFrame({"a": values, "b": values.astype(str)}).write_parquet(path, compression="uncompressed")
            read = connection.execute("SELECT sum(a), count(DISTINCT b) FROM read_parquet(?)", [str(path)]).fetchone()
            assert read == (values.sum(), len(set(values)))
