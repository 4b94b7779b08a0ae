"""Influence jobs on a small study: what is traced, against autograd and numpy; what is kept, shared and committed."""

import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from command_line import Mlv
from exact_gradients import Exact
from polars.testing import assert_frame_equal
from scipy import stats
from tiny_model import DEMO, save_model
from workers import corrupted_examples, run_job, spec_of

from mlv.compute.attribution import index, products
from mlv.compute.attribution import scores as attribution
from mlv.compute.attribution.directions import principal_directions
from mlv.compute.attribution.sinks import Directions
from mlv.compute.attribution.weights import checkpoint_weights, epoch_weights
from mlv.compute.jobs import influence
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress, Silent
from mlv.compute.models import loading, scoring
from mlv.compute.models.families import SPAN
from mlv.compute.running import execute
from mlv.compute.training.objective import WeightedInput
from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.jobs.influence import Request, plan
from mlv.ingest.jobs.planning import Context, write
from mlv.schema.errors import JobError
from mlv.schema.files import write_json
from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.opening import connect, open_store

Array = npt.NDArray[np.float64]
Traced = Literal["answer", "margin", "shift"]

QUESTIONS = ["2", "5", "46", "49"]
"""Of Farsi."""

EXACT: dict[str, Any] = {"projection": "none"}
TRACIN: dict[str, Any] = {"method": "tracin", "projection": "none"}


def no_model(name: str) -> ModelRef:
    """Finds no model: a request names a run."""
    raise NotImplementedError(name)


class Study:
    """A store with a model that was fine-tuned for two epochs on Farsi and Korean, with two seeds, and probed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mlv = folder, Mlv(folder)
        self.store, self.jobs = self.mlv.store, folder / "jobs"
        self.run = self.other = ""

    def make(self) -> "Study":
        """Make it all."""
        self._do("db", "upgrade")
        self._do("ingest", "probes", str(DEMO / "probes"), "--collection", "demo", "--citation", "own")
        for language in ("fa", "ko"):
            text = str(DEMO / "corpus" / f"{language}.txt")
            self._do("ingest", "corpus", text, "--source", "lines", "--language", language)
        save_model(self.folder / "tiny")
        here = ("--threads", "1", "--device", "cpu")
        finetune = ("compute", "finetune", "--model", str(self.folder / "tiny"), "--source", "lines", *here)
        settings = (
            "--language",
            "fa,ko",
            "--sentences",
            "40",
            "--epochs",
            "2",
            "--learning-rate",
            "2e-2",
            "--test-language",
            "fa,ko",
        )
        self._do(*finetune, *settings)
        ((self.run,),) = self.mlv.rows("SELECT run FROM v_run WHERE kind = 'finetune'")
        self._do(*finetune, *settings, "--seed", "2", "--plan-only")
        (self.other,) = {path.name for path in self.jobs.glob("finetune-*")} - {self.run}
        self._do("runs", "resume", self.other, *here)
        return self

    def _do(self, *command: str) -> None:
        done = self.mlv(*command)
        assert done.code == 0, (command, done.err)

    def plan(self, **request: Any) -> JobDirectory:
        """Plan the tracing of some Farsi answers."""
        chosen = {"languages": ["fa"], "items": QUESTIONS, "top_k": 5, "keep_scores": True, **request}
        asked = Request.model_validate({"run": self.run, **chosen})
        with open_store(self.store) as connection:
            context = Context(connection, self.store, self.jobs, {"arguments": ["test"]}, no_model)
            return write(context, plan(context, asked))

    def done(self, **request: Any) -> JobDirectory:
        """Plan and run; a job that was run already is as it was."""
        job = self.plan(**request)
        execute.execute(job.path, ExecuteOptions("cpu", 1))
        return job

    def finetuning(self) -> tuple[JobDirectory, FinetuneSpec]:
        """The traced run."""
        job = JobDirectory(self.jobs / self.run)
        return job, spec_of(job, FinetuneSpec)

    def indexes(self) -> set[str]:
        """Folders of indexes of training examples."""
        return {path.name for path in self.jobs.glob("index-*")}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Made once; tests add jobs and indexes to it."""
    return Study(tmp_path_factory.mktemp("study")).make()


def apart(job: JobDirectory, folder: Path) -> JobDirectory:
    """A job as it was planned, in a folder of its own with no index beside it."""
    copy = JobDirectory(folder / job.path.name)
    shutil.copytree(job.inputs, copy.inputs)
    for name in ("job.json", "provenance.json"):
        shutil.copyfile(job.path / name, copy.path / name)
    return copy


def run(job: JobDirectory, progress: Progress = SILENT, batch_tokens: int = 2048) -> None:
    """Run a job without the lock and the log around it."""
    run_job(job, ExecuteOptions("cpu", 1, batch_tokens=batch_tokens), progress)


def table(job: JobDirectory, name: str) -> pl.DataFrame:
    """An output."""
    return pl.read_parquet(job.outputs / f"{name}.parquet")


def matrix(job: JobDirectory, first: int = 0) -> Array:
    """Kept scores, [targets, examples], of as many targets as the job was given from the number ``first`` on."""
    targets = pl.read_parquet(job.inputs / "targets.parquet").height
    scores = table(job, "scores").filter(pl.col("target").is_between(first, first + targets - 1))
    found: Array = scores.sort("target", "position")["score"].cast(pl.Float64).to_numpy().reshape(targets, -1)
    return found


def outputs(job: JobDirectory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in job.outputs.iterdir()}


# What is traced --------------------------------------------------------------------------------------------------


@pytest.fixture
def rows_of(study: Study, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[WeightedInput]]]:
    """Runs a job and gives the rows of the training examples at its first checkpoint."""
    built: list[index.Recipe] = []
    build = index.build

    def noting(folder: Path, job: index.Recipe, *rest: Any) -> Any:
        built.append(job)
        return build(folder, job, *rest)

    def rows(**request: Any) -> list[list[WeightedInput]]:
        job = study.plan(**request)
        with monkeypatch.context() as patched:
            patched.setattr(index, "build", noting)
            run(job)
        return [list(some) for some in built[0].rows]

    return rows


@pytest.mark.parametrize(
    ("choices", "checkpoints", "weights"),
    [
        # the learning rate falls from 1 to 0: its mean is 3/4 in the first of two epochs, 1/4 in the second
        (EXACT, "last", {1: 0.75, 2: 0.25}),
        (EXACT, "1", {1: 1.0}),
        ({**EXACT, "corruptions": "epoch"}, "last", {2: 1.0}),
    ],
)
def test_examples_are_traced_as_they_were_trained_on(
    study: Study,
    rows_of: Callable[..., list[list[WeightedInput]]],
    choices: dict[str, Any],
    checkpoints: str,
    weights: dict[int, float],
) -> None:
    found = rows_of(**choices, checkpoints=checkpoints, top_k=3)
    trained = {epoch: corrupted_examples(study.finetuning()[0], epoch) for epoch in weights}
    assert len(found) == 32
    for place, rows in enumerate(found):
        assert [row.weight for row in rows] == pytest.approx(list(weights.values()))
        for row, epoch in zip(rows, weights, strict=True):
            assert list(row.inputs) == trained[epoch][place].inputs.tolist()
            assert list(row.decoder) == trained[epoch][place].targets.tolist()
            assert row.scored == len(row.decoder)


@pytest.mark.parametrize("epochs", [1, 2, 3, 7])
def test_corruptions_count_by_the_learning_rate_they_met(study: Study, epochs: int) -> None:
    training = study.finetuning()[1].model_copy(update={"epochs": epochs})
    found = epoch_weights(training, Gradients(), epochs)
    expected = {epoch: 2 * (epochs - epoch + 0.5) / epochs**2 for epoch in range(1, epochs + 1)}
    assert found == pytest.approx(expected)
    # before the end, those epochs that were
    half = epoch_weights(training, Gradients(), (epochs + 1) // 2)
    assert sum(half.values()) == pytest.approx(1)
    assert [half[epoch] / half[1] for epoch in half] == pytest.approx([expected[epoch] / expected[1] for epoch in half])


def test_the_trainers_own_learning_rates_have_these_shares(
    finetune_job: Callable[..., JobDirectory], options: ExecuteOptions, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path)
    run_job(job, options)
    (state,) = job.work.glob("state-*/trainer_state.json")
    logged = [entry for entry in json.loads(state.read_text())["log_history"] if "learning_rate" in entry]
    assert [entry["step"] for entry in logged] == list(range(1, 19))
    means = np.array([entry["learning_rate"] for entry in logged]).reshape(3, 6).mean(axis=1)
    weights = epoch_weights(spec_of(job, FinetuneSpec), Gradients(), 3)
    # a mean over time and one over 6 steps are half a step's fall apart
    assert list(weights.values()) == pytest.approx(list(means / means.sum()), abs=0.5 / 18)


def test_checkpoints_count_by_the_learning_rate_of_their_epoch(study: Study) -> None:
    training = study.finetuning()[1]
    own = [ModelRef(name=f"{study.run}/epoch-{epoch}", digest="0") for epoch in (1, 2)]
    tracin, trak = Attribution(method="tracin"), Attribution()
    equal = {"weights": "equal"}
    for attribution_, checkpoints, expected in (
        (tracin, own, [1.5, 0.5]),
        (tracin.model_copy(update=equal), own, [1, 1]),
        (trak, own, [0.75, 0.25]),
        (trak.model_copy(update=equal), own, [0.5, 0.5]),
        # the last of each of several runs
        (trak, [own[1], ModelRef(name=f"{study.other}/epoch-2", digest="0")], [0.5, 0.5]),
        (trak, own[1:], [1]),
    ):
        assert checkpoint_weights(training, checkpoints, attribution_) == pytest.approx(expected)


# Exact scores ----------------------------------------------------------------------------------------------------


class Autograd:
    """Gradients at a checkpoint by autograd, over all matrices but the position biases."""

    def __init__(self, study: Study, epoch: int, targets: pl.DataFrame) -> None:
        job, _ = study.finetuning()
        loaded = loading.load(job.checkpoints / f"epoch-{epoch}", SPAN)
        self._exact = Exact(loaded.model)
        corrupted = [corrupted_examples(job, some) for some in range(1, epoch + 1)]
        shares = {1: [1.0], 2: [0.75, 0.25]}[epoch]
        self.examples = np.array(
            [
                sum(
                    self._gradient(WeightedInput(0, some.inputs, some.targets, len(some.targets), share))
                    for some, share in zip(example, shares, strict=True)
                )
                for example in zip(*corrupted, strict=True)
            ]
        )
        probes = scoring.tokenise(targets, loaded.tokenizer)
        sentinel = loaded.sentinels[0]
        rows = [
            [
                WeightedInput(0, probe.inputs, [sentinel, *answer], len(answer), 1 / len(answer))
                for answer in probe.answers
            ]
            for probe in probes
        ]
        self.answers = np.array([[self._gradient(row) for row in pair] for pair in rows])
        self.values = np.array([[row.weight * self._exact.logprob(row) for row in pair] for pair in rows])

    def _gradient(self, row: WeightedInput) -> Array:
        found = self._exact.gradients(row)
        kept = [some for name, some in found.items() if "norm" not in name and "relative_attention" not in name]
        flat: Array = np.concatenate([some.numpy().ravel() for some in kept])
        return flat


@pytest.fixture(scope="module")
def autograd(study: Study) -> dict[int, Autograd]:
    """By epoch, for the targets of :meth:`Study.plan`."""
    targets = pl.read_parquet(study.plan(**EXACT).inputs / "targets.parquet")
    return {epoch: Autograd(study, epoch, targets) for epoch in (1, 2)}


def quantity(both: Array, targets: pl.DataFrame, traced: Traced) -> Array:
    """What is traced, of something [targets, answers, ...] that belongs to the two answers."""
    margin: Array = both[:, 0] - both[:, 1]
    if traced == "margin":
        return margin
    if traced == "shift":
        moved = targets["shift_sign"].to_numpy().reshape(-1, *[1] * (margin.ndim - 1))
        return np.asarray(margin * moved)
    return np.asarray(both[np.arange(len(both)), targets["answer"].to_numpy() - 1])


def trak(examples: Array, targets: Array, damping: float) -> Array:
    kernel = examples @ examples.T
    kernel += damping * np.trace(kernel) / len(kernel) * np.eye(len(kernel))
    return np.asarray(np.linalg.solve(kernel, examples @ targets.T).T)


def cosine(examples: Array, targets: Array) -> Array:
    one, other = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (examples, targets))
    return np.asarray(other @ one.T)


def assert_near(found: Array, expected: Array, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("traced", ["answer", "margin", "shift"])
def test_unprojected_trak_is_that_of_autograds_gradients(
    study: Study, autograd: dict[int, Autograd], traced: Traced
) -> None:
    choices = {**EXACT, "damping": 0.3, "kernel": "joint"}
    job = study.done(quantity=traced, **choices, checkpoints="all")
    targets = pl.read_parquet(job.inputs / "targets.parquet")
    one, two = (
        trak(some.examples, quantity(some.answers, targets, traced), 0.3) for some in (autograd[1], autograd[2])
    )
    assert_near(matrix(job), 0.75 * one + 0.25 * two)
    last = study.done(quantity=traced, **choices)
    assert_near(matrix(last), two)
    # TRAK's epochs are not scored apart
    assert table(job, "targets")["epoch"].to_list() == [None] * len(QUESTIONS)


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("traced", ["answer", "margin", "shift"])
def test_unprojected_tracin_is_that_of_autograds_gradients(
    study: Study, autograd: dict[int, Autograd], traced: Traced, similarity: str
) -> None:
    job = study.done(quantity=traced, similarity=similarity, **TRACIN)
    targets = pl.read_parquet(job.inputs / "targets.parquet")
    count = len(QUESTIONS)
    expected = []
    for epoch in (1, 2):
        gradients = quantity(autograd[epoch].answers, targets, traced)
        examples = autograd[epoch].examples
        expected.append(cosine(examples, gradients) if similarity == "cosine" else gradients @ examples.T)
        assert_near(matrix(job, count * epoch), expected[-1])
    assert_near(matrix(job), 1.5 * expected[0] + 0.5 * expected[1])
    found = table(job, "targets")
    assert found["target"].to_list() == list(range(3 * count))
    assert found["epoch"].to_list() == [None] * count + [1] * count + [2] * count
    assert found["question"].to_list() == targets["question"].to_list() * 3
    sides: dict[str, list[int]] = {
        "answer": targets["answer"].to_list(),
        "margin": [1] * count,
        "shift": [1 if m > 0 else 2 for m in targets["shift_sign"]],
    }
    assert found["answer"].to_list() == sides[traced] * 3
    values = {epoch: quantity(autograd[epoch].values, targets, traced).tolist() for epoch in (1, 2)}
    assert found["value"].to_list() == pytest.approx(values[2] + values[1] + values[2], rel=1e-4)


def test_exact_tracin_keeps_no_gradient_on_disk(study: Study, tmp_path: Path) -> None:
    job = apart(study.plan(**TRACIN), tmp_path)
    run(job)
    assert list(job.work.rglob("products-*"))
    assert not list(tmp_path.rglob("shard-*"))


def test_rankings_and_sums_are_those_of_the_scores(study: Study) -> None:
    job = study.done(**TRACIN)
    scores, rankings = table(job, "scores"), table(job, "rankings")
    examples = pl.read_parquet(job.inputs / "examples.parquet").filter(split="train")
    assert scores.height == 3 * len(QUESTIONS) * 32
    assert set(scores["position"]) == set(examples["position"])
    for direction, descending in (("positive", True), ("negative", False)):
        best = scores.sort("target", "score", "position", descending=[False, descending, False])
        found = rankings.filter(direction=direction).sort("target", "rank")
        assert found["rank"].to_list() == [1, 2, 3, 4, 5] * 3 * len(QUESTIONS)
        assert_frame_equal(
            found.select("target", "position", "score"), best.group_by("target", maintain_order=True).head(5)
        )
    summaries = table(job, "summaries").sort("target", "language")
    expected = (
        scores.join(examples.select("position", "language"), on="position")
        .group_by("target", "language")
        .agg(pl.len(), pl.col("score").cast(pl.Float64).sum(), pl.col("score").max().alias("most"))
        .sort("target", "language")
    )
    assert summaries["n"].to_list() == expected["len"].to_list() == [16, 16] * 3 * len(QUESTIONS)
    assert summaries["score_sum"].to_list() == pytest.approx(expected["score"].to_list(), abs=1e-9)
    assert summaries["score_max"].to_list() == expected["most"].to_list()


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_histograms_are_those_of_the_scores(study: Study, similarity: str) -> None:
    job = study.done(**TRACIN, similarity=similarity)
    examples = pl.read_parquet(job.inputs / "examples.parquet").select("position", "language")
    width = job.read_json("outputs/run.json")["bin_width"]
    # those of epochs are left out
    summed = table(job, "scores").filter(pl.col("target") < len(QUESTIONS)).join(examples, on="position")
    bins = summed.group_by("target", "language", bin=(pl.col("score").cast(pl.Float64) / width).floor().cast(pl.Int32))
    expected = bins.agg(n=pl.len().cast(pl.Int32))
    assert_frame_equal(table(job, "histograms"), expected, check_row_order=False)
    if similarity == "cosine":
        assert width == 0.01 * 2


def test_the_scores_of_epochs_are_tested_against_each_other(study: Study) -> None:
    job = study.done(**TRACIN)
    found = table(job, "epoch_tests")
    count = len(QUESTIONS)
    assert found.select("target", "other_target").rows() == [(count + at, 2 * count + at) for at in range(count)]
    for row, before, after in zip(found.rows(named=True), matrix(job, count), matrix(job, 2 * count), strict=True):
        expected = stats.wilcoxon(after, before, correction=False, method="approx")
        assert row["n"] == np.count_nonzero(after != before)
        assert row["p"] == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("choices", [EXACT, {**TRACIN, "checkpoints": "last"}])
def test_without_two_epochs_there_is_no_test(study: Study, choices: dict[str, Any]) -> None:
    job = study.done(**choices)
    assert not (job.outputs / "epoch_tests.parquet").exists()
    assert table(job, "histograms")["n"].sum() == 32 * len(QUESTIONS)


def test_the_value_is_what_the_last_checkpoint_was_found_to_say(study: Study) -> None:
    stored = study.mlv.rows(
        "SELECT a.question, a.margin FROM v_answer a JOIN v_checkpoint c USING (checkpoint_id) "
        f"WHERE c.run = '{study.run}' AND a.score = 'mean' AND a.language = 'fa' AND c.is_final"
    )
    found = table(study.done(quantity="margin", **EXACT), "targets")
    margins = dict(stored)
    assert found["value"].to_list() == pytest.approx([margins[name] for name in found["question"]], rel=1e-4)


@pytest.mark.parametrize("other", [{"checkpoints": "1"}, {"with_runs": True}])
def test_the_value_is_that_of_the_traced_checkpoint_whatever_the_scores_come_from(
    study: Study, other: dict[str, Any]
) -> None:
    if "with_runs" in other:
        other = {"with_runs": [study.other]}
    expected = table(study.done(**EXACT), "targets")
    assert_frame_equal(table(study.done(**EXACT, **other), "targets"), expected, rel_tol=1e-6)


def test_the_default_projection_keeps_nearly_all_of_exact_trak(study: Study) -> None:
    exact, default = matrix(study.done(**EXACT, damping=1.0)), matrix(study.done())
    for one, other in zip(exact, default, strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.9


def test_scores_of_another_seed_are_averaged_in(study: Study, tmp_path: Path) -> None:
    both, own = (study.done(**EXACT, **more) for more in ({"with_runs": [study.other]}, {}))
    # the other run alone, by a job of its own
    reference = spec_of(both, InfluenceSpec).checkpoints[1]
    assert reference.name == f"{study.other}/epoch-2"
    alone = JobDirectory.create(
        tmp_path,
        spec_of(own, InfluenceSpec).model_copy(update={"checkpoints": (reference,)}),
        both.read_json("provenance.json"),
    )
    shutil.copytree(own.inputs, alone.inputs, dirs_exist_ok=True)
    run(alone)
    assert_near(matrix(both), (matrix(own) + matrix(alone)) / 2, 1e-6)
    assert np.abs(matrix(alone) - matrix(own)).max() > 0.1 * np.abs(matrix(own)).max()


def test_a_score_matrix_is_what_a_job_keeps(study: Study, tmp_path: Path) -> None:
    job = study.done(**TRACIN)
    spec = spec_of(job, InfluenceSpec)
    targets = pl.read_parquet(job.inputs / "targets.parquet")
    found = influence.score_matrix(
        apart(job, tmp_path), spec, spec.checkpoints, spec.attribution, spec.quantity, targets, ExecuteOptions("cpu", 1)
    )
    assert_near(found, matrix(job), 1e-6)


# Invariance and going on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("choices", [EXACT, {}, {"projection": "dense", "dimensions": 32}])
def test_scores_do_not_depend_on_the_batch(study: Study, tmp_path: Path, choices: dict[str, Any]) -> None:
    # of an answer: a margin's gradient is a difference of two that are alike, which loses digits
    job = study.done(**choices, quantity="answer")
    alone = apart(job, tmp_path / "alone")
    run(alone, batch_tokens=1)
    # directions are eigenvectors, which sums in another order turn a little where eigenvalues are close, and
    # those of the 24 probes that a study of 48 learns from are
    tolerance = 1e-4 if choices else 5e-2
    assert_near(matrix(alone), matrix(job), tolerance)
    together = apart(job, tmp_path / "together")
    run(together, batch_tokens=10**6)
    assert_near(matrix(together), matrix(job), tolerance)


def test_examples_and_targets_lie_on_the_same_directions(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, later = (apart(study.plan(quantity=traced), tmp_path) for traced in ("answer", "margin"))

    def elsewhere(*arguments: Any) -> dict[str, Directions]:
        """Another machine's: an eigenvector turned round is one too."""
        found = principal_directions(*arguments)
        return {
            name: Directions(*(side * signs(side) for side in pair if side is not None)) for name, pair in found.items()
        }

    def signs(side: Any) -> Any:
        return 1 - 2 * (side.new_tensor(range(side.shape[1])) % 2)

    with monkeypatch.context() as patched:
        patched.setattr("mlv.compute.attribution.index.principal_directions", elsewhere)
        run(own)
    # the index of the examples is there already
    run(later)
    alone = apart(study.plan(quantity="margin"), tmp_path / "alone")
    run(alone)
    assert len(list(tmp_path.glob("index-*"))) == 1
    assert_near(matrix(later), matrix(alone), 1e-2)


class BrokenOffError(Exception):
    """Stands for a kill."""


class BreaksAt(Silent):
    """A progress that remembers what began, and breaks the job off after some units of it."""

    def __init__(self, what: str = "", units: int = 0) -> None:
        self.began: list[tuple[str, int]] = []
        self._what, self._left = what, units

    def start(self, total: int, unit: str, label: str) -> None:
        """Remember what begins."""
        self.began.append((label.rpartition(": ")[2], total))

    def advance(self, amount: int, **info: float | str) -> None:
        """Count down."""
        if self._what and self.began[-1][0] == self._what:
            self._left -= amount
            if self._left <= 0:
                raise BrokenOffError


@pytest.mark.parametrize(
    ("choices", "what", "units"),
    [
        (EXACT, "gradients of examples", 1),
        (EXACT, "gradients of targets", 1),
        (TRACIN, "products with targets", 10),
        (TRACIN, "scoring", 1),
        (TRACIN, "scoring", 3),
    ],
)
def test_a_broken_off_job_goes_on_and_ends_as_an_unbroken_one(
    study: Study, tmp_path: Path, choices: dict[str, Any], what: str, units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "TARGETS_AT_ONCE", 1)
    monkeypatch.setattr(products, "EXAMPLES_AT_ONCE", 10)
    planned = study.plan(**choices, quantity="shift", checkpoints="all")
    unbroken, broken = (apart(planned, tmp_path / name) for name in ("unbroken", "broken"))
    run(unbroken)
    with pytest.raises(BrokenOffError):
        run(broken, BreaksAt(what, units))
    assert not broken.outputs.exists()
    rest = BreaksAt()
    run(broken, rest)
    assert outputs(broken) == outputs(unbroken)
    # what is there is neither traced nor scored again
    count = len(QUESTIONS)
    if what == "scoring":
        assert rest.began == [("scoring", count - units)]
    elif what == "gradients of targets":
        assert [total for label, total in rest.began if label == "gradients of examples"] == [32]
    elif what == "products with targets":
        assert [total for label, total in rest.began if label == what] == [22, 32]
    assert rest.began[-1][0] == "scoring"


def test_blocks_of_targets_change_nothing(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = study.done(**TRACIN)
    monkeypatch.setattr(attribution, "TARGETS_AT_ONCE", 3)
    small = apart(job, tmp_path)
    run(small)
    for name, keys in (
        ("scores", ["target", "position"]),
        ("rankings", ["target", "direction", "rank"]),
        ("summaries", ["target", "language"]),
        ("epoch_tests", ["target"]),
        ("targets", ["target"]),
    ):
        assert_frame_equal(table(small, name).sort(keys), table(job, name).sort(keys), rel_tol=1e-5, abs_tol=1e-4)


# Indexes ---------------------------------------------------------------------------------------------------------


def test_jobs_share_an_index_whatever_they_trace(study: Study) -> None:
    study.done(**EXACT)
    before = study.indexes()
    for request in (
        {"quantity": "answer"},
        {"items": ["1", "57"]},
        {"languages": ["ko"]},
        {"damping": 7.0},
        {"kernel": "joint"},
    ):
        progress = BreaksAt()
        job = study.plan(**{**EXACT, "top_k": 2, **request})
        run(job, progress)
        assert [label for label, _ in progress.began] == ["gradients of targets", "scoring"]
    assert study.indexes() == before


@pytest.fixture(scope="module")
def two_indexes(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of jobs with two indexes: of exact gradients, and of some that are projected at random."""
    folder = tmp_path_factory.mktemp("two")
    for request in (EXACT, {"projection": "random", "dimensions": 2, "seed": 2}):
        run(apart(study.plan(**request), folder))
    assert len(list(folder.glob("index-*"))) == 2
    return folder


@pytest.mark.parametrize(
    "request_",
    [
        {"checkpoints": "1"},
        {"with_runs": True},
        {"corruptions": "epoch"},
        {"output": "log_odds"},
        {"modules": ["attention"]},
        {"projection": "random", "dimensions": 2},
        {"projection": "random", "dimensions": 2, "seed": 1},
        {"projection": "random", "dimensions": 3},
        {"projection": "principal", "dimensions": 2},
    ],
)
def test_gradients_of_another_kind_have_an_index_of_their_own(
    study: Study, two_indexes: Path, tmp_path: Path, request_: dict[str, Any]
) -> None:
    if "with_runs" in request_:
        request_ = {"with_runs": [study.other]}
    folder = Path(shutil.copytree(two_indexes, tmp_path / "jobs"))
    run(apart(study.plan(**{**EXACT, "top_k": 1, **request_}), folder))
    known = {path.name for path in two_indexes.glob("index-*")}
    assert len({path.name for path in folder.glob("index-*")} - known) == 1


def test_an_index_belongs_to_the_seed_of_the_training(study: Study, tmp_path: Path) -> None:
    job = study.done(**EXACT)
    spec = spec_of(job, InfluenceSpec)
    training = spec.training.model_copy(update={"seed": 9})
    provenance = job.read_json("provenance.json")
    other = JobDirectory.create(tmp_path, spec.model_copy(update={"training": training}), provenance)
    shutil.copytree(job.inputs, other.inputs, dirs_exist_ok=True)
    own = apart(job, tmp_path)
    run(own)
    assert len(list(tmp_path.glob("index-*"))) == 1
    run(other)
    assert len(list(tmp_path.glob("index-*"))) == 2
    # other corruptions, other gradients
    assert np.abs(matrix(other) - matrix(own)).max() > 0.01 * np.abs(matrix(own)).max()


def test_an_index_says_what_it_is_of(study: Study, tmp_path: Path) -> None:
    job = apart(study.plan(), tmp_path)
    run(job)
    (folder,) = tmp_path.glob("index-*")
    identity, spec = json.loads((folder / "index.json").read_text()), spec_of(job, InfluenceSpec)
    assert identity["model"] == spec.model.digest
    assert identity["dtype"] == "float32"
    assert identity["epochs"] == pytest.approx({"1": 0.75, "2": 0.25})
    assert identity["gradients"] == spec.attribution.gradients.model_dump(mode="json")
    assert identity["reference"] == spec.reference_digest
    # the dtype is told apart as all else is
    assert index.folder_of(tmp_path, identity) == folder
    assert index.folder_of(tmp_path, {**identity, "dtype": "bfloat16"}) != folder


# What it refuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [pl.col("text") + " x", pl.lit("fa").alias("language")])
def test_examples_that_were_changed_are_refused(study: Study, tmp_path: Path, change: pl.Expr) -> None:
    job = apart(study.plan(**EXACT), tmp_path)
    path = job.inputs / "examples.parquet"
    pl.read_parquet(path).with_columns(change).write_parquet(path)
    with pytest.raises(JobError, match="examples"):
        run(job)
    assert not list(tmp_path.glob("index-*"))


def test_examples_that_are_gone_are_said(study: Study, tmp_path: Path) -> None:
    job = apart(study.plan(**EXACT), tmp_path)
    (job.inputs / "examples.parquet").unlink()
    with pytest.raises(JobError, match=r"examples\.parquet is missing"):
        run(job)


def test_targets_out_of_number_are_refused(study: Study, tmp_path: Path) -> None:
    job = apart(study.plan(**EXACT), tmp_path)
    path = job.inputs / "targets.parquet"
    pl.read_parquet(path).with_columns(pl.col("target") + 1).write_parquet(path)
    with pytest.raises(JobError, match="do not count from 0"):
        run(job)


def test_a_checkpoint_that_changed_is_refused(study: Study, tmp_path: Path) -> None:
    job = apart(study.plan(**EXACT), tmp_path)
    provenance = job.read_json("provenance.json")
    name = f"{study.run}/epoch-2"
    copy = shutil.copytree(provenance["model_paths"][name], tmp_path / "checkpoint")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "dropout_rate": 0.2}))
    write_json(job.path / "provenance.json", {**provenance, "model_paths": {name: str(copy)}})
    with pytest.raises(JobError, match="its content has changed"):
        run(job)


# The store -------------------------------------------------------------------------------------------------------


def test_what_was_found_is_committed_and_shown(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = [
        study.done(),
        study.done(method="tracin"),
        study.done(**EXACT, with_runs=[study.other], keep_scores=False, quantity="shift"),
    ]
    store = Path(shutil.copyfile(study.store, tmp_path / "mlv.duckdb"))
    (tmp_path / "jobs").symlink_to(study.jobs)
    for job in done:
        with connect(store, read_only=False) as connection:
            committed = commit_job(connection, job, store)
        assert not committed.already_there
        assert not job.work.exists()
    mlv = Mlv(tmp_path, capsys)
    capsys.readouterr()
    assert mlv.rows("SELECT run, method, checkpoints, examples FROM v_influence_run ORDER BY run_id") == [
        (done[0].path.name, "trak", 1, 32),
        (done[1].path.name, "tracin", 2, 32),
        (done[2].path.name, "trak", 2, 32),
    ]
    checked = mlv("db", "check")
    assert checked.code == 0, checked.out
    texts = dict(pl.read_parquet(done[0].inputs / "examples.parquet").select("position", "text").rows())
    question = ("--item", QUESTIONS[1], "--language", "fa", "--top", "5", "--format", "jsonl")
    for job, first, more in ((done[0], 0, ()), (done[1], 2 * len(QUESTIONS), ("--epoch", "2"))):
        shown = mlv("influence", "show", job.path.name, *question, *more)
        assert shown.code == 0, shown.err
        numbers = table(job, "targets").filter(pl.col("question") == QUESTIONS[1], pl.col("target") >= first)
        rankings = table(job, "rankings").filter(pl.col("target") == numbers["target"][0])
        expected = rankings.sort("direction", "rank", descending=[True, False])
        rows = [json.loads(line) for line in shown.out.splitlines()]
        assert [row["text"] for row in rows] == [texts[position] for position in expected["position"]]
        assert [row["score"] for row in rows] == pytest.approx(expected["score"].to_list(), rel=1e-5)
        scores = [row["score"] for row in rows if row["direction"] == "positive"]
        assert all(one >= other for one, other in pairwise(scores))


def test_the_command_traces_commits_and_prints(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copyfile(study.store, tmp_path / "mlv.duckdb")
    shutil.copytree(study.jobs, tmp_path / "jobs", ignore=shutil.ignore_patterns("index-*", "influence-*"))
    mlv = Mlv(tmp_path, capsys)
    capsys.readouterr()
    here = ("--threads", "1", "--device", "cpu", "--language", "fa", "--top-k", "3")
    done = mlv("compute", "influence", study.run, "--targets", "all", *here)
    assert done.code == 0, done.err
    assert "committed" in done.err
    # of each training language, a share of the most influential
    shares = [line.split() for line in done.out.splitlines()[2:]]
    assert {row[1] for row in shares} == {"fa", "ko"}
    assert sum(float(row[2]) for row in shares) == pytest.approx(100, abs=0.01)
    # an index beside the jobs is no job
    assert "not committed" not in mlv("runs", "list").err
