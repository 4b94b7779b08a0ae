"""Stores are made, upgraded with their rows, checked and copied."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path

import duckdb
import next_revision
import pytest
import sqlalchemy as sa

from mlv import migrations
from mlv.migrations.ddl import ddl
from mlv.schema.errors import StoreError, StoreLockedError, UsageError
from mlv.schema.store.ledger import LEDGER
from mlv.schema.store.opening import SCHEMA_REVISION, open_store
from mlv.schema.tables.metadata import metadata
from mlv.schema.views.declared import VIEWS

HOLDER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reader")
print("open", flush=True)
sys.stdin.read()
"""

KILLED = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute(sys.argv[2])
os._exit(0)
"""
"""A writer that commits and dies before the commit is moved from the log to the file."""


@contextlib.contextmanager
def held(path: Path, kind: str) -> Iterator[int]:
    """Another process, a ``reader`` or a ``writer``, that holds the file; its id."""
    command = [sys.executable, "-c", HOLDER, str(path), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield holder.pid
        finally:
            holder.kill()


def killed_while_writing(path: Path, statement: str) -> Path:
    """The log that a killed writer leaves."""
    subprocess.run([sys.executable, "-c", KILLED, str(path), statement], check=True)
    log = path.with_name(path.name + ".wal")
    assert log.stat().st_size > 0
    return log


def languages(path: Path) -> list[str]:
    """Codes of the languages in a store."""
    with open_store(path) as connection:
        return [code for (code,) in connection.execute("SELECT code FROM language ORDER BY code").fetchall()]


PERSIAN = "INSERT INTO language VALUES (1, 'fa', 'fas', 'Persian')"
KOREAN = "INSERT INTO language VALUES (2, 'ko', 'kor', 'Korean')"


@pytest.fixture
def store(fresh: Path, tmp_path: Path) -> Path:
    """A store of the test's own."""
    return Path(shutil.copyfile(fresh, tmp_path / "mlv.duckdb"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store at the newest revision."""
    path = tmp_path_factory.mktemp("store") / "mlv.duckdb"
    migrations.upgrade(path)
    return path


def test_the_newest_revision_is_the_one_the_code_expects(fresh: Path) -> None:
    assert migrations.history()[-1].revision == SCHEMA_REVISION
    assert migrations.current(fresh) == SCHEMA_REVISION


def test_migrations_build_exactly_the_declared_tables_and_views(fresh: Path) -> None:
    assert migrations.differences(fresh) == []


def _tables(path: Path) -> set[tuple[object, ...]]:
    """Columns with their types, places and comments, and constraints: also those that Alembic does not compare."""
    with duckdb.connect(str(path), read_only=True) as connection:
        columns = connection.execute(
            "SELECT table_name, column_index, column_name, data_type, is_nullable, comment FROM duckdb_columns() "
            "SEMI JOIN duckdb_tables() USING (table_oid) WHERE table_name <> 'schema_revision'"
        ).fetchall()
        constraints = connection.execute(
            "SELECT table_name, constraint_text FROM duckdb_constraints() WHERE table_name <> 'schema_revision'"
        ).fetchall()
    return {*columns, *constraints}


def test_migrations_build_what_the_models_would(fresh: Path, tmp_path: Path) -> None:
    path = tmp_path / "models.duckdb"
    engine = sa.create_engine(sa.URL.create("duckdb", database=str(path)))
    metadata.create_all(engine)
    engine.dispose()
    assert _tables(fresh) == _tables(path)


def test_columns_of_views_are_documented_in_their_order(fresh: Path) -> None:
    with open_store(fresh) as connection:
        for view in VIEWS:
            assert [name for name, *_ in connection.execute(f"DESCRIBE {view.name}").fetchall()] == list(view.columns)


def test_a_changed_table_and_a_missing_view_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "changed.duckdb"
    migrations.upgrade(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE metric ADD COLUMN extra INTEGER")
        connection.execute("DROP VIEW v_metric")
        connection.execute(
            "CREATE OR REPLACE VIEW v_influence_ranking AS SELECT * FROM influence_ranking WHERE rank > 1"
        )
    found = migrations.differences(path)
    assert any("extra" in line for line in found)
    assert any("v_metric" in line for line in found)
    assert "the SQL of view v_influence_ranking differs" in found


def test_every_table_view_and_column_carries_its_comment(fresh: Path) -> None:
    with open_store(fresh) as connection:
        tables = dict(connection.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall())
        views = dict(connection.execute("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal").fetchall())
        columns = connection.execute(
            "SELECT table_name || '.' || column_name FROM duckdb_columns() "
            "WHERE NOT internal AND comment IS NULL AND table_name <> 'schema_revision'"
        ).fetchall()
    assert tables.keys() - {LEDGER} == set(metadata.tables)
    assert views.keys() == {view.name for view in VIEWS}
    assert [name for name, comment in (tables | views).items() if not comment] == []
    assert tables[LEDGER].startswith("store ")
    assert columns == []


def test_the_first_revision_is_what_the_tables_declare() -> None:
    """Until there is a second one: a released revision stays as it is."""
    assert Path(str(files("mlv.migrations") / "versions" / "v0001_initial.sql")).read_text(encoding="utf-8") == ddl()


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Path]:
    """A store that was made before the newest revision, with a few rows."""
    path = tmp_path / "old.duckdb"
    migrations.upgrade(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO language VALUES (1, 'fa', 'fas', 'Persian')")
        connection.execute("INSERT INTO training_example SELECT i, 1, i, 'train', i FROM range(10) AS r(i)")
        connection.execute("INSERT INTO run_event VALUES (7, 0, TIMESTAMP '2026-01-01', 'started', '{}')")
        connection.execute("INSERT INTO metric VALUES (1, 'loss', 0.5, 1, 3.25)")
    with next_revision.known():
        yield path


def _rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the tables that have any."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        tables = {name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in names}
    return {name: rows for name, rows in tables.items() if rows}


def test_an_upgrade_keeps_rows_and_backs_the_file_up(old: Path) -> None:
    before = _rows(old)
    done = migrations.upgrade(old)
    assert (done.before, done.after) == (SCHEMA_REVISION, next_revision.REVISION)
    assert done.backup is not None
    assert _rows(done.backup) == before
    after = _rows(old)
    assert len(after.pop("note")) == 10
    assert after == before | {LEDGER: [(next_revision.REVISION,)]}
    with open_store(old) as connection:
        assert connection.execute("SELECT name FROM v_metric").fetchall() == []
    assert [(step.revision, step.is_current) for step in migrations.history(old)] == [
        (SCHEMA_REVISION, False),
        (next_revision.REVISION, True),
    ]


def test_an_upgrade_that_raises_leaves_the_store_as_it_was(old: Path) -> None:
    with duckdb.connect(str(old)) as connection:
        connection.execute("INSERT INTO run_event VALUES (7, 1, TIMESTAMP '2026-01-01', 'unwanted', '{}')")
    before = _rows(old)
    with pytest.raises(StoreError, match="has an unwanted event"):
        migrations.upgrade(old)
    assert _rows(old) == before
    assert migrations.current(old) == SCHEMA_REVISION


def test_a_store_from_before_the_first_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Its revisions have the same numbers, but other tables."""
    path = tmp_path / "early.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE alembic_version AS SELECT '0001' AS version_num")
        connection.execute("CREATE TABLE run (run_id INTEGER PRIMARY KEY)")
    before = path.read_bytes()
    for attempt in (migrations.upgrade, migrations.current, migrations.backup, _opened):
        with pytest.raises(
            StoreError, match=r"early\.duckdb was made by an mlv from before the first release"
        ) as caught:
            attempt(path)
        assert "ingest the sources again and run the jobs again" in caught.value.hint
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _opened(path: Path) -> None:
    with open_store(path):
        pass


def test_upgrading_an_up_to_date_store_makes_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    assert migrations.upgrade(path).backup is None
    assert [file.name for file in tmp_path.iterdir()] == ["mlv.duckdb"]


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "newer.duckdb"
    migrations.upgrade(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE schema_revision SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer than this mlv") as caught:
        migrations.upgrade(path)
    assert "pip install --upgrade mlv" in caught.value.hint
    with pytest.raises(StoreError, match="newer than this mlv"), open_store(path):
        pass
    assert path.read_bytes() == before


def test_an_older_store_names_the_command_that_upgrades_it(old: Path) -> None:
    with pytest.raises(StoreError, match=f"is at revision {SCHEMA_REVISION}, this mlv needs 9998") as caught:
        _opened(old)
    assert f"mlv db upgrade --db {old}" in caught.value.hint


def test_a_path_with_percent_and_spaces(tmp_path: Path) -> None:
    path = tmp_path / "100% of it" / "my store.duckdb"
    migrations.upgrade(path)
    assert migrations.current(path) == SCHEMA_REVISION


def test_a_backup_holds_commits_that_are_still_in_the_log(store: Path, tmp_path: Path) -> None:
    killed_while_writing(store, PERSIAN)
    with held(store, "reader"):
        copy = migrations.backup(store, tmp_path / "copy.duckdb")
    assert languages(copy) == ["fa"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["copy.duckdb", "mlv.duckdb", "mlv.duckdb.wal"]
    assert languages(store) == ["fa"]


def test_the_log_of_a_replaced_copy_is_not_replayed_into_the_new_one(store: Path, tmp_path: Path) -> None:
    copy = migrations.backup(store, tmp_path / "copy.duckdb")
    log = killed_while_writing(copy, KOREAN)
    kept = migrations.snapshot(store, copy, replace=True)
    assert not log.exists()
    assert languages(copy) == []
    # what had been written to the copy is not lost with it
    assert kept and languages(kept) == ["ko"]


def test_a_log_without_its_database_is_refused(store: Path, tmp_path: Path) -> None:
    copy = migrations.backup(store, tmp_path / "copy.duckdb")
    log = killed_while_writing(copy, KOREAN)
    copy.unlink()
    for take in (migrations.backup, migrations.snapshot):
        with pytest.raises(UsageError, match=r"copy\.duckdb\.wal is another database's log"):
            take(store, copy)
    assert not copy.exists()
    assert log.exists()


def test_a_copy_that_lacks_rows_is_not_kept(store: Path, fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect(str(store)) as connection:
        connection.execute(PERSIAN)
    really = shutil.copyfile

    def other(source: Path, target: Path) -> None:
        really(fresh if source == store else source, target)

    monkeypatch.setattr("mlv.migrations.copying.shutil.copyfile", other)
    with pytest.raises(StoreError, match="differs from the store in its rows of language"):
        migrations.backup(store, store.with_name("copy.duckdb"))
    assert list(store.parent.iterdir()) == [store]


def test_a_copy_that_cannot_be_read_is_not_kept(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(source: Path, target: Path) -> None:
        if source == store:
            target.write_bytes(source.read_bytes()[:5000])
        else:
            raise FileNotFoundError

    monkeypatch.setattr("mlv.migrations.copying.shutil.copyfile", cut)
    with pytest.raises(StoreError, match=r"cannot be copied to .*copy\.duckdb: IO Error: Could not read"):
        migrations.backup(store, store.with_name("copy.duckdb"))
    assert list(store.parent.iterdir()) == [store]


def test_a_copy_is_taken_beside_a_reader_and_not_beside_a_writer(store: Path) -> None:
    copy = store.with_name("copy.duckdb")
    with held(store, "reader"):
        migrations.backup(store, copy)
    with held(store, "writer") as pid, pytest.raises(StoreLockedError, match=rf"process {pid}\b"):
        migrations.snapshot(store, copy)
    assert migrations.differences(copy) == []


def test_differences_are_found_beside_a_reader(store: Path) -> None:
    with held(store, "reader"):
        assert migrations.differences(store) == []
    with held(store, "writer") as pid, pytest.raises(StoreLockedError, match=rf"process {pid}\b"):
        migrations.differences(store)


def test_an_upgrade_beside_a_reader_names_it_and_leaves_no_backup(old: Path) -> None:
    with held(old, "reader") as pid, pytest.raises(StoreLockedError, match=rf"process {pid}\b"):
        migrations.upgrade(old)
    assert list(old.parent.iterdir()) == [old]


def test_views_are_not_made_anew_beside_a_reader(store: Path) -> None:
    with held(store, "reader") as pid, pytest.raises(StoreLockedError, match=rf"process {pid}\b"):
        migrations.upgrade(store)
    assert list(store.parent.iterdir()) == [store]


def test_a_store_that_another_process_is_making_is_not_removed(store: Path) -> None:
    elsewhere = store.with_name("elsewhere.duckdb")
    with pytest.raises(StoreLockedError), migrations.whole_or_absent(elsewhere):
        store.rename(elsewhere)
        raise StoreLockedError("held")
    assert elsewhere.exists()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE customer AS SELECT 1 AS id")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="it is a DuckDB file that has the table customer"):
        migrations.upgrade(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_database_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "empty.duckdb"
    duckdb.connect(str(path)).close()
    migrations.upgrade(path)
    assert migrations.differences(path) == []


@pytest.mark.parametrize("take", [migrations.backup, partial(migrations.snapshot, replace=True)])
@pytest.mark.parametrize("name", ["mlv.duckdb", "same.duckdb", "link.duckdb", "mlv.duckdb.wal", "sub/../mlv.duckdb"])
def test_a_copy_never_takes_the_place_of_the_store(
    store: Path, name: str, take: Callable[[Path, Path], object]
) -> None:
    store.with_name("sub").mkdir()
    store.with_name("link.duckdb").symlink_to(store)
    os.link(store, store.with_name("same.duckdb"))
    before = store.read_bytes()
    with pytest.raises(UsageError, match="is the store itself"):
        take(store, store.parent / name)
    assert store.read_bytes() == before


def test_only_a_copy_is_replaced_and_only_where_asked(store: Path, tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("years of work")
    with pytest.raises(UsageError, match="no DuckDB file"):
        migrations.snapshot(store, notes, replace=True)
    with pytest.raises(UsageError, match="no DuckDB file"):
        migrations.backup(store, notes)
    assert notes.read_text() == "years of work"
    copy = migrations.backup(store, tmp_path / "copy.duckdb")
    with pytest.raises(UsageError, match="exists already"):
        migrations.backup(store, copy)
    with duckdb.connect(str(store)) as connection:
        connection.execute(PERSIAN)
    assert migrations.snapshot(store, copy) is None
    assert languages(copy) == ["fa"]


def test_a_full_disk_leaves_no_half_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)

    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlv.migrations.copying.shutil.copyfile", full)
    with pytest.raises(StoreError, match="No space left"):
        migrations.backup(path, tmp_path / "copy.duckdb")
    assert [file.name for file in tmp_path.iterdir()] == ["mlv.duckdb"]
