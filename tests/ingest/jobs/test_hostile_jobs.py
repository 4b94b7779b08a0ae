"""Job directories that are damaged, or came from somebody else: committed as they are, or refused, never in part."""

import json
import os
import shutil
from pathlib import Path

import duckdb
import polars as pl
import pytest
from finished_jobs import MODEL, finetuned, probed
from fuzzing import damaged, examples, outcome
from hypothesis import given
from hypothesis import strategies as st
from planned import Jobs, plan_probe

from mlv.compute.running.execute import execute
from mlv.ingest.jobs.committing import Committed, commit_job
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Finished, Started
from mlv.schema.jobs.parquet import read_parquet
from mlv.schema.store.opening import connect


@pytest.fixture(scope="module")
def finished(study_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, a finished fine-tuning job and a finished probing job."""
    folder = tmp_path_factory.mktemp("finished")
    store = Path(shutil.copyfile(study_store, folder / "store.duckdb"))
    with connect(store) as connection:
        finetuned(connection, Jobs(folder / "jobs"))
        probed(plan_probe(connection, Jobs(folder / "jobs"), MODEL, probe_set="demo-all", languages=["ko"]))
    return folder


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(finished, tmp_path / "place"))


def _job(folder: Path, kind: str) -> JobDirectory:
    return JobDirectory(next((folder / "jobs").glob(f"{kind}-*")))


def _commit(folder: Path, job: JobDirectory) -> Committed:
    store = folder / "store.duckdb"
    with connect(store, read_only=False) as connection:
        return commit_job(connection, job, store)


def _counted(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """Rows by table: a commit adds, and takes nothing away."""
    names = [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
    counts = " UNION ALL ".join(f"SELECT '{name}' AS name, count(*) FROM \"{name}\"" for name in names)
    return connection.execute(f"{counts} ORDER BY name").fetchall()


def _tried(folder: Path, job: JobDirectory) -> None:
    """Commit; whatever was refused left no trace in the store."""
    store = folder / "store.duckdb"
    with connect(store, read_only=False) as connection:
        before = _counted(connection)
        if outcome(lambda: commit_job(connection, job, store)) is None:
            assert _counted(connection) == before


FILES = (
    "finetune job.json",
    "finetune status.json",
    "finetune provenance.json",
    "finetune log.jsonl",
    "finetune inputs/examples.parquet",
    "finetune outputs/model.json",
    "finetune outputs/metrics.parquet",
    "finetune outputs/checkpoints.parquet",
    "probe job.json",
    "probe outputs/probe_logits.parquet",
)


@examples(15)
@given(data=st.data(), which=st.sampled_from(FILES))
def test_a_damaged_file_is_refused_or_taken_whole(finished: Path, data: st.DataObject, which: str) -> None:
    kind, _, name = which.partition(" ")
    place = Path(shutil.copytree(finished, finished.parent / "damaged", dirs_exist_ok=True))
    job = _job(place, kind)
    valid = (job.path / name).read_bytes()
    (job.path / name).write_bytes(data.draw(damaged([valid], gzipped=False)))
    try:
        _tried(place, job)
    finally:
        shutil.rmtree(place)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@examples(15)
@given(data=st.data(), value=JSON, which=st.sampled_from((*FILES[:4], "finetune outputs/model.json", "probe job.json")))
def test_json_that_says_other_things(finished: Path, data: st.DataObject, value: object, which: str) -> None:
    kind, _, name = which.partition(" ")
    place = Path(shutil.copytree(finished, finished.parent / "changed", dirs_exist_ok=True))
    path = _job(place, kind).path / name
    lines = [
        json.loads(line) for line in ([path.read_text()] if name.endswith(".json") else path.read_text().splitlines())
    ]
    changed = data.draw(st.sampled_from(lines))
    changed[data.draw(st.sampled_from(sorted(changed)))] = value
    path.write_text("\n".join(json.dumps(line) for line in lines))
    try:
        _tried(place, _job(place, kind))
    finally:
        shutil.rmtree(place)


COLUMNS = (
    ("finetune", "metrics", ("name", "epoch", "step", "value")),
    ("finetune", "checkpoints", ("epoch", "step", "is_final", "path", "digest")),
    (
        "probe",
        "probe_logits",
        ("language", "question", "answer", "tokens", "logit_sum", "logprob_sum", "logprob_first"),
    ),
)
VALUES = (
    None,
    -1,
    0,
    3,
    2**62,
    "x",
    "../../x",
    "\x00'; DROP TABLE run; --",
    float("nan"),
    float("inf"),
    True,
    [1],
    b"\xff",
)


@examples(15)
@given(output=st.sampled_from(COLUMNS), data=st.data(), value=st.sampled_from(VALUES))
def test_a_column_of_other_values(
    finished: Path, output: tuple[str, str, tuple[str, ...]], data: st.DataObject, value: object
) -> None:
    kind, name, columns = output
    place = Path(shutil.copytree(finished, finished.parent / "column", dirs_exist_ok=True))
    job = _job(place, kind)
    path, column = job.outputs / f"{name}.parquet", data.draw(st.sampled_from(columns))
    frame = pl.read_parquet(path)
    frame.with_columns(pl.Series(column, [value] * frame.height)).write_parquet(path)
    try:
        _tried(place, job)
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("name", ["outputs/metrics.parquet", "checkpoints/epoch-1", "inputs", "work/checkpoint-1"])
@pytest.mark.parametrize("target", ["elsewhere", "../../elsewhere", "loop"])
def test_a_link_out_of_a_job_directory_is_refused(place: Path, name: str, target: str) -> None:
    job = _job(place, "finetune")
    elsewhere = place / "elsewhere"
    (elsewhere / "checkpoint-1").mkdir(parents=True)
    link = job.path / name
    link.parent.mkdir(exist_ok=True)
    if link.exists():
        (shutil.rmtree if link.is_dir() else os.unlink)(link)
    link.symlink_to({"elsewhere": elsewhere, "loop": job.path.parent / "loop"}.get(target, Path(target)))
    if target == "loop":
        (job.path.parent / "loop").symlink_to(link)
    with pytest.raises(JobError, match=f"links that lead out of it: {name}"):
        _commit(place, job)
    with pytest.raises(JobError, match="links that lead out of it"):
        execute(job.path)
    assert (elsewhere / "checkpoint-1").is_dir()


def test_links_within_a_job_directory_and_to_it_are_followed(place: Path) -> None:
    job = _job(place, "finetune")
    (job.checkpoints / "last").symlink_to("epoch-2")
    (place / "link").symlink_to(job.path)
    assert not _commit(place, JobDirectory(place / "link")).already_there


@pytest.mark.parametrize("path", ["../probe-0/checkpoints/epoch-1", "/etc", "checkpoints/epoch-2", "", None])
def test_a_checkpoint_elsewhere_is_no_checkpoint_of_the_run(place: Path, path: str | None) -> None:
    job = _job(place, "finetune")
    made = job.outputs / "checkpoints.parquet"
    pl.read_parquet(made).with_columns(path=pl.lit(path, pl.String)).write_parquet(made)
    with pytest.raises(JobError, match="names a checkpoint at"):
        _commit(place, job)


def test_examples_that_were_changed_are_refused(place: Path) -> None:
    job = _job(place, "finetune")
    path = job.inputs / "examples.parquet"
    changed = pl.read_parquet(path).with_columns(split=pl.lit("train"))
    changed.write_parquet(path)
    with pytest.raises(JobError, match="does not hold the examples"):
        _commit(place, job)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None])
def test_scores_that_are_no_numbers_are_refused(place: Path, score: float | None) -> None:
    job = _job(place, "probe")
    path = job.outputs / "probe_logits.parquet"
    logits = pl.read_parquet(path)
    one = pl.when(pl.int_range(pl.len()) == 3).then(pl.lit(score, pl.Float64)).otherwise("logprob_sum")
    logits.with_columns(logprob_sum=one).write_parquet(path)
    with pytest.raises(JobError, match=r"1 rows of .* have scores that are NaN or infinite"):
        _commit(place, job)


def test_an_event_that_a_kill_cut_off_within_a_letter_is_left_out(place: Path) -> None:
    job = _job(place, "finetune")
    with (job.path / "log.jsonl").open("ab") as log:
        log.write('{"at": "2026-01-01T00:00:00", "event": "é'.encode()[:-1])
    assert [happened.event for happened in job.events()] == [Started(), Finished()]
    assert _commit(place, job).rows["run_event"] == 2


def test_a_study_lies_in_a_folder_whose_name_is_a_pattern(place: Path) -> None:
    odd = place.rename(place.with_name("study [v2] *"))
    assert _commit(odd, _job(odd, "finetune")).rows["checkpoint"] == 2


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"a": [1, None], "b": ["x", "é"], "c": [True, False], "d": [0.5, float("nan")], "e": [[1], []]}
    )
    frame.write_parquet(tmp_path / "a.parquet")
    read = read_parquet(tmp_path / "a.parquet")
    assert read.schema == frame.schema and read.equals(frame)


@examples(150)
@given(data=st.data())
def test_a_damaged_table_never_ends_the_process(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": list(range(40)), "b": [str(i) for i in range(40)]}).write_parquet(path)
    path.write_bytes(data.draw(damaged([path.read_bytes()], gzipped=False)))
    outcome(lambda: read_parquet(path))
