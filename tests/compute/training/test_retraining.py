"""Retraining: the run's own weights from all examples, the run's own examples and order from some, and resumption."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from workers import corrupted_examples, run_job, spec_of

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions
from mlv.compute.machine.streams import FloatArray
from mlv.compute.models import loading, scoring
from mlv.compute.models.families import SPAN
from mlv.compute.training import course, retraining, trainer
from mlv.compute.training.corruption import BoolArray
from mlv.compute.training.objective import IGNORED, read_splits
from mlv.compute.training.retraining import Retrainer, Retraining
from mlv.compute.training.spans import Spans
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Retrained
from mlv.schema.jobs.finetune import FinetuneSpec

Plan = Callable[..., JobDirectory]
EXAMPLES = 23
"""Training examples of the planned runs."""


def without(*left_out: int) -> BoolArray:
    """Which training examples are kept."""
    kept: BoolArray = ~np.isin(np.arange(EXAMPLES), left_out)
    return kept


def trained_again(job: JobDirectory, model: Path, kept: BoolArray, **settings: Any) -> loading.LoadedModel:
    """``model`` trained as the run of ``job``, or one of other settings, on the examples that are kept."""
    runtime.prepare("cpu", 1, 0)
    loaded = loading.load(model, SPAN)
    spec = spec_of(job, FinetuneSpec).model_copy(update=settings)
    splits = read_splits(job, Spans(spec), loaded.tokenizer)
    course.retrain(job, Spans(spec), loaded, splits, kept, spec.epochs, SILENT, "retraining")
    return loaded


def assert_same_weights(one: loading.LoadedModel, other: loading.LoadedModel) -> None:
    """Bitwise the same weights."""
    first, second = one.model.state_dict(), other.model.state_dict()
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value.numpy(), second[name].numpy(), err_msg=name)


@pytest.fixture(scope="module")
def finetuned(finetune_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A run of three epochs with dropout. Tests do not change it."""
    job = finetune_job(tmp_path_factory.mktemp("finetuned"))
    run_job(job, options)
    return job


@pytest.fixture
def planned(finetune_job: Plan, tmp_path: Path) -> JobDirectory:
    """The same run, not yet run: a job directory for retraining."""
    return finetune_job(tmp_path)


def test_all_examples_give_the_weights_of_the_run(
    finetuned: JobDirectory, planned: JobDirectory, official_mt5: Path
) -> None:
    again = trained_again(planned, official_mt5, without())
    config: Any = again.model.config
    assert config.dropout_rate > 0
    assert not again.model.training
    assert_same_weights(again, loading.load(finetuned.checkpoints / "epoch-3", SPAN))


def test_all_examples_give_the_weights_of_a_run_without_development(
    finetune_job: Plan, options: ExecuteOptions, official_mt5: Path, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path, epochs=2)
    path = job.inputs / "examples.parquet"
    pl.read_parquet(path).filter(pl.col("split") == "train").write_parquet(path)
    again = trained_again(job, official_mt5, without())
    run_job(job, options)
    assert_same_weights(again, loading.load(job.checkpoints / "epoch-2", SPAN))


def test_what_was_trained_before_does_not_matter(planned: JobDirectory, official_mt5: Path) -> None:
    once = trained_again(planned, official_mt5, without(3), epochs=1)
    trained_again(planned, official_mt5, without(4, 5), epochs=1, seed=9)
    assert_same_weights(once, trained_again(planned, official_mt5, without(3), epochs=1))


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[tuple[list[int], list[int]]], float]]:
    """Inputs and targets of every training batch, and the learning rate of its step."""
    batches: list[tuple[list[tuple[list[int], list[int]]], float]] = []
    compute_loss = trainer.OrderedTrainer.compute_loss

    def capturing(self: Any, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        if model.training:
            rows = [
                (ids[mask.bool()].tolist(), labels[labels != IGNORED].tolist())
                for ids, mask, labels in zip(
                    inputs["input_ids"], inputs["attention_mask"], inputs["labels"], strict=True
                )
            ]
            batches.append((rows, self.lr_scheduler.get_last_lr()[0]))
        return compute_loss(self, model, inputs, *rest, **named)

    monkeypatch.setattr(trainer.OrderedTrainer, "compute_loss", capturing)
    return batches


def test_a_part_is_fed_as_the_run_fed_it_with_a_schedule_of_fewer_steps(
    planned: JobDirectory, official_mt5: Path, fed: list[tuple[list[tuple[list[int], list[int]]], float]]
) -> None:
    left_out = {0, 7, 8, 15, 22}
    trained_again(planned, official_mt5, without(*left_out))
    expected = []
    for epoch in (1, 2, 3):
        rebuilt = [tuple(row.tolist() for row in pair) for pair in corrupted_examples(planned, epoch)]
        order = [index for index in course.epoch_order(1, epoch, EXAMPLES) if index not in left_out]
        # 18 examples in batches of 4
        expected += [[rebuilt[index] for index in order[start : start + 4]] for start in range(0, 18, 4)]
    assert [batch for batch, _ in fed] == expected
    assert [rate for _, rate in fed] == pytest.approx([1e-3 * (1 - step / 15) for step in range(15)])


def test_another_seed_changes_corruption_and_order(
    planned: JobDirectory, official_mt5: Path, fed: list[tuple[list[tuple[list[int], list[int]]], float]]
) -> None:
    for seed in (1, 2):
        trained_again(planned, official_mt5, without(5), seed=seed, epochs=1)
    one, other = ([row for batch, _ in half for row in batch] for half in (fed[:6], fed[6:]))
    assert len(one) == len(other) == 22
    assert one != other
    assert sorted(one) != sorted(other)


def test_nothing_of_a_retraining_is_kept(planned: JobDirectory, official_mt5: Path) -> None:
    trained_again(planned, official_mt5, without(1), epochs=1)
    assert not planned.checkpoints.exists()
    assert not list(planned.work.rglob("*.safetensors"))
    assert not list(planned.work.rglob("optimizer*"))


def test_the_kept_order_leaves_examples_out_of_the_epochs_order() -> None:
    kept = np.array([True, False, True, True, False, True])
    order = course.epoch_order(4, 2, 6).tolist()
    indices = {0: 0, 2: 1, 3: 2, 5: 3}
    assert course.kept_order(4, 2, kept).tolist() == [indices[index] for index in order if index in indices]
    assert course.kept_order(4, 2, np.ones(6, dtype=bool)).tolist() == order


def test_a_retrained_model_answers_as_its_checkpoint_does_and_the_start_stays(
    finetuned: JobDirectory,
    planned: JobDirectory,
    official_mt5: Path,
    probe_frame: pl.DataFrame,
    options: ExecuteOptions,
) -> None:
    start = loading.load(official_mt5, SPAN)
    objective = Spans(spec_of(planned, FinetuneSpec))
    splits = read_splits(planned, objective, start.tokenizer)
    retrain = Retrainer(planned, objective, objective.spec.epochs, start, splits, probe_frame, options, SILENT)
    answers = retrain(Retraining("full", "full", 1, without()), "")
    probes = scoring.tokenise(probe_frame, start.tokenizer)
    scores = scoring.score(loading.load(finetuned.checkpoints / "epoch-3", SPAN), probes, options.batch_tokens)
    expected = [row["logprob_sum"] / row["tokens"] for row in scores.iter_rows(named=True)]
    np.testing.assert_array_equal(answers.ravel(), expected)
    assert_same_weights(start, loading.load(official_mt5, SPAN))


def test_answers_are_written_once_a_model_and_finished_ones_are_not_trained_again(planned: JobDirectory) -> None:
    targets = pl.DataFrame({"question": ["1", "2"], "language": ["en", "ko"], "answer": [1, 2]})
    trained: list[tuple[str, str]] = []

    def retrain(plan: Retraining, label: str) -> FloatArray:
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append((plan.id, label))
        return np.array([[-1.0, -3.0], [-2.0, -2.0]]) * plan.seed

    plans = [Retraining("a", "half", 1, without(1, 2)), Retraining("b", "removal", 2, without(3))]
    with pytest.raises(KeyboardInterrupt):
        retraining.retrain_all(planned, plans, targets, retrain)
    trained.append(("broken off", ""))
    answers = retraining.retrain_all(planned, plans, targets, retrain)
    assert trained == [("a", "retraining 1 of 2"), ("broken off", ""), ("b", "retraining 2 of 2")]
    expected = [
        # the softmax of -1 and -3, and of -2 and -6
        ("a", "half", 1, 2, "1", "en", 1, -1.0, np.exp(-1) / (np.exp(-1) + np.exp(-3))),
        ("a", "half", 1, 2, "1", "en", 2, -3.0, np.exp(-3) / (np.exp(-1) + np.exp(-3))),
        ("a", "half", 1, 2, "2", "ko", 1, -2.0, 0.5),
        ("a", "half", 1, 2, "2", "ko", 2, -2.0, 0.5),
        ("b", "removal", 2, 1, "1", "en", 1, -2.0, np.exp(-2) / (np.exp(-2) + np.exp(-6))),
        ("b", "removal", 2, 1, "1", "en", 2, -6.0, np.exp(-6) / (np.exp(-2) + np.exp(-6))),
        ("b", "removal", 2, 1, "2", "ko", 1, -4.0, 0.5),
        ("b", "removal", 2, 1, "2", "ko", 2, -4.0, 0.5),
    ]
    assert_frame_equal(answers, pl.DataFrame(expected, schema=retraining.ANSWERS, orient="row"))
    assert [(event.id, event.left_out) for event in planned.logged(Retrained)] == [("a", 2), ("b", 1)]


def test_targets_that_cannot_be_asked_are_all_named(planned: JobDirectory, tokenizer: Any) -> None:
    rows = [("1", "en", "[MASK]", "work", "  "), ("2", "ko", "[MASK]", "life", "life"), ("3", "en", "[MASK]", "a", "b")]
    frame = pl.DataFrame(rows, schema=list(scoring.COLUMNS), orient="row")
    with pytest.raises(JobError, match=r"1 \(en\): the second answer has no tokens; 2 \(ko\): both answers tokenise"):
        Spans(spec_of(planned, FinetuneSpec)).check(frame, tokenizer)


def test_a_model_trained_in_bf16_answers_in_fp32(
    planned: JobDirectory, official_mt5: Path, probe_frame: pl.DataFrame
) -> None:
    loaded = trained_again(planned, official_mt5, without(1), precision="bf16", epochs=1)
    objective = Spans(spec_of(planned, FinetuneSpec))
    fresh = loading.load(official_mt5, SPAN)
    model: Any = fresh.model
    model.load_state_dict(loaded.model.state_dict())
    np.testing.assert_array_equal(*(objective.ask(one, probe_frame, 2048).tolist() for one in (loaded, fresh)))
