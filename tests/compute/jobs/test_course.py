"""The course of a training: accumulated batches, schedules, weight decay and early stopping, and that it resumes."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from resuming import BreaksAfter, BrokenOffError, StopsAfter, assert_same_run, taken_up_without_outputs, weights
from workers import run_job, spec_of

from mlv.compute.attribution.weights import epoch_weights
from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions
from mlv.compute.machine.stopping import StoppedError
from mlv.compute.models import loading
from mlv.compute.models.families import SPAN
from mlv.compute.training import course, trainer
from mlv.compute.training.objective import read_splits
from mlv.compute.training.spans import Spans
from mlv.schema.errors import JobError
from mlv.schema.jobs.attribution import Gradients
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Continued, EndedEarly
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.training import Schedule

Plan = Callable[..., JobDirectory]

# 23 training examples in batches of 4, two of which are a step: 3 steps an epoch
COURSE = {"gradient_accumulation": 2, "schedule": "cosine", "warmup": 0.2, "weight_decay": 0.1}
LOSSES = (3.0, 2.0, 2.0, 2.5, 1.0, 1.0)
"""Development losses after each epoch, as these tests have them: training that waits for 2 epochs ends after 4."""


@pytest.fixture(scope="module", autouse=True)
def _losses_are_known() -> object:
    log = trainer.OrderedTrainer.log

    def known(self: Any, logs: dict[str, float], *rest: Any) -> None:
        if "eval_loss" in logs:
            logs["eval_loss"] = LOSSES[round(self.state.epoch) - 1]
        log(self, logs, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer.OrderedTrainer, "log", known)
        yield


@pytest.fixture(scope="module")
def ended(finetune_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A run of six planned epochs that ended after four, without incident. Tests do not change it."""
    job = finetune_job(tmp_path_factory.mktemp("ended"), epochs=6, patience=2, **COURSE)
    run_job(job, options)
    return job


def checkpoints(job: JobDirectory) -> list[tuple[Any, ...]]:
    """Epoch and step of the checkpoints of a run, and which is final."""
    return pl.read_parquet(job.outputs / "checkpoints.parquet").select("epoch", "step", "is_final").rows()


def test_training_ends_when_the_loss_has_not_fallen_for_long_and_the_best_checkpoint_is_final(
    ended: JobDirectory,
) -> None:
    # the third epoch's loss is as low as the second's, and not lower
    assert checkpoints(ended) == [(1, 3, False), (2, 6, True), (3, 9, False), (4, 12, False)]
    assert ended.logged(EndedEarly) == [EndedEarly(epoch=4, best=2)]
    assert sorted(path.name for path in ended.checkpoints.iterdir()) == [f"epoch-{epoch}" for epoch in (1, 2, 3, 4)]
    metrics = pl.read_parquet(ended.outputs / "metrics.parquet")
    assert metrics.filter(pl.col("name") == "eval_loss").select("epoch", "value").rows() == [
        (1.0, 3.0), (2.0, 2.0), (3.0, 2.0), (4.0, 2.5)
    ]  # fmt: skip
    speeds = metrics.filter(pl.col("name") == "examples_per_second")
    assert speeds["step"].to_list() == [3, 6, 9, 12]


def test_the_best_checkpoint_is_final_though_training_went_on_to_its_end(
    finetune_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path, epochs=3, batch_size=23, patience=5)
    run_job(job, options)
    assert checkpoints(job) == [(1, 1, False), (2, 2, True), (3, 3, False)]
    assert not job.logged(EndedEarly)


def test_without_a_loss_to_watch_nothing_is_trained(
    finetune_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path, patience=1)
    path = job.inputs / "examples.parquet"
    pl.read_parquet(path).filter(pl.col("split") == "train").write_parquet(path)
    with pytest.raises(JobError, match="no development examples"):
        run_job(job, options)


# in the second epoch, and in the fourth, when the loss has not fallen for one
@pytest.mark.parametrize("steps", [4, 11])
def test_a_broken_off_job_ends_where_and_as_an_unbroken_one(
    ended: JobDirectory, finetune_job: Plan, options: ExecuteOptions, tmp_path: Path, steps: int
) -> None:
    job = finetune_job(tmp_path, epochs=6, patience=2, **COURSE)
    with pytest.raises(BrokenOffError):
        run_job(job, options, BreaksAfter(steps))
    run_job(job, options)
    assert_same_run(job, ended, epochs=4)
    assert checkpoints(job) == checkpoints(ended)


def test_a_job_that_is_told_to_stop_goes_on_between_two_steps_of_accumulated_batches(
    ended: JobDirectory, finetune_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path, epochs=6, patience=2, **COURSE)
    for told in (2, 6):
        with pytest.raises(StoppedError):
            run_job(job, options, StopsAfter(told))
    # told at the step after which it ends
    run_job(job, options, StopsAfter(4))
    assert [event.step for event in job.logged(Continued)] == [2, 8]
    assert_same_run(job, ended, epochs=4)
    assert checkpoints(job) == checkpoints(ended)


def test_a_training_that_ended_early_is_not_taken_up_for_its_missing_outputs(
    ended: JobDirectory, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = taken_up_without_outputs(ended, options, tmp_path)
    assert_same_run(job, ended, epochs=4)
    assert checkpoints(job) == checkpoints(ended)
    assert len(job.logged(EndedEarly)) == 1


def test_all_examples_give_the_weights_of_the_final_checkpoint(
    ended: JobDirectory, finetune_job: Plan, official_mt5: Path, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path)
    runtime.prepare("cpu", 1, 0)
    again, spec = loading.load(official_mt5, SPAN), spec_of(ended, FinetuneSpec)
    splits = read_splits(ended, Spans(spec), again.tokenizer)
    course.retrain(job, Spans(spec), again, splits, np.ones(23, dtype=bool), 2, SILENT, "retraining")
    expected = weights(ended, 2)
    found = again.model.state_dict()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name].numpy(), value, err_msg=name)


# Steps -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def undropped(official_mt5: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model without dropout."""
    folder = Path(shutil.copytree(official_mt5, tmp_path_factory.mktemp("models") / "undropped"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "dropout_rate": 0.0}))
    return folder


def trainer_of(job: JobDirectory, model: Path, **settings: Any) -> Any:
    """The Trainer of a job, for a model; it saves nothing."""
    runtime.prepare("cpu", 1, 0)
    loaded = loading.load(model, SPAN)
    spec = spec_of(job, FinetuneSpec).model_copy(update=settings)
    splits = read_splits(job, Spans(spec), loaded.tokenizer)
    return course.make_trainer(
        job, Spans(spec), loaded, splits, lambda epoch: course.epoch_order(1, epoch, 23), SILENT, None
    )


def trained(job: JobDirectory, model: Path, **settings: Any) -> Any:
    """:func:`trainer_of`, after its training."""
    made = trainer_of(job, model, **settings)
    made.train()
    return made


def test_accumulated_batches_are_one_batch(finetune_job: Plan, undropped: Path, tmp_path: Path) -> None:
    job = finetune_job(tmp_path, epochs=1)
    # 12 examples and 11
    logs = [
        [entry for entry in trained(job, undropped, **settings).state.log_history if "grad_norm" in entry]
        for settings in ({"batch_size": 12}, {"batch_size": 4, "gradient_accumulation": 3})
    ]
    assert [entry["step"] for entry in logs[1]] == [1, 2]
    for one, other in zip(*logs, strict=True):
        # means over the target tokens of a step, and not of the means of its batches
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert other["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-3)


def test_weight_decay_shrinks_weights_but_not_norms_and_position_biases(
    finetune_job: Plan, undropped: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file

    job = finetune_job(tmp_path, epochs=1, batch_size=23)
    plain, decayed = (trained(job, undropped, weight_decay=decay).model.state_dict() for decay in (None, 0.5))
    for name, start in load_file(undropped / "model.safetensors").items():
        change = (decayed[name] - plain[name]).numpy()
        # AdamW: by the rate times the decay times the weight, 1e-3 at the first step
        expected = np.zeros_like(start) if "norm" in name or "bias" in name else -1e-3 * 0.5 * start
        np.testing.assert_allclose(change, expected, atol=1e-6, err_msg=name)


# Learning rates --------------------------------------------------------------------------------------------------

SCHEDULES: list[tuple[Schedule, float]] = [
    ("linear", 0.1), ("constant", 0.25), ("constant", 0.0), ("cosine", 0.0), ("cosine", 0.4)
]  # fmt: skip


def rate(schedule: Schedule, warmup: float, step: int, steps: int) -> float:
    """The learning rate of a step, from 0, in units of the highest."""
    rising = math.ceil(warmup * steps)
    if step < rising:
        return step / rising
    done = (step - rising) / (steps - rising)
    return {"linear": 1 - done, "constant": 1.0, "cosine": (1 + math.cos(math.pi * done)) / 2}[schedule]


@pytest.mark.parametrize(("schedule", "warmup"), SCHEDULES)
def test_the_learning_rate_goes_as_planned(
    finetune_job: Plan, official_mt5: Path, tmp_path: Path, schedule: Schedule, warmup: float
) -> None:
    made = trainer_of(finetune_job(tmp_path), official_mt5, schedule=schedule, warmup=warmup)
    made.create_optimizer_and_scheduler(18)
    found = []
    for _ in range(18):
        found.append(made.lr_scheduler.get_last_lr()[0])
        made.optimizer.step()
        made.lr_scheduler.step()
    assert found == pytest.approx([1e-3 * rate(schedule, warmup, step, 18) for step in range(18)])


@pytest.mark.parametrize(("schedule", "warmup"), SCHEDULES)
def test_corruptions_count_by_the_rate_they_met(ended: JobDirectory, schedule: Schedule, warmup: float) -> None:
    training = spec_of(ended, FinetuneSpec).model_copy(update={"schedule": schedule, "warmup": warmup})
    steps = 1000
    means = np.array([rate(schedule, warmup, step, 6 * steps) for step in range(6 * steps)]).reshape(6, steps).mean(1)
    for epoch in (2, 6):
        expected = dict(enumerate(means[:epoch] / means[:epoch].sum(), start=1))
        assert epoch_weights(training, Gradients(), epoch) == pytest.approx(expected, abs=1e-3)


def test_the_schedule_is_that_of_all_planned_epochs(ended: JobDirectory) -> None:
    (state,) = ended.work.glob("state-*/trainer_state.json")
    logged = [entry["learning_rate"] for entry in json.loads(state.read_text())["log_history"] if "loss" in entry]
    assert logged == pytest.approx([1e-3 * rate("cosine", 0.2, step, 18) for step in range(12)])
