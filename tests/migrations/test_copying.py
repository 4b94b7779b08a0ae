"""Copies are compared by what they hold, and a store that is written anew is the same one, smaller."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from mlv import migrations
from mlv.migrations import copying
from mlv.migrations.copying import compact, read_all
from mlv.schema.errors import StoreError, UsageError
from mlv.schema.store.opening import connect, open_store

ROWS = 300_000


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with as many metrics as fill several blocks, none of them like another."""
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    with connect(path, read_only=False) as connection:
        connection.execute(f"INSERT INTO metric SELECT i, 'm' || i, 0, i, random() FROM range({ROWS}) AS r(i)")
    return path


def contents(path: Path) -> copying.Contents:
    with connect(path) as connection:
        return read_all(connection, path)


def test_a_copy_with_as_many_rows_but_another_value_is_not_kept(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_files = copying._copy_files

    def altered(path: Path, aside: Path) -> None:
        copy_files(path, aside)
        with duckdb.connect(str(aside)) as connection:
            connection.execute("UPDATE metric SET value = value + 1 WHERE step = 7")

    monkeypatch.setattr(copying, "_copy_files", altered)
    with pytest.raises(StoreError, match="differs from the store in its rows of metric"):
        migrations.backup(store, store.with_name("copy.duckdb"))
    assert [path.name for path in store.parent.iterdir()] == ["mlv.duckdb"]


def test_a_damaged_store_is_not_backed_up_and_the_backup_to_restore_is_named(store: Path) -> None:
    good = contents(store)
    saved = migrations.backup(store)
    with connect(store) as connection:
        ((block, size),) = connection.execute(
            "SELECT min(block_id), (SELECT block_size FROM pragma_database_size()) FROM pragma_storage_info('metric') "
            "WHERE column_name = 'value' AND block_id >= 0"
        ).fetchall()
    with store.open("r+b") as file:
        # blocks come after three headers
        file.seek(3 * 4096 + block * size + size // 2)
        file.write(bytes(64))
    with pytest.raises(StoreError, match=r"is damaged: .*checksum") as caught:
        migrations.backup(store, store.with_name("copy.duckdb"))
    assert not store.with_name("copy.duckdb").exists()
    assert f"Restore {saved} (0 minutes old): mlv db snapshot {store} --db {saved} --replace" in caught.value.hint
    with pytest.raises(UsageError, match="cannot be read, and may be anything"):
        migrations.snapshot(saved, store)
    kept = migrations.snapshot(saved, store, replace=True)
    assert kept and kept.name.endswith(".before-snapshot.duckdb")
    assert contents(store) == good


FULL = """
import resource, signal, sys
from pathlib import Path
from mlv.migrations import backup
from mlv.migrations.copying import compact
from mlv.schema.errors import StoreError, UsageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    compact(Path(sys.argv[1])) if sys.argv[2] == "compact" else backup(Path(sys.argv[1]))
except StoreError as error:
    print(error.message)
"""


@pytest.mark.parametrize("operation", ["backup", "compact"])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_a_disk_that_fills_leaves_the_store_and_nothing_half(store: Path, operation: str, share: float) -> None:
    before = contents(store)
    limit = str(int(store.stat().st_size * share))
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(store), operation, limit], capture_output=True, text=True, check=True
    )
    assert f"{store} " in done.stdout, done.stderr
    assert "File too large" in done.stdout
    assert list(store.parent.iterdir()) == [store]
    assert contents(store) == before


def test_what_a_killed_copy_left_is_removed_by_the_next_one(store: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    gone = store.with_name(f".mlv.0001.x.backup.duckdb.{ended.pid}.part.wal")
    living = store.with_name(f".mlv.duckdb.{os.getppid()}.part")
    for path in (gone, living):
        path.write_bytes(b"half")
    migrations.backup(store)
    assert not gone.exists()
    assert living.exists()


def test_a_store_written_anew_is_the_same_and_smaller(store: Path) -> None:
    with open_store(store, read_only=False) as connection:
        connection.execute("DELETE FROM metric WHERE step % 10 > 0")
        connection.execute("INSERT INTO language VALUES (1, 'fa', 'fas', 'Persian')")
    before, kept = store.stat().st_size, contents(store)
    told = compact(store)
    assert told.size == before
    assert store.stat().st_size < 0.7 * before
    assert contents(store) == kept
    assert kept["metric"][0] == ROWS / 10
    assert migrations.differences(store) == []
    assert list(store.parent.iterdir()) == [store]


def test_a_table_that_mlv_did_not_make_keeps_the_store_as_it_is(store: Path) -> None:
    with open_store(store, read_only=False) as connection:
        connection.execute("CREATE TABLE notes AS SELECT 'years of work' AS note")
    before = store.read_bytes()
    with pytest.raises(StoreError, match="differs from the store in its rows of notes"):
        compact(store)
    assert store.read_bytes() == before
    assert list(store.parent.iterdir()) == [store]


WRITER = """
import sys
from pathlib import Path
from mlv.schema.store.waiting import WaitLimits, waiting
from mlv.schema.store.opening import open_store
with waiting(WaitLimits(writing=60)):
    for number in range(int(sys.argv[2])):
        with open_store(Path(sys.argv[1]), read_only=False) as connection:
            connection.execute("INSERT INTO category VALUES (?, ?, 'C', 1, 45, true)", [number, f"c{number}"])
        print(number, flush=True)
"""


def test_what_is_written_while_the_store_is_written_anew_is_in_the_new_one(store: Path) -> None:
    """Of a writer that waits for the store, nothing goes to the file that was replaced."""
    commits = 8
    command = [sys.executable, "-c", WRITER, str(store), str(commits)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in _while_running(writer):
            with contextlib.suppress(StoreError):
                compact(store)
            # the writer looks every half second, and is to come to the store
            time.sleep(0.1)
        assert len(writer.stdout.read().split()) == commits - 1
    assert writer.returncode == 0
    with open_store(store) as connection:
        assert connection.execute("SELECT count(*) FROM category").fetchone() == (commits,)


def _while_running(process: "subprocess.Popen[str]") -> Iterator[None]:
    while process.poll() is None:
        yield
