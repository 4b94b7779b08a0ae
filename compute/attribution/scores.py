"""Scores from projected gradients: TRAK and TracIn, in blocks of targets that are ranked, summed and dropped.

With ``phi`` the features of a training example, ``x`` those of a target, both gradients of log-likelihoods, so that a
positive score supports the traced quantity:

- TRAK (Park et al. 2023, equation 16): ``x (PhiᵀPhi + lambda I)⁻¹ phi Q``; ``PhiᵀPhi`` by
  :mod:`mlv.compute.attribution.kernels`. Lambda is given in units of the mean squared norm of ``phi``. ``Q = 1 - p``, p
  the probability per token of the example. Averaged over checkpoints.
- TracIn (Pruthi et al. 2020; H equation 2): ``x phi``, or its cosine (H section 4.2). Summed over checkpoints.

Scores are made for one block of targets at a time.

Imports torch at its top: import this module inside functions.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import torch
from torch import Tensor

from mlv.compute.attribution.index import GradientIndex
from mlv.compute.attribution.kernels import Inverse, Part, Vectors, products, whitening
from mlv.compute.attribution.products import Products
from mlv.compute.machine.streams import IntArray
from mlv.schema.errors import JobError
from mlv.schema.jobs.attribution import Attribution

TARGETS_AT_ONCE: Final = 512
"""Targets of a block."""

DIRECTIONS: Final = ("positive", "negative")

RANKINGS: Final = {
    "target": pl.Int32,
    "direction": pl.String,
    "rank": pl.Int32,
    "position": pl.Int64,
    "score": pl.Float32,
}
"""Columns of ``outputs/rankings.parquet``."""


class Side(NamedTuple):
    """The gradients at one checkpoint."""

    examples: GradientIndex
    targets: GradientIndex
    weight: float
    """Of the checkpoint's scores."""


class Scorer:
    """Scores of all examples for some targets at one checkpoint."""

    def __init__(self, side: Side, attribution: Attribution) -> None:
        trak = attribution.method == "trak"
        diagonal = trak and attribution.kernel == "diagonal"
        scale = whitening(side.examples, attribution.damping) if diagonal else None
        cosine = attribution.similarity == "cosine"
        self._examples, self._targets = (Vectors(index, scale, cosine) for index in (side.examples, side.targets))
        self._inverses = _inverses(self._examples, side.examples.parts, attribution) if trak and not diagonal else None
        self._confidence = _confidence(side.examples) if attribution.confidence else None

    def scores(self, start: int, stop: int) -> Tensor:
        """Scores for the targets from ``start`` to ``stop``, [targets, examples], unweighted."""
        if self._inverses is None:
            scores = products(self._targets, self._examples, self._examples.whole, slice(start, stop))
        else:
            scores = torch.zeros(stop - start, self._examples.count)
            for inverse in self._inverses:
                scores += inverse.scores(self._targets, start, stop)
        return scores if self._confidence is None else scores * self._confidence


class StreamedScorer:
    """TracIn's scores at one checkpoint from exact products; as :class:`Scorer`."""

    def __init__(self, found: Products, attribution: Attribution) -> None:
        self._products, self._cosine = found.products, attribution.similarity == "cosine"
        self._examples, self._targets = (
            torch.where(norms > 0, norms, 1).float() for norms in (found.example_norms, found.target_norms)
        )

    def scores(self, start: int, stop: int) -> Tensor:
        """Scores for the targets from ``start`` to ``stop``, [targets, examples], unweighted."""
        scores = self._products[start:stop]
        return scores / self._targets[start:stop, None] / self._examples if self._cosine else scores


class GroupedScorer:
    """Scores of targets of which some have one scorer, some another; as :class:`Scorer`.

    Each scorer comes with the places of its targets, ascending, and is made when it is wanted: only the last is kept.
    """

    def __init__(self, parts: Sequence[tuple[IntArray, Callable[[], Scorer | StreamedScorer]]]) -> None:
        self._places = [places for places, _ in parts]
        self._scorer = lru_cache(maxsize=1)(lambda number: parts[number][1]())

    def scores(self, start: int, stop: int) -> Tensor:
        """Scores for the targets from ``start`` to ``stop``, [targets, examples], unweighted."""
        orders, parts = [], []
        for number, places in enumerate(self._places):
            first, last = np.searchsorted(places, (start, stop)).tolist()
            if first < last:
                orders.append(places[first:last])
                parts.append(self._scorer(number).scores(first, last))
        return parts[0] if len(parts) == 1 else torch.cat(parts)[np.concatenate(orders).argsort()]


def _inverses(examples: Vectors, matrices: Sequence[Part], attribution: Attribution) -> list[Inverse]:
    """Inverses for all features together, or for those of every matrix of the model.

    Raises JobError if one is singular, or there is no gradient.
    """
    parts = matrices if attribution.kernel == "module" else [examples.whole]
    inverses = [Inverse(examples, part, attribution.damping) for part in parts]
    found = [inverse for inverse in inverses if not inverse.is_zero]
    if not found:
        raise JobError(
            f"The gradients of all {examples.count:,} examples are 0",
            "Look at the losses of the run; trace other modules (`--modules`).",
        )
    return found


def _confidence(index: GradientIndex) -> Tensor:
    """Q = 1 - p of every example, p the geometric mean over its scored tokens, [examples]."""
    confidence: Tensor = -torch.expm1(index.logprob / index.tokens)
    return confidence


class Ranked(NamedTuple):
    """The most influential examples of a block of targets, best first."""

    positive: Tensor
    """Indices of examples, [targets, k]."""

    negative: Tensor
    """[targets, k]"""


def ranked(scores: Tensor, k: int) -> Ranked:
    """The ``k`` highest and lowest of ``scores`` [targets, examples]; ties in the order of the examples."""
    return Ranked(_highest(scores, k), _highest(-scores, k))


def _highest(scores: Tensor, k: int) -> Tensor:
    """Indices of the ``k`` highest of each row, [rows, k]; a sort of all would cost more than the scores."""
    least = scores.topk(k, dim=1).values[:, -1:]
    found = torch.empty(len(scores), k, dtype=torch.long)
    for row, (values, bound) in enumerate(zip(scores, least, strict=True)):
        candidates = (values >= bound).nonzero()[:, 0]
        found[row] = candidates[values[candidates].argsort(descending=True, stable=True)][:k]
    return found


def ranking_table(scores: Tensor, first_target: int, positions: Sequence[int], k: int) -> pl.DataFrame:
    """:data:`RANKINGS` of ``scores`` [targets, examples], whose targets are numbered from ``first_target`` on."""
    position_of = torch.tensor(positions)
    targets = torch.arange(first_target, first_target + len(scores)).repeat_interleave(k)
    ranks = torch.arange(1, k + 1).repeat(len(scores))
    tables = [
        pl.DataFrame(
            {
                "target": targets.numpy(),
                "rank": ranks.numpy(),
                "position": position_of[found].flatten().numpy(),
                "score": scores.gather(1, found).flatten().numpy(),
            }
        ).with_columns(direction=pl.lit(direction))
        for direction, found in zip(DIRECTIONS, ranked(scores, k), strict=True)
    ]
    return pl.concat(tables).select(list(RANKINGS)).cast(RANKINGS)  # type: ignore[arg-type]


def summary_table(scores: Tensor, first_target: int, languages: Sequence[str]) -> pl.DataFrame:
    """Moments of ``scores`` [targets, examples] per language of the examples."""
    tables = []
    for language in sorted(set(languages)):
        some = scores[:, [place for place, code in enumerate(languages) if code == language]].double()
        tables.append(
            pl.DataFrame(
                {
                    "target": torch.arange(first_target, first_target + len(scores)).int().numpy(),
                    "n": [some.shape[1]] * len(scores),
                    "score_sum": some.sum(1).numpy(),
                    "score_sum_squares": some.square().sum(1).numpy(),
                    "score_min": some.amin(1).numpy(),
                    "score_max": some.amax(1).numpy(),
                }
            ).with_columns(language=pl.lit(language), n=pl.col("n").cast(pl.Int32))
        )
    return pl.concat(tables)


def score_table(scores: Tensor, first_target: int, positions: Sequence[int]) -> pl.DataFrame:
    """All of ``scores`` [targets, examples] as rows of target, position and score."""
    targets = torch.arange(first_target, first_target + len(scores)).int().repeat_interleave(len(positions))
    return pl.DataFrame(
        {
            "target": targets.numpy(),
            "position": torch.tensor(positions).repeat(len(scores)).numpy(),
            "score": scores.flatten().numpy(),
        }
    )
