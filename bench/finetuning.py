"""Fine-tuning a nano model: a job of mlv against a bare Trainer on the same examples.

The bare Trainer has the same settings and gets the first epoch's corrupted examples ready-made in every epoch: what it
saves is corruption, checkpoints per epoch in the transformers format, logs and digests.
"""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from measure import figure
from tiny_models import save_nano, sentences

from mlv.compute.machine import runtime
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.running.execute import execute
from mlv.compute.training.spans import collate, corrupted_examples
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.papers import echoes

SENTENCES = 960
EPOCHS = echoes.EPOCHS
REPEATS = 3


def _job(folder: Path, model: Path, seed: int) -> tuple[JobDirectory, FinetuneSpec]:
    """A planned fine-tuning job on the bundled sentences, and its specification."""
    reference = files.resolve(str(model))
    spec = FinetuneSpec(
        model=reference,
        source="lines",
        languages=("fa",),
        sentences=SENTENCES,
        corpora=(),
        inputs_digest="bench",
        seed=seed,
        epochs=EPOCHS,
    )
    job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
    texts = sentences()[:SENTENCES]
    last = round(SENTENCES * (1 - echoes.DEVELOPMENT_SHARE))
    frame = pl.DataFrame({"position": range(SENTENCES), "text": texts}).with_columns(
        split=pl.when(pl.col("position") < last).then(pl.lit("train")).otherwise(pl.lit("development")),
        source=pl.lit("lines"),
        language=pl.lit("fa"),
        edition=pl.lit("fa"),
        segment_position=pl.col("position"),
        parallel_key=pl.col("position").cast(pl.String),
    )
    frame.write_parquet(job.inputs / "examples.parquet")
    return job, spec


def _bare(splits: dict[str, Sequence[Any]], model: Path, folder: Path, seed: int) -> None:
    """The transformers Trainer alone, with its own settings and torch's default flags."""
    import transformers

    from mlv.compute.training import trainer as training

    loaded = loading.load(model, SPAN)
    arguments = training.single_device_arguments(
        folder,
        "cpu",
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=echoes.BATCH_SIZE,
        per_device_eval_batch_size=echoes.BATCH_SIZE,
        learning_rate=echoes.LEARNING_RATE,
        seed=seed,
        eval_strategy="epoch",
        save_strategy="epoch",
    )
    trainer = transformers.Trainer(
        model=loaded.model,
        args=arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["development"],
        data_collator=collate(loaded.tokenizer.pad_token_id),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()


def main() -> None:
    """Print the median of the ratios of runs in turn."""
    runtime.prepare("cpu", 2, 1)
    runtime.quiet_libraries()
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = save_nano(folder / "nano")
        execute(_job(folder, model, 0)[0].path, ExecuteOptions(device="cpu", threads=2))
        for seed in range(1, REPEATS + 1):
            job, spec = _job(folder, model, seed)
            splits: dict[str, Sequence[Any]] = {
                split: corrupted_examples(job, spec, 1, split) for split in ("train", "development")
            }
            torch.use_deterministic_algorithms(False)
            began = time.perf_counter()
            _bare(splits, model, folder / f"bare-{seed}", seed)
            bare = time.perf_counter() - began
            began = time.perf_counter()
            execute(job.path, ExecuteOptions(device="cpu", threads=2))
            ratios.append((time.perf_counter() - began) / bare)
    ratio = sorted(ratios)[len(ratios) // 2]
    figure("fine-tuning: a job of mlv / a bare Trainer", ratio, "times", "<= 1.1", ratio <= 1.1)
    print(f"  ratios of {REPEATS} pairs: {', '.join(f'{value:.2f}' for value in ratios)}")


if __name__ == "__main__":
    main()
