"""Training classifiers: their heads, resumption to the bit, what they are asked, and their gradients."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from classifying import assert_same, examples, planned, weights
from exact_gradients import Exact
from tiny_encoder import save_encoder, tiny_tokenizer
from workers import run_job

from mlv.compute.attribution.gradients import Tracer
from mlv.compute.attribution.sinks import Directions, FeatureSink
from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions
from mlv.compute.models import classifiers, loading
from mlv.compute.training import course
from mlv.compute.training.classes import Classes
from mlv.compute.training.objective import read_splits
from mlv.schema.errors import DataError
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.directory import JobDirectory

OPTIONS = ExecuteOptions(device="cpu", threads=1)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("models") / "encoder")


def objective_of(job: JobDirectory, **changes: Any) -> Classes:
    spec = job.spec()
    assert isinstance(spec, ClassifySpec)
    return Classes(spec.model_copy(update=changes))


def test_a_new_head_is_that_of_its_seed(encoder: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, encoder)
    heads = []
    for seed in (1, 1, 2):
        objective = objective_of(job, seed=seed)
        loaded = objective.load(encoder, "cpu")
        assert set(loaded.drawn) == {
            f"classifier.{part}.{kind}" for part in ("dense", "out_proj") for kind in ("weight", "bias")
        }
        objective.begin(loaded)
        heads.append(loaded.model.state_dict()["classifier.dense.weight"].numpy().copy())
    np.testing.assert_array_equal(heads[0], heads[1])
    assert not np.array_equal(heads[0], heads[2])
    # 1,024 draws of a normal distribution
    assert abs(heads[0].std() - 0.02) < 0.002
    assert abs(heads[0].mean()) < 0.003


def test_an_interrupted_job_ends_with_the_weights_of_an_unbroken_one(encoder: Path, tmp_path: Path) -> None:
    whole, broken = (planned(tmp_path / name, encoder) for name in ("whole", "broken"))
    run_job(whole, OPTIONS)

    class Ends:
        """Breaks off in the second epoch."""

        def __init__(self) -> None:
            self.steps = 0

        def start(self, *_: object) -> None:
            """Nothing."""

        def advance(self, *_: object, **__: object) -> None:
            self.steps += 1
            if self.steps == 11:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(broken, OPTIONS, Ends())
    assert not broken.outputs.exists()
    run_job(broken, OPTIONS)
    for epoch in (1, 2):
        assert_same(*(weights(job.checkpoints / f"epoch-{epoch}") for job in (whole, broken)))
    measured = [pl.read_parquet(job.outputs / "metrics.parquet") for job in (whole, broken)]
    assert measured[0].filter(name="eval_accuracy").equals(measured[1].filter(name="eval_accuracy"))


def test_patience_ends_training_and_the_best_accuracy_is_final(encoder: Path, tmp_path: Path) -> None:
    # nothing is learnt at this rate: the first epoch is as good as all others
    job = planned(tmp_path, encoder, epochs=5, learning_rate=1e-9, patience=2)
    run_job(job, OPTIONS)
    made = pl.read_parquet(job.outputs / "checkpoints.parquet")
    assert made.select("epoch", "is_final").rows() == [(1, True), (2, False), (3, False)]


def test_all_examples_trained_again_give_the_weights_of_the_run(encoder: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, encoder)
    run_job(job, OPTIONS)
    runtime.prepare("cpu", 1, 0)
    objective = objective_of(job)
    loaded = objective.load(encoder, "cpu")
    objective.begin(loaded)
    splits = read_splits(job, objective, loaded.tokenizer)
    course.retrain(job, objective, loaded, splits, np.ones(30, dtype=bool), 2, SILENT, "retraining")
    last = classifiers.load(job.checkpoints / "epoch-2", ("negative", "positive"), "praise")
    assert_same(*({name: value.numpy() for name, value in one.model.state_dict().items()} for one in (loaded, last)))


def test_frozen_embeddings_stay_as_they_were(encoder: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, encoder, freeze=("embeddings",), epochs=1)
    run_job(job, OPTIONS)
    before, after = weights(encoder), weights(job.checkpoints / "epoch-1")
    embeddings = [name for name in after if ".embeddings." in name]
    assert len(embeddings) == 5
    assert_same({name: before[name] for name in embeddings}, {name: after[name] for name in embeddings})
    moved = "roberta.encoder.layer.0.attention.self.query.weight"
    assert not np.array_equal(before[moved], after[moved])


@pytest.mark.parametrize("batch_tokens", [1, 30, 4096])
def test_logits_are_those_of_one_text_at_a_time(encoder: Path, tmp_path: Path, batch_tokens: int) -> None:
    objective = objective_of(planned(tmp_path, encoder))
    loaded = objective.load(encoder, "cpu")
    objective.begin(loaded)
    texts = examples(pairs=True)
    encoded, _ = classifiers.encode(texts, loaded.tokenizer, 128)
    tokenizer: Any = loaded.tokenizer
    with torch.inference_mode():
        alone = [
            loaded.model(**tokenizer(row["text"], row["text_pair"], return_tensors="pt")).logits[0].tolist()
            for row in texts.iter_rows(named=True)
        ]
    np.testing.assert_allclose(classifiers.logits(loaded, encoded, batch_tokens), alone, atol=1e-6)


def test_long_pairs_are_cut_and_counted(encoder: Path) -> None:
    tokenizer = loading.load_tokenizer(encoder)
    texts = pl.DataFrame({"text": ["w1 " * 20, "w1"], "text_pair": ["w2 w3", "w2"]})
    encoded, cut = classifiers.encode(texts, tokenizer, 12)
    assert cut == 1
    assert len(encoded[0].tokens) == 12
    assert tokenizer.convert_ids_to_tokens(encoded[0].tokens)[-3:] == ["w2", "w3", "</s>"]


def test_the_rows_of_examples_have_the_gradients_of_training(encoder: Path, tmp_path: Path) -> None:
    objective = objective_of(planned(tmp_path, encoder, pairs=True))
    loaded = objective.load(encoder, "cpu")
    objective.begin(loaded)
    frame = examples(pairs=True).head(5)
    rows = objective.example_rows(objective.tokenise(frame, loaded.tokenizer), loaded.tokenizer, {2: 1.0})
    exact = Exact(loaded.model)
    expected = [exact.gradients(row[0])["classifier.out_proj.weight"].numpy() for row in rows]
    np.testing.assert_allclose(_traced(loaded.model, rows), [one.ravel() for one in expected], atol=1e-6)
    asked = objective.ask(loaded, frame.with_columns(question="parallel_key", answer="class_number"), 2048)
    own = [asked[place, number - 1] for place, number in enumerate(frame["class_number"])]
    np.testing.assert_allclose(own, [exact.logprob(row[0]) for row in rows], atol=1e-6)


def _traced(model: Any, rows: Sequence[Sequence[Any]]) -> Any:
    """Gradients of the output layer, [examples, features]."""
    tracer = Tracer(model, ("output",))
    whole = {parameter.name: Directions(None, None) for parameter in tracer.parameters}
    sink = FeatureSink(tracer.parameters, whole, "cpu")
    tracer.trace([row[0] for row in rows], sink)
    start, height, width = sink.places["classifier.out_proj.weight"]
    return sink.features[:, start : start + height * width].numpy()


def test_what_is_no_fitting_model_is_refused(encoder: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, encoder, epochs=1)
    run_job(job, OPTIONS)
    made = job.checkpoints / "epoch-1"
    with pytest.raises(DataError, match=r"a classifier over 2 classes \(negative, positive\), and the task has 3"):
        classifiers.load(made, ("a", "b", "c"), "other")
    with pytest.raises(DataError, match="holds an encoder without a classifier"):
        classifiers.load_trained(encoder, ("negative", "positive"), "praise")


def test_a_classifier_of_two_classes_without_names_is_one(encoder: Path, tmp_path: Path) -> None:
    config = transformers.AutoConfig.from_pretrained(encoder)
    transformers.XLMRobertaForSequenceClassification(config).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    assert "id2label" not in json.loads((tmp_path / "config.json").read_text())
    assert not classifiers.load(tmp_path, ("no", "yes"), "task").drawn
    with pytest.raises(DataError, match=r"a classifier over 2 classes \(LABEL_0, LABEL_1\), and the task has 3"):
        classifiers.load(tmp_path, ("no", "yes", "perhaps"), "task")
