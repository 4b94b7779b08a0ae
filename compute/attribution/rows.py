"""Examples and probes of a model of span corruption as what is passed through it to take their gradients."""

from typing import TYPE_CHECKING

import polars as pl

from mlv.compute.models import scoring
from mlv.compute.models.families import sentinel_ids
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.training import spans
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.tracing import Quantity

if TYPE_CHECKING:
    from mlv.compute.attribution.gradients import WeightedInput


def example_rows(
    job: JobDirectory, training: FinetuneSpec, tokenizer: Tokenizer, weights: dict[int, float]
) -> "list[list[WeightedInput]]":
    """The training examples as they were corrupted in some epochs, by position."""
    from mlv.compute.attribution.gradients import WeightedInput

    rows: list[list[WeightedInput]] = []
    for epoch, weight in weights.items():
        for place, example in enumerate(spans.corrupted(job, training, tokenizer, epoch)):
            if len(rows) <= place:
                rows.append([])
            rows[place].append(WeightedInput(place, example.inputs, example.targets, len(example.targets), weight))
    return rows


def target_rows(targets: pl.DataFrame, tokenizer: Tokenizer, quantity: Quantity) -> "list[list[WeightedInput]]":
    """The traced quantity of every target as passes through the model, with the weights that make it up."""
    from mlv.compute.attribution.gradients import WeightedInput

    sentinel = sentinel_ids(tokenizer)[0]
    probes = scoring.tokenise(targets, tokenizer)
    signs = answer_signs(targets, quantity)
    return [
        [
            WeightedInput(number, probe.inputs, [sentinel, *answer], len(answer), sign / len(answer))
            for answer, sign in zip(probe.answers, pair, strict=True)
            if sign
        ]
        for number, (probe, pair) in enumerate(zip(probes, signs, strict=True))
    ]


def answer_signs(targets: pl.DataFrame, quantity: Quantity) -> list[tuple[int, int]]:
    """How the log-probabilities per token of the two answers count in the traced quantity."""
    if quantity == "answer":
        return [(1, 0) if answer == 1 else (0, 1) for answer in targets["answer"]]
    if quantity == "shift":
        return [(sign, -sign) for sign in targets["shift_sign"]]
    return [(1, -1)] * targets.height
