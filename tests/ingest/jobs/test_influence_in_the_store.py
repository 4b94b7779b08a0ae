"""Committing, checking and deleting influence and validation runs, with workers' outputs written by hand.

The traced run was trained on 20 Farsi sentences and their Korean translations, of which 16 each are training examples.
Of its last checkpoint, Farsi and Korean probes were asked, not Hindi ones. Probes are numbered by their row over all
languages; the base answers row r with a margin of r mod 5 - 2, the fine-tuned model with 1 more: rows with r mod 5 = 1
shift from the second to the first answer.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf, nan
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from finished_jobs import MODEL, dump, finetuned, probed, write
from planned import Jobs, plan_probe

from mlv.compute.attribution.distributions import EPOCH_TESTS, HISTOGRAMS
from mlv.compute.jobs import validate
from mlv.compute.training.objectives import traceable
from mlv.compute.validation import study as study_of
from mlv.compute.validation.lds import LDS
from mlv.compute.validation.study import RESULTS
from mlv.ingest.jobs.committing import Committed, commit_job
from mlv.ingest.rules.evaluation import evaluate
from mlv.ingest.rules.rulebook import packaged
from mlv.ingest.upkeep.check import violations
from mlv.ingest.upkeep.deletion import delete_run, dependants
from mlv.schema.errors import DataError, JobError
from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import job_name
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.tracing import TracingSpec
from mlv.schema.jobs.validate import ValidateSpec
from mlv.schema.store.opening import connect

INFLUENCE = ("targets", "rankings", "summaries", "histograms", "epoch_tests")
"""Outputs of an influence job; the last where scores of several epochs are kept apart."""

Rows = dict[str, list[tuple[object, ...]]]
"""By table."""

Frames = dict[str, pl.DataFrame]
Spoil = Callable[[Frames], pl.DataFrame]

BY_KEY = ("influence_ranking", "influence_language", "influence_overlap", "influence_histogram")
"""Tables whose views have keys alone."""

TABLES = (
    *(*BY_KEY, "influence_run", "influence_target", "influence_summary", "influence_epoch_test"),
    *("validation_run", "validation_lds", "validation_result"),
)


def _last(run: str) -> ModelRef:
    return ModelRef(name=f"{run}/epoch-2", digest=f"{run}-2")


@pytest.fixture(scope="module")
def template(study_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and its jobs: the traced run, the probing of its base and of its last checkpoint."""
    folder = tmp_path_factory.mktemp("traced")
    store = Path(shutil.copyfile(study_store, folder / "store.duckdb"))
    jobs = Jobs(folder / "jobs")
    with connect(store, read_only=False) as connection:
        traced = finetuned(connection, jobs, ("fa", "ko"))
        commit_job(connection, traced, store)
        base = plan_probe(connection, jobs, MODEL, probe_set="demo-all")
        commit_job(connection, probed(base), store)
        last = plan_probe(connection, jobs, _last(traced.path.name), probe_set="demo-all")
        assert last is not None
        probed(last, shift=1.0)
        path = last.outputs / "probe_logits.parquet"
        pl.read_parquet(path).filter(pl.col("language") != "hi").write_parquet(path)
        commit_job(connection, last, store)
    return folder


class Study:
    """A store with a traced run, and jobs on that run."""

    def __init__(self, folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
        self.folder, self.connection = folder, connection
        self.traced = JobDirectory(next((folder / "jobs").glob("finetune-*")))
        examples = pl.read_parquet(self.traced.inputs / "examples.parquet")
        self.examples = {position: example for position, *example in examples.iter_rows()}
        self.train = examples.filter(split="train")["position"].to_list()
        self.development = examples.filter(split="development")["position"].to_list()

    def training(self) -> FinetuneSpec:
        """The specification of the traced run."""
        spec = self.traced.spec()
        assert isinstance(spec, FinetuneSpec)
        return spec

    def frames(self) -> Frames:
        """Outputs of an influence job on four targets, top 3, and of a validation job."""
        ranked = [
            (target, direction, rank, self.train[4 * target + rank], sign * (4.0 - rank) / 2**target)
            for target in range(4)
            for direction, sign in (("positive", 1), ("negative", -1))
            for rank in (1, 2, 3)
        ]
        sums = [(target, *of_language) for target in range(4) for of_language in SUMS]
        bins = [(target, *of_language) for target in (0, 2, 3) for of_language in BINS]
        return {
            "targets": pl.DataFrame(TARGETS, TARGET_SCHEMA, orient="row"),
            "rankings": pl.DataFrame(ranked, RANKING_SCHEMA, orient="row"),
            "summaries": pl.DataFrame(sums, SUMMARY_SCHEMA, orient="row"),
            "histograms": pl.DataFrame(bins, HISTOGRAMS, orient="row"),
            "validation": pl.DataFrame(VALIDATION, RESULTS, orient="row"),
            "lds": pl.DataFrame(CORRELATIONS, LDS, orient="row"),
        }

    def job(
        self, frames: Frames | None = None, *, kind: type[TracingSpec] = InfluenceSpec, **changes: Any
    ) -> JobDirectory:
        """A finished influence or validation job on the traced run."""
        last = _last(self.traced.path.name)
        fields = {
            "model": last,
            "training": self.training(),
            "checkpoints": (ModelRef(name=f"{self.traced.path.name}/epoch-1", digest="d"), last),
            "collection": "demo",
            "probe_set": "demo-all",
            "languages": ("fa", "hi", "ko"),
            "inputs_digest": "x",
        }
        own = {"attribution": Attribution(), "top_k": 3} if kind is InfluenceSpec else {"attributions": ()}
        job = JobDirectory.create(self.folder / "jobs", kind.model_validate(fields | own | changes), {})
        names = INFLUENCE if kind is InfluenceSpec else ("validation", "lds")
        frames = frames or self.frames()
        write(job, **{name: frames[name] for name in names if name in frames})
        (job.outputs / "run.json").write_text(json.dumps({"examples": len(self.train), "bin_width": 0.5}))
        return job

    def commit(self, job: JobDirectory) -> Committed:
        return commit_job(self.connection, job, self.folder / "store.duckdb")

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement).fetchall()

    def delete(self, name: str) -> None:
        [(run_id,)] = self.rows(f"SELECT run_id FROM run WHERE name = '{name}'")
        delete_run(self.connection, run_id, name, self.folder / "jobs")


TARGET_SCHEMA = {
    "target": pl.Int32,
    "language": pl.String,
    "question": pl.String,
    "epoch": pl.Int32,
    "answer": pl.Int8,
    "value": pl.Float64,
}
TARGETS = [
    (0, "fa", "2", None, 1, -0.5),
    (1, "fa", "2", 2, 1, -1.5),
    (2, "fa", "1", None, 2, -2.5),
    (3, "hi", "1", None, 2, 0.0),
]
"""Row 1, which shifts, by all checkpoints and by one; row 0, which does not; and one of which that is not known."""

RANKING_SCHEMA = {
    "target": pl.Int32,
    "direction": pl.String,
    "rank": pl.Int32,
    "position": pl.Int32,
    "score": pl.Float32,
}
SUMMARY_SCHEMA = {
    "target": pl.Int32,
    "language": pl.String,
    "n": pl.Int32,
    "score_sum": pl.Float64,
    "score_sum_squares": pl.Float64,
    "score_min": pl.Float64,
    "score_max": pl.Float64,
}
SUMS = [("fa", 16, 8.0, 20.0, -1.0, 3.0), ("ko", 16, -8.0, 4.0, -0.5, -0.5)]
"""Means are 1/2 and -1/2; variances 20/16 - 1/4 = 1, and 4/16 - 1/4 = 0: all scores are alike."""

BINS = [("fa", -2, 3), ("fa", 0, 9), ("fa", 6, 4), ("ko", -1, 16)]
"""Of half a unit: the lowest and the highest score of SUMS are at the lower ends of bins."""

VALIDATION = [
    ("lds", "shift", "trak-principal-32", "fa", "1", "same", None, None, None, 0, 16, 0.25, None),
    ("lds", "shift", "bm25", "fa", "1", "other", None, None, None, 0, 8, -1.0, None),
    ("removal", "shift", "trak-principal-32", "ko", "2", "same", 1, "negative", 50, 0, 2, 0.125, 0.5),
    ("removal", "shift", "random", "ko", "2", "same", 1, None, 50, 2, 1, 0.0, 0.5),
]
CORRELATIONS = [
    ("lds", "shift", "trak-principal-32", "same", 1, 1, 16, 0.25, 0.125, 0.5, None, None, None, 0.0, 0.25),
    ("lds", "shift", "random", "same", 1, 20, 16, 0.125, None, None, None, None, None, None, None),
    ("lds", "shift", "bm25", "other", 1, 1, 8, -1.0, -1.0, -0.5, -1.25, -1.5, -0.25, 0.0, 0.5),
]


@contextmanager
def _copied(template: Path, folder: Path) -> Iterator[Study]:
    """A copy of the template, open for writing."""
    shutil.copytree(template, folder)
    with connect(folder / "store.duckdb", read_only=False) as connection:
        yield Study(folder, connection)


@pytest.fixture
def study(template: Path, tmp_path: Path) -> Iterator[Study]:
    """A copy of the test's own."""
    with _copied(template, tmp_path / "study") as study:
        yield study


@pytest.fixture(scope="module")
def _refusing(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Study, Rows]]:
    """A study with a run whose rows come before those of the tests' jobs, and all that is in its store."""
    with _copied(template, tmp_path_factory.mktemp("refusing") / "study") as study:
        study.commit(study.job(inputs_digest="another run whose rows come before"))
        yield study, dump(study.connection)


@pytest.fixture
def refusing(_refusing: tuple[Study, Rows]) -> Iterator[Study]:
    """That study, which several tests share: what they try to commit has to leave the store as it was."""
    study, before = _refusing
    jobs = set((study.folder / "jobs").iterdir())
    yield study
    assert dump(study.connection) == before
    for tried in {*(study.folder / "jobs").iterdir()} - jobs:
        shutil.rmtree(tried)


@pytest.fixture(scope="module")
def _both(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A study with an influence run and a validation run."""
    with _copied(template, tmp_path_factory.mktemp("both") / "study") as study:
        for kind in (InfluenceSpec, ValidateSpec):
            study.commit(study.job(kind=kind))
        yield study


@pytest.fixture
def both(_both: Study) -> Iterator[Study]:
    """That study, in a transaction that is taken back after the test."""
    _both.connection.begin()
    yield _both
    _both.connection.rollback()


def test_an_influence_run_tells_what_it_traced_and_how(study: Study) -> None:
    done = study.commit(study.job())
    assert done.rows == {
        "run_event": 2,
        "influence_run": 1,
        "influence_target": 4,
        "influence_ranking": 24,
        "influence_summary": 8,
        "influence_histogram": 12,
        "influence_language": 16,
        "influence_overlap": 0,
    }
    columns = (
        "run_id, run, kind, traced_run, method, similarity, quantity, selection, projection, dimensions, modules, "
        "damping, checkpoints, examples, top_k, seed, model, source, ft_languages, strategy, sentences, traced_seed"
    )
    assert study.rows(f"SELECT {columns} FROM v_influence_run") == [
        (
            *(done.run_id, done.run, "influence", study.traced.path.name, "trak", "dot", "shift", "shifted"),
            *("principal", 16, "attention,feed_forward,embedding,output", 1.0, 2, 32, 3, 0),
            *("nano", "lines", "fa,ko", "multilingual", 40, 1),
        )
    ]
    [(settings, attribution, tracing)] = study.rows("SELECT settings, attribution, tracing FROM v_influence_run")
    assert study.rows("SELECT settings FROM v_checkpoint WHERE is_final AND run IS NOT NULL") == [(settings,)]
    assert settings == (
        "epochs=2 batch_size=8 learning_rate=0.00005 max_tokens=256 precision=fp32 noise_density=0.15 "
        "mean_span_length=3.0 development_share=0.2 mask=anywhere objective=span_corruption parallel_with=fa,ko"
    )
    assert attribution == "trak-principal-16"
    assert tracing == (
        "checkpoints=epoch-1,epoch-2 collection=demo probe_set=demo-all quantity=shift selection=shifted top_k=3"
    )
    assert violations(study.connection) == []


@pytest.mark.parametrize(
    ("attribution", "expected"),
    [
        (Attribution(damping=0.5), ("trak", "dot", "principal", 16, 0.5)),
        (Attribution(method="tracin", similarity="cosine"), ("tracin", "cosine", "principal", 16, 0.0)),
        (Attribution(gradients=Gradients(projection="none")), ("trak", "dot", "none", 0, 1.0)),
        (
            Attribution(gradients=Gradients(projection="dense", dimensions=4096)),
            ("trak", "dot", "dense", 4096, 1.0),
        ),
    ],
)
def test_settings_that_an_attribution_does_not_use_are_not_told(
    study: Study, attribution: Attribution, expected: tuple[object, ...]
) -> None:
    study.commit(study.job(attribution=attribution))
    assert study.rows("SELECT method, similarity, projection, dimensions, damping FROM v_influence_run") == [expected]


def test_targets_have_names_and_tell_whether_the_value_shifted(study: Study) -> None:
    done = study.commit(study.job())
    rows = study.rows("SELECT * EXCLUDE (influence_target_id) FROM v_influence_target ORDER BY influence_target_id")
    [(first, second, hindi)] = study.rows(
        "SELECT max(category) FILTER (language = 'fa' AND question = '1'), "
        "max(category) FILTER (language = 'fa' AND question = '2'), "
        "max(category) FILTER (language = 'hi' AND question = '1') FROM v_probe"
    )
    shared = (done.run, study.traced.path.name, "demo")
    assert rows == [
        (*shared, "fa", "2", second, None, 1, -0.5, True),
        (*shared, "fa", "2", second, 2, 1, -1.5, True),
        (*shared, "fa", "1", first, None, 2, -2.5, False),
        (*shared, "hi", "1", hindi, None, 2, 0.0, None),
    ]
    shifts = "SELECT question, shifted FROM v_shift WHERE score = 'mean' AND language = 'fa' AND question IN ('1', '2')"
    assert sorted(study.rows(shifts)) == [("1", False), ("2", True)]


def test_rankings_lead_to_the_sentences_that_were_trained_on(study: Study) -> None:
    done = study.commit(study.job())
    rankings = study.frames()["rankings"].rows()
    probes = {target: (language, question, epoch) for target, language, question, epoch, *_ in TARGETS}
    expected = []
    for target, direction, rank, position, score in rankings:
        _, _, language, _, _, key, text = study.examples[position]
        expected.append((*probes[target], direction, rank, score, language, key, text))
    found = study.rows(
        "SELECT language, question, epoch, direction, rank, score, train_language, parallel_key, text FROM v_influence"
    )
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert study.rows("SELECT DISTINCT run, traced_run, collection FROM v_influence") == [
        (done.run, study.traced.path.name, "demo")
    ]
    positions = study.rows("SELECT e.position FROM v_influence JOIN v_training_example e USING (training_example_id)")
    assert sorted(positions) == sorted((row[3],) for row in rankings)


def _ranking_alike(study: Study) -> Frames:
    """Targets 2 and 3 are of one question in Farsi and Hindi: one ranks the Farsi sentences a, b and c, the other b, c
    and the Korean translation of b."""
    texts = study.rows(
        "SELECT f.position, k.position FROM v_training_example f JOIN v_training_example k USING (run, parallel_key) "
        "WHERE f.language = 'fa' AND k.language = 'ko' AND f.split = 'train' ORDER BY f.position LIMIT 3"
    )
    (a, _), (b, translation), (c, _) = texts
    places = pl.DataFrame({"target": [2, 2, 2, 3, 3, 3], "rank": [1, 2, 3] * 2, "place": [a, b, c, b, c, translation]})
    frames = study.frames()
    ranked = frames["rankings"].join(places.cast(pl.Int32), on=["target", "rank"], how="left")
    last = pl.col("target").eq(3) & pl.col("direction").eq("positive") & pl.col("rank").eq(3)
    frames["rankings"] = ranked.with_columns(
        position=pl.coalesce("place", "position"), score=pl.when(last).then(-0.5).otherwise("score").cast(pl.Float32)
    ).drop("place")
    return frames


def test_rankings_are_summed_up_when_they_enter(study: Study) -> None:
    """A target of an epoch has languages and no overlap; Hindi was not trained on, so nothing is translated into it.

    The last of the highest has a score below 0.
    """
    study.commit(study.job(inputs_digest="another run whose rows come before"))
    study.commit(study.job(_ranking_alike(study)))
    shared = study.rows(
        "SELECT a.language, b.language, direction, shared FROM v_influence_overlap o "
        "JOIN v_influence_target a USING (influence_target_id) "
        "JOIN v_influence_target b ON b.influence_target_id = other_target_id ORDER BY direction"
    )
    assert shared == [("fa", "hi", "negative", 2), ("fa", "hi", "positive", 2)]
    languages = study.rows(
        "SELECT language, train_language, ranked, examples, translated, wrong_sign "
        "FROM v_influence_language JOIN v_influence_target USING (influence_target_id) "
        "WHERE influence_target_id > 6 AND direction = 'positive' ORDER BY influence_target_id, train_language"
    )
    assert languages == [
        ("fa", "fa", 3, 3, 3, 0),
        ("fa", "ko", 3, 0, 0, 0),
        ("hi", "fa", 3, 2, 0, 0),
        ("hi", "ko", 3, 1, 0, 1),
    ]
    assert violations(study.connection) == []


def test_summaries_are_means_and_standard_deviations(study: Study) -> None:
    done = study.commit(study.job())
    wanted = "SELECT * EXCLUDE (influence_target_id) FROM v_influence_summary WHERE epoch = 2"
    rows = study.rows(f"{wanted} ORDER BY train_language")
    shared = (done.run, study.traced.path.name, "demo", "fa", "2", 2)
    assert rows == [(*shared, "fa", 16, 0.5, 1.0, -1.0, 3.0), (*shared, "ko", 16, -0.5, 0.0, -0.5, -0.5)]


def test_a_validation_run_compares_attributions(study: Study) -> None:
    done = study.commit(study.job(kind=ValidateSpec))
    assert done.rows == {"run_event": 2, "validation_run": 1, "validation_lds": 3, "validation_result": 4}
    assert study.rows("SELECT kind, quantities, checkpoints, examples, ft_languages FROM v_validation_run") == [
        ("validate", "shift,answer", 2, 32, "fa,ko")
    ]
    assert study.rows("FROM v_influence_run") == []
    shared = (done.run, study.traced.path.name)
    assert study.rows("SELECT * FROM v_validation_result ORDER BY n DESC") == [
        (*shared, *row[:3], "demo", *row[3:]) for row in VALIDATION
    ]
    assert study.rows("SELECT * FROM v_validation_lds ORDER BY lds DESC") == [(*shared, *row) for row in CORRELATIONS]
    assert violations(study.connection) == []


def test_a_checkpoint_can_be_asked_after_a_validation_that_left_removals_out(study: Study) -> None:
    """A run of 32 examples has none left without the 250 most influential ones, as the worker's log says."""
    job = study.job(
        kind=ValidateSpec, halves=0, other_seed_halves=0, removal_targets=1, removal_k=(250,), inputs_digest="few"
    )
    spec = job.spec()
    assert isinstance(spec, ValidateSpec)
    targets = pl.DataFrame({"target": 0, "language": "fa", "question": "1", "answer": 1, "shift_sign": 1})
    examples = pl.DataFrame({"position": study.train}).with_columns(language=pl.lit("fa"), text=pl.lit(""))
    scores = {quantity: {"trak-exact": np.zeros((1, examples.height))} for quantity in spec.quantities}
    validate.measure(
        job, study_of.Study(spec, traceable(spec.training), targets, examples), scores, lambda *_: np.zeros((1, 2))
    )
    study.commit(job)
    jobs = Jobs(study.folder / "jobs")
    asked = plan_probe(study.connection, jobs, _last(study.traced.path.name), probe_set="demo-all", languages=["hi"])
    assert asked is not None
    assert study.rows("SELECT detail FROM run_event WHERE event LIKE 'skipped%'") == [('{"k": 250, "examples": 32}',)]


@pytest.mark.parametrize("kind", [InfluenceSpec, ValidateSpec])
def test_committing_twice_changes_nothing(study: Study, kind: type[TracingSpec]) -> None:
    job = study.job(kind=kind)
    first = study.commit(job)
    before = dump(study.connection)
    again = study.commit(job)
    assert (again.already_there, again.run_id) == (True, first.run_id)
    assert dump(study.connection) == before


def test_runs_on_one_traced_run_do_not_mix(study: Study) -> None:
    first = study.commit(study.job())
    frames = study.frames()
    frames["rankings"] = frames["rankings"].with_columns(score=pl.col("score") * 8)
    second = study.commit(study.job(frames, inputs_digest="y"))
    best = study.rows("SELECT run, max(score), count(*) FROM v_influence GROUP BY run ORDER BY max(score)")
    assert best == [(first.run, 3.0, 24), (second.run, 24.0, 24)]
    assert violations(study.connection) == []


def _changed(name: str, where: pl.Expr, **values: Any) -> Spoil:
    """Give other values to the rows of an output that meet a condition."""

    def change(frames: Frames) -> pl.DataFrame:
        columns = [
            pl.when(where)
            .then(value if isinstance(value, pl.Expr) else pl.lit(value))
            .otherwise(pl.col(column))
            .alias(column)
            for column, value in values.items()
        ]
        return frames[name].with_columns(columns).cast(frames[name].schema)

    return change


def _without(name: str, where: pl.Expr) -> Spoil:
    return lambda frames: frames[name].filter(~where)


FIRST = pl.col("target") == 0


def _numbered_alike(frames: Frames) -> pl.DataFrame:
    """Another probe under the number of the first target."""
    another = frames["targets"].filter(FIRST).with_columns(question=pl.lit("46"))
    return pl.concat([frames["targets"], another])


WORST = FIRST & (pl.col("direction") == "positive") & (pl.col("rank") == 3)
KOREAN = FIRST & (pl.col("language") == "ko")


def _ranked_again(frames: Frames) -> pl.DataFrame:
    """The example of the second rank in the third, too."""
    second = frames["rankings"].filter(FIRST & (pl.col("direction") == "positive") & (pl.col("rank") == 2))
    return _changed("rankings", WORST, position=second["position"].item())(frames)


UNKNOWN = r"1 rows of .* belong to probes or texts that the store lacks"
STRANGE = r"1 rows of .* belong to targets, training examples or languages that the store lacks"


def _two_epochs(study: Study) -> Frames:
    """Target 1 is of epoch 2; a further one is of epoch 1, and their scores are tested against each other."""
    frames = study.frames()
    for name in ("targets", "rankings", "summaries"):
        second = frames[name].filter(pl.col("target") == 1)
        first = second.with_columns(target=pl.lit(4).cast(second.schema["target"]))
        if name == "targets":
            first = first.with_columns(epoch=pl.lit(1, dtype=pl.Int32))
        frames[name] = pl.concat([frames[name], first])
    frames["epoch_tests"] = pl.DataFrame([(4, 1, 30, 1.5, 0.125)], EPOCH_TESTS, orient="row")
    return frames


def test_histograms_and_tests_of_epochs_are_told_by_names(study: Study) -> None:
    study.commit(study.job(inputs_digest="another run whose rows come before"))
    done = study.commit(study.job(_two_epochs(study)))
    assert (done.rows["influence_histogram"], done.rows["influence_epoch_test"]) == (12, 1)
    assert study.rows(f"SELECT bin_width FROM v_influence_run WHERE run = '{done.run}'") == [(0.5,)]
    bins = study.rows(
        "SELECT language, question, train_language, low, high, n FROM v_influence_histogram "
        f"JOIN v_influence_target USING (influence_target_id) WHERE run = '{done.run}' ORDER BY ALL"
    )
    assert bins == [
        (*probe, code, bin_ / 2, (bin_ + 1) / 2, n)
        for probe in (("fa", "1"), ("fa", "2"), ("hi", "1"))
        for code, bin_, n in BINS
    ]
    assert study.rows(
        "SELECT t.run, t.traced_run, t.collection, t.language, t.question, epoch_a, epoch_b, a.epoch, b.epoch, n, z, p "
        "FROM v_influence_epoch_test t JOIN v_influence_target a USING (influence_target_id) "
        "JOIN v_influence_target b ON b.influence_target_id = other_target_id"
    ) == [(done.run, study.traced.path.name, "demo", "fa", "2", 1, 2, 1, 2, 30, 1.5, 0.125)]
    assert violations(study.connection) == []


HISTOGRAM = "1 influence targets whose histogram"
KOREAN_BIN = (pl.col("target") == 2) & (pl.col("bin") == -1)
ANY = pl.lit(True)
NOT_OF_ONE = "1 tests between epochs that are not of an earlier and a later epoch"
NO_TEST = "1 tests between epochs of more examples than there are, or whose"


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("histograms", _changed("histograms", KOREAN_BIN, n=15), f"{HISTOGRAM} has not every training example"),
        ("histograms", _without("histograms", KOREAN_BIN), f"{HISTOGRAM} has not every training example"),
        ("histograms", _changed("histograms", KOREAN_BIN, target=1), "2 influence targets whose histogram has not"),
        ("histograms", _changed("histograms", KOREAN_BIN, bin=0), f"{HISTOGRAM} does not end in the bins"),
        ("histograms", _changed("histograms", KOREAN_BIN, bin=-3), f"{HISTOGRAM} does not end in the bins"),
        ("histograms", _changed("histograms", KOREAN_BIN, n=0), "cannot be committed: Constraint Error"),
        ("histograms", _changed("histograms", KOREAN_BIN, language="xx"), STRANGE),
        ("histograms", _changed("histograms", KOREAN_BIN, target=9), STRANGE),
        (
            "histograms",
            lambda frames: pl.concat([frames["histograms"].filter(KOREAN_BIN).with_columns(n=8)] * 2),
            r"2 rows whose \(influence_target_id, language_id, bin\) occur more than once",
        ),
        ("epoch_tests", _changed("epoch_tests", ANY, target=1, other_target=4), NOT_OF_ONE),
        ("epoch_tests", _changed("epoch_tests", ANY, other_target=0), NOT_OF_ONE),
        ("epoch_tests", _changed("epoch_tests", ANY, other_target=9), STRANGE),
        ("epoch_tests", _changed("epoch_tests", ANY, p=1.5), NO_TEST),
        ("epoch_tests", _changed("epoch_tests", ANY, p=None), NO_TEST),
        ("epoch_tests", _changed("epoch_tests", ANY, z=nan), NO_TEST),
        ("epoch_tests", _changed("epoch_tests", ANY, n=0), NO_TEST),
        ("epoch_tests", _changed("epoch_tests", ANY, n=33), NO_TEST),
        ("epoch_tests", _without("epoch_tests", ANY), "1 influence targets whose epochs are not each tested"),
    ],
)
def test_distributions_that_cannot_be_true_leave_the_store_as_it_was(
    refusing: Study, name: str, spoil: Spoil, message: str
) -> None:
    frames = _two_epochs(refusing)
    frames[name] = spoil(frames)
    job = refusing.job(frames)
    with pytest.raises(JobError, match=message):
        refusing.commit(job)


@pytest.mark.parametrize("width", [None, 0, -1, "1", nan, inf])
def test_bins_have_a_width(study: Study, width: object) -> None:
    job = study.job()
    (job.outputs / "run.json").write_text(json.dumps({"examples": len(study.train), "bin_width": width}))
    with pytest.raises(JobError, match=r"run.json says that bin_width is .*, which is not a width"):
        study.commit(job)


OUT_OF_PLACE = r"ranked examples out of place"
NOT_ONCE = "1 influence targets whose sums are not over every training example once"
NOT_BETWEEN = "1 influence sums whose mean is not between"


@pytest.mark.parametrize(
    ("name", "spoil", "message"),
    [
        ("targets", _changed("targets", FIRST, question="999"), UNKNOWN),
        ("targets", _changed("targets", FIRST, question=None), UNKNOWN),
        (
            "targets",
            _changed("targets", FIRST, epoch=2),
            r"2 rows whose \(run_id, probe_id, segment_id, epoch\) occur more",
        ),
        ("targets", _numbered_alike, r"2 rows whose \(influence_target_id\) occur more than once"),
        ("targets", _changed("targets", FIRST, target=1), STRANGE.replace("1", "6")),
        ("targets", _changed("targets", FIRST, value=nan), "1 influence targets whose value is not finite"),
        ("targets", _changed("targets", FIRST, answer=0), "cannot be committed: Constraint Error"),
        ("targets", _changed("targets", FIRST, answer=3), "1 influence targets whose answer is none of the probe's"),
        ("rankings", _changed("rankings", WORST, position=40), STRANGE),
        ("rankings", _changed("rankings", WORST, target=7), STRANGE),
        ("rankings", _changed("rankings", WORST, target=-1), STRANGE),
        ("rankings", _changed("rankings", WORST, direction="both"), "cannot be committed: Constraint Error"),
        ("rankings", _changed("rankings", WORST, rank=0), "cannot be committed: Constraint Error"),
        ("rankings", _changed("rankings", WORST, rank=4), f"1 {OUT_OF_PLACE}"),
        ("rankings", _changed("rankings", WORST, rank=2), f"1 {OUT_OF_PLACE}"),
        ("rankings", _changed("rankings", WORST, rank=4), "1 ranked examples beyond the run's top k"),
        ("rankings", _ranked_again, "1 examples ranked twice in one direction of a target"),
        ("rankings", _changed("rankings", WORST, score=2.5), f"1 {OUT_OF_PLACE}"),
        ("rankings", _changed("rankings", FIRST, score=pl.col("score") * -1), f"4 {OUT_OF_PLACE}"),
        ("rankings", _changed("rankings", WORST, score=nan), "1 ranked examples whose score is not finite"),
        ("rankings", _changed("rankings", WORST, score=-inf), "1 ranked examples whose score is not finite"),
        ("rankings", _without("rankings", FIRST), "1 influence targets without ranked examples"),
        ("rankings", _without("rankings", FIRST & (pl.col("rank") == 1)), f"2 {OUT_OF_PLACE}"),
        ("summaries", _changed("summaries", KOREAN, n=15), NOT_ONCE),
        ("summaries", _without("summaries", FIRST), NOT_ONCE),
        (
            "summaries",
            _changed("summaries", KOREAN, language="fa"),
            "2 rows whose .* than once in influence_summary",
        ),
        (
            "summaries",
            _changed("summaries", KOREAN, language="xx"),
            STRANGE,
        ),
        ("summaries", _changed("summaries", KOREAN, score_sum=-8.1), NOT_BETWEEN),
        ("summaries", _changed("summaries", KOREAN, score_sum=-7.9), NOT_BETWEEN),
        ("summaries", _changed("summaries", KOREAN, score_sum=nan), NOT_BETWEEN),
        ("summaries", _changed("summaries", KOREAN, score_max=nan, score_min=nan), NOT_BETWEEN),
    ],
)
def test_results_that_cannot_be_true_leave_the_store_as_it_was(
    refusing: Study, name: str, spoil: Spoil, message: str
) -> None:
    frames = refusing.frames()
    frames[name] = spoil(frames)
    job = refusing.job(frames)
    with pytest.raises(JobError, match=message):
        refusing.commit(job)


def test_what_was_not_trained_on_cannot_be_ranked(study: Study) -> None:
    frames = study.frames()
    frames["rankings"] = _changed("rankings", WORST, position=study.development[0])(frames)
    with pytest.raises(JobError, match=STRANGE):
        study.commit(study.job(frames))


RHO = (pl.col("test") == "lds") & (pl.col("scores") == "bm25")
ATTRIBUTED = (pl.col("test") == "removal") & (pl.col("scores") != "random")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_changed("validation", RHO, question="999"), UNKNOWN),
        (_changed("validation", RHO, value=1.5), r"1 validation values outside \[-1, 1\]"),
        (_changed("validation", RHO, value=nan), r"1 validation values outside \[-1, 1\]"),
        (_changed("validation", RHO, k=50), "1 validation values whose direction or k does not fit"),
        (_changed("validation", RHO, direction="positive"), "1 validation values whose direction or k does not fit"),
        (_changed("validation", RHO, seed=1), "1 removals without the seed of their models"),
        (_changed("validation", ATTRIBUTED, seed=None), "1 removals without the seed of their models"),
        (_changed("validation", RHO, value=0.5), "1 linear datamodeling scores that are not the mean"),
        (_changed("validation", RHO, quantity="sum"), "cannot be committed: Constraint Error"),
        (_changed("validation", ATTRIBUTED, k=None), "1 validation values whose direction or k does not fit"),
        (_changed("validation", RHO, seeds="none"), "cannot be committed: Constraint Error"),
        (_changed("validation", ATTRIBUTED, test="other"), "cannot be committed: Constraint Error"),
        (
            _changed("validation", RHO, scores="trak-principal-32", seeds="same"),
            "2 rows whose .* occur more than once in validation_result",
        ),
    ],
)
def test_validations_that_cannot_be_true_leave_the_store_as_it_was(refusing: Study, spoil: Spoil, message: str) -> None:
    frames = refusing.frames()
    frames["validation"] = spoil(frames)
    job = refusing.job(frames, kind=ValidateSpec)
    with pytest.raises(JobError, match=message):
        refusing.commit(job)


def test_all_that_contradicts_is_told_at_once_with_the_way_on(study: Study) -> None:
    frames = study.frames()
    frames["targets"] = _changed("targets", FIRST, value=inf)(frames)
    frames["summaries"] = _without("summaries", FIRST)(frames)
    job = study.job(frames)
    with pytest.raises(JobError) as caught:
        study.commit(job)
    assert caught.value.message.count("\n  - ") == 3
    assert caught.value.hint == f"Delete {job.outputs}, then: mlv runs resume {job.path.name}"


@pytest.mark.parametrize(("kind", "what"), [(InfluenceSpec, "influence"), (ValidateSpec, "validation")])
@pytest.mark.parametrize("examples", [31, 33, None])
def test_a_job_scores_the_examples_of_the_traced_run(
    study: Study, kind: type[TracingSpec], what: str, examples: int | None
) -> None:
    job = study.job(kind=kind)
    written = {"bin_width": 0.5} | ({"examples": examples} if examples else {})
    (job.outputs / "run.json").write_text(json.dumps(written))
    with pytest.raises(JobError, match=f"1 {what} runs that scored other training examples"):
        study.commit(job)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((InfluenceSpec, f"{name}.parquet") for name in INFLUENCE[:-1]),
        (ValidateSpec, "validation.parquet"),
        (ValidateSpec, "lds.parquet"),
        (InfluenceSpec, "run.json"),
    ],
)
def test_an_output_that_is_missing_is_named(refusing: Study, kind: type[TracingSpec], name: str) -> None:
    job = refusing.job(kind=kind)
    (job.outputs / name).unlink()
    with pytest.raises(JobError, match=f"{name} is missing although the job is finished"):
        refusing.commit(job)


def test_the_traced_run_has_to_be_in_the_store(study: Study) -> None:
    other = study.training().model_copy(update={"seed": 2})
    job = study.job(training=other)
    with pytest.raises(JobError, match=f"traces {job_name(other)}, which is not in the store") as caught:
        study.commit(job)
    assert caught.value.hint.endswith(f"mlv runs resume {job_name(other)}")


def test_a_checkpoint_of_another_run_is_not_traced(study: Study) -> None:
    other = finetuned(study.connection, Jobs(study.folder / "jobs", {}))
    run = study.commit(other).run
    before = dump(study.connection)
    with pytest.raises(JobError, match="1 influence runs that examine a checkpoint of another run"):
        study.commit(study.job(model=_last(run)))
    assert dump(study.connection) == before


def test_a_traced_run_is_deleted_after_those_that_trace_it(study: Study) -> None:
    kept = study.commit(study.job(inputs_digest="kept"))
    traces = [study.commit(study.job(_two_epochs(study))).run, study.commit(study.job(kind=ValidateSpec)).run]
    traced = study.traced.path.name
    [(traced_id,)] = study.rows(f"SELECT run_id FROM run WHERE name = '{traced}'")
    assert dependants(study.connection, traced_id)[1:] == [kept.run, *traces]
    with pytest.raises(DataError, match=f"cannot be deleted: .*{traces[0]}, {traces[1]} depend on it"):
        study.delete(traced)
    rows = "SELECT * FROM v_influence ORDER BY ALL"
    before = [row for row in study.rows(rows) if row[0] == kept.run]
    for name in traces:
        study.delete(name)
    assert study.rows(rows) == before
    assert study.rows("SELECT DISTINCT run_id FROM influence_run") == [(kept.run_id,)]
    assert violations(study.connection) == []
    for name in dependants(study.connection, traced_id):
        study.delete(name)
    study.delete(traced)
    assert [table for table, found in dump(study.connection).items() if found and table in TABLES] == []
    assert violations(study.connection) == []


def test_a_run_that_is_being_deleted_is_not_shown(study: Study) -> None:
    runs = [study.commit(study.job(_two_epochs(study), kind=kind)).run for kind in (InfluenceSpec, ValidateSpec)]
    views = [f"v_{table}" for table in TABLES if table not in BY_KEY] + ["v_influence"]
    assert all(study.rows(f"FROM {view}") for view in views)
    for name in runs:
        study.connection.execute("UPDATE run SET status = 'deleting' WHERE name = ?", [name])
    assert [study.rows(f"FROM {view}") for view in views] == [[]] * len(views)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM influence_run", "1 influence runs without a row in influence_run"),
        ("DELETE FROM validation_run", "1 validation runs without a row in validation_run"),
        ("DELETE FROM influence_target", "24 rows of influence_ranking have a influence_target_id"),
        ("DELETE FROM influence_ranking WHERE rank = 1", "8 ranked examples out of place"),
        ("DELETE FROM influence_histogram WHERE n = 9", "3 influence targets whose histogram has not every"),
        ("UPDATE influence_histogram SET bin = 7 WHERE n = 4", "3 influence targets whose histogram does not end"),
        ("UPDATE influence_run SET bin_width = 'inf'", "1 influence runs whose bins have no width"),
        ("DELETE FROM influence_summary WHERE n = 16", "4 influence targets whose sums are not over every"),
        ("INSERT INTO influence_ranking FROM influence_ranking WHERE rank = 1 LIMIT 1", "1 ranked examples out of"),
        ("INSERT INTO influence_target FROM influence_target LIMIT 1", "2 rows whose (influence_target_id) occur more"),
        (
            "INSERT INTO validation_result FROM validation_result LIMIT 1",
            "2 rows whose (run_id, test, quantity, scores,",
        ),
        ("UPDATE influence_ranking SET training_example_id = 999", "24 rows of influence_ranking have a training"),
        ("UPDATE influence_run SET examples = 31", "1 influence runs that scored other training examples"),
        ("UPDATE influence_run SET traced_run_id = 999", "1 rows of influence_run have a traced_run_id that run lacks"),
        (
            "UPDATE influence_run SET traced_run_id = run_id",
            "1 influence runs that examine a checkpoint of another run",
        ),
        ("UPDATE influence_summary SET score_max = -9 WHERE score_max = 3", "4 influence sums whose mean"),
        (
            "DELETE FROM influence_language WHERE influence_target_id = 1",
            "4 rows of influence_language that differ from what they are derived",
        ),
        (
            "UPDATE influence_language SET translated = translated + 1 WHERE influence_target_id = 1",
            "8 rows of influence_language that differ from what they are derived",
        ),
        (
            "INSERT INTO influence_overlap VALUES (1, 2, 'positive', 1)",
            "1 rows of influence_overlap that differ from what they are derived",
        ),
        ("UPDATE validation_result SET probe_id = 999", "4 rows of validation_result have a probe_id"),
        ("UPDATE validation_result SET k = NULL", "2 validation values whose direction or k"),
        ("UPDATE training_example SET split = 'development'", "24 ranked examples that the traced run did not train"),
    ],
)
def test_what_must_not_be_is_found(both: Study, statement: str, message: str) -> None:
    both.connection.execute(statement)
    found = violations(both.connection)
    assert any(line.startswith(message) for line in found), found


@pytest.mark.parametrize("rows", [1, 9])
def test_what_is_looked_for_in_parts_is_found_as_in_the_whole(study: Study, rows: int) -> None:
    """Parts of one target, or of two with 6 ranked examples each; rows that belong to no ranking are counted, too.

    The sums are of 2 directions and 2 languages: 4 rows of a target that are there, and 4 that should be.
    """
    study.commit(study.job(inputs_digest="another run"))
    study.commit(study.job(_ranking_alike(study)))
    names = ("ranked-in-order", "ranked-once", "influence_language-derived", "influence_overlap-derived")
    rules = {rule.name: rule for rule in packaged()}

    def found(*names: str) -> list[list[int]]:
        """Violations of rules in the whole, and in parts."""
        wanted = [rules[name] for name in names]
        outcomes = evaluate(study.connection, wanted), evaluate(study.connection, wanted, at_once=rows)
        return [[outcome.violations for outcome in each] for each in outcomes]

    assert found(*names) == [[0] * 4] * 2
    study.connection.execute("""
        DELETE FROM influence_ranking WHERE rank = 1 AND influence_target_id IN (3, 8);
        UPDATE influence_language SET translated = translated + 1 WHERE influence_target_id IN (4, 5);
        INSERT INTO influence_language VALUES (999, 'positive', 1, 1, 1, 1, 0), (-9, 'positive', 1, 1, 1, 1, 0);
        INSERT INTO influence_overlap VALUES (1, 8, 'positive', 1), (8, 1, 'negative', 1), (-9, 999, 'positive', 1)
    """)
    assert found(*names) == [[4, 0, 4 * 8 + 2, 2 * 2 + 3]] * 2
    study.connection.execute("""
        UPDATE influence_ranking r SET training_example_id = (
            SELECT min(training_example_id) FROM influence_ranking k WHERE k.influence_target_id = r.influence_target_id
        )
        WHERE influence_target_id IN (2, 7) AND rank < 3
    """)
    assert found("ranked-once") == [[4], [4]]
