"""How the scores of targets are distributed: histograms by language, and tests of the scores of two epochs.

A histogram counts the examples of a language whose score, over the width of a bin and rounded down, is the number of
the bin, so that 0 parts the negative scores from the others. One width serves a whole run, whose scores are made block
by block: TracIn's cosines have a bound, from which it follows; other scores have none, and a block takes the width that
suits it. Widths of two blocks are such that the one divides the other: the bins of all are joined to those of the
widest.

Imports torch at its top: import this module inside functions.
"""

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import polars as pl
import torch
from scipy.special import ndtr
from scipy.stats import wilcoxon
from torch import Tensor

from mlv.schema.jobs.attribution import Attribution

HISTOGRAMS: Final = {"target": pl.Int32, "language": pl.String, "bin": pl.Int32, "n": pl.Int32}
"""Columns of ``outputs/histograms.parquet``."""

EPOCH_TESTS: Final = {
    "target": pl.Int32,
    "other_target": pl.Int32,
    "n": pl.Int32,
    "z": pl.Float64,
    "p": pl.Float64,
}
"""Columns of ``outputs/epoch_tests.parquet``."""

SHARE_OF_BOUND: Final = 0.01
"""Width of a bin over the highest score that there can be."""

BINS_A_DEVIATION: Final = 10
"""Least number of bins that a standard deviation of scores takes; less than 50, as widths go up in steps of 5 and 2."""

TESTED_AT_ONCE: Final = 32
"""Targets whose ranks are in memory together."""


def bin_width(attribution: Attribution, checkpoints: int, scores: Tensor) -> float:
    """Width of the bins for a block of ``scores`` [targets, examples] that are summed over ``checkpoints``.

    Without a bound, by the target whose scores vary most: blocks of other targets do not change what a run takes.
    """
    if attribution.method == "tracin" and attribution.similarity == "cosine":
        return SHARE_OF_BOUND * checkpoints
    return round_width(float(scores.double().std(dim=1, correction=0).max()) / BINS_A_DEVIATION)


def round_width(most: float) -> float:
    """The largest of 1 and 5 times the powers of ten that is at most ``most``: each divides all above it.

    1 where scores do not vary, or are no numbers, which a commit refuses.
    """
    if not 0 < most < math.inf:
        return 1.0
    power = Decimal(most).adjusted()
    return float(f"{5 if most >= float(f'5e{power}') else 1}e{power}")


def histogram_table(scores: Tensor, first_target: int, languages: Sequence[str], width: float) -> pl.DataFrame:
    """:data:`HISTOGRAMS`, with the ``width``, of ``scores`` [targets, examples] numbered from ``first_target`` on."""
    bins = (scores.double() / width).floor().int()
    tables = []
    for language in sorted(set(languages)):
        some = bins[:, [place for place, code in enumerate(languages) if code == language]]
        targets = torch.arange(first_target, first_target + len(some)).int().repeat_interleave(some.shape[1])
        counted = pl.DataFrame({"target": targets.numpy(), "bin": some.flatten().numpy()})
        tables.append(counted.group_by("target", "bin").agg(n=pl.len()).with_columns(language=pl.lit(language)))
    return _counts(pl.concat(tables)).with_columns(width=pl.lit(width))


def _counts(found: pl.DataFrame) -> pl.DataFrame:
    return found.select(list(HISTOGRAMS)).cast(HISTOGRAMS).sort("target", "language", "bin")  # type: ignore[arg-type]


class Histograms(NamedTuple):
    """Those of a whole run."""

    counts: pl.DataFrame
    """:data:`HISTOGRAMS`."""

    width: float
    """Of a bin."""


def joined(blocks: pl.DataFrame) -> Histograms:
    """The histograms of all blocks with bins of the widest one's width."""
    width: float = blocks["width"].max()  # type: ignore[assignment]
    # a floor of a floor: no score is looked at again
    ratio = (pl.lit(width) / pl.col("width")).round().cast(pl.Int64)
    wider = blocks.with_columns(bin=pl.col("bin").floordiv(ratio))
    return Histograms(_counts(wider.group_by("target", "language", "bin").agg(pl.col("n").sum())), width)


class EpochScores(NamedTuple):
    """The scores of a block of targets at the checkpoint of one epoch."""

    first_target: int
    """Number of the block's first target at this epoch."""

    scores: Tensor
    """[targets, examples]"""


def epoch_tests(epochs: Sequence[EpochScores]) -> Iterator[pl.DataFrame]:
    """:data:`EPOCH_TESTS` of each two of some epochs, which are in order (H section 8.2)."""
    for earlier, later in combinations(epochs, 2):
        for start in range(0, len(earlier.scores), TESTED_AT_ONCE):
            some = slice(start, start + TESTED_AT_ONCE)
            yield _tested(
                EpochScores(earlier.first_target + start, earlier.scores[some]),
                EpochScores(later.first_target + start, later.scores[some]),
            )


def _tested(earlier: EpochScores, later: EpochScores) -> pl.DataFrame:
    """Wilcoxon's signed-rank test for each target of two blocks: those without a difference have no z and no p."""
    before, after = (block.scores.double().numpy() for block in (earlier, later))
    with np.errstate(invalid="ignore"):
        # one-sided, because z of the two-sided test has lost its sign
        found = wilcoxon(after, before, correction=False, alternative="greater", method="approx", axis=1)
    columns = {
        "target": np.arange(len(before)) + earlier.first_target,
        "other_target": np.arange(len(before)) + later.first_target,
        "n": (after != before).sum(axis=1),
        "z": found.zstatistic,
        "p": 2 * ndtr(-np.abs(found.zstatistic)),
    }
    return pl.DataFrame(columns).cast(EPOCH_TESTS).fill_nan(None)  # type: ignore[arg-type]
