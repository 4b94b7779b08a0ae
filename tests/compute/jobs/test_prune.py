"""Pruning: against a plain loop over examples, closed forms, and what a kill leaves."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from labelled_heads import CARRIERS, SHAPE, save_classifier
from numpy.typing import NDArray
from tiny_encoder import labelled_rows, save_encoder
from workers import run_job, spec_of

from mlv.compute.jobs import prune
from mlv.compute.machine.options import SILENT, ExecuteOptions
from mlv.compute.models import classifiers, files
from mlv.compute.models.heads import gated, gates_of, head_weights
from mlv.compute.running.execute import execute
from mlv.compute.training.classes import Classes
from mlv.compute.training.objective import read_splits
from mlv.schema.errors import JobError
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import HeadsDisabled
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.masks import Mask
from mlv.schema.jobs.prune import PruneSpec

OPTIONS = ExecuteOptions(device="cpu", threads=1)
CLASSES = ("negative", "positive")
ITERATIONS = 7
"""Of a step of one of eight heads, until one is left."""


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that has one head for each language."""
    return save_classifier(tmp_path_factory.mktemp("models") / "carried")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random classifier, whose heads all matter a little."""
    import transformers

    folder = tmp_path_factory.mktemp("models") / "drawn"
    save_encoder(folder, initializer_range=0.4, id2label=dict(enumerate(CLASSES)))
    torch.manual_seed(4)
    model = transformers.XLMRobertaForSequenceClassification.from_pretrained(folder)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    model.save_pretrained(folder)
    return folder


def planned(folder: Path, model: Path, language: str = "de", **settings: Any) -> JobDirectory:
    """A job with 18 training and 11 development examples."""
    reference = files.resolve(str(model))
    rows = pl.DataFrame(labelled_rows({"train": 18, "development": 11})).filter(lang=language)
    frame = rows.select(
        pl.int_range(pl.len()).alias("position"),
        "split",
        pl.lit("words").alias("source"),
        pl.col("lang").alias("language"),
        pl.col("split").alias("edition"),
        pl.int_range(pl.len()).over("split").alias("segment_position"),
        pl.col("id").cast(pl.String).alias("parallel_key"),
        "text",
        pl.lit(None, pl.String).alias("text_pair"),
        class_number=pl.when(label="plus").then(2).otherwise(1).cast(pl.Int64),
    )
    training = ClassifySpec(
        model=reference,
        task="praise",
        classes=CLASSES,
        source="words",
        languages=("de", "en"),
        examples=18,
        corpora=(),
        development=(),
        inputs_digest="0",
        batch_size=4,
    )
    spec = PruneSpec(
        model=reference,
        training=training,
        language=language,
        development=(),
        inputs_digest=content_digest(frame),
        **{"step": 1 / 8, **settings},
    )
    job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
    frame.write_parquet(job.inputs / "examples.parquet")
    return job


def found(job: JobDirectory, name: str) -> pl.DataFrame:
    """A table of a job's outputs."""
    return pl.read_parquet(job.outputs / f"{name}.parquet")


def mask_of(job: JobDirectory) -> Mask:
    """The mask that a job found."""
    [(_, layers, heads, bits)] = found(job, "masks").rows()
    return Mask(layers=layers, heads=heads, bits=bits)


def alone(language: str) -> list[list[bool]]:
    """The mask of the one head that carries a language."""
    return [[(layer, head) == CARRIERS[language] for head in range(SHAPE[1])] for layer in range(SHAPE[0])]


@pytest.mark.parametrize("language", CARRIERS)
def test_the_one_head_that_carries_a_language_is_left(carried: Path, tmp_path: Path, language: str) -> None:
    job = planned(tmp_path, carried, language)
    execute(job.path, OPTIONS)
    assert mask_of(job).rows() == alone(language)
    assert found(job, "masks")["language"].to_list() == [language]
    steps = found(job, "steps")
    assert steps.rows() == [(number, 8 - number, 1.0, True) for number in range(1, ITERATIONS + 1)]
    assert dict(steps.schema) == prune.STEP
    importance = found(job, "importance")
    assert dict(importance.schema) == prune.IMPORTANCE
    assert importance.height == sum(range(2, 9))
    # heads that carry nothing are equals, and go in the order of their places
    idle = [(layer, head) for layer in range(2) for head in range(4) if (layer, head) not in CARRIERS.values()]
    gone = importance.filter("disabled").select(pl.col("layer") - 1, pl.col("attention_head") - 1).rows()
    assert [place for place in gone if place in idle] == idle
    assert job.read_json("outputs/run.json") == {"examples": 18, "development_examples": 11, "score_before": 1.0}
    assert job.logged(HeadsDisabled)[-1] == HeadsDisabled(iteration=ITERATIONS, enabled=1, score=1.0, kept=True)


def test_under_the_other_languages_mask_a_head_is_not_trained(carried: Path) -> None:
    loaded = classifiers.load_trained(carried, CLASSES, "praise")
    model: Any = loaded.model
    texts, _ = classifiers.encode(
        pl.DataFrame({"text": ["w1 gut so", "w2 schlecht so w3"], "text_pair": [None, None]}), loaded.tokenizer, 16
    )
    layer, head = CARRIERS["de"]
    for language, moved in (("de", True), ("en", False)):
        model.zero_grad()
        with gated(loaded.model, gates_of([Mask.of(alone(language))])):
            logits = model(**classifiers.batch(texts, loaded.tokenizer)).logits
        torch.autograd.backward(torch.nn.functional.cross_entropy(logits, torch.tensor([1, 0])))
        gradients = [
            weights.by_head(weights.parameter.grad)[head]
            for weights in head_weights(loaded.model)
            if weights.layer == layer and weights.parameter.grad is not None
        ]
        assert len(gradients) == 7
        assert any(gradient.any() for gradient in gradients) is moved


def slopes(job: JobDirectory, enabled: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The derivative of each example's loss by all gates, [examples, layers, heads], by autograd one at a time."""
    spec = spec_of(job, PruneSpec)
    loaded = classifiers.load_trained(files.locate(job, spec.model), CLASSES, "praise")
    collate = Classes(spec.training).collate(loaded.tokenizer)
    rows = []
    for example in read_splits(job, Classes(spec.training), loaded.tokenizer)["train"].items:
        gates = torch.tensor(enabled[None], dtype=torch.float32, requires_grad=True)
        with gated(loaded.model, gates):
            torch.autograd.backward(loaded.model(**collate([example])).loss)  # type: ignore[attr-defined]
        assert gates.grad is not None
        rows.append(gates.grad[0].double().numpy())
    return np.stack(rows)


def means(job: JobDirectory, enabled: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Importances as the job's specification has them, [layers, heads]."""
    every = slopes(job, enabled)
    if spec_of(job, PruneSpec).importance == "batch":
        every = np.array([every[start : start + 4].mean(0) for start in range(0, len(every), 4)])
    return np.asarray(np.abs(every).mean(0))


@pytest.mark.parametrize("settings", [{}, {"importance": "batch"}, {"normalise": "layer"}, {"step": 0.3}], ids=str)
def test_iterations_are_those_of_a_plain_loop(drawn: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    job = planned(tmp_path, drawn, threshold=0.01, anyway=True, **{"step": 1 / 4, **settings})
    run_job(job, OPTIONS)
    enabled = np.ones((2, 2), dtype=bool)
    importance = found(job, "importance")
    for (iteration,), rows in importance.group_by("iteration", maintain_order=True):
        expected = means(job, enabled)
        places = (rows["layer"].to_numpy() - 1, rows["attention_head"].to_numpy() - 1)
        assert sorted(zip(*places, strict=True)) == [tuple(place) for place in np.argwhere(enabled)]
        np.testing.assert_allclose(rows["importance"], expected[places], rtol=1e-4, atol=1e-7)
        if "normalise" in settings:
            expected = expected / np.linalg.norm(expected * enabled, axis=1, keepdims=True)
        ranked = sorted(map(tuple, np.argwhere(enabled)), key=lambda place: expected[place])
        gone = rows.filter("disabled").select(pl.col("layer") - 1, pl.col("attention_head") - 1).rows()
        assert sorted(gone) == sorted(ranked[: len(gone)]), iteration
        for place in gone:
            enabled[place] = False
    assert enabled.sum() == 1
    assert importance["iteration"].max() == 3


class KilledError(BaseException):
    """Stands for a kill."""


class KilledAfter:
    """A progress that ends the work after some advances, and counts pieces of work."""

    def __init__(self, advances: int) -> None:
        self.left = advances
        self.begun: list[str] = []

    def start(self, _: int, __: str, label: str) -> None:
        """A piece of work."""
        self.begun.append(label)

    def advance(self, *_: object, **__: object) -> None:
        """Ends the work, if it is time."""
        self.left -= 1
        if self.left == 0:
            raise KilledError


# one advance measures all heads, two make an iteration
@pytest.mark.parametrize(("advances", "finished"), [(1, 0), (2, 0), (3, 0), (6, 2), (15, 6)])
def test_a_killed_job_ends_as_an_unbroken_one(carried: Path, tmp_path: Path, advances: int, finished: int) -> None:
    whole, broken = (planned(tmp_path / name, carried) for name in ("whole", "broken"))
    run_job(whole, OPTIONS)
    with pytest.raises(KilledError):
        run_job(broken, OPTIONS, KilledAfter(advances))
    assert not broken.outputs.exists()
    assert len(list(broken.work.glob("iteration-*.parquet"))) == finished
    resumed = KilledAfter(1_000)
    run_job(broken, OPTIONS, resumed)
    measured = ["all heads"] if advances == 1 else []
    left = [f"{8 - number} of 8 heads" for number in range(finished + 1, ITERATIONS + 1)]
    assert resumed.begun == measured + left
    for name in ("masks", "steps", "importance"):
        assert found(broken, name).equals(found(whole, name))
    assert broken.read_json("outputs/run.json") == whole.read_json("outputs/run.json")
    assert broken.logged(HeadsDisabled) == whole.logged(HeadsDisabled)


@pytest.mark.parametrize("batch_tokens", [8, 64])
def test_batches_change_nothing(carried: Path, tmp_path: Path, batch_tokens: int) -> None:
    one, other = (planned(tmp_path / name, carried, importance="batch") for name in ("one", "other"))
    run_job(one, OPTIONS)
    run_job(other, ExecuteOptions(device="cpu", threads=1, batch_tokens=batch_tokens))
    for name in ("masks", "steps"):
        assert found(one, name).equals(found(other, name))
    values = [found(job, "importance")["importance"].to_numpy() for job in (one, other)]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-4, atol=1e-9)


def test_a_threshold_that_no_iteration_meets_leaves_all_heads(
    carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([1.0, 0.9])
    monkeypatch.setattr(prune._Pruning, "score", lambda *_: next(scores))
    job = planned(tmp_path, carried)
    run_job(job, OPTIONS)
    assert mask_of(job).enabled == 8
    assert found(job, "steps").rows() == [(1, 7, 0.9, False)]


def test_the_last_mask_at_the_threshold_is_the_subnetwork(
    carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 0.95 is at the threshold: 0.95 of 1
    scores = iter([1.0, 0.97, 0.95, 0.96, 0.949])
    monkeypatch.setattr(prune._Pruning, "score", lambda *_: next(scores))
    job = planned(tmp_path, carried)
    run_job(job, OPTIONS)
    assert found(job, "steps")["kept"].to_list() == [True, True, True, False]
    rows = mask_of(job).rows()
    gone = found(job, "importance").filter(pl.col("disabled") & (pl.col("iteration") <= 3))
    assert [rows[layer - 1][head - 1] for layer, head in gone.select("layer", "attention_head").rows()] == [False] * 3
    assert mask_of(job).enabled == 5


def test_the_heads_of_one_step_are_always_left(carried: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, carried, threshold=0.01, anyway=True, step=0.3)
    run_job(job, OPTIONS)
    assert found(job, "steps")["enabled"].to_list() == [6, 4, 2]
    assert mask_of(job).enabled == 2


def test_a_model_at_chance_is_not_pruned_unless_one_says_so(drawn: Path, tmp_path: Path) -> None:
    job = planned(tmp_path / "refused", drawn)
    with pytest.raises(JobError, match="there is nothing to prune by") as raised:
        execute(job.path, OPTIONS)
    assert "--anyway" in raised.value.hint
    assert job.state() == "failed"
    said = planned(tmp_path / "said", drawn, anyway=True)
    assert said.path.name != job.path.name
    execute(said.path, OPTIONS)
    assert said.state() == "finished"


def test_the_first_examples_are_enough_if_one_says_so(drawn: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, drawn, anyway=True, max_examples=3, step=0.3)
    run_job(job, OPTIONS)
    first = found(job, "importance").filter(iteration=1)["importance"].to_numpy()
    expected = np.abs(slopes(job, np.ones((2, 2), dtype=bool))[:3]).mean(0)
    np.testing.assert_allclose(first, expected.ravel(), rtol=1e-4)
    assert job.read_json("outputs/run.json")["examples"] == 3


def test_derivatives_that_are_not_finite_are_an_error(drawn: Path, tmp_path: Path) -> None:
    import transformers

    folder = tmp_path / "damaged"
    model = transformers.XLMRobertaForSequenceClassification.from_pretrained(drawn)
    model.classifier.out_proj.weight.data[0, 0] = torch.inf
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((drawn / name).read_bytes())
    with pytest.raises(JobError, match="became NaN or infinite"):
        run_job(planned(tmp_path, folder, anyway=True), OPTIONS)


def test_without_development_examples_there_is_nothing_to_measure(carried: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, carried)
    path = job.inputs / "examples.parquet"
    pl.read_parquet(path).filter(split="train").write_parquet(path)
    with pytest.raises(JobError, match="has no development examples in de"):
        run_job(job, OPTIONS, SILENT)
