"""What deleting a run would take, and that all of it is taken."""

import json
from pathlib import Path

import duckdb
import pytest
from planned import Jobs, plan_influence
from played_study import play
from traced_study import Runs, add_runs

from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.upkeep.check import violations
from mlv.ingest.upkeep.deletion import ROWS, delete_run, plan_deletion
from mlv.schema.errors import DataError
from mlv.schema.jobs.attribution import gradients_of
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import spec_hash
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.store.opening import connect, open_store
from mlv.schema.store.rows import number
from mlv.schema.tables.relations import references


def _index(job: JobDirectory, name: str, **changed: object) -> Path:
    """A folder like the index of gradients that a job makes."""
    spec = job.spec()
    assert isinstance(spec, InfluenceSpec)
    folder = job.path.parent / f"index-{name}"
    folder.mkdir()
    identity = {
        **gradients_of(spec.checkpoints[0], spec.attribution.gradients, spec.reference_digest),
        "training": spec_hash(spec.training),
        **changed,
    }
    (folder / "index.json").write_text(json.dumps(identity))
    (folder / "shard-00000.safetensors").write_bytes(b"x" * 1000)
    return folder


class Traced:
    """A store with two influence runs of one training run, that share an index."""

    def __init__(self, store: Path) -> None:
        self.store, self.jobs = store, store.parent / "jobs"
        self.runs: Runs = add_runs(store)
        self.first, self.second = (self._trace(question) for question in ("1", "46"))

    def _trace(self, question: str) -> JobDirectory:
        with connect(self.store, read_only=False) as connection:
            settings = {"items": [question], "languages": ["fa"], "top_k": 3}
            job = plan_influence(connection, Jobs(self.jobs), self.runs.traced, **settings)
            play(job)
            commit_job(connection, job, self.store)
        return job


@pytest.fixture
def traced(study_store: Path, tmp_path: Path) -> Traced:
    path = tmp_path / "store.duckdb"
    path.write_bytes(study_store.read_bytes())
    return Traced(path)


def _delete(traced: Traced, name: str) -> None:
    with open_store(traced.store, read_only=False) as connection:
        going = plan_deletion(connection, name, traced.jobs)
        delete_run(connection, going.run_id, going.run, traced.jobs)


def test_what_would_go_is_counted(traced: Traced) -> None:
    index = _index(traced.first, "shared")
    with open_store(traced.store) as connection:
        going = plan_deletion(connection, traced.first.path.name, traced.jobs)
        blocked = plan_deletion(connection, traced.runs.traced, traced.jobs)
    assert going.rows["influence_ranking"] == 6
    assert going.rows["run"] == going.rows["influence_run"] == going.rows["influence_target"] == 1
    assert going.dependants == []
    size = sum(path.stat().st_size for path in traced.first.path.rglob("*") if path.is_file())
    assert going.folders == {traced.first.path: size}
    assert index.exists()
    assert {traced.first.path.name, traced.second.path.name} < set(blocked.dependants)


def test_an_index_goes_with_the_last_job_that_uses_it(traced: Traced) -> None:
    shared = _index(traced.first, "shared")
    others = [
        _index(traced.first, "of-another-run", training="0"),
        _index(traced.first, "of-no-job", model="another checkpoint"),
    ]
    _delete(traced, traced.first.path.name)
    assert not traced.first.path.exists()
    # an index of the same training that no job uses goes, too
    assert [shared.exists(), *(folder.exists() for folder in others)] == [True, True, False]
    _delete(traced, traced.second.path.name)
    assert [shared.exists(), others[0].exists()] == [False, True]


def test_a_job_that_is_not_committed_keeps_its_index(traced: Traced) -> None:
    shared = _index(traced.first, "shared")
    with open_store(traced.store) as connection:
        plan_influence(connection, Jobs(traced.jobs), traced.runs.traced, items=["2"], languages=["fa"], top_k=3)
    for job in (traced.first, traced.second):
        _delete(traced, job.path.name)
    assert shared.exists()


def test_no_row_of_a_deleted_run_is_left(traced: Traced) -> None:
    with open_store(traced.store) as connection:
        runs = dict(connection.execute("SELECT name, run_id FROM run").fetchall())
    for job in (traced.first, traced.second):
        _delete(traced, job.path.name)
        with open_store(traced.store) as connection:
            left = [table for table in ROWS if _belonging(connection, table, runs[job.path.name])]
            assert left == []
            assert violations(connection) == []


def _belonging(connection: duckdb.DuckDBPyConnection, table: str, run_id: int) -> int:
    """Rows of a table that belong to a run, or refer to it in some other way."""
    columns = [name for name, reference in references(table).items() if reference.parent == "run"]
    found = [f"SELECT count(*) FROM {table} WHERE {condition}" for condition in map("{} = $key".format, columns)]
    found.append(f"SELECT count(*) FROM {table} WHERE {ROWS[table]}")
    return sum(number(connection, query.replace("$key", str(run_id))) for query in found)


def test_a_folder_that_cannot_be_removed_is_told_and_the_deletion_can_be_finished(traced: Traced) -> None:
    path, elsewhere = traced.first.path, traced.store.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    with pytest.raises(DataError, match="cannot be removed: it is a link") as caught:
        _delete(traced, path.name)
    assert caught.value.hint == f"Then: mlv runs delete {path.name} --yes"
    assert elsewhere.exists()
    path.unlink()
    _delete(traced, path.name)
    with open_store(traced.store) as connection, pytest.raises(duckdb.Error):
        connection.execute("SELECT error(name) FROM run WHERE name <> ?", [path.name]).fetchall()
