"""Simulated coverage of the 95% intervals, rejection of true nulls, and family-wise error, by mlv's own SQL.

Worlds have the batteries of ``echoes-2024``; questions of a battery share a part of their variance, the intraclass
correlation, and in profiles so do batteries that have the same two answers. ``python bench/coverage.py WORLDS``
simulates more than the few that ``make bench`` has time for (docs/statistics.md says how many its table is from).
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import duckdb
import numpy as np
import polars as pl
from measure import figure
from numpy.typing import NDArray
from scipy import stats

from mlv.ingest.reference.questions import category_of, number_of, question_batteries
from mlv.queries.engine.macros import subject_sql
from mlv.schema.papers import echoes

Numbers = NDArray[np.float64]

WORLDS = 300
CORRELATIONS = (0.0, 0.6, 0.8)
"""Intraclass correlations; those of a nano model's margins are 0.85 to 0.97, of their changes 0.5 to 0.9."""

FAMILIES = (20, 100, 400)
"""Rows of a family."""

SHARED = 0.3
"""Of a row's variance, the part that all rows of a family share."""

ALIKE = (
    "119 122-129 158-162 165-168 169-170 27-32 33-41",
    "118 177-195 209-220 221-222",
    "139-141 171 172 200 201-208 224-233 51-55",
    "48 64-89",
    "131 142-143 146-148 164 199 234 254 255-259",
    "121 235-239 43-45",
    "252 49-50",
    "112 120",
)
"""Batteries that have the same two answers in the Vietnamese probes of Arora, Kaffee and Augenstein (2023): of their 13
languages that in which most do. The others have two of their own."""

BY_ANSWERS = 0.7
"""Of what is common to a battery of a profile, the part that those with the same answers share: their mean ranks in the
profiles of models that know nothing correlate by as much (docs/statistics.md)."""

LEAST_COVERAGE, MOST_REJECTIONS, MOST_ERRORS = 0.93, 0.07, 0.06

NOMINAL = range(173, 176)
"""Questions of the study's categories that have no second answer, so that no probe is about them."""


def batteries() -> dict[str, str]:
    """Battery of each question of ``echoes-2024``."""
    found = {}
    for code, battery in question_batteries().items():
        number = number_of(code) or 0
        category = category_of(number)
        in_set = category is not None and category.in_study and number not in NOMINAL
        if in_set and code not in echoes.ECHOES_EXCLUDED_QUESTIONS:
            found[code] = battery
    return found


BATTERIES = np.array(list(batteries().values()))
NAMES = sorted(set(BATTERIES))
LEFT = np.array([np.ones(len(BATTERIES)), *(name != BATTERIES for name in NAMES)], dtype=float)
"""1 for every question that is left: of all, then without each battery, [1 + batteries, questions]."""

PAIR_OF = {battery: pair for pair, row in enumerate(ALIKE) for battery in row.split()}
PAIRS = np.array([str(PAIR_OF.get(battery, battery)) for battery in BATTERIES])
LEFT_PAIRS = np.array([np.ones(len(PAIRS)), *(pair != PAIRS for pair in sorted(set(PAIRS)))], dtype=float)
"""The same without the batteries of each pair of answers, [1 + pairs, questions]."""

EFFECTIVE = (LEFT[1:] == 0).sum() ** 2 / ((LEFT[1:] == 0).sum(axis=1) ** 2).sum()
"""Effective number of batteries (Kish 1965)."""


@dataclass(frozen=True)
class Cell:
    """A value as it is and without each battery, with the questions behind it."""

    values: Numbers
    items: Numbers


class Worlds:
    """Draws of answers under an intraclass correlation."""

    def __init__(self, correlation: float, seed: int) -> None:
        self._correlation = correlation
        self._rng = np.random.default_rng([seed, int(100 * correlation)])

    def latent(self, rows: int = 1, by_answers: float = 0) -> Numbers:
        """Standard normal margins, [rows, questions]; of what a battery shares, ``by_answers`` is by its answers."""
        battery, pair = self._common(rows, BATTERIES), self._common(rows, PAIRS)
        common = np.sqrt(by_answers) * pair + np.sqrt(1 - by_answers) * battery
        own = self._rng.standard_normal((rows, len(BATTERIES)))
        mixed: Numbers = np.sqrt(self._correlation) * common + np.sqrt(1 - self._correlation) * own
        return mixed

    def _common(self, rows: int, unit: NDArray[np.str_]) -> Numbers:
        _, place = np.unique(unit, return_inverse=True)
        drawn: Numbers = self._rng.standard_normal((rows, len(unit)))[:, place]
        return drawn

    def share(self, expected: float) -> Cell:
        """Percentage of answers that are one of two."""
        return _mean_of(100.0 * (self.latent()[0] < stats.norm.ppf(expected)))

    def targets(self) -> Cell:
        """Mean over targets of skewed percentages: Beta(0.5, 3), three in ten questions are traced."""
        values = 100 * stats.beta.ppf(stats.norm.cdf(self.latent()[0]), 0.5, 3)
        return _mean_of(values, self._rng.random(len(BATTERIES)) < 0.3)

    def rho(self, expected: float) -> Cell:
        """Spearman's rho with people, of margins that are correlated by ``expected``."""
        people, model = self.latent(2, BY_ANSWERS)
        return _rho(people, expected * people + np.sqrt(1 - expected**2) * model, LEFT_PAIRS)

    def rhos(self, rows: int) -> list[Cell]:
        """Rho with people of profiles that have nothing to do with them, but part of their variance in common."""
        people, shared = self.latent(2, BY_ANSWERS)
        own = self.latent(rows, BY_ANSWERS)
        return [_rho(people, np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * row, LEFT_PAIRS) for row in own]

    def shares(self, rows: int) -> list[Cell]:
        """Means of 0 of margins that have part of their variance in common."""
        shared, own = self.latent()[0], self.latent(rows)
        return [_mean_of(np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * row) for row in own]

    def change_of_rho(self) -> Cell:
        """Of a model that has nothing to do with people, before and after a fine-tuning that keeps half."""
        people, before, other = self.latent(3)
        first, second = _rho(people, before, LEFT), _rho(people, np.sqrt(0.5) * (before + other), LEFT)
        return Cell(second.values - first.values, first.items)


def _mean_of(values: Numbers, there: NDArray[np.bool_] | None = None) -> Cell:
    kept = LEFT if there is None else LEFT * there
    return Cell(kept @ values / kept.sum(axis=1), kept.sum(axis=1))


def _rho(x: Numbers, y: Numbers, left: Numbers) -> Cell:
    ranks = [[stats.rankdata(side[kept > 0]) for side in (x, y)] for kept in left]
    return Cell(np.array([np.corrcoef(a, b)[0, 1] for a, b in ranks]), left.sum(axis=1))


def connection() -> duckdb.DuckDBPyConnection:
    """A database with the macros, and views of a probe set and its resamples such as stores have."""
    database = duckdb.connect()
    questions = pl.DataFrame({"question": list(batteries()), "battery": BATTERIES}).with_columns(
        probe_set=pl.lit("simulated"), collection=pl.lit("c"), category=pl.lit("c")
    )
    drawn = np.random.default_rng(0).multinomial(len(NAMES), [1 / len(NAMES)] * len(NAMES), echoes.BOOTSTRAP_RESAMPLES)
    draws = pl.DataFrame(
        [(r + 1, name, int(n)) for r, row in enumerate(drawn) for name, n in zip(NAMES, row, strict=True) if n],
        schema=["resample", "battery", "times"],
        orient="row",
    ).with_columns(probe_set=pl.lit("simulated"))
    for name, frame in {"v_probe_set": questions, "v_resample": draws}.items():
        database.register("given", frame)
        database.execute(f"CREATE TABLE {name} AS FROM given")
    for subject in ("statistics", "jackknife", "seeds"):
        database.execute(subject_sql(subject))
    return database


def _load(database: duckdb.DuckDBPyConnection, cells: list[Cell]) -> None:
    """Make a table ``cells`` of cells and their replicates."""
    frame = pl.DataFrame(
        {
            "cell": np.repeat(np.arange(len(cells)), len(cells[0].values)),
            "left_out": np.tile(np.arange(len(cells[0].values)), len(cells)),
            "value": np.concatenate([cell.values for cell in cells]),
            "items": np.concatenate([cell.items for cell in cells]).astype(int),
        }
    )
    database.register("given", frame)
    database.execute(
        "CREATE OR REPLACE TABLE cells AS "
        "SELECT cell, replicates(value, items, left_out) AS rows FROM given GROUP BY cell"
    )


@dataclass(frozen=True)
class Statistic:
    """How a value is drawn, and the expressions of its interval and p-value over its replicates ``rows``."""

    name: str
    draw: Callable[[], Cell]
    low: str
    high: str
    expected: float
    p: str = ""
    """Empty where the value is no null."""


def covered(database: duckdb.DuckDBPyConnection, cells: list[Cell], statistic: Statistic) -> float:
    """Share of intervals that cover; cells without one do not count."""
    _load(database, cells)
    (share,) = database.execute(
        "SELECT avg(($expected BETWEEN low AND high)::INTEGER) "
        f"FROM (SELECT {statistic.low} AS low, {statistic.high} AS high FROM cells) WHERE low IS NOT NULL",
        {"expected": statistic.expected},
    ).fetchall()[0]
    return float(share)


def rejected(database: duckdb.DuckDBPyConnection, p: str) -> float:
    """Share of the cells loaded last whose p-value is below 0.05."""
    (share,) = database.execute(f"SELECT avg(({p} < 0.05)::INTEGER) FROM cells").fetchall()[0]
    return float(share)


Z = f"by_answers(rows, {EFFECTIVE})"

STEP_DOWN = "family_p((SELECT list({'key': cell, 'family': 1, 'rows': rows}) FROM cells), 'simulated')"
HOLM = f"holm((SELECT list({{'key': cell, 'family': 1, 'p': t_p({Z})}}) FROM cells))"


def errors(
    database: duckdb.DuckDBPyConnection, draw: Callable[[int], list[Cell]], correction: str, rows: int, number: int
) -> float:
    """Share of ``number`` families of true nulls, of ``rows`` dependent rows each, with a p-value below 0.05."""
    wrong = 0
    for _ in range(number):
        _load(database, draw(rows))
        ((smallest,),) = database.execute(f"SELECT min(p_family) FROM {correction}").fetchall()
        wrong += smallest < 0.05
    return wrong / number


def _statistics(worlds: Worlds) -> list[Statistic]:
    share, rho = ("share_low(rows)", "share_high(rows)"), (f"tanh(t_low({Z}))", f"tanh(t_high({Z}))")
    change = "low_end(rows)", "high_end(rows)"
    # Spearman's rho of normal margins that are correlated by a half
    half = 6 / np.pi * np.arcsin(0.25)
    return [
        *(Statistic(f"share {p:.0%}", partial(worlds.share, p), *share, 100 * p) for p in (0.5, 0.85, 0.95)),
        Statistic("mean over targets", worlds.targets, *share, 100 * 0.5 / 3.5),
        Statistic("rho 0", partial(worlds.rho, 0), *rho, 0, f"t_p({Z})"),
        Statistic("rho 0.48", partial(worlds.rho, 0.5), *rho, half),
        Statistic("change of rho", worlds.change_of_rho, *change, 0, "t_p(by_batteries(rows))"),
    ]


def report(what: str, share: float, bound: float, number: int, *, least: bool) -> None:
    """Print a share with its bound, twice the standard deviation that the number of draws leaves open allowed."""
    room = 2 * np.sqrt(bound * (1 - bound) / number)
    reached = share >= bound - room if least else share <= bound + room
    figure(what, 100 * share, "%", f"{'>=' if least else '<='} {100 * bound:.0f}", bool(reached))


def main() -> None:
    """Print every share with its bound."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else WORLDS
    database = connection()
    for correlation in CORRELATIONS:
        worlds, where = Worlds(correlation, 1), f"intraclass correlation {correlation}"
        for statistic in _statistics(worlds):
            got = covered(database, [statistic.draw() for _ in range(number)], statistic)
            report(f"coverage, {statistic.name}, {where}", got, LEAST_COVERAGE, number, least=True)
            if statistic.p:
                what = f"true nulls rejected, {statistic.name}, {where}"
                report(what, rejected(database, statistic.p), MOST_REJECTIONS, number, least=False)
        for rows in FAMILIES:
            families = max(20, 4 * number // rows)
            for what, draw, correction in (("of rho", worlds.rhos, HOLM), ("of others", worlds.shares, STEP_DOWN)):
                wrong = errors(database, draw, correction, rows, families)
                report(f"family-wise error, {rows} rows {what}, {where}", wrong, MOST_ERRORS, families, least=False)


if __name__ == "__main__":
    main()
