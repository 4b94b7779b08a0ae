"""Standard errors, intervals and p-values by battery and seed: the formulas of docs/statistics.md, not mlv's SQL.

Values and the numbers of questions behind them are arrays: first as they are, then without each battery in turn.
"""

from dataclasses import dataclass, field
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
class Estimate:
    """A value with its standard error, None where there is no interval, and degrees of freedom."""

    value: float
    se: float | None
    df: float
    fewest: float = field(default=np.nan, kw_only=True)
    """Degrees of freedom of the part of the standard error that has the fewest."""

    @property
    def quantile(self) -> float:
        """Student's t, beyond which the two tails have what the interval leaves out."""
        return float(stats.t.ppf((1 + CONFIDENCE) / 2, self.df))

    @property
    def p(self) -> float | None:
        """Two-sided, of a value that would be 0 by chance."""
        return None if self.se is None else float(2 * stats.t.sf(abs(self.value) / self.se, self.df))

    @property
    def cautious_p(self) -> float:
        """By the fewest degrees of freedom, of a value with a standard error."""
        return float(2 * stats.t.sf(abs(self.value) / (self.se or np.nan), self.fewest))


@dataclass(frozen=True)
class Jackknife(Estimate):
    """A value by the jackknife over batteries."""

    effective: float
    effects: Numbers


@dataclass(frozen=True)
class Seeds:
    """What an interval is over, and the values of the seeds of every fine-tuning language."""

    over: Literal["seeds", "both"]
    samples: list[list[float]]

    @property
    def sd(self) -> float:
        """Standard deviation within a language, pooled by degrees of freedom."""
        several = [sample for sample in self.samples if len(sample) > 1]
        weights = [len(sample) - 1 for sample in several]
        return float(np.sqrt(np.average([np.var(sample, ddof=1) for sample in several], weights=weights)))

    @property
    def variance(self) -> float:
        """Of the mean over the languages of the means over their seeds."""
        return float(np.mean([self.sd**2 / len(sample) for sample in self.samples]) / len(self.samples))

    @property
    def df(self) -> float:
        """Welch (1947): each estimated variance to the fourth is too large by (df + 2) / df."""
        several = [sample for sample in self.samples if len(sample) > 1]
        parts = [(np.var(sample, ddof=1), len(sample) - 1) for sample in several]
        total = sum(df * variance for variance, df in parts)
        welch = total**2 / sum((df * variance) ** 2 / (df + 2) for variance, df in parts) - 2
        return float(min(welch, sum(df for _, df in parts)))


def varied(known: Jackknife, seeds: Seeds | None, slope: float = 1) -> Estimate:
    """An estimate over what the seeds say; ``slope`` is of its scale to that of the seeds."""
    if seeds is None:
        return known
    if all(len(sample) == 1 for sample in seeds.samples):
        return Estimate(known.value, None, np.nan)
    variance = slope**2 * seeds.variance
    fewest = min(len(sample) for sample in seeds.samples if len(sample) > 1) - 1
    if seeds.over == "seeds":
        return Estimate(known.value, np.sqrt(variance), seeds.df, fewest=fewest)
    if known.se is None:
        return Estimate(known.value, None, np.nan)
    parts = [(variance, seeds.df), (known.se**2, known.df)]
    total = sum(part for part, _ in parts)
    df = total**2 / sum(part**2 / df for part, df in parts)
    return Estimate(known.value, np.sqrt(total), df, fewest=min(fewest, known.df))


def jackknife(values: Numbers, items: Numbers, batteries: float | None = None) -> Jackknife:
    """Of values on the scale that they are given in.

    Args:
        batteries: Their effective number, where something else is left out, of which there have to be two.
    """
    touched = items[1:] < items[0]
    there = values[1:][touched]
    sizes = items[0] - items[1:][touched]
    effective = items[0] ** 2 / (sizes**2).sum() if touched.any() else 0.0
    too_few = effective < LEAST if batteries is None else batteries < LEAST or effective < 2
    if too_few or np.isnan(there).any() or np.isnan(values[0]):
        return Jackknife(values[0], None, effective - 1, effective, np.zeros(0))
    weight = (len(there) - 1) / len(there)
    effects = np.zeros(len(values) - 1)
    effects[touched] = np.sqrt(weight) * (there.mean() - there)
    return Jackknife(values[0], float(np.sqrt((effects**2).sum())), effective - 1, effective, effects)


def interval(
    values: Numbers, items: Numbers, scale: Literal["plain", "share", "rho"] = "plain", seeds: Seeds | None = None
) -> Ends:
    """Ends of a value's interval, percentages on the logit scale and correlations on that of Fisher's z."""
    if scale == "share":
        return _share_interval(values, items, seeds)
    if scale == "rho":
        return rho_ends(jackknife(fisher_z(values), items))
    return ends(varied(jackknife(values, items), seeds))


def fisher_z(rho: Numbers) -> Numbers:
    """The scale on which a correlation's interval is computed."""
    scaled: Numbers = np.arctanh(np.clip(rho, -0.999999, 0.999999))
    return scaled


def rho_ends(known: Estimate) -> Ends:
    """Ends of a correlation, of an estimate of its Fisher's z."""
    low, high = ends(known)
    return (None, None) if low is None or high is None else (float(np.tanh(low)), float(np.tanh(high)))


def ends(known: Estimate) -> Ends:
    """Ends of an estimate's interval."""
    if known.se is None:
        return None, None
    return known.value - known.quantile * known.se, known.value + known.quantile * known.se


def _logit(values: Numbers, items: Numbers) -> Numbers:
    scaled: Numbers = np.log((items * values + 50) / (items * (100 - values) + 50))
    return scaled


def _share_interval(values: Numbers, items: Numbers, seeds: Seeds | None) -> Ends:
    as_it_is = jackknife(values, items)
    # as many draws of yes or no as vary no more than the percentage does
    times = max(1.0, values[0] * (100 - values[0]) / as_it_is.se**2 / items[0]) if as_it_is.se else 1.0
    by_battery = jackknife(_logit(values, times * items), items)
    around = _logit(values[0] + np.array([-1e-6, 1e-6]), times * items[0])
    known = varied(by_battery, seeds, float(around[1] - around[0]) / 2e-6)
    if known.se is None:
        return None, None
    # Wilson's interval of all or none of so many draws
    width = 100 * known.quantile**2 / (by_battery.effective + known.quantile**2)
    low, high = (100 / (1 + np.exp(-(known.value + sign * known.quantile * known.se))) for sign in (-1, 1))
    if values[0] >= 100:
        return 100 - width, 100.0
    return (0.0, width) if values[0] <= 0 else (float(low), float(high))


def holm(p: list[float]) -> list[float]:
    """p-values of tests made together (Holm 1979), step by step from the smallest."""
    corrected, largest = np.zeros(len(p)), 0.0
    for step, test in enumerate(np.argsort(p, kind="stable")):
        largest = max(largest, (len(p) - step) * p[test])
        corrected[test] = min(1, largest)
    return [float(one) for one in corrected]


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
