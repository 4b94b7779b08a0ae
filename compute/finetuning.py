"""Fine-tuning by span corruption (E section 4.2, appendix B) with the transformers Trainer.

Reads ``inputs/examples.parquet``; leaves ``checkpoints/epoch-N`` for every epoch, ``outputs/checkpoints.parquet``,
``outputs/metrics.parquet`` and ``outputs/model.json``. The paper's settings are the specification's defaults;
everything else is the Trainer's default: linear decay without warmup, no weight decay, gradients clipped at norm 1.

A training example is corrupted afresh in every epoch and can be rebuilt (:func:`corrupted_examples`); the development
examples have one corruption, that of epoch 0, so that their losses compare over epochs. The order of the training
examples is a permutation keyed by (seed, epoch). A killed job resumes from its last finished epoch, one that was told
to stop from where it was, and either ends with the weights of an unbroken run. :func:`retrain` trains as a run did
without some of its examples.
"""

import math
from collections.abc import Callable
from itertools import compress
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from mlv.compute import models, runtime
from mlv.compute.corruption import BoolArray, Corrupted, SpanCorruption, sentinel_ids
from mlv.compute.files import read_table, write_table
from mlv.compute.options import SILENT, ExecuteOptions, Progress
from mlv.compute.streams import IntArray, Purpose, Stream
from mlv.schema.errors import JobError
from mlv.schema.jobs import FinetuneSpec, JobDirectory, write_json

COLUMNS: Final = (
    "position",
    "split",
    "source",
    "language",
    "edition",
    "segment_position",
    "parallel_key",
    "text",
)
DEVELOPMENT_EPOCH: Final = 0
"""Epoch whose corruption the development examples have, always."""


class Examples(NamedTuple):
    """One split, tokenised."""

    positions: list[int]
    tokens: list[IntArray]


def run(job: JobDirectory, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a fine-tuning job to its end, from where it was broken off.

    Raises JobError for damaged inputs or a loss that is no number, NotFoundError for a missing model.
    """
    spec = _spec(job)
    device = runtime.prepare(options.device, options.threads, spec.seed)
    runtime.check_precision(spec.precision, device)
    loaded = models.load(models.locate(job, spec.model), device=device)
    splits = read_splits(job, spec, loaded.tokenizer)
    history = _train(job, spec, loaded, splits, progress)
    _write_outputs(job, spec, loaded, len(splits["train"].positions), history)


def corrupted_examples(job: JobDirectory, epoch: int, split: str = "train") -> list[Corrupted]:
    """Exactly what the Trainer was fed in ``epoch`` (from 1), in the order of the examples' positions.

    The epoch visited them in the order of :func:`epoch_order`. Raises NotFoundError where the start model is gone.
    """
    spec = _spec(job)
    return corrupted(job, spec, models.load_tokenizer(models.locate(job, spec.model)), epoch, split)


def corrupted(
    job: JobDirectory, spec: FinetuneSpec, tokenizer: Any, epoch: int, split: str = "train"
) -> list[Corrupted]:
    """:func:`corrupted_examples` of the run ``spec``, for any job with the run's examples among its inputs."""
    examples = read_splits(job, spec, tokenizer)[split]
    corrupt = _corruption(spec, tokenizer)
    epoch = epoch if split == "train" else DEVELOPMENT_EPOCH
    return [
        corrupt(tokens, epoch, position) for position, tokens in zip(examples.positions, examples.tokens, strict=True)
    ]


def read_splits(job: JobDirectory, spec: FinetuneSpec, tokenizer: Any) -> dict[str, Examples]:
    """Training and development examples in the order of their positions. Raises JobError where there is no training.

    ``job`` is any job with the examples of the run ``spec`` among its inputs.
    """
    frame = read_table(job.inputs / "examples.parquet", COLUMNS).sort("position")
    splits = {
        split: _tokenised(frame.filter(pl.col("split") == split), spec.max_tokens, tokenizer)
        for split in ("train", "development")
    }
    if not splits["train"].positions:
        raise JobError(f"{job.path.name} has no training examples", "Plan the job again with more sentences.")
    return splits


def epoch_order(seed: int, epoch: int, examples: int) -> IntArray:
    """Order in which ``epoch`` (from 1) visits the training examples, as indices into them, [examples]."""
    return Stream(seed, Purpose.ORDER, epoch).permutation(examples)


def retrain(
    job: JobDirectory,
    spec: FinetuneSpec,
    loaded: models.LoadedModel,
    splits: dict[str, Examples],
    kept: BoolArray,
    progress: Progress,
    label: str,
) -> None:
    """Train ``loaded`` as ``spec`` says, but on the training examples that are ``kept`` [examples] alone; save nothing.

    All else is the run's: how an example is corrupted in an epoch, the order (:func:`kept_order`), the settings. With
    every example kept the weights are those of the run's last checkpoint, to the bit on one machine and its threads.
    """
    from mlv.compute import training

    train, development = splits["train"], splits["development"]
    chosen = {
        "train": Examples(list(compress(train.positions, kept)), list(compress(train.tokens, kept))),
        # an evaluation takes a random number, however small it is: without one, dropout would take another course
        "development": Examples(development.positions[:1], development.tokens[:1]),
    }
    trainer = _trainer(job, spec, loaded, chosen, lambda epoch: kept_order(spec.seed, epoch, kept), progress, None)
    training.train(job, trainer, progress, label)
    # bf16 is how the model is trained, not how it answers
    trainer.accelerator.unwrap_model(loaded.model, keep_fp32_wrapper=False).eval()


def kept_order(seed: int, epoch: int, kept: BoolArray) -> IntArray:
    """:func:`epoch_order` without the examples that are not ``kept`` [examples], as indices into those that are."""
    order = epoch_order(seed, epoch, len(kept))
    return (np.cumsum(kept) - 1)[order[kept[order]]]


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """Optimizer steps of an epoch; the last batch may be short."""
    return math.ceil(examples / batch_size)


def _spec(job: JobDirectory) -> FinetuneSpec:
    spec = job.spec()
    if not isinstance(spec, FinetuneSpec):
        raise JobError(f"{job.path} is a {spec.kind} job, not fine-tuning", "Name a finetune-... folder.")
    return spec


def _corruption(spec: FinetuneSpec, tokenizer: Any) -> SpanCorruption:
    return SpanCorruption(
        sentinel_ids(tokenizer),
        tokenizer.eos_token_id,
        spec.seed,
        spec.noise_density,
        spec.mean_span_length,
    )


def _tokenised(frame: pl.DataFrame, max_tokens: int, tokenizer: Any) -> Examples:
    texts = frame["text"].to_list()
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    tokens = [np.asarray(row[:max_tokens], dtype=np.int64) for row in ids]
    return Examples(frame["position"].to_list(), tokens)


def _train(
    job: JobDirectory,
    spec: FinetuneSpec,
    loaded: models.LoadedModel,
    splits: dict[str, Examples],
    progress: Progress,
) -> list[dict[str, Any]]:
    """Train and publish a checkpoint per epoch; return the Trainer's log."""
    from mlv.compute import training

    examples = len(splits["train"].positions)
    trainer = _trainer(
        job,
        spec,
        loaded,
        splits,
        lambda epoch: epoch_order(spec.seed, epoch, examples),
        progress,
        lambda epoch: training.publish(job, loaded, epoch),
    )
    training.train(job, trainer, progress, f"fine-tuning {spec.source} {','.join(spec.languages)}")
    history: list[dict[str, Any]] = trainer.state.log_history
    return history


def _trainer(
    job: JobDirectory,
    spec: FinetuneSpec,
    loaded: models.LoadedModel,
    splits: dict[str, Examples],
    order: Callable[[int], IntArray],
    progress: Progress,
    publish: Callable[[int], None] | None,
) -> Any:
    """The Trainer of ``splits`` in ``order`` (by epoch); without ``publish`` it saves nothing."""
    from mlv.compute import training

    corrupt = _corruption(spec, loaded.tokenizer)
    examples, development = (
        training.CorruptedExamples(splits[split].tokens, splits[split].positions, corrupt, epoch)
        for split, epoch in (("train", 1), ("development", DEVELOPMENT_EPOCH))
    )
    steps = steps_per_epoch(len(examples), spec.batch_size)
    recorder = training.Recorder(job, examples, steps, progress, publish)
    return training.OrderedTrainer(
        order=training.EpochOrder(examples, order),
        model=loaded.model,
        args=_arguments(job, spec, loaded.device, steps, evaluate=len(development) > 0, save=publish is not None),
        train_dataset=examples,
        eval_dataset=development if len(development) else None,
        data_collator=training.collate(loaded.tokenizer.pad_token_id),
        callbacks=[recorder],
    )


def _arguments(job: JobDirectory, spec: FinetuneSpec, device: str, steps: int, *, evaluate: bool, save: bool) -> Any:
    """The Trainer's arguments: the paper's settings (E appendix B), the library's defaults otherwise."""
    from mlv.compute import training

    return training.single_device_arguments(
        job.work,
        device,
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.batch_size,
        per_device_eval_batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        bf16=spec.precision == "bf16",
        seed=spec.seed,
        eval_strategy="epoch" if evaluate else "no",
        save_strategy="epoch" if save else "no",
        logging_strategy="steps",
        logging_steps=max(1, steps // training.LOGS_PER_EPOCH),
    )


def _write_outputs(
    job: JobDirectory,
    spec: FinetuneSpec,
    loaded: models.LoadedModel,
    examples: int,
    history: list[dict[str, Any]],
) -> None:
    from mlv.compute import training

    steps = steps_per_epoch(examples, spec.batch_size)
    rows = [(epoch, epoch * steps, epoch == spec.epochs) for epoch in range(1, spec.epochs + 1)]
    write_table(job.outputs / "metrics.parquet", training.metrics(history))
    write_table(job.outputs / "checkpoints.parquet", training.checkpoint_table(job, rows))
    write_json(job.outputs / "model.json", {**loaded.describe(), "model": spec.model.model_dump(mode="json")})
