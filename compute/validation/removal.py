"""The second test: what becomes of answers when the most influential examples are left out (H section 6, appendix A).

For the first targets the k examples with the highest scores, or with the lowest, by the first attribution and of the
first quantity, are left out; the value is the change of the probability, among the answers, of the one that is traced,
against the run's own examples trained again with the same seed. ``random`` leaves out k random examples, the same for
every target and seed: what the change of a target has to be compared with, since training on fewer examples, and with
them in other places, changes answers too.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

import numpy as np
import polars as pl

from mlv.compute.machine.streams import FloatArray, IntArray, Purpose, Stream
from mlv.compute.training.retraining import Retraining
from mlv.compute.validation.study import Study, mask, results, traced_probabilities
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import SkippedRemoval
from mlv.schema.jobs.validate import REMOVAL_DRAWS

Direction = Literal["positive", "negative"]

FULL: Final = "full"
"""Name of the retraining on all of the run's examples, with its own seed."""


class Removal(NamedTuple):
    """A retraining of the test."""

    retraining: Retraining
    full: str
    """The retraining on all examples with the same seed."""

    scores: str
    direction: Direction | None
    k: int
    draw: int
    targets: tuple[int, ...]
    """Whose answers are compared: indices of targets."""


def plan_full(study: Study) -> list[Retraining]:
    """Retrainings on all examples: with the run's own seed, and with the others of the test."""
    everything = np.ones(study.examples.height, dtype=bool)
    return [Retraining(_labelled(FULL, place), "full", seed, everything) for place, seed in enumerate(_seeds(study))]


def plan_removals(job: JobDirectory, study: Study, name: str, scores: FloatArray) -> list[Removal]:
    """Retrainings without the strongest examples of ``scores`` [targets, examples], and without random ones."""
    targets = tuple(range(min(study.spec.removal_targets, len(scores))))
    sizes = _sizes(job, study) if targets else []
    return [
        removal
        for place, seed in enumerate(_seeds(study))
        for removals in (_strongest(targets, name, scores, sizes), _random(study, targets, sizes))
        for removal in _with_seed(removals, place, seed)
    ]


def measure(study: Study, removals: Sequence[Removal], logprobs: Mapping[str, FloatArray]) -> Iterator[pl.DataFrame]:
    """Changes of the probability of the traced answer; ``logprobs`` [targets, answers] by retraining."""
    quantity = study.spec.quantities[0]
    signs = study.objective.signs(study.targets, quantity)
    probabilities = {name: traced_probabilities(some, signs) for name, some in logprobs.items()}
    for removal in removals:
        chosen, retraining = list(removal.targets), removal.retraining
        before = probabilities[removal.full][chosen]
        change = probabilities[retraining.id][chosen] - before
        fixed = {"scores": removal.scores, "direction": removal.direction, "k": removal.k, "draw": removal.draw}
        seeds = "same" if retraining.seed == study.spec.training.seed else "other"
        yield results(
            study.targets[chosen],
            change,
            before,
            test="removal",
            quantity=quantity,
            seeds=seeds,
            seed=retraining.seed,
            n=1,
            **fixed,
        )


def _seeds(study: Study) -> list[int]:
    """Seeds of the test's models, the run's own first."""
    count = study.spec.removal_seeds if study.spec.removal_targets else 1
    return [(study.spec.training.seed + place) % 2**31 for place in range(count)]


def _labelled(label: str, place: int) -> str:
    """A retraining's name: with the run's own seed it needs no number."""
    return f"{label}-seed-{place}" if place else label


def _sizes(job: JobDirectory, study: Study) -> list[int]:
    """How many examples are left out: sizes that leave some."""
    examples = study.examples.height
    for k in study.spec.removal_k:
        if k >= examples:
            job.log(SkippedRemoval(k=k, examples=examples))
    return [k for k in study.spec.removal_k if k < examples]


def _strongest(targets: Sequence[int], name: str, scores: FloatArray, sizes: Sequence[int]) -> Iterator[Removal]:
    """Without the strongest examples of each target, with no seed yet."""
    for target in targets:
        for direction in get_args(Direction):
            order = _order(scores[target], direction)
            for k in sizes:
                retraining = _without(f"{target}-{direction}-{k}", order[:k], len(order))
                yield Removal(retraining, FULL, name, direction, k, 0, (target,))


def _random(study: Study, targets: tuple[int, ...], sizes: Sequence[int]) -> Iterator[Removal]:
    """Without random examples, with no seed yet."""
    for draw in range(REMOVAL_DRAWS if targets else 0):
        order = Stream(study.spec.seed, Purpose.REMOVALS, draw).permutation(study.examples.height)
        for k in sizes:
            retraining = _without(f"random-{draw}-{k}", order[:k], len(order))
            yield Removal(retraining, FULL, "random", None, k, draw, targets)


def _without(label: str, left_out: IntArray, examples: int) -> Retraining:
    return Retraining(f"removal-{label}", "removal", 0, ~mask(left_out, examples))


def _with_seed(removals: Iterator[Removal], place: int, seed: int) -> Iterator[Removal]:
    for removal in removals:
        retraining = removal.retraining._replace(id=_labelled(removal.retraining.id, place), seed=seed)
        yield removal._replace(retraining=retraining, full=_labelled(FULL, place))


def _order(scores: FloatArray, direction: Direction) -> IntArray:
    """Examples from the strongest in a direction on, ties in the order of their positions, [examples]."""
    return np.argsort(-scores if direction == "positive" else scores, kind="stable")
