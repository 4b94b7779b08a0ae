"""The statistics of linear datamodeling scores: rank correlations, intervals by resampling, and their null.

A score (LDS) is the mean over targets of Spearman's rho over halves. Both are samples: other halves give other rho, and
other targets another mean. So an interval comes from resamples that draw halves and targets anew, with replacement, the
same for all sets of scores: what two of them differ by is then compared on the same halves and targets. Drawing both at
once counts the noise of one target in one half twice: intervals are too wide rather than too narrow.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from scipy.stats import rankdata

from mlv.compute.machine.streams import FloatArray, IntArray, Purpose, Stream
from mlv.schema.papers.echoes import CONFIDENCE

FEWEST: Final = 10
"""Halves, and targets, below which resamples say too little for an interval."""

NULL_DRAWS: Final = 200
"""Permutations of the examples that the null of a set of scores is made of."""


class Interval(NamedTuple):
    """Ends of a 95% interval."""

    low: float
    high: float


class Resamples(NamedTuple):
    """How often each half and each target is in a resample, [resamples, halves] and [resamples, targets]."""

    halves: FloatArray
    targets: FloatArray


def spearman(one: FloatArray, other: FloatArray) -> FloatArray:
    """Spearman's rho of the rows of [rows, n] and [rows, n], ties at their mean rank; NaN where a row is constant."""
    first, second = (rankdata(values, axis=1) - (values.shape[1] + 1) / 2 for values in (one, other))
    return _correlation(first, second, np.ones(1))


def draw_resamples(seed: int, resamples: int, halves: int, targets: int, kind: int) -> Resamples:
    """Resamples of so many halves and targets; ``kind`` tells sets of halves apart."""
    return Resamples(
        _counts(Stream(seed, Purpose.RESAMPLES, kind, 0), resamples, halves),
        _counts(Stream(seed, Purpose.RESAMPLES, kind, 1), resamples, targets),
    )


def resampled(one: FloatArray, other: FloatArray, counts: FloatArray) -> FloatArray:
    """Spearman's rho of [n] and [n] in every resample; ``counts`` [resamples, n] say how often each value is in it."""
    return _correlation(_resampled_ranks(one, counts), _resampled_ranks(other, counts), counts)


def resampled_scores(
    predicted: Mapping[str, FloatArray], values: FloatArray, drawn: Resamples
) -> dict[str, FloatArray]:
    """The mean rho of sets of scores in every resample, [resamples], NaN where nothing is defined.

    ``predicted`` [targets, halves] by name, ``values`` [targets, halves].
    """
    means = {}
    for name, rows in predicted.items():
        total, weight = np.zeros(len(drawn.halves)), np.zeros(len(drawn.halves))
        for row, truth, times in zip(rows, values, drawn.targets.T, strict=True):
            rho = resampled(row, truth, drawn.halves)
            total += times * np.nan_to_num(rho)
            weight += times * ~np.isnan(rho)
        with np.errstate(invalid="ignore"):
            means[name] = total / weight
    return means


def interval(means: FloatArray) -> Interval:
    """The percentile interval of resamples, [resamples]; of those in which something is defined."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high))


def null(scores: FloatArray, kept: FloatArray, values: FloatArray, seed: int) -> FloatArray:
    """The mean rho of ``scores`` [targets, examples] that are dealt to other examples, [draws].

    ``kept`` [halves, examples], ``values`` [targets, halves].
    """
    streams = (Stream(seed, Purpose.BASELINES, draw, 1) for draw in range(NULL_DRAWS))
    return np.array(
        [mean_rho(spearman(scores @ kept[:, stream.permutation(kept.shape[1])].T, values)) for stream in streams]
    )


def mean_rho(rho: FloatArray) -> float:
    """The mean of those that are defined; NaN if none is."""
    return float(np.nanmean(rho)) if np.isfinite(rho).any() else float("nan")


def _counts(stream: Stream, resamples: int, size: int) -> FloatArray:
    """How often each of ``size`` things is drawn in ``size`` draws with replacement, [resamples, size]."""
    drawn: IntArray = (stream.uniform(resamples * size) * size).astype(np.int64).reshape(resamples, size)
    return np.stack([np.bincount(row, minlength=size) for row in drawn]).astype(np.float64)


def _resampled_ranks(values: FloatArray, counts: FloatArray) -> FloatArray:
    """Ranks of ``values`` [n] in every resample less their mean, ties at their mean rank, [resamples, n].

    Twice a rank less the mean is by how many more values are below than above.
    """
    ranks: FloatArray = counts @ np.sign(values[None, :] - values[:, None]) / 2
    return ranks


def _correlation(one: FloatArray, other: FloatArray, counts: FloatArray) -> FloatArray:
    """Pearson's r over the last axis of what has mean 0; NaN where a side is constant."""
    products = ((counts * one * other).sum(axis=-1), (counts * one**2).sum(axis=-1), (counts * other**2).sum(axis=-1))
    with np.errstate(invalid="ignore"):
        r: FloatArray = products[0] / np.sqrt(products[1] * products[2])
    return r
