"""What a nano encoder learns of the bundled texts: perplexity of hidden tokens in sentences that it was not trained on.

Four fifths of the lines train it and its tokenizer, with the preset's settings; of every fifth the tokens that masked
words ask for are all hidden. The baseline is the frequency of the training sentences' tokens, plus one.
"""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import torch
from measure import figure
from tiny_models import LANGUAGES, sentences

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.machine.streams import IntArray
from mlv.compute.models import loading
from mlv.compute.models.families import MASKED
from mlv.compute.running.execute import execute
from mlv.compute.training.corruption import Corrupted
from mlv.compute.training.objective import IGNORED
from mlv.compute.training.pretraining import PRETRAINING
from mlv.compute.training.spans import collate
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.pretrain import PRESETS, PretrainSpec

NAME = "nano-encoder"
STEPS = 1_500
"""A third of the preset's: with all of them it learns these few sentences by heart."""

ROWS = 32
"""Sentences of a batch."""


def texts() -> pl.DataFrame:
    """The bundled texts, and which of them are held out: the same lines in each language."""
    lines = pl.Series("text", sentences())
    each = len(lines) // len(LANGUAGES)
    return pl.DataFrame(lines).with_columns(
        source=pl.lit("lines"),
        language=pl.Series(LANGUAGES).gather(pl.int_range(len(lines), eager=True) // each),
        edition=pl.lit("bench"),
        position=pl.int_range(pl.len()) % each,
        held_out=pl.int_range(pl.len()) % each % 5 == 4,
    )


def pretrain(folder: Path, segments: pl.DataFrame) -> PretrainSpec:
    """Train an encoder in a job below ``folder``, into ``checkpoints/epoch-0`` of it."""
    preset = PRESETS[NAME]
    spec = PretrainSpec(
        name=NAME,
        preset=NAME,
        corpora=(),
        inputs_digest="bench",
        vocabulary=preset.vocabulary,
        steps=STEPS,
        batch_size=preset.batch_size,
        learning_rate=preset.learning_rate,
        max_tokens=preset.max_tokens,
    )
    job = JobDirectory.create(folder, spec, {})
    segments.write_parquet(job.inputs / "segments.parquet")
    execute(job.path, ExecuteOptions(device="cpu", threads=1))
    return spec


def nats(loaded: loading.LoadedModel, examples: list[Corrupted]) -> list[float]:
    """Nats of every token that is asked for, all of them hidden, in the order of the examples."""
    found: list[float] = []
    for start in range(0, len(examples), ROWS):
        batch = collate(loaded.tokenizer.pad_token_id)(examples[start : start + ROWS])
        asked = batch["labels"] != IGNORED
        batch["input_ids"][asked] = loaded.tokenizer.mask_token_id or 0
        with torch.inference_mode():
            logits = loaded.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        loss = torch.nn.functional.cross_entropy(logits[asked], batch["labels"][asked], reduction="none")
        found += loss.tolist()
    return found


def unigram(trained: list[IntArray], asked: IntArray, vocabulary: int) -> float:
    """Mean nats of the tokens that are asked for by their frequency in training."""
    counts = np.bincount(np.concatenate(trained), minlength=vocabulary) + 1
    return float(-np.log(counts / counts.sum())[asked].mean())


def main() -> None:
    """Train, ask, compare."""
    frame = texts()
    with TemporaryDirectory() as name:
        spec = pretrain(Path(name), frame.filter(~pl.col("held_out")).drop("held_out"))
        loaded = loading.load(next(Path(name).glob("*/checkpoints/epoch-0")), MASKED)
    ids = loaded.tokenizer(frame["text"].to_list(), add_special_tokens=False)["input_ids"]
    tokens = [np.asarray(row[: spec.max_tokens], dtype=np.int64) for row in ids]
    hide = PRETRAINING[spec.objective].corruption(spec, loaded.tokenizer)
    examples = [hide(tokens[place], 0, place) for place in np.flatnonzero(frame["held_out"].to_numpy()).tolist()]
    trained = [tokens[place] for place in np.flatnonzero(~frame["held_out"].to_numpy())]
    targets = np.concatenate([example.targets for example in examples])
    asked = targets[targets != IGNORED]
    perplexity = math.exp(np.mean(nats(loaded, examples)))
    baseline = math.exp(unigram(trained, asked, len(loaded.tokenizer)))
    print(
        f"  {len(asked)} tokens of {len(examples)} sentences: perplexity {perplexity:.0f}, by frequency {baseline:.0f}"
    )
    figure("nano encoder, perplexity / by frequency", perplexity / baseline, "", "<= 0.5", perplexity <= baseline / 2)


if __name__ == "__main__":
    main()
