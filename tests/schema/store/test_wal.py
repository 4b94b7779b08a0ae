"""A log that a kill cut off, wherever that is, keeps its complete commits and nothing else."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from mlv import migrations
from mlv.schema.store.opening import connect
from mlv.schema.store.wal import HEADER, last_commit_end, wal_path

COMMITS = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
for number in (1, 2):
    connection.execute("BEGIN")
    connection.execute(f"INSERT INTO metric SELECT {number}, 'm', 0, i, i FROM range(150_000) AS r(i)")
    connection.execute(f"INSERT INTO language VALUES ({number}, 'l{number}', 'x{number}', 'n')")
    connection.execute("COMMIT")
    print(os.path.getsize(sys.argv[1] + ".wal"), flush=True)
os._exit(0)
"""
"""Two commits of rows in bulk and of a single one; the process dies before they are moved to the file."""

HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[int]]:
    """A store with a log, and where the commits in it end."""
    path = tmp_path_factory.mktemp("store") / "mlv.duckdb"
    migrations.upgrade(path)
    done = subprocess.run([sys.executable, "-c", COMMITS, str(path)], capture_output=True, text=True, check=True)
    return path, [int(size) for size in done.stdout.split()]


def _cut(killed: tuple[Path, list[int]], folder: Path, length: int) -> Path:
    path = folder / "mlv.duckdb"
    path.write_bytes(killed[0].read_bytes())
    wal_path(path).write_bytes(wal_path(killed[0]).read_bytes()[:length])
    return path


def _commits(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """Which commits are there, by their rows in bulk and by their single ones."""
    statement = "SELECT {0} FROM {1} GROUP BY ALL ORDER BY ALL"
    found = [
        [key for (key,) in connection.execute(statement.format(*names)).fetchall()]
        for names in (("run_id", "metric"), ("language_id", "language"))
    ]
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("commit", [0, 1])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_commit_that_was_cut_off_leaves_nothing(
    killed: tuple[Path, list[int]], tmp_path: Path, share: float, commit: int, read_only: bool
) -> None:
    start = [len(HEADER), *killed[1]][commit]
    path = _cut(killed, tmp_path, start + int(share * (killed[1][commit] - start)))
    with connect(path, read_only=read_only) as connection:
        assert _commits(connection) == list(range(1, commit + 1))
    with connect(path, read_only=False) as connection:
        connection.execute("INSERT INTO metric VALUES (9, 'm', 0, 0, 0)")
        connection.execute("INSERT INTO language VALUES (9, 'l9', 'x9', 'n')")
    with connect(path) as connection:
        assert _commits(connection) == [*range(1, commit + 1), 9]


def test_a_complete_log_stays_as_it_is(killed: tuple[Path, list[int]], tmp_path: Path) -> None:
    path = _cut(killed, tmp_path, sys.maxsize)
    before = wal_path(path).read_bytes()
    assert last_commit_end(wal_path(path)) is None
    with connect(path) as connection:
        assert _commits(connection) == [1, 2]
    assert wal_path(path).read_bytes() == before


@pytest.mark.skipif(
    not duckdb.__version__.startswith("1."), reason="DuckDB 2.0 writes another layout, and replays whole commits alone"
)
def test_the_log_of_a_locked_store_is_not_cut(killed: tuple[Path, list[int]], tmp_path: Path) -> None:
    path = _cut(killed, tmp_path, killed[1][1] - 10)
    before = wal_path(path).read_bytes()
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdin=-1, stdout=-1) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        subprocess.run([sys.executable, "-m", "mlv.schema.store.wal", str(path)], check=True)
        assert wal_path(path).read_bytes() == before
        holder.kill()
    subprocess.run([sys.executable, "-m", "mlv.schema.store.wal", str(path)], check=True)
    assert len(wal_path(path).read_bytes()) == killed[1][0]


def test_a_log_of_another_layout_is_left_to_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "mlv.duckdb.wal"
    path.write_bytes(b"\x64\x00\x62\x65\x00\x09\xff\xff" + b"x" * 100)
    assert last_commit_end(path) is None
    assert last_commit_end(tmp_path / "none.wal") is None
