"""Standard errors, intervals and p-values by battery, from the formulas of docs/statistics.md, apart from mlv's SQL.

Values and the numbers of questions behind them are arrays: first as they are, then without each battery in turn.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mlv.schema.papers.echoes import CONFIDENCE

Numbers = NDArray[np.float64]
Ends = tuple[float | None, float | None]

LEAST = 10
"""Effective batteries below which there is no interval."""


@dataclass(frozen=True)
class Jackknife:
    """A value by the jackknife over batteries; ``se`` is None where there is no interval."""

    value: float
    se: float | None
    effective: float
    effects: Numbers

    @property
    def quantile(self) -> float:
        """Student's t, beyond which the two tails have what the interval leaves out."""
        return float(stats.t.ppf((1 + CONFIDENCE) / 2, self.effective - 1))

    @property
    def p(self) -> float | None:
        """Two-sided, of a value that would be 0 by chance."""
        return None if self.se is None else float(2 * stats.t.sf(abs(self.value) / self.se, self.effective - 1))


def jackknife(values: Numbers, items: Numbers) -> Jackknife:
    """Of values on the scale that they are given in."""
    touched = items[1:] < items[0]
    there = values[1:][touched]
    sizes = items[0] - items[1:][touched]
    effective = items[0] ** 2 / (sizes**2).sum() if touched.any() else 0.0
    if effective < LEAST or np.isnan(there).any() or np.isnan(values[0]):
        return Jackknife(values[0], None, effective, np.zeros(0))
    weight = (len(there) - 1) / len(there)
    effects = np.zeros(len(values) - 1)
    effects[touched] = np.sqrt(weight) * (there.mean() - there)
    return Jackknife(values[0], float(np.sqrt((effects**2).sum())), effective, effects)


def interval(values: Numbers, items: Numbers, scale: Literal["plain", "share", "rho"] = "plain") -> Ends:
    """Ends of a value's interval, percentages on the logit scale and correlations on that of Fisher's z."""
    if scale == "share":
        return _share_interval(values, items)
    known = jackknife(np.arctanh(np.clip(values, -0.999999, 0.999999)) if scale == "rho" else values, items)
    if known.se is None:
        return None, None
    ends = known.value - known.quantile * known.se, known.value + known.quantile * known.se
    return (float(np.tanh(ends[0])), float(np.tanh(ends[1]))) if scale == "rho" else ends


def _share_interval(values: Numbers, items: Numbers) -> Ends:
    known = jackknife(np.log((items * values + 50) / (items * (100 - values) + 50)), items)
    if known.se is None:
        return None, None
    # Wilson's interval of all or none of so many draws
    width = 100 * known.quantile**2 / (known.effective + known.quantile**2)
    low, high = (100 / (1 + np.exp(-(known.value + sign * known.quantile * known.se))) for sign in (-1, 1))
    if values[0] >= 100:
        return 100 - width, 100.0
    return (0.0, width) if values[0] <= 0 else (float(low), float(high))


def step_down(statistics: Numbers, by_chance: Numbers) -> Numbers:
    """p-values of tests made together (Romano and Wolf 2005, algorithm 4.1), step by step from the largest statistic.

    Args:
        statistics: Of each test, [tests].
        by_chance: The same by chance, [draws, tests].
    """
    left, p, largest = list(range(len(statistics))), np.zeros(len(statistics)), 0.0
    for test in np.argsort(-statistics, kind="stable"):
        highest = by_chance[:, left].max(axis=1)
        largest = max(largest, (1 + (highest >= statistics[test]).sum()) / (1 + len(by_chance)))
        p[test] = largest
        left.remove(int(test))
    return p


def resampled_statistics(tests: list[Jackknife], times: Numbers) -> Numbers:
    """Statistics by chance: effects of the batteries of a resample over their standard error in it, [draws, tests].

    Args:
        tests: Each with a standard error.
        times: How often each resample has each battery, [draws, batteries].
    """
    effects = np.array([test.effects for test in tests])
    sums, squares = times @ effects.T, times @ (effects**2).T
    spread: Numbers = np.abs(sums) / np.sqrt(np.maximum(squares - sums**2 / times.shape[1], 1e-300))
    return spread
