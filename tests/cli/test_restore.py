"""What rebuilding makes of a backup: elsewhere by itself, and in the place of a store that has gone on since."""

import shutil
from pathlib import Path

import pytest
from command_line import Mlv
from finished_jobs import FARSI, finetuned
from planned import Jobs
from tiny_study import DEMO, demo_store
from traced_study import Runs, add_runs

from mlv.cli import edge
from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.journal import journal_path
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.schema.store.opening import connect


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Runs]:
    folder = tmp_path_factory.mktemp("base")
    return folder, add_runs(demo_store(folder).store)


@pytest.fixture
def runs(_base: tuple[Path, Runs]) -> Runs:
    return _base[1]


@pytest.fixture
def mlv(_base: tuple[Path, Runs], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """A study, and a backup of it."""
    mlv = Mlv(Path(shutil.copytree(_base[0], tmp_path / "study")), capsys)
    done = mlv("db", "backup", "-o", str(tmp_path / "backup.duckdb"))
    assert done.code == 0, done.err
    return mlv


def _prints(store: Path) -> dict[str, tuple[int, int]]:
    with connect(store) as connection:
        return fingerprints(connection)


def _restore(mlv: Mlv) -> None:
    """As the error for a damaged store says it."""
    backup = Mlv(mlv.folder)
    backup.store = mlv.folder.parent / "backup.duckdb"
    assert backup("db", "snapshot", str(mlv.store), "--replace").code == 0


def test_a_backup_alone_tells_what_the_store_was_made_from(mlv: Mlv, runs: Runs, tmp_path: Path) -> None:
    before = _prints(mlv.store)
    jobs = shutil.move(mlv.folder / "jobs", tmp_path / "jobs")
    shutil.rmtree(mlv.folder)
    mlv.store = tmp_path / "backup.duckdb"
    assert not journal_path(mlv.store).exists()
    command = ("db", "rebuild", "-o", str(tmp_path / "mlv.duckdb"))
    lost = mlv(*command, "--jobs", str(tmp_path / "none"))
    assert lost.code == edge.ExitCode.DATA
    assert all(needed in lost.err for needed in ("fa.txt", "ko.txt", *runs))
    done = mlv(*command, "--jobs", str(jobs), "--sources", str(DEMO))
    assert done.code == 0, done.err
    assert _prints(tmp_path / "mlv.duckdb") == before


def test_what_was_committed_after_the_backup_comes_back(mlv: Mlv) -> None:
    with connect(mlv.store, read_only=False) as connection:
        commit_job(connection, finetuned(connection, Jobs(mlv.folder / "jobs"), FARSI, seed=9), mlv.store)
    before = _prints(mlv.store)
    _restore(mlv)
    assert _prints(mlv.store) != before
    done = mlv("db", "rebuild")
    assert done.code == edge.ExitCode.DIFFERENT, done.err
    assert "the old store lacks what is done here, so that its tables differ: commit finetune-" in done.err
    assert _prints(mlv.store) == before
    again = mlv("db", "rebuild")
    assert again.code == 0 and "lacks" not in again.err


def test_what_was_deleted_after_the_backup_is_asked_about(mlv: Mlv, runs: Runs) -> None:
    delete = ("runs", "delete", runs.other_seed, "--yes")
    assert mlv(*delete).code == 0
    before = _prints(mlv.store)
    _restore(mlv)
    lost = mlv("db", "rebuild")
    assert lost.code == edge.ExitCode.DATA
    assert "1 things are missing" in lost.err and runs.other_seed in lost.err
    assert mlv(*delete).code == 0
    assert mlv("db", "rebuild").code == 0
    assert _prints(mlv.store) == before
