"""Waiting for a store that another process holds, and what is reported meanwhile."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlv import migrations
from mlv.schema.errors import StoreError, StoreLockedError
from mlv.schema.store.opening import connect, open_store
from mlv.schema.store.waiting import WaitLimits, waiting, waiting_for_jobs

HOLDER = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextlib.contextmanager
def held(path: Path, seconds: float = 60) -> Iterator[int]:
    """Another process that writes the store for some seconds; its id."""
    command = [sys.executable, "-c", HOLDER, str(path), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield holder.pid
        finally:
            holder.kill()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    return path


@pytest.mark.parametrize("read_only", [True, False])
def test_a_store_opens_when_the_other_process_closes_it(store: Path, read_only: bool) -> None:
    notices: list[str] = []
    with held(store, 1.5) as pid, waiting(WaitLimits(reading=60, writing=60, on_wait=notices.append)):
        connect(store, read_only=read_only).close()
    assert len(notices) == 1
    assert notices[0].startswith("waiting up to ")
    assert f"{store} is held open by process {pid} (" in notices[0]
    assert "duckdb.connect(sys.argv[1])" in notices[0]


def test_waiting_ends_at_the_limit_of_what_the_store_is_opened_for(store: Path) -> None:
    with held(store), waiting(WaitLimits(reading=0, writing=0.3)):
        start = time.monotonic()
        for read_only, least, most in ((True, 0.0, 0.25), (False, 0.3, 5.0)):
            with pytest.raises(StoreLockedError):
                connect(store, read_only=read_only)
            now = time.monotonic()
            assert least <= now - start
            # a machine that is busy is late, not early: only no wait at all can be told from a wait
            assert now - start < most + 5
            start = now


def test_jobs_wait_as_long_as_it_takes(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notices: list[str] = []
    monkeypatch.setattr("mlv.schema.store.waiting.FIRST_NOTICE_SECONDS", 0.0)
    with held(store, 1), waiting(WaitLimits(jobs=float("inf"), on_wait=notices.append)), waiting_for_jobs():
        connect(store, read_only=False).close()
    assert notices[0].startswith("waiting: ")


def test_an_error_that_is_not_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "text.duckdb"
    path.write_text("not a database, but long enough to look like a file of one " * 100)
    with waiting(WaitLimits(60, 60, 60)), pytest.raises(StoreError, match="cannot be opened as a store"):
        connect(path)


def test_the_copy_that_can_be_read_meanwhile_is_named(store: Path) -> None:
    other = store.with_name("other.duckdb")
    migrations.upgrade(other)
    migrations.backup(other, store.with_name("of another.duckdb"))
    with held(store), pytest.raises(StoreLockedError) as caught:
        connect(store)
    assert "there is none beside the store" in caught.value.hint
    migrations.backup(store, store.with_name("older.duckdb"))
    copy = migrations.backup(store, store.with_name("a copy.duckdb"))
    with held(store), pytest.raises(StoreLockedError) as caught:
        connect(store)
    assert f"--db '{copy}' (0 minutes old)" in caught.value.hint
    with held(store), open_store(copy) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (0,)
    assert migrations.differences(copy) == []
