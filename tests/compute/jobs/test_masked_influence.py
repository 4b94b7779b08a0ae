"""Influence under masks: against autograd under masks, and what is shared, kept apart and resumed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import torch
from classifying import examples, planned
from exact_gradients import Exact
from polars.testing import assert_frame_equal
from tiny_encoder import LANGUAGES, save_encoder
from workers import run_job

from mlv.compute.attribution import index
from mlv.compute.attribution import scores as attribution
from mlv.compute.machine.options import ExecuteOptions, Silent
from mlv.compute.models import classifiers
from mlv.compute.models.files import digest
from mlv.compute.models.heads import masked
from mlv.compute.training.objective import WeightedInput
from mlv.schema.errors import DataError
from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.masks import Mask, Subnetwork
from mlv.schema.jobs.spec import ModelRef

Array = npt.NDArray[np.float64]

OPTIONS = ExecuteOptions(device="cpu", threads=1)

MASKS = {"de": Mask.of([[True, False], [True, True]]), "en": Mask.of([[False, True], [True, False]])}
"""French targets are traced in the whole model."""

FULL = Mask.of([[True, True], [True, True]])

EXACT = Attribution(
    method="tracin",
    similarity="cosine",
    weights="equal",
    gradients=Gradients(corruptions="epoch", modules=("attention", "output"), projection="none", dimensions=0),
)
RANDOM = EXACT.model_copy(
    update={"gradients": EXACT.gradients.model_copy(update={"projection": "random", "dimensions": 4})}
)
PRINCIPAL = EXACT.model_copy(
    update={"gradients": EXACT.gradients.model_copy(update={"projection": "principal", "dimensions": 4})}
)
TRAK = Attribution(kernel="joint", gradients=EXACT.gradients)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A classifier that was trained for two epochs; its heads matter."""
    folder = tmp_path_factory.mktemp("traced")
    job = planned(folder, save_encoder(folder / "encoder", initializer_range=0.15))
    run_job(job, OPTIONS)
    return job


def targets() -> pl.DataFrame:
    """The development examples, languages in turns."""
    return (
        examples()
        .filter(split="development")
        .select(
            pl.int_range(pl.len()).alias("target"),
            "language",
            pl.col("parallel_key").alias("question"),
            "text",
            "text_pair",
            pl.col("class_number").alias("answer"),
        )
    )


def traced(
    training: JobDirectory,
    folder: Path,
    masks: dict[str, Mask] | None = None,
    how: Attribution = EXACT,
    **settings: Any,
) -> JobDirectory:
    """A job that traces the labels of the development examples at both epochs."""
    spec = training.spec()
    assert isinstance(spec, ClassifySpec)
    checkpoints = tuple(
        ModelRef(
            name=f"{training.path.name}/epoch-{epoch}",
            digest=digest(training.checkpoints / f"epoch-{epoch}"),
            path=str(training.checkpoints / f"epoch-{epoch}"),
        )
        for epoch in (1, 2)
    )
    reference = examples().filter(split="train").head(12)
    reference = reference.select("language", pl.col("parallel_key").alias("question"), "text", "text_pair")
    found = tuple(Subnetwork(name=f"of-{code}", mask=mask, origin="pruned") for code, mask in (masks or {}).items())
    influence = InfluenceSpec(
        model=checkpoints[-1],
        training=spec,
        checkpoints=checkpoints if how.method == "tracin" else checkpoints[-1:],
        attribution=how,
        collection="words",
        probe_set="development",
        languages=LANGUAGES,
        reference_digest=content_digest(reference),
        inputs_digest=content_digest(targets()),
        selection="all",
        quantity="label",
        top_k=5,
        keep_scores=True,
        masks={code: f"of-{code}" for code in masks} if masks else None,
        subnetworks=found or None,
        **({"training_masks": "test"} if masks else {}) | settings,
    )
    places = {"model_paths": {ref.name: ref.path for ref in (*checkpoints, spec.model)}}
    job = JobDirectory.create(folder, influence, places)
    for name, frame in (("targets", targets()), ("reference", reference), ("examples", examples())):
        frame.write_parquet(job.inputs / f"{name}.parquet")
    return job


def matrix(job: JobDirectory, epoch: int | None = None) -> Array:
    """Kept scores over all checkpoints, or at an epoch, [targets, examples]."""
    first = 9 * (epoch or 0)
    rows = pl.read_parquet(job.outputs / "scores.parquet").filter(pl.col("target").is_between(first, first + 8))
    found: Array = rows.sort("target", "position")["score"].cast(pl.Float64).to_numpy().reshape(9, -1)
    return found


def outputs(job: JobDirectory) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in job.outputs.iterdir()}


def indexes(folder: Path) -> dict[str, Any]:
    """What indexes of examples say that their masks are, by folder."""
    return {path.parent.name: json.loads(path.read_text())["masks"] for path in folder.glob("index-*/index.json")}


# Against autograd ------------------------------------------------------------------------------------------------


class Autograd:
    """Gradients at an epoch by autograd, of attention and classifier, each text under a mask."""

    def __init__(self, training: JobDirectory, epoch: int) -> None:
        folder = training.checkpoints / f"epoch-{epoch}"
        self._loaded = classifiers.load(folder, ("negative", "positive"), "praise")
        self._exact = Exact(self._loaded.model)

    def _row(self, text: str, number: int) -> Any:
        (encoded,), _ = classifiers.encode(pl.DataFrame({"text": [text], "text_pair": [None]}), self._tokenizer, 128)
        return WeightedInput(0, encoded.tokens, [], number - 1)

    @property
    def _tokenizer(self) -> Any:
        return self._loaded.tokenizer

    def gradient(self, text: str, number: int, mask: Mask | None) -> Array:
        with masked(self._exact.model, mask):
            found = self._exact.gradients(self._row(text, number))
        kept = [
            some.numpy().ravel()
            for name, some in found.items()
            if name.endswith(".weight")
            and "norm" not in name.lower()
            and (".attention." in name or "classifier" in name)
        ]
        flat: Array = np.concatenate(kept)
        return flat

    def value(self, text: str, number: int, mask: Mask | None) -> float:
        with masked(self._exact.model, mask):
            return self._exact.logprob(self._row(text, number))


def mask_of_example(training_masks: str, target: str, example: str) -> Mask | None:
    return {"test": MASKS.get(target), "own": MASKS.get(example), "none": None}[training_masks]


def expected(autograd: Autograd, training_masks: str) -> Array:
    """Cosines, [targets, examples]."""
    train = examples().filter(split="train")
    found = []
    for target in targets().iter_rows(named=True):
        code = target["language"]
        one = autograd.gradient(target["text"], target["answer"], MASKS.get(code))
        others = np.array(
            [
                autograd.gradient(text, number, mask_of_example(training_masks, code, language))
                for text, number, language in train.select("text", "class_number", "language").iter_rows()
            ]
        )
        found.append(others @ one / np.linalg.norm(one) / np.linalg.norm(others, axis=1))
    return np.array(found)


@pytest.mark.parametrize("training_masks", ["test", "own", "none"])
def test_scores_are_those_of_autograd_under_masks(training: JobDirectory, tmp_path: Path, training_masks: str) -> None:
    job = traced(training, tmp_path, MASKS, training_masks=training_masks)
    run_job(job, OPTIONS)
    found = {epoch: Autograd(training, epoch) for epoch in (1, 2)}
    by_epoch = {epoch: expected(one, training_masks) for epoch, one in found.items()}
    for epoch, scores in by_epoch.items():
        np.testing.assert_allclose(matrix(job, epoch), scores, atol=1e-6)
    np.testing.assert_allclose(matrix(job), by_epoch[1] + by_epoch[2], atol=2e-6)
    values = pl.read_parquet(job.outputs / "targets.parquet").sort("target")["value"].to_list()
    for first, epoch in ((0, 2), (9, 1), (18, 2)):
        own = [
            found[epoch].value(target["text"], target["answer"], MASKS.get(target["language"]))
            for target in targets().iter_rows(named=True)
        ]
        assert values[first : first + 9] == pytest.approx(own, rel=5e-6)


def test_masks_change_scores_of_their_language_alone(training: JobDirectory, tmp_path: Path) -> None:
    plain, under = traced(training, tmp_path), traced(training, tmp_path, {"de": MASKS["de"]})
    for job in (plain, under):
        run_job(job, OPTIONS)
    german = (targets()["language"] == "de").to_numpy()
    np.testing.assert_allclose(matrix(plain)[~german], matrix(under)[~german], atol=1e-6)
    assert np.abs(matrix(plain)[german] - matrix(under)[german]).max() > 0.01


@pytest.mark.parametrize("how", [EXACT, RANDOM, PRINCIPAL, TRAK], ids=["exact", "random", "principal", "trak"])
@pytest.mark.parametrize("training_masks", ["test", "own", "none"])
def test_under_masks_of_all_heads_everything_is_as_without_masks_to_the_bit(
    training: JobDirectory, tmp_path: Path, how: Attribution, training_masks: str
) -> None:
    masks = dict.fromkeys(LANGUAGES, FULL)
    plain = traced(training, tmp_path / "plain", how=how)
    under = traced(training, tmp_path / "under", masks, how, training_masks=training_masks)
    for job in (plain, under):
        run_job(job, OPTIONS)
    assert outputs(plain) == outputs(under)


@pytest.mark.parametrize("training_masks", ["test", "own"])
@pytest.mark.parametrize("how", [PRINCIPAL, TRAK], ids=["principal", "trak"])
def test_scores_of_a_mask_do_not_depend_on_the_other_masks(
    training: JobDirectory, tmp_path: Path, how: Attribution, training_masks: str
) -> None:
    every = MASKS if training_masks == "test" else dict.fromkeys(LANGUAGES, MASKS["de"])
    together = traced(training, tmp_path / "together", every, how, training_masks=training_masks)
    alone = traced(training, tmp_path / "alone", dict.fromkeys(LANGUAGES, MASKS["de"]), how)
    for job in (together, alone):
        run_job(job, OPTIONS)
    german = (targets()["language"] == "de").to_numpy()
    scale = np.abs(matrix(alone)).max()
    np.testing.assert_allclose(matrix(together)[german], matrix(alone)[german], atol=5e-5 * scale)


@pytest.mark.parametrize("batch_tokens", [1, 60])
def test_scores_under_masks_do_not_depend_on_the_batch(
    training: JobDirectory, tmp_path: Path, batch_tokens: int
) -> None:
    jobs = [traced(training, tmp_path / name, MASKS, training_masks="own") for name in ("one", "other")]
    for job, tokens in zip(jobs, (2048, batch_tokens), strict=True):
        run_job(job, ExecuteOptions("cpu", 1, batch_tokens=tokens))
    np.testing.assert_allclose(matrix(jobs[0]), matrix(jobs[1]), atol=1e-6)


# What is kept, shared and resumed --------------------------------------------------------------------------------


def test_an_index_says_its_masks_and_jobs_share_those_that_are_the_same(training: JobDirectory, tmp_path: Path) -> None:
    own = {code: mask.digest for code, mask in MASKS.items()}
    held: dict[str, list[Any]] = {
        "test": [MASKS["de"].digest, MASKS["en"].digest, None],
        "own": [own],
        "none": [None],
    }
    jobs, seen = {}, {}
    for training_masks in held:
        jobs[training_masks] = traced(training, tmp_path / training_masks, MASKS, RANDOM, training_masks=training_masks)
        run_job(jobs[training_masks], OPTIONS)
        seen[training_masks] = indexes(tmp_path / training_masks)
    plain = traced(training, tmp_path / "plain", how=RANDOM)
    run_job(plain, OPTIONS)
    for training_masks, masks in held.items():
        # one for each checkpoint
        assert sorted(map(str, seen[training_masks].values())) == sorted(map(str, [*masks, *masks]))
    assert set(seen["none"]) == set(indexes(tmp_path / "plain")) < set(seen["test"])
    every = {path.parent.name: json.loads(path.read_text()) for path in tmp_path.glob("*/index-*/index.json")}
    for training_masks, job in [*jobs.items(), ("plain", plain)]:
        read = {name for name, identity in every.items() if job.spec().reads_index(identity)}
        assert read == set(indexes(tmp_path / training_masks))


class BrokenOffError(Exception):
    """Stands for a kill."""


class BreaksAfter(Silent):
    """Breaks off after some units of work."""

    def __init__(self, units: int) -> None:
        self.left = units

    def advance(self, amount: int, **_: float | str) -> None:
        self.left -= amount
        if self.left < 0:
            raise BrokenOffError


@pytest.mark.parametrize("units", [10, 45, 100, 190, 250])
@pytest.mark.parametrize("how", [EXACT, RANDOM], ids=["exact", "random"])
def test_a_broken_off_job_goes_on_and_ends_as_an_unbroken_one(
    training: JobDirectory, tmp_path: Path, how: Attribution, units: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "SHARD_BYTES", 2**14)
    monkeypatch.setattr(attribution, "TARGETS_AT_ONCE", 4)
    whole, broken = (traced(training, tmp_path / name, MASKS, how) for name in ("whole", "broken"))
    run_job(whole, OPTIONS)
    try:
        run_job(broken, OPTIONS, BreaksAfter(units))
    except BrokenOffError:
        run_job(broken, OPTIONS)
    assert outputs(whole) == outputs(broken)


def test_blocks_of_targets_that_mix_languages_change_nothing(
    training: JobDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parted = (traced(training, tmp_path / name, MASKS, RANDOM) for name in ("whole", "parted"))
    run_job(whole, OPTIONS)
    monkeypatch.setattr(attribution, "TARGETS_AT_ONCE", 2)
    run_job(parted, OPTIONS)
    for name in ("scores.parquet", "rankings.parquet"):
        one, other = (pl.read_parquet(job.outputs / name) for job in (whole, parted))
        keys = [column for column in one.columns if column != "score"]
        assert_frame_equal(one.sort(keys), other.sort(keys), abs_tol=1e-6)


def test_one_scorer_is_in_memory_at_a_time() -> None:
    made: list[str] = []

    class Part:
        def __init__(self, name: str, value: float) -> None:
            made.append(name)
            self._value = value

        def scores(self, start: int, stop: int) -> Any:
            return torch.full((stop - start, 3), self._value) + torch.arange(start, stop)[:, None]

    def maker(name: str, value: float) -> Callable[[], Any]:
        return lambda: Part(name, value)

    parts = [(np.array([0, 2, 3]), maker("a", 10)), (np.array([1, 4]), maker("b", 20))]
    grouped = attribution.GroupedScorer(parts)
    assert made == []
    assert grouped.scores(0, 5)[:, 0].tolist() == [10, 20, 11, 12, 21]
    assert grouped.scores(4, 5)[:, 0].tolist() == [21]
    assert made == ["a", "b"]
    assert grouped.scores(2, 4)[:, 0].tolist() == [11, 12]
    assert made == ["a", "b", "a"]


def test_a_mask_of_another_model_is_refused(training: JobDirectory, tmp_path: Path) -> None:
    job = traced(training, tmp_path, {"de": Mask.of([[True, False, True]])})
    with pytest.raises(DataError, match=r"is of 1 x 3 attention heads .*, and the model has 2 x 2"):
        run_job(job, OPTIONS)
