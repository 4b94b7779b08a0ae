"""Masks over attention heads: what gates and importances cost, and a job that prunes.

A nano encoder with random weights, whose cost does not depend on them, on pairs of bundled sentences. Plain is a
forward and a backward pass of the loss with the gradients of all weights, dropout off, on the same batches; each batch
is gone through by all that is compared before the next one. A job is compared with a script that loads the same model,
encodes the same texts and makes the same passes,
but keeps and writes nothing. Seconds are the CPU's, on which neighbours tell less.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from classifiers import BATCH_TOKENS, CLASSES, pairs, save_encoder, spec_of
from measure import figure
from torch import Tensor

from mlv.compute.machine import runtime
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import classifiers, files
from mlv.compute.models.heads import gate_gradients, gated, shape
from mlv.compute.models.loading import LoadedModel
from mlv.compute.models.scoring import batches
from mlv.compute.running.execute import execute
from mlv.compute.training.classes import Classes
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.prune import PruneSpec
from mlv.schema.papers import sharing

STEP = 1 / 12
"""One of a nano encoder's heads."""

ITERATIONS = 11
"""Until one head is left."""


class Batch(NamedTuple):
    """Texts with their classes."""

    inputs: dict[str, Tensor]
    labels: Tensor
    places: list[int]
    """Their numbers among all texts."""


def encoded(loaded: LoadedModel, frame: pl.DataFrame) -> list[classifiers.Encoded]:
    """Texts as the tokenizer puts them."""
    return classifiers.encode(frame, loaded.tokenizer, sharing.MAX_TOKENS)[0]


def batched(loaded: LoadedModel, frame: pl.DataFrame, most: int = BATCH_TOKENS) -> Iterator[Batch]:
    """Texts of similar length together."""
    texts, classes = encoded(loaded, frame), frame["answer"].to_list()
    for some in batches([len(text.tokens) for text in texts], most):
        labels = torch.tensor([classes[place] - 1 for place in some])
        yield Batch(classifiers.batch([texts[place] for place in some], loaded.tokenizer), labels, some)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds that something takes once."""
    began = time.process_time()
    work()
    return time.process_time() - began


def backward(model: Any, batch: Batch) -> None:
    """A forward and a backward pass with the gradients of all weights."""
    model.requires_grad_(True).zero_grad()
    logits = model(**batch.inputs).logits
    torch.autograd.backward(torch.nn.functional.cross_entropy(logits, batch.labels, reduction="sum"))


def compare(works: Sequence[Callable[[Batch], None]], some: Sequence[Batch], repeats: int) -> list[list[float]]:
    """Seconds of each of several works on all batches, [works][repeats]; once untimed, in an order that changes."""
    order = random.Random(1)
    taken = np.zeros((repeats + 1, len(works)))
    for repeat in range(repeats + 1):
        for batch in some:
            for place in order.sample(range(len(works)), len(works)):
                taken[repeat, place] += seconds(lambda place=place, batch=batch: works[place](batch))  # type: ignore[misc]
    return [list(column) for column in taken[1:].T]


def report_passes(loaded: LoadedModel, frame: pl.DataFrame, repeats: int) -> None:
    """Gates and importances, over plain passes and over a loop."""
    of_model = shape(loaded.model.config)
    gates = torch.randint(0, 2, (len(frame), *of_model), generator=torch.Generator().manual_seed(1)).float()

    def plain(batch: Batch) -> None:
        backward(loaded.model, batch)

    def masked(batch: Batch) -> None:
        with gated(loaded.model, gates[batch.places]):
            backward(loaded.model, batch)

    def important(batch: Batch) -> None:
        gate_gradients(loaded.model, batch.inputs, batch.labels)

    some = list(batched(loaded, frame))
    passed, gone, told = compare([plain, masked, important], some, repeats)
    for label, taken, most in (
        ("gated, a mask for each row / plain", gone, 1.03),
        ("importance of all heads / plain", told, 0.9),
    ):
        ratios = [one / other for one, other in zip(taken, passed, strict=True)]
        figure(f"heads: {label}", median(ratios), "times", f"<= {most}", median(ratios) <= most)
        print(f"  {', '.join(f'{one:.3f}' for one in ratios)}; plain {len(frame) / median(passed):,.0f} texts/s")


def report_loop(loaded: LoadedModel, frame: pl.DataFrame, repeats: int) -> None:
    """Batches over a loop with autograd on gates, one example at a time; what differs."""
    of_model = shape(loaded.model.config)
    looped: list[Tensor] = []
    ours: list[Tensor] = []

    def loop() -> None:
        looped.clear()
        # a batch of at most one token is of one text
        for batch in sorted(batched(loaded, frame, 1), key=lambda batch: batch.places):
            gates = torch.ones(1, *of_model, requires_grad=True)
            with gated(loaded.model, gates):
                backward(loaded.model, batch)
            looped.append(gates.grad if gates.grad is not None else torch.zeros_like(gates))

    def together() -> None:
        found = torch.zeros(len(frame), *of_model)
        for batch in batched(loaded, frame):
            found[batch.places] = gate_gradients(loaded.model, batch.inputs, batch.labels)
        ours[:] = [found]

    taken = [(seconds(loop), seconds(together)) for _ in range(repeats + 1)][1:]
    ratio = median(one / other for one, other in taken)
    figure("heads: importance, loop over single texts / ours", ratio, "times", ">= 8", ratio >= 8)
    off = float((torch.cat(looped) - ours[0]).abs().max() / ours[0].abs().max())
    figure("  largest difference, over the largest derivative", off, "", "<= 1e-4", off <= 1e-4)


def planned(folder: Path, model: Path, frame: pl.DataFrame, seed: int) -> JobDirectory:
    """A job that prunes by these texts, the last tenth of which are for development."""
    reference = files.resolve(str(model))
    spec = PruneSpec(
        model=reference,
        training=spec_of(reference),
        language="fa",
        development=(),
        inputs_digest="bench",
        step=STEP,
        # every iteration is kept
        threshold=1e-6,
        anyway=True,
        seed=seed,
    )
    job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
    columns = {"source": "lines", "language": "fa", "edition": "bench"}
    rows = frame.select(
        pl.int_range(pl.len()).alias("position"),
        pl.when(pl.int_range(pl.len()) < train_size(frame))
        .then(pl.lit("train"))
        .otherwise(pl.lit("development"))
        .alias("split"),
        *(pl.lit(value).alias(name) for name, value in columns.items()),
        pl.int_range(pl.len()).alias("segment_position"),
        pl.int_range(pl.len()).cast(pl.String).alias("parallel_key"),
        "text",
        "text_pair",
        class_number="answer",
    )
    rows.write_parquet(job.inputs / "examples.parquet")
    return job


def train_size(frame: pl.DataFrame) -> int:
    """How many texts are for training."""
    return len(frame) * 9 // 10


def bare(model: Path, frame: pl.DataFrame) -> None:
    """The passes of pruning alone."""
    loaded = classifiers.load_trained(model, CLASSES, "parity")
    train, development = frame.head(train_size(frame)), frame.tail(len(frame) - train_size(frame))
    some, texts = list(batched(loaded, train)), encoded(loaded, development)
    gates = torch.ones(1, *shape(loaded.model.config))
    classifiers.logits(loaded, texts, BATCH_TOKENS)
    for _ in range(ITERATIONS):
        found = torch.cat([gate_gradients(loaded.model, batch.inputs, batch.labels, gates) for batch in some])
        importance = found.abs().mean(0).masked_fill(gates[0] == 0, torch.inf)
        gates.view(-1)[importance.argmin()] = 0
        with gated(loaded.model, gates):
            classifiers.logits(loaded, texts, BATCH_TOKENS)


def report_job(folder: Path, model: Path, frame: pl.DataFrame, repeats: int) -> None:
    """A job against a bare script, by turns."""
    ratios = []
    for seed in range(repeats + 1):
        job = planned(folder, model, frame, seed)
        ours = seconds(lambda job=job: execute(job.path, ExecuteOptions(device="cpu")))  # type: ignore[misc]
        ratios.append(ours / seconds(lambda: bare(model, frame)))
    ratio = median(ratios[1:])
    figure(f"heads: a job of {ITERATIONS} iterations / a bare script", ratio, "times", "<= 1.1", ratio <= 1.1)
    print(f"  ratios of {repeats} pairs: {', '.join(f'{value:.2f}' for value in ratios[1:])}")


def save_classifier(folder: Path) -> Path:
    """Write a nano encoder with a random classifier to ``folder``; return it."""
    save_encoder(folder)
    objective = Classes(spec_of(files.resolve(str(folder))))
    loaded = objective.load(folder, "cpu")
    objective.begin(loaded)
    loaded.model.save_pretrained(folder)
    return folder


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    runtime.prepare("cpu", None, 1)
    runtime.quiet_libraries()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = save_classifier(folder / "encoder")
        loaded = classifiers.load_trained(model, CLASSES, "parity")
        report_passes(loaded, pairs(384), asked.repeats)
        report_loop(loaded, pairs(128), min(asked.repeats, 3))
        report_job(folder, model, pairs(256), min(asked.repeats, 3))


if __name__ == "__main__":
    main()
