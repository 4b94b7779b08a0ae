"""Simulated coverage, rejection of true nulls and family-wise error of intervals over seeds, by mlv's own SQL.

Worlds are those of ``coverage.py``, in which runs differ by seed: half of what a seed does it does to all questions
alike, half to each battery. ``python bench/coverage_seeds.py WORLDS`` simulates more than ``make bench`` has time for.
"""

import sys
from dataclasses import dataclass
from itertools import product

import duckdb
import numpy as np
import polars as pl
from coverage import BATTERIES, LEFT, MOST_ERRORS, SHARED, Numbers, Worlds, connection, report
from scipy import stats

WORLDS = 200
CORRELATION = 0.6
"""Intraclass correlation within batteries, of what lasts and of what seeds do."""

SHARE = 0.85
"""Share of answers that are one of two."""

ALIKE = (1.0,)
UNLIKE = (1.0, 0.5, 0.5, 0.5)
"""What seeds do to runs in a language, in standard deviations: in one language, and in four, of which one is unlike."""

LEAST_COVERAGE, MOST_REJECTIONS = 0.93, 0.07

_SIZES = np.unique(BATTERIES, return_counts=True)[1]
_OF_MEAN = (_SIZES * (1 + (_SIZES - 1) * CORRELATION)).sum() / len(BATTERIES) ** 2
"""Variance of the mean of margins of variance 1."""


@dataclass(frozen=True)
class Setup:
    """How often something is repeated."""

    seeds: int
    """Runs in every fine-tuning language."""

    ratio: float
    """Variance of the value by seed, over that by questions."""

    languages: tuple[float, ...] = ALIKE

    def __str__(self) -> str:
        where = f"{len(self.languages)} languages, " if len(self.languages) > 1 else ""
        return f"{where}{self.seeds} seeds, ratio {self.ratio}"


@dataclass(frozen=True)
class Drawn:
    """Values that are drawn together, as they are and without each battery; and what they would be."""

    values: Numbers
    """[rows, 1 + batteries]."""

    samples: list[list[list[float]]]
    """By row and fine-tuning language, the values of the seeds."""

    truth: dict[str, Numbers]
    """By what an interval is over, [rows]."""


class Repeats:
    """Draws of margins over seeds."""

    def __init__(self, setup: Setup, seed: int) -> None:
        self._setup = setup
        self._worlds = Worlds(CORRELATION, seed)
        self._rng = np.random.default_rng([seed, setup.seeds, int(100 * setup.ratio), len(setup.languages)])
        self._own = setup.ratio / (2 + setup.ratio)
        """Of the margins' variance, what seeds do to single batteries."""

    def _margins(self, rows: int) -> tuple[Numbers, list[Numbers]]:
        """What lasts, [rows, questions], and for each language the margins of the seeds, [rows, seeds, questions]."""
        lasting = np.sqrt(1 - self._own) * self._dependent(rows, 1)[:, 0]
        by_language = []
        for part in self._setup.languages:
            to_batteries = np.sqrt(self._own) * self._dependent(rows, self._setup.seeds)
            to_all = np.sqrt(self._own * _OF_MEAN) * self._rng.standard_normal((self._setup.seeds, 1))
            by_language.append(lasting[:, None] + part * (to_batteries + to_all))
        return lasting, by_language

    def _dependent(self, rows: int, number: int) -> Numbers:
        """Margins of variance 1 of which rows share a part, [rows, number, questions]."""
        shared, own = self._worlds.latent(number), self._worlds.latent(rows * number)
        mixed: Numbers = np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own.reshape(rows, number, -1)
        return mixed

    def change(self, rows: int = 1) -> Drawn:
        """Mean margins, which are 0 over questions and seeds."""
        lasting, by_language = self._margins(rows)
        return _drawn(by_language, {"seeds": lasting.mean(axis=1), "both": np.zeros(rows)})

    def share(self) -> Drawn:
        """Percentage of margins below a threshold."""
        threshold = stats.norm.ppf(SHARE)
        lasting, by_language = self._margins(1)
        of_seeds = np.array(self._setup.languages) * np.sqrt(self._own * (1 + _OF_MEAN))
        kept = stats.norm.cdf((threshold - lasting) / of_seeds[:, None]).mean()
        expected = stats.norm.cdf(threshold / np.sqrt(1 - self._own + of_seeds**2)).mean()
        truth = {"seeds": np.array([100 * kept]), "both": np.array([100 * expected])}
        return _drawn([100.0 * (margins < threshold) for margins in by_language], truth)


def _drawn(by_language: list[Numbers], truth: dict[str, Numbers]) -> Drawn:
    """From the margins or answers of the seeds of each language, [rows, seeds, questions]."""
    by_question = np.mean([answers.mean(axis=1) for answers in by_language], axis=0)
    samples = np.array([answers.mean(axis=2) for answers in by_language]).swapaxes(0, 1)
    return Drawn(by_question @ LEFT.T / LEFT.sum(axis=1), samples.tolist(), truth)


def _load(database: duckdb.DuckDBPyConnection, drawn: list[Drawn], setup: Setup) -> None:
    """Make a table ``cells`` of values with their replicates, spread over seeds and truths."""
    values = np.concatenate([one.values for one in drawn])
    runs = setup.seeds * len(setup.languages)
    frame = pl.DataFrame(
        {
            "cell": np.repeat(np.arange(len(values)), len(LEFT)),
            "left_out": np.tile(np.arange(len(LEFT)), len(values)),
            "value": values.ravel(),
            "items": np.tile(runs * LEFT.sum(axis=1).astype(int), len(values)),
        }
    )
    of_cells = pl.DataFrame(
        {
            "cell": np.arange(len(values)),
            "samples": [sample for one in drawn for sample in one.samples],
            "kept": np.concatenate([one.truth["seeds"] for one in drawn]),
            "expected": np.concatenate([one.truth["both"] for one in drawn]),
        }
    )
    database.register("given", frame)
    database.register("of_cells", of_cells)
    database.execute(
        "CREATE OR REPLACE TABLE cells AS "
        "SELECT c.cell, rows, seed_spread(samples) AS spread, {'seeds': kept, 'both': expected} AS truth "
        "FROM (SELECT cell, replicates(value, items, left_out) AS rows FROM given GROUP BY cell) c "
        "JOIN of_cells USING (cell)"
    )


def covered(database: duckdb.DuckDBPyConnection, over: str, ends: tuple[str, str]) -> float:
    """Share of the intervals of the cells loaded last that cover."""
    low, high = ends
    (share,) = database.execute(
        f"SELECT avg((truth['{over}'] BETWEEN {low}($over, rows, spread) AND {high}($over, rows, spread))::INTEGER) "
        "FROM cells",
        {"over": over},
    ).fetchall()[0]
    return float(share)


def smallest_p(database: duckdb.DuckDBPyConnection, over: str) -> float:
    """The smallest p-value of the cells loaded last as a family, of how far they are from the truth."""
    ((smallest,),) = database.execute(
        f"""
        WITH centred AS (
            SELECT
                cell, spread,
                list_transform(rows, lambda row: {{
                    'left_out': row.left_out, 'value': row.value - truth['{over}'], 'items': row.items
                }}) AS rows
            FROM cells
        )
        SELECT min(p_family) FROM family_over(
            $over,
            (SELECT list({{'key': cell, 'family': 1, 'rows': rows, 'spread': spread}}) FROM centred),
            'simulated'
        )
        """,
        {"over": over},
    ).fetchall()
    return float(smallest)


def main() -> None:
    """Print every share with its bound."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else WORLDS
    database = connection()
    setups = [Setup(*setup) for setup in product((3, 5), (0.25, 1.0, 4.0), (ALIKE, UNLIKE))]
    for setup in setups:
        repeats = Repeats(setup, 1)
        for what, draw, ends in (
            (f"share {SHARE:.0%}", repeats.share, ("mean_share_low", "mean_share_high")),
            ("change", repeats.change, ("mean_low", "mean_high")),
        ):
            _load(database, [draw() for _ in range(number)], setup)
            for over in ("seeds", "both"):
                got = covered(database, over, ends)
                report(f"coverage over {over}, {what}, {setup}", got, LEAST_COVERAGE, number, least=True)
                if what == "change":
                    # its p-value is below 0.05 where its interval leaves out the truth
                    rejected = f"true nulls rejected over {over}, {setup}"
                    report(rejected, 1 - got, MOST_REJECTIONS, number, least=False)
    for setup, rows in product((Setup(3, 1.0), Setup(3, 1.0, UNLIKE), Setup(5, 1.0)), (20, 100)):
        repeats, families = Repeats(setup, 2), max(20, 4 * number // rows)
        wrong = {"seeds": 0, "both": 0}
        for _ in range(families):
            _load(database, [repeats.change(rows)], setup)
            for over in wrong:
                wrong[over] += smallest_p(database, over) < 0.05
        for over, errors in wrong.items():
            what = f"family-wise error over {over}, {rows} rows, {setup}"
            report(what, errors / families, MOST_ERRORS, families, least=False)


if __name__ == "__main__":
    main()
