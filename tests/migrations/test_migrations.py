"""Stores are made, upgraded with their rows, checked and copied."""

from pathlib import Path

import duckdb
import pytest

from mlv import migrations
from mlv.schema.errors import StoreError
from mlv.schema.store import SCHEMA_REVISION, open_store
from mlv.schema.tables import metadata
from mlv.schema.views import VIEWS


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


def test_a_changed_table_and_a_missing_view_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "changed.duckdb"
    migrations.upgrade(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("ALTER TABLE metric ADD COLUMN extra INTEGER")
        connection.execute("DROP VIEW v_metric")
    found = migrations.differences(path)
    assert any("extra" in line for line in found)
    assert any("v_metric" in line for line in found)


def test_every_table_view_and_column_carries_its_comment(fresh: Path) -> None:
    with open_store(fresh) as connection:
        tables = dict(connection.execute("SELECT table_name, comment FROM duckdb_tables()").fetchall())
        views = dict(connection.execute("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal").fetchall())
        columns = connection.execute(
            "SELECT table_name || '.' || column_name FROM duckdb_columns() "
            "WHERE NOT internal AND comment IS NULL AND table_name <> 'alembic_version'"
        ).fetchall()
    assert tables.keys() - {"alembic_version"} == set(metadata.tables)
    assert views.keys() == {view.name for view in VIEWS}
    assert [name for name, comment in (tables | views).items() if not comment] == ["alembic_version"]
    assert columns == []


def test_an_upgrade_keeps_rows_and_backs_the_file_up(tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    migrations.upgrade(path, "0001")
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO language VALUES (1, 'fa', 'fas', 'Persian')")
        connection.execute("INSERT INTO probe_collection VALUES (1, 'own', 'nobody', 'x')")
        connection.execute("INSERT INTO category VALUES (1, 'c', 'C', 1, 45, true)")
        connection.execute("INSERT INTO question VALUES (1, '1', 1, 'Q1', 1)")
        connection.execute("INSERT INTO probe VALUES (1, 1, 1, 1, '[MASK]', 'a', 'b', '', '', 'canonical')")
    done = migrations.upgrade(path)
    assert (done.before, done.after) == ("0001", SCHEMA_REVISION)
    assert done.backup is not None
    with open_store(path) as connection:
        assert connection.execute("SELECT language, question FROM v_probe").fetchall() == [("fa", "1")]
        assert connection.execute("SELECT count(*) FROM influence_target").fetchone() == (0,)
    with duckdb.connect(str(done.backup), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM probe").fetchone() == (1,)
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert ("influence_target",) not in tables


def test_upgrading_an_up_to_date_store_makes_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    assert migrations.upgrade(path).backup is None
    assert [file.name for file in tmp_path.iterdir()] == ["mlv.duckdb"]


def test_a_store_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "newer.duckdb"
    migrations.upgrade(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer than this mlv") as caught:
        migrations.upgrade(path)
    assert "pip install --upgrade mlv" in caught.value.hint
    with pytest.raises(StoreError, match="newer than this mlv"), open_store(path):
        pass
    assert path.read_bytes() == before


def test_an_older_store_names_the_command_that_upgrades_it(tmp_path: Path) -> None:
    path = tmp_path / "old.duckdb"
    migrations.upgrade(path, "0001")
    with pytest.raises(StoreError) as caught, open_store(path):
        pass
    assert f"mlv db upgrade --db {path}" in caught.value.hint


def test_a_path_with_percent_and_spaces(tmp_path: Path) -> None:
    path = tmp_path / "100% of it" / "my store.duckdb"
    migrations.upgrade(path)
    assert migrations.current(path) == SCHEMA_REVISION


def test_a_backup_holds_commits_that_are_still_in_the_log(tmp_path: Path) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)
    with open_store(path, read_only=False) as connection:
        connection.execute("SET checkpoint_threshold = '1GB'")
        connection.execute("INSERT INTO language VALUES (1, 'fa', 'fas', 'Persian')")
    copy = migrations.backup(path, tmp_path / "copy.duckdb")
    with open_store(copy) as connection:
        assert connection.execute("SELECT code FROM language").fetchall() == [("fa",)]


def test_a_full_disk_leaves_no_half_a_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mlv.duckdb"
    migrations.upgrade(path)

    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlv.migrations.shutil.copyfile", full)
    with pytest.raises(StoreError, match="No space left"):
        migrations.backup(path, tmp_path / "copy.duckdb")
    assert [file.name for file in tmp_path.iterdir()] == ["mlv.duckdb"]
