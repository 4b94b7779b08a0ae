"""Results of jobs that are damaged, or came from somebody else: what is committed of them keeps all rules."""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from math import inf, nan
from pathlib import Path

import duckdb
import polars as pl
import pytest
from finished_jobs import FARSI, MODEL, finetuned, probed, write
from fuzzing import damaged, examples, outcome
from hypothesis import given
from hypothesis import strategies as st
from planned import Jobs, plan_influence, plan_pca, plan_probe, plan_validation
from played_study import play
from traced_study import add_runs

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.running.execute import execute
from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.upkeep.check import violations
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.schema.errors import JobError
from mlv.schema.files import write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import FREE_VALUES, check_decompressed_size, read_parquet
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.opening import connect

TABLES = {
    "finetune": ("checkpoints", "metrics"),
    "probe": ("probe_logits",),
    "influence": ("targets", "rankings", "summaries", "histograms"),
    "validate": ("lds", "validation"),
    "pca": ("points",),
}
JSON_FILES = (("probe", "model.json"), ("influence", "run.json"), ("validate", "run.json"), ("pca", "run.json"))
FILES = (*((kind, f"{name}.parquet") for kind, names in TABLES.items() for name in names), *JSON_FILES)

VALIDATED = pl.DataFrame(
    {
        "test": ["lds", "lds", "removal"],
        "quantity": ["shift", "shift", "shift"],
        "scores": ["trak-principal-16", "bm25", "trak-principal-16"],
        "language": ["fa", "fa", "ko"],
        "question": ["1", "1", "2"],
        "seeds": ["same", "other", "same"],
        "seed": [None, None, 1],
        "direction": [None, None, "negative"],
        "k": [None, None, 50],
        "draw": [0, 0, 0],
        "n": [16, 8, 2],
        "value": [0.25, -1.0, 0.125],
        "reference": [None, None, 0.5],
    }
)
CORRELATED = pl.DataFrame(
    {
        "test": ["lds", "lds"],
        "quantity": ["shift", "shift"],
        "scores": ["trak-principal-16", "bm25"],
        "seeds": ["same", "other"],
        "targets": [1, 1],
        "draws": [1, 1],
        "n": [16, 8],
        "lds": [0.25, -1.0],
        "lds_low": [0.125, -1.0],
        "lds_high": [0.5, -0.5],
        "difference": [None, -0.5],
        "difference_low": [None, -0.75],
        "difference_high": [None, 0.25],
        "null_mean": [0.0, 0.0],
        "null_sd": [0.25, 0.5],
    }
)


def _finish_jobs(store: Path, connection: duckdb.DuckDBPyConnection, traced: str) -> None:
    """A job of each kind that is done and not committed; that of ``probe`` is of a model that is new to the store."""
    jobs = Jobs(store.parent / "jobs")
    start = store.parent / "nano"
    start.mkdir()
    JobDirectory(jobs.folder / traced).update_provenance(model_paths={MODEL.name: str(start)})
    finetuned(connection, jobs, FARSI, seed=3)
    stranger = ModelRef(name="stranger", digest="digest-9", path=str(start))
    probed(plan_probe(connection, jobs, stranger, probe_set="demo-all", languages=["ko"]))
    play(plan_influence(connection, jobs, traced, languages=["fa", "ko"], top_k=4))
    planned = plan_validation(connection, jobs, traced, languages=["fa"])
    validation = write(planned, validation=VALIDATED, lds=CORRELATED)
    (validation.outputs / "run.json").write_text('{"examples": 32}')
    plane = plan_pca(connection, jobs, languages=("fa", "ko"))
    execute(plane.path, ExecuteOptions("cpu", 1))


class Place:
    """A store, and beside it a finished job of each kind, of which copies are damaged and committed."""

    def __init__(self, sound: Path, folder: Path) -> None:
        self.sound, self.folder, self.store = sound, folder, folder / "store.duckdb"
        self.committed = 0
        self._open()

    def _open(self) -> None:
        shutil.copyfile(self.sound / "store.duckdb", self.store)
        self.connection = connect(self.store, read_only=False)
        self.before = fingerprints(self.connection)

    def job(self, kind: str) -> JobDirectory:
        """A copy of the job of a kind that is not in the store."""
        known = {row[0] for row in self.connection.execute("SELECT name FROM run").fetchall()}
        (path,) = (path for path in (self.sound / "jobs").glob(f"{kind}-*") if path.name not in known)
        target = self.folder / "jobs" / path.name
        shutil.rmtree(target, ignore_errors=True)
        return JobDirectory(Path(shutil.copytree(path, target)))

    def commit(self, job: JobDirectory) -> bool:
        """Whether a commit took the job. What was refused left the store as it was, what was taken keeps all rules."""
        if outcome(lambda: commit_job(self.connection, job, self.store)) is None:
            assert fingerprints(self.connection) == self.before
            return False
        try:
            assert violations(self.connection) == []
        finally:
            self.connection.close()
            self._open()
        return True


@pytest.fixture(scope="module")
def place(study_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    sound = tmp_path_factory.mktemp("sound")
    store = Path(shutil.copyfile(study_store, sound / "store.duckdb"))
    runs = add_runs(store)
    with connect(store, read_only=False) as connection:
        _finish_jobs(store, connection, runs.traced)
    place = Place(sound, tmp_path_factory.mktemp("place"))
    yield place
    place.connection.close()


Change = Callable[[st.DataObject, pl.DataFrame], pl.DataFrame]

NUMBERS = (None, -1, 0, 1, 2, 2**31, 2**62, 0.5, -1e308, nan, inf, -inf)
WORDS = (None, "", "xx", "positive", "'; DROP TABLE run; --", "\x00", "../../etc", "9" * 400)
TYPES: tuple[type[pl.DataType] | pl.DataType, ...] = (
    *(pl.Int64, pl.UInt64, pl.Float32, pl.String, pl.Binary, pl.Boolean, pl.Date, pl.Null),
    pl.List(pl.Int64),
)


def _column(data: st.DataObject, frame: pl.DataFrame) -> str:
    return data.draw(st.sampled_from(frame.columns), "column")


def _row(data: st.DataObject, frame: pl.DataFrame) -> int:
    return data.draw(st.integers(0, frame.height - 1), "row")


def _drop(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.drop(_column(data, frame))


def _rename(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    column = _column(data, frame)
    return frame.rename({column: data.draw(st.sampled_from((column.upper(), f"{column}.x", f'"{column}')), "name")})


def _retype(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    column, other = _column(data, frame), data.draw(st.sampled_from(TYPES))
    # polars makes no dates of fractions
    with contextlib.suppress(TypeError):
        return frame.with_columns(pl.Series(column, frame[column].to_list(), other, strict=False))
    return frame


def _swap(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    """Two columns under each other's names."""
    first, second = _column(data, frame), _column(data, frame)
    return frame.rename({first: second, second: first}) if first != second else frame


def _set(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    """Another value in one row or in all; the column may become one of another type."""
    column, row = _column(data, frame), _row(data, frame)
    other = data.draw(st.sampled_from((*NUMBERS, *WORDS)), "value")
    values = frame[column].to_list()
    if isinstance(other, str):
        values = [value if value is None else str(value) for value in values]
    if data.draw(st.booleans(), "everywhere"):
        values = [other] * frame.height
    values[row] = other
    return frame.with_columns(pl.Series(column, values, strict=False))


def _copy(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    """A value of another row."""
    column, row = _column(data, frame), _row(data, frame)
    values = frame[column].to_list()
    values[row] = values[_row(data, frame)]
    return frame.with_columns(pl.Series(column, values, dtype=frame.schema[column]))


def _negate(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    numbers = [name for name, kind in frame.schema.items() if kind.is_numeric()]
    column = data.draw(st.sampled_from(numbers or frame.columns))
    return frame.with_columns(-pl.col(column)) if numbers else frame


def _repeat(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame, frame[_row(data, frame) :]])


def _leave_out(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_row_index("_").filter(pl.col("_") != _row(data, frame)).drop("_")


def _shuffle(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.reverse()


def _empty(data: st.DataObject, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.clear()


CHANGES: tuple[Change, ...] = (
    _drop,
    _rename,
    _retype,
    _swap,
    _set,
    _copy,
    _negate,
    _repeat,
    _leave_out,
    _shuffle,
    _empty,
)


@examples(30)
@given(data=st.data(), which=st.sampled_from([(kind, name) for kind, names in TABLES.items() for name in names]))
def test_tables_with_other_columns_and_values(place: Place, data: st.DataObject, which: tuple[str, str]) -> None:
    kind, name = which
    job = place.job(kind)
    path = job.outputs / f"{name}.parquet"
    frame = pl.read_parquet(path)
    for _ in range(data.draw(st.integers(1, 2))):
        if frame.height and frame.width:
            frame = data.draw(st.sampled_from(CHANGES))(data, frame)
    frame.write_parquet(path)
    place.commit(job)


@examples(15)
@given(data=st.data(), which=st.sampled_from(FILES))
def test_files_with_other_bytes(place: Place, data: st.DataObject, which: tuple[str, str]) -> None:
    kind, name = which
    job = place.job(kind)
    path = job.outputs / name
    path.write_bytes(data.draw(st.just(b"") | damaged([path.read_bytes()], gzipped=False)))
    place.commit(job)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from((2**31, 2**64, "\ud800"))
)
JSON = st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner), max_leaves=5)


@examples(15)
@given(data=st.data(), which=st.sampled_from(JSON_FILES), value=JSON)
def test_json_that_says_other_things(place: Place, data: st.DataObject, which: tuple[str, str], value: object) -> None:
    kind, name = which
    job = place.job(kind)
    path = job.outputs / name
    facts = json.loads(path.read_text())
    facts[data.draw(st.sampled_from(sorted(facts)))] = value
    path.write_text(json.dumps(data.draw(st.sampled_from((facts, value)))))
    place.commit(job)


@pytest.mark.parametrize(("kind", "name"), JSON_FILES)
@pytest.mark.parametrize("text", ["[" * 200_000, "{}", "null", "9" * 5000])
def test_json_that_is_deep_or_no_object(place: Place, kind: str, name: str, text: str) -> None:
    job = place.job(kind)
    (job.outputs / name).write_text(text)
    place.commit(job)


@pytest.mark.parametrize("kind", TABLES)
def test_sound_jobs_are_taken(place: Place, kind: str) -> None:
    assert place.commit(place.job(kind))


def _twice(frame: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([frame, frame])


@pytest.mark.parametrize(
    ("kind", "name", "spoil", "message"),
    [
        ("finetune", "metrics", _twice, r"2 rows whose \(run_id, name, step\) occur more than once in metric"),
        ("finetune", "metrics", lambda frame: frame.with_columns(value=nan), "1 metrics that are not finite"),
        ("finetune", "checkpoints", lambda frame: frame.with_columns(is_final=True), "do not have one last checkpoint"),
        (
            "finetune",
            "checkpoints",
            lambda frame: frame.with_columns(is_final=False),
            "do not have one last checkpoint",
        ),
        ("probe", "probe_logits", lambda frame: frame.with_columns(logprob_first=0.5), "of answers above 0"),
        ("probe", "probe_logits", lambda frame: frame.with_columns(pl.col("answer") + 1), "none of the probe's two"),
        (
            "influence",
            "summaries",
            lambda frame: frame.with_columns(score_sum_squares=inf),
            "influence sums whose squares",
        ),
        ("pca", "points", _twice, "occur more than once in pca_point"),
    ],
)
def test_what_breaks_a_rule_of_the_store_does_not_enter_it(
    place: Place, kind: str, name: str, spoil: Callable[[pl.DataFrame], pl.DataFrame], message: str
) -> None:
    job = place.job(kind)
    path = job.outputs / f"{name}.parquet"
    spoil(pl.read_parquet(path)).write_parquet(path)
    with pytest.raises(JobError, match=message):
        commit_job(place.connection, job, place.store)


def test_a_run_has_as_many_examples_as_it_says(place: Place) -> None:
    job = place.job("finetune")
    spec = job.read_json("job.json")
    spec["corpora"][0]["segments"] += 1
    write_json(job.path / "job.json", spec)
    with pytest.raises(JobError, match="1 training runs that have not as many examples of a corpus"):
        commit_job(place.connection, job, place.store)


def _many_rows(path: Path) -> None:
    """30 million rows in some kilobytes: a value, and how often it is repeated."""
    frame = pl.select(target=pl.repeat(0, 30_000_000, dtype=pl.Int32))
    frame.write_parquet(path, row_group_size=10_000_000)


def _many_columns(path: Path) -> None:
    pl.DataFrame(
        {f"c{number}": pl.repeat(0, 20_000, dtype=pl.Int8, eager=True) for number in range(600)}
    ).write_parquet(path)


def _long_text(path: Path) -> None:
    pl.DataFrame({"language": ["f" * 80_000_000]}).write_parquet(path, compression="zstd")


def _long_lists(path: Path) -> None:
    pl.DataFrame({"target": [[0] * 12_000_000]}).write_parquet(path)


@pytest.mark.parametrize("bomb", [_many_rows, _many_columns, _long_text, _long_lists])
def test_tables_that_unpack_to_far_more_than_they_hold_are_refused_unread(
    place: Place, bomb: Callable[[Path], None]
) -> None:
    job = place.job("influence")
    path = job.outputs / "rankings.parquet"
    bomb(path)
    assert path.stat().st_size < 500_000
    for read in (read_parquet, lambda _: commit_job(place.connection, job, place.store)):
        with pytest.raises(JobError, match=r"rankings.parquet is refused: its [\d,]+ bytes would unpack to"):
            read(path)


def test_large_tables_are_no_bombs(tmp_path: Path) -> None:
    """Rankings of 24,000 targets: integers that repeat, and scores that do not."""
    row = pl.int_range(0, 2_400_000, dtype=pl.Int32)
    frame = pl.select(target=row // 100, rank=row % 100, position=row * 7919 % 10_007, score=row * 0.1, epoch=1)
    frame.write_parquet(tmp_path / "a.parquet", compression="zstd")
    assert frame.width * frame.height > FREE_VALUES
    check_decompressed_size(tmp_path / "a.parquet")
