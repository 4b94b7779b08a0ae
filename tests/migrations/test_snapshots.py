"""What a snapshot may take the place of: an older copy of the same store that nobody has changed; the rest is kept."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from mlv import migrations
from mlv.migrations.copying import compact, read_all
from mlv.schema.errors import StoreError, StoreLockedError, UsageError
from mlv.schema.store.copies import read_label
from mlv.schema.store.opening import connect


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty store."""
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    return path


def _write(path: Path, code: str) -> None:
    with duckdb.connect(str(path)) as connection:
        number = len(code) + sum(map(ord, code))
        connection.execute("INSERT INTO language VALUES (?, ?, ?, ?)", [number, code, code, code])


def _languages(path: Path) -> list[str]:
    with connect(path) as connection:
        return [code for (code,) in connection.execute("SELECT code FROM language ORDER BY code").fetchall()]


def _stranger(_: Path, target: Path) -> None:
    """A database of another program."""
    with duckdb.connect(str(target)) as connection:
        connection.execute("CREATE TABLE results AS SELECT 1 AS years_of_work")


def _other_store(_: Path, target: Path) -> None:
    migrations.upgrade(target)


def _copy_of_another_store(_: Path, target: Path) -> None:
    """Its file has the name that all stores have."""
    other = target.parent / "other" / "mlv.duckdb"
    migrations.upgrade(other)
    migrations.backup(other, target)


def _changed_copy(store: Path, target: Path) -> None:
    migrations.backup(store, target)
    _write(target, "ko")


def _copied_by_hand(store: Path, target: Path) -> None:
    target.write_bytes(store.read_bytes())


OTHERS = {
    "is no copy of a store": (_stranger, _other_store, _copied_by_hand),
    "is a copy of another store, mlv.duckdb": (_copy_of_another_store,),
    "was changed after it was copied": (_changed_copy,),
}


@pytest.mark.parametrize(("said", "make"), [(said, make) for said, makers in OTHERS.items() for make in makers])
def test_anything_else_is_replaced_only_if_asked_and_kept_then(
    store: Path, tmp_path: Path, said: str, make: Callable[[Path, Path], None]
) -> None:
    target = tmp_path / "target.duckdb"
    make(store, target)
    before = target.read_bytes()
    with pytest.raises(UsageError, match=said) as caught:
        migrations.snapshot(store, target)
    assert "--replace" in caught.value.hint
    assert target.read_bytes() == before
    kept = migrations.snapshot(store, target, replace=True)
    assert kept is not None
    assert kept.read_bytes() == before
    assert _languages(target) == _languages(store)
    # from now on it is a copy like others
    assert migrations.snapshot(store, target) is None


def test_an_older_copy_is_replaced_and_a_newer_one_is_not(store: Path, tmp_path: Path) -> None:
    old, new = (tmp_path / name for name in ("old.duckdb", "new.duckdb"))
    assert migrations.snapshot(store, old) is None
    _write(store, "fa")
    assert migrations.snapshot(store, new) is None
    with pytest.raises(UsageError, match="is a newer copy of this store"):
        migrations.snapshot(old, new)
    assert _languages(new) == ["fa"]
    # a copy of the newer copy is as new as that
    assert migrations.snapshot(new, old) is None
    assert migrations.snapshot(old, new) is None
    assert _languages(old) == _languages(new) == ["fa"]


def test_a_copy_that_went_on_as_the_store_is_the_same_store(store: Path, tmp_path: Path) -> None:
    copy = migrations.backup(store, tmp_path / "copy.duckdb")
    restored = tmp_path / "restored.duckdb"
    migrations.snapshot(copy, restored)
    _write(restored, "fa")
    assert migrations.snapshot(restored, copy) is None
    assert _languages(copy) == ["fa"]
    with pytest.raises(UsageError, match="was changed after it was copied"):
        migrations.snapshot(copy, restored)


def test_a_store_that_is_written_anew_is_the_same_store(store: Path, tmp_path: Path) -> None:
    copy = migrations.backup(store, tmp_path / "copy.duckdb")
    compact(store)
    migrations.upgrade(store)
    assert migrations.snapshot(store, copy) is None
    with connect(store) as one, connect(copy) as other:
        assert read_label(one).store == read_label(other).store != ""
        assert read_all(one, store) == read_all(other, copy)


def test_a_store_without_an_identifier_gets_one_when_it_is_upgraded(store: Path, tmp_path: Path) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute("COMMENT ON TABLE schema_revision IS NULL")
    copy = migrations.backup(store, tmp_path / "copy.duckdb")
    with pytest.raises(UsageError, match="is a copy of another store"):
        migrations.snapshot(store, copy)
    migrations.upgrade(store)
    with connect(store) as connection:
        assert len(read_label(connection).store) == 32


def test_a_copy_that_another_process_writes_is_left_alone(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = migrations.backup(store, tmp_path / "copy.duckdb")

    def held(path: Path, **given: bool) -> duckdb.DuckDBPyConnection:
        if path == copy:
            raise StoreLockedError(f"{path} is held open by process 1.")
        return connect(path, **given)

    monkeypatch.setattr("mlv.migrations.copying.connect", held)
    with pytest.raises(StoreLockedError):
        migrations.snapshot(store, copy, replace=True)


def test_a_copy_through_a_link_lies_where_the_link_leads(store: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    link = tmp_path / "latest.duckdb"
    link.symlink_to(there / "copy.duckdb")
    assert migrations.snapshot(store, link) is None
    (there / "copy.duckdb").chmod(0o600)
    _write(store, "fa")
    assert migrations.snapshot(store, link) is None
    assert link.is_symlink()
    assert [path.name for path in there.iterdir()] == ["copy.duckdb"]
    assert (there / "copy.duckdb").stat().st_mode & 0o777 == 0o600
    assert _languages(there / "copy.duckdb") == ["fa"]


def test_a_database_that_is_damaged_is_not_taken_for_a_copy(store: Path, tmp_path: Path) -> None:
    copy = migrations.backup(store, tmp_path / "copy.duckdb")
    damaged = bytearray(copy.read_bytes())
    damaged[4096 : 3 * 4096] = bytes(2 * 4096)
    copy.write_bytes(damaged)
    with pytest.raises(StoreError):
        connect(copy)
    with pytest.raises(UsageError, match="cannot be read, and may be anything"):
        migrations.snapshot(store, copy)
    kept = migrations.snapshot(store, copy, replace=True)
    assert kept and kept.read_bytes() == damaged
