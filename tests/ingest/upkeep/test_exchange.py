"""Runs in an archive: another store with the same texts and probes gets the same rows, any other gets none."""

import json
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest
from finished_jobs import MODEL, probed
from planned import Jobs, plan_probe
from traced_study import last_of
from two_stores import Place, Theirs

from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.upkeep.check import named_files, violations
from mlv.ingest.upkeep.deletion import delete_run, plan_deletion
from mlv.ingest.upkeep.ingests import delete_ingest, plan_ingest_deletion
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.store.opening import connect


@pytest.fixture(scope="module")
def theirs(study_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Theirs:
    return Theirs(tmp_path_factory.mktemp("theirs") / "theirs", study_store)


@pytest.fixture
def mine(study_store: Path, tmp_path: Path) -> Place:
    return Place(tmp_path / "mine", study_store)


def test_the_same_rows_are_there_after_and_once(theirs: Theirs, mine: Place) -> None:
    everything = [str(name) for (name,) in theirs.rows("SELECT name FROM run")]
    archive = theirs.export(*everything)
    done = mine.take(archive)
    assert {run.run for run in done} == set(everything)
    assert mine.prints() == theirs.prints()
    assert sorted(path.name for path in mine.jobs.iterdir()) == sorted(everything)
    again = mine.take(archive)
    assert all(run.already_there for run in again)
    assert mine.prints() == theirs.prints()


def test_a_run_takes_along_what_it_builds_on(theirs: Theirs, mine: Place) -> None:
    probing = theirs.probing(theirs.runs.farsi)
    mine.take(theirs.export(probing[:-1]))
    assert mine.rows("SELECT name FROM run ORDER BY run_id") == [(theirs.runs.farsi,), (probing,)]
    mine.take(theirs.export(theirs.compared))
    there = {str(name) for (name,) in mine.rows("SELECT name FROM run")}
    assert {theirs.compared, theirs.probing(theirs.runs.traced)} <= there
    assert theirs.traced not in there
    assert len(mine.rows("FROM pca_point")) == len(theirs.rows("FROM pca_point")) > 0
    with connect(mine.store) as connection:
        assert violations(connection) == []


def _gone(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    delete_ingest(connection, plan_ingest_deletion(connection, name))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: _gone(c, "lines/ko/ko"), "the text lines/ko/ko is missing"),
        (lambda c: c.execute("UPDATE corpus SET sha256 = 'x' WHERE edition = 'ko'"), "lines/ko/ko is another one here"),
        (
            lambda c: c.execute("UPDATE probe SET template = 'x [MASK]' WHERE probe_id = 1"),
            "0 are missing and 1 are others here, e.g. fa 1",
        ),
        (lambda c: _gone(c, "demo"), "are missing and 0 are others here"),
    ],
)
def test_what_is_missing_or_differs_is_named_and_nothing_written(
    theirs: Theirs, mine: Place, change: Callable[[duckdb.DuckDBPyConnection], object], said: str
) -> None:
    archive = theirs.export(theirs.traced, theirs.probing(theirs.runs.traced))
    with connect(mine.store, read_only=False) as connection:
        change(connection)
    assert said in mine.refuses(archive)


def test_a_checkpoint_that_is_another_here_is_named(theirs: Theirs, mine: Place) -> None:
    mine.take(theirs.export(theirs.runs.farsi))
    mine.do("UPDATE checkpoint SET digest = 'computed elsewhere' WHERE epoch = 2")
    said = mine.refuses(theirs.export(theirs.probing(theirs.runs.farsi)))
    assert f"the checkpoint {theirs.runs.farsi}/epoch-2 is another one here (digest computed elsewhere" in said


def _rewritten(archive: Path, change: Callable[[str, bytes], tuple[str | zipfile.ZipInfo, bytes] | None]) -> Path:
    """A copy of an archive with other members."""
    path = archive.with_name("changed.zip")
    with zipfile.ZipFile(archive) as read, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        for name in read.namelist():
            if (member := change(name, read.read(name))) is not None:
                written.writestr(*member)
    return path


def test_runs_that_others_build_on_are_missed(theirs: Theirs, mine: Place) -> None:
    archive = theirs.export(theirs.probing(theirs.runs.farsi))
    alone = _rewritten(archive, lambda name, data: None if name.startswith("finetune") else (name, data))
    assert f"builds on {theirs.runs.farsi}, which is neither here nor in the file" in mine.refuses(alone)


def _link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda name, data: (f"../{name}", data), "points outside the archive"),
        (lambda name, data: (f"/{name}", data), "points outside the archive"),
        (lambda name, data: (f"x/{name}", data), "no part of a job directory"),
        (lambda name, data: (name.replace("log.jsonl", "work/log.jsonl"), data), "no part of a job directory"),
        (lambda name, data: (_link(name) if name.endswith("log.jsonl") else name, data), "is a link"),
        (lambda name, data: (name, b"0" * 10**7 if name.endswith("log.jsonl") else data), "would unpack"),
        (lambda name, data: (name.replace("finetune-", "probe-"), data), "has the specification of finetune-"),
        (lambda name, data: (name, b'{"state": "running"}' if "status" in name else data), "is not finished"),
        (
            lambda name, data: None if name.endswith("metrics.parquet") else (name, data),
            "lacks its outputs metrics.par",
        ),
        (
            lambda name, data: None if name.endswith("probes.parquet") else (name, data),
            "lacks its inputs probes.parquet",
        ),
        (lambda name, data: (name, b"{" if name.endswith("job.json") else data), "job.json is damaged"),
        (lambda name, data: None if name.endswith("job.json") else (name, data), "it has no job.json"),
        (lambda *_: None, "it has none"),
    ],
)
def test_an_archive_that_is_not_as_exported_is_refused(
    theirs: Theirs,
    mine: Place,
    change: Callable[[str, bytes], tuple[str | zipfile.ZipInfo, bytes] | None],
    said: str,
) -> None:
    assert said in mine.refuses(_rewritten(theirs.export(theirs.probing(theirs.runs.farsi)), change))


def test_a_file_that_is_no_archive_is_refused(mine: Place, tmp_path: Path) -> None:
    path = tmp_path / "text.zip"
    path.write_text("text")
    assert "is not a readable zip archive" in mine.refuses(path)


def test_results_that_cannot_be_committed_leave_no_job_behind(theirs: Theirs, mine: Place) -> None:
    def spoilt(name: str, data: bytes) -> tuple[str, bytes]:
        if not name.endswith("probe_logits.parquet"):
            return name, data
        path = mine.store.with_name("spoilt.parquet")
        path.write_bytes(data)
        pl.read_parquet(path).with_columns(logprob_sum=pl.lit(float("nan"))).write_parquet(path)
        return name, path.read_bytes()

    archive = _rewritten(theirs.export(theirs.probing(theirs.runs.farsi)), spoilt)
    with pytest.raises(JobError, match="NaN or infinite"):
        mine.take(archive)
    # the training before it is whole; what is wrong with its probing does not concern it
    assert mine.rows("SELECT name FROM run") == [(theirs.runs.farsi,)]
    assert [path.name for path in mine.jobs.iterdir()] == [theirs.runs.farsi]


def test_a_job_that_is_here_and_not_finished_is_not_replaced(theirs: Theirs, mine: Place) -> None:
    with connect(mine.store) as connection:
        job = plan_probe(connection, Jobs(mine.jobs), MODEL, probe_set="demo-all")
    assert job is not None
    archive = theirs.export(job.path.name)
    assert f"{job.path} is here, and planned: mlv runs resume {job.path.name}" in mine.refuses(archive)
    probed(job, shift=0.5)
    mine.take(archive)
    # its own results are taken
    assert mine.rows("SELECT max(logprob_sum) FROM probe_logit") == [(-7.5,)]


def test_checkpoints_go_along_if_asked_for_and_are_not_missed_otherwise(theirs: Theirs, mine: Place) -> None:
    weights = theirs.jobs / theirs.runs.farsi / "checkpoints" / "epoch-2" / "model.safetensors"
    weights.write_bytes(b"\x00" * 5_000_000)
    mine.take(theirs.export(theirs.runs.farsi))
    assert not (mine.jobs / theirs.runs.farsi / "checkpoints").exists()

    def missed() -> list[str]:
        with connect(mine.store) as connection:
            return [file.path for file in named_files(connection, mine.store, mine.jobs) if not file.there]

    assert missed() == []
    with connect(mine.store, read_only=False) as connection:
        going = plan_deletion(connection, theirs.runs.farsi, mine.jobs)
        delete_run(connection, going.run_id, going.run, mine.jobs)
    mine.take(theirs.export(theirs.runs.farsi, checkpoints=True))
    assert (
        mine.jobs / theirs.runs.farsi / "checkpoints" / "epoch-2" / weights.name
    ).read_bytes() == weights.read_bytes()
    status = json.loads((mine.jobs / theirs.runs.farsi / "status.json").read_text())
    assert not JobDirectory(mine.jobs / theirs.runs.farsi).came_without_checkpoints()
    assert status == json.loads((theirs.jobs / theirs.runs.farsi / "status.json").read_text())
    shutil.rmtree(mine.jobs / theirs.runs.farsi / "checkpoints" / "epoch-2")
    assert missed() == [f"jobs/{theirs.runs.farsi}/checkpoints/epoch-{epoch}" for epoch in (1, 2)]


def test_an_answer_to_another_text_under_the_same_question_is_not_committed(study_store: Path, tmp_path: Path) -> None:
    place = Place(tmp_path / "one", study_store)
    with connect(place.store, read_only=False) as connection:
        job = probed(plan_probe(connection, Jobs(place.jobs), last_of("nano"), probe_set="demo-all"))
        connection.execute("UPDATE probe SET answer_first = 'another' WHERE probe_id = 2")
        with pytest.raises(JobError, match="0 are missing and 1 are others here") as caught:
            commit_job(connection, job, place.store)
        assert (
            caught.value.hint == f"Ingest what it was planned from, then commit again: mlv runs resume {job.path.name}"
        )
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (0,)
