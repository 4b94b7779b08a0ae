"""Fine-tuning: what the Trainer is fed, resumption to the same weights, checkpoints and metrics."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from resuming import BreaksAfter, BrokenOffError, assert_same_run, taken_up_without_outputs, weights
from workers import corrupted_examples, run_job

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN, sentinel_ids
from mlv.compute.training import course, trainer
from mlv.compute.training.objective import IGNORED
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Continued, SentencesCut

Plan = Callable[..., JobDirectory]


@pytest.fixture(scope="module")
def unbroken(finetune_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A run of three epochs without incident. Tests do not change it."""
    job = finetune_job(tmp_path_factory.mktemp("unbroken"))
    run_job(job, options)
    return job


@pytest.mark.parametrize("max_tokens", [8, 500])
def test_sentences_that_are_cut_off_are_counted_in_the_log(
    finetune_job: Plan, options: ExecuteOptions, tmp_path: Path, max_tokens: int
) -> None:
    job = finetune_job(tmp_path, epochs=2, max_tokens=max_tokens)
    with pytest.raises(BrokenOffError):
        run_job(job, options, BreaksAfter(8))
    run_job(job, options)
    tokenizer = loading.load_tokenizer(job.checkpoints / "epoch-2")
    texts = pl.read_parquet(job.inputs / "examples.parquet")["text"].to_list()
    longer = sum(len(tokenizer(text, add_special_tokens=False)["input_ids"]) > max_tokens for text in texts)
    assert (longer > 0) == (max_tokens == 8)
    noted = [SentencesCut(sentences=longer, of=28, max_tokens=max_tokens)] if longer else []
    assert job.logged(SentencesCut) == noted


# 23 training examples in batches of 4: 6 steps an epoch
@pytest.mark.parametrize("steps", [3, 8, 17])
def test_a_broken_off_job_ends_with_the_weights_of_an_unbroken_one(
    unbroken: JobDirectory, finetune_job: Plan, options: ExecuteOptions, tmp_path: Path, steps: int
) -> None:
    job = finetune_job(tmp_path / "broken")
    with pytest.raises(BrokenOffError):
        run_job(job, options, BreaksAfter(steps))
    finished = [path.name for path in sorted(job.checkpoints.glob("epoch-*"))]
    assert finished == [f"epoch-{epoch}" for epoch in range(1, steps // 6 + 1)]
    run_job(job, options)
    assert_same_run(job, unbroken, epochs=3)


def test_a_job_killed_while_saving_goes_on_from_the_epoch_before(
    unbroken: JobDirectory,
    finetune_job: Plan,
    options: ExecuteOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = finetune_job(tmp_path / "broken")
    publish = trainer.publish

    def breaks_at_the_second(job: JobDirectory, loaded: loading.LoadedModel, epoch: int, adapter: None) -> None:
        if epoch == 2:
            raise BrokenOffError
        publish(job, loaded, epoch)

    with monkeypatch.context() as patched, pytest.raises(BrokenOffError):
        patched.setattr(trainer, "publish", breaks_at_the_second)
        run_job(job, options)
    assert [path.name for path in job.checkpoints.iterdir()] == ["epoch-1"]
    run_job(job, options)
    assert [event.step for event in job.logged(Continued)] == [6]
    assert_same_run(job, unbroken, epochs=3)


KILLED = """
import os, signal, sys
from pathlib import Path
from mlv.compute.machine.options import ExecuteOptions, Silent
from mlv.compute.running.execute import execute

class Killer(Silent):
    steps = 0
    def advance(self, amount, **info):
        self.steps += amount
        if self.steps > 8:
            os.kill(os.getpid(), signal.SIGKILL)

execute(Path(sys.argv[1]), ExecuteOptions(device="cpu", threads=1), Killer())
"""


def test_a_process_killed_without_warning_leaves_a_job_that_resumes(
    unbroken: JobDirectory, finetune_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path / "broken")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(job.path)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert job.state() == "running"
    run_job(job, options)
    assert_same_run(job, unbroken, epochs=3)


def test_a_finished_training_whose_outputs_are_missing_is_not_repeated(
    unbroken: JobDirectory, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = taken_up_without_outputs(unbroken, options, tmp_path)
    assert_same_run(job, unbroken, epochs=3)


def test_the_trainer_is_fed_the_examples_that_can_be_rebuilt(
    finetune_job: Plan, options: ExecuteOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[tuple[bool, list[tuple[list[int], list[int]]]]] = []
    job = finetune_job(tmp_path, epochs=2)
    compute_loss = trainer.OrderedTrainer.compute_loss

    def capturing(self: Any, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        rows = [
            (ids[mask.bool()].tolist(), labels[labels != IGNORED].tolist())
            for ids, mask, labels in zip(inputs["input_ids"], inputs["attention_mask"], inputs["labels"], strict=True)
        ]
        fed.append((model.training, rows))
        return compute_loss(self, model, inputs, *rest, **named)

    monkeypatch.setattr(trainer.OrderedTrainer, "compute_loss", capturing)
    run_job(job, options)
    trained = [row for training_step, rows in fed if training_step for row in rows]
    evaluated = [row for training_step, rows in fed if not training_step for row in rows]
    assert len(trained) == 2 * 23
    for epoch in (1, 2):
        rebuilt = [tuple(row.tolist() for row in pair) for pair in corrupted_examples(job, epoch)]
        order = course.epoch_order(1, epoch, 23)
        assert trained[(epoch - 1) * 23 : epoch * 23] == [rebuilt[index] for index in order]
    development = [tuple(row.tolist() for row in pair) for pair in corrupted_examples(job, 2, "development")]
    assert evaluated == development * 2


def test_with_t5s_mask_every_sentence_loses_its_end(finetune_job: Plan, tmp_path: Path, tokenizer: Any) -> None:
    sentinels = set(sentinel_ids(tokenizer))
    for mask, ends in (("t5", {True}), ("anywhere", {True, False})):
        job = finetune_job(tmp_path / mask, mask=mask)
        found = {corrupted.inputs[-2] in sentinels for epoch in (1, 2) for corrupted in corrupted_examples(job, epoch)}
        assert found == ends


def test_epochs_differ_in_order_and_in_corruption(finetune_job: Plan, tmp_path: Path) -> None:
    job = finetune_job(tmp_path)
    first, second = (corrupted_examples(job, epoch) for epoch in (1, 2))
    changed = [a.inputs.tolist() != b.inputs.tolist() for a, b in zip(first, second, strict=True)]
    assert sum(changed) > len(changed) / 2
    assert course.epoch_order(1, 1, 23).tolist() != course.epoch_order(1, 2, 23).tolist()


def test_the_seed_decides_the_result(
    unbroken: JobDirectory, finetune_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    other = finetune_job(tmp_path / "other", seed=2)
    run_job(other, options)
    same, different = weights(unbroken, 1), weights(other, 1)
    assert any((same[name] != different[name]).any() for name in same)


def test_checkpoints_are_listed_with_their_digests_and_load(unbroken: JobDirectory) -> None:
    listed = pl.read_parquet(unbroken.outputs / "checkpoints.parquet")
    assert listed.select("epoch", "step", "is_final", "path").rows() == [
        (1, 6, False, "checkpoints/epoch-1"),
        (2, 12, False, "checkpoints/epoch-2"),
        (3, 18, True, "checkpoints/epoch-3"),
    ]
    for row in listed.iter_rows(named=True):
        assert files.resolve(str(unbroken.path / row["path"])).digest == row["digest"]
    loaded = loading.load(unbroken.path / "checkpoints" / "epoch-3", SPAN)
    assert loaded.model.get_output_embeddings().weight is not loaded.model.get_input_embeddings().weight
    assert loaded.model.config.tie_word_embeddings is False


def test_metrics_hold_losses_and_speed_of_every_epoch(unbroken: JobDirectory) -> None:
    metrics = pl.read_parquet(unbroken.outputs / "metrics.parquet")
    for name in ("eval_loss", "examples_per_second"):
        assert metrics.filter(pl.col("name") == name).select("epoch", "step").rows() == [(1.0, 6), (2.0, 12), (3.0, 18)]
    losses = metrics.filter(pl.col("name") == "loss")
    assert losses["step"].to_list() == list(range(1, 19))
    # near a uniform guess over the vocabulary at the start, nats per token
    assert abs(losses["value"][0] - math.log(512)) < 3
    assert metrics.filter(pl.col("name") == "eval_loss")["value"].is_finite().all()


def test_only_the_newest_training_state_is_kept(unbroken: JobDirectory) -> None:
    assert [path.name for path in unbroken.work.iterdir()] == ["state-18"]
    assert not list(unbroken.checkpoints.glob(".*"))


def test_a_loss_that_is_no_number_stops_the_job_before_its_weights_are_kept(
    finetune_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path, learning_rate=1e30)
    with pytest.raises(JobError, match=r"loss of finetune-.* became (nan|inf)") as caught:
        run_job(job, options)
    assert "learning rate" in caught.value.hint
    assert not list(job.checkpoints.glob("epoch-*"))


def test_sentences_are_cut_off_at_the_longest_length(finetune_job: Plan, tmp_path: Path) -> None:
    job = finetune_job(tmp_path, max_tokens=5)
    for corrupted in corrupted_examples(job, 1):
        # 5 tokens, one sentinel on each side and perhaps a closing one, and the ends of sequence
        assert len(corrupted.inputs) + len(corrupted.targets) <= 5 + 3 + 2


def test_a_job_without_development_sentences_trains_all_the_same(
    finetune_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path, epochs=1)
    path = job.inputs / "examples.parquet"
    pl.read_parquet(path).with_columns(split=pl.lit("train")).write_parquet(path)
    run_job(job, options)
    metrics = pl.read_parquet(job.outputs / "metrics.parquet")
    assert set(metrics["name"]) == {"loss", "examples_per_second"}


def test_a_job_without_training_sentences_is_refused(
    finetune_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path)
    path = job.inputs / "examples.parquet"
    pl.read_parquet(path).with_columns(split=pl.lit("development")).write_parquet(path)
    with pytest.raises(JobError, match="no training examples"):
        run_job(job, options)
