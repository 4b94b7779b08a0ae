"""A small model from scratch: a Unigram tokenizer, and an mT5, an XLM-R or a Llama that is trained on a job's corpora.

For machines without a hub, for demonstrations, and as a controlled starting point in a study. Reads
``inputs/segments.parquet``; leaves ``checkpoints/epoch-0``, ``outputs/checkpoints.parquet``,
``outputs/metrics.parquet`` and ``outputs/model.json``.

The preset says which (:mod:`mlv.compute.training.pretraining`). An mT5 (Xue et al. 2021) has gated GELU, an output
matrix of its own, and 15% noise in spans of 3; an XLM-R (Conneau et al. 2020) has its embedding as the output matrix
and finds 15% of its tokens; a Llama (Touvron et al. 2023) has an output matrix of its own and predicts every token and
the end from what is before. Segments are drawn as :mod:`mlv.compute.training.draws` says; the tokenizer learns from the
same draws. A segment is an example of its own, cut off at ``max_tokens``. Every draw is corrupted by its number, so
that a segment that comes again is corrupted otherwise. The learning rate rises over the first 5% of the steps and falls
linearly to 0.
"""

import math
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.machine.streams import IntArray
from mlv.compute.models import loading
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.models.tokenizers import train_tokenizer
from mlv.compute.models.untrained import preset
from mlv.compute.training.course import note_cut
from mlv.compute.training.draws import batch_order, draw_segments
from mlv.compute.training.objective import cut
from mlv.compute.training.pretraining import PRETRAINING
from mlv.compute.training.spans import CorruptedExamples, collate
from mlv.schema.files import folder_aside, write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import read_table, write_table
from mlv.schema.jobs.pretrain import PretrainSpec

if TYPE_CHECKING:
    import transformers

    from mlv.compute.training.trainer import LogEntry

COLUMNS: Final = ("source", "language", "edition", "position", "text")

TOKENIZER_SEGMENTS: Final = 100_000
"""Draws that the tokenizer learns from, at most."""

WARMUP_SHARE: Final = 0.05
"""Share of the steps over which the learning rate rises."""

SAVES: Final = 10
"""Training states that a run writes, so that a broken-off job repeats a tenth at most."""


def run(job: JobDirectory, spec: PretrainSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a pretraining job to its end, from where it was interrupted.

    Raises JobError for damaged inputs, UsageError for an unknown preset, DataError for too little text.
    """
    chosen = preset(spec.preset)
    device = runtime.prepare(options.device, options.threads, spec.seed)
    runtime.fit_threads(chosen.width)
    frame = read_table(job.inputs / "segments.parquet", COLUMNS).sort("source", "language", "edition", "position")
    draws = draw_segments(frame["language"].to_numpy(), spec.steps * spec.batch_size, spec.seed)
    tokenizer = _tokenizer(job, spec, frame["text"], draws, progress)
    model = PRETRAINING[spec.objective].new_model(chosen, len(tokenizer)).to(device)
    loaded = loading.LoadedModel(model, tokenizer, device)
    history = _train(job, spec, loaded, frame["text"].to_list(), draws, progress)
    _write_outputs(job, spec, loaded, history)


def _tokenizer(
    job: JobDirectory, spec: PretrainSpec, texts: pl.Series, draws: IntArray, progress: Progress
) -> Tokenizer:
    """The job's tokenizer: that of a broken-off run where there is one."""
    folder = job.work / "tokenizer"
    if not folder.exists():
        progress.start(1, "tokenizer", "learning a tokenizer")
        with folder_aside(folder) as aside:
            learnt_from = texts.gather(np.sort(draws[:TOKENIZER_SEGMENTS]))
            layout = PRETRAINING[spec.objective].layout
            train_tokenizer(learnt_from.to_list(), spec.vocabulary, layout).save_pretrained(aside)
        progress.advance(1)
    return loading.load_tokenizer(folder)


def _train(
    job: JobDirectory,
    spec: PretrainSpec,
    loaded: loading.LoadedModel,
    texts: list[str],
    draws: IntArray,
    progress: Progress,
) -> "list[LogEntry]":
    """Train, publish ``checkpoints/epoch-0``, and return the Trainer's log."""
    from mlv.compute.training import trainer as training

    tokenizer = loaded.tokenizer
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    note_cut(job, sum(len(row) > spec.max_tokens for row in ids), len(ids), spec.max_tokens)
    tokens = [np.asarray(row[: spec.max_tokens], dtype=np.int64) for row in ids]
    lengths = np.asarray([len(row) for row in tokens])
    corruption = PRETRAINING[spec.objective].corruption(spec, tokenizer)
    examples = CorruptedExamples([tokens[draw] for draw in draws], range(len(draws)), corruption, epoch=1)
    batches = cut(batch_order(lengths[draws], spec.batch_size, spec.seed), spec.batch_size)
    recorder = training.Recorder(job, examples, spec.steps, progress, lambda _: None)
    trainer = training.OrderedTrainer(
        batches=training.EpochBatches(examples, lambda _: batches),
        model=loaded.model,
        args=_arguments(job, spec, loaded.device),
        train_dataset=examples,
        data_collator=collate(tokenizer.pad_token_id),
        callbacks=[recorder],
    )
    training.train(job, trainer, progress, f"pretraining {spec.name}", spec.steps)
    training.publish(job, loaded, epoch=0)
    history: list[LogEntry] = trainer.state.log_history
    return history


def _arguments(job: JobDirectory, spec: PretrainSpec, device: str) -> "transformers.TrainingArguments":
    from mlv.compute.training import trainer as training

    return training.single_device_arguments(
        job.work,
        device,
        max_steps=spec.steps,
        num_train_epochs=1,
        per_device_train_batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        warmup_steps=math.ceil(spec.steps * WARMUP_SHARE),
        bf16=spec.precision == "bf16",
        seed=spec.seed,
        eval_strategy="no",
        save_strategy="steps",
        save_steps=math.ceil(spec.steps / SAVES),
        logging_strategy="steps",
        logging_steps=max(1, spec.steps // 100),
    )


def _write_outputs(
    job: JobDirectory, spec: PretrainSpec, loaded: loading.LoadedModel, history: "list[LogEntry]"
) -> None:
    from mlv.compute.training import trainer as training

    write_table(job.outputs / "metrics.parquet", training.metrics(history))
    write_json(job.outputs / "model.json", {**loaded.describe(), "name": spec.name})
    write_table(job.outputs / "checkpoints.parquet", training.checkpoint_table(job, [(0, spec.steps, True)]))
