"""Intervals and p-values over other seeds, alone or with other questions: against numpy, on a study."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, Literal

import duckdb
import numpy as np
import polars as pl
import pytest
from battery_study import (
    COUNTRIES,
    LANGUAGES,
    MakeStore,
    Run,
    Study,
    checkpoints_of,
    drawn,
    items_of,
    kept_values,
    left_out,
    mean_of,
    near,
    random_study,
    rhos_of,
    shares_of,
)
from by_battery import Numbers, Seeds, holm, interval, jackknife, varied
from scipy import stats
from typer.testing import CliRunner

from mlv.cli.app import app
from mlv.queries import all_versions, run
from mlv.queries.engine.macros import install_macros, subject_sql
from mlv.schema.errors import UsageError
from mlv.schema.papers import echoes
from mlv.schema.store.opening import open_store

Over = Literal["seeds", "both"]

SEEDS = {"fa": (1, 2, 3), "ko": (1, 2), "de": (1,)}
RUNS: list[Run] = [
    *((f"pbc-{ft}-{seed}", "pbc", ft, 40, seed) for ft, seeds in SEEDS.items() for seed in seeds),
    *((f"pbc-mult-{seed}", "pbc", "fa,ko", 40, seed) for seed in (1, 2, 3)),
    *((f"pbc-fa-{seed}-more", "pbc", "fa", 80, seed) for seed in (1, 2, 3)),
    ("tanzil-fa-1", "tanzil", "fa", 40, 1),
]
MONOLINGUAL = [f"pbc-{ft}-{seed}" for ft, seeds in SEEDS.items() for seed in seeds]


@pytest.fixture(scope="module")
def study() -> Study:
    return random_study(RUNS)


@pytest.fixture(scope="module")
def connection(study: Study, make_store: MakeStore) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(drawn(make_store, study)) as connection:
        yield connection


@pytest.fixture(scope="module")
def left() -> Numbers:
    return left_out()


@pytest.fixture(params=["seeds", "both"])
def over(request: pytest.FixtureRequest) -> Over:
    both: Over = request.param
    return both


def _rows(connection: duckdb.DuckDBPyConnection, name: str, over: str, **parameters: Any) -> list[dict[str, Any]]:
    rows = run(connection, name, parameters={"ci": over, **parameters}).frame.to_dicts()
    assert rows
    return rows


def _over_languages(values: dict[str, Numbers]) -> tuple[Numbers, list[list[float]]]:
    """Mean over the fine-tuning languages of the mean over their seeds, and the values of the seeds."""
    by_language = {ft: [values[f"pbc-{ft}-{seed}"] for seed in seeds] for ft, seeds in SEEDS.items()}
    samples = [[float(value[0]) for value in language] for language in by_language.values()]
    return mean_of(*(mean_of(*language) for language in by_language.values())), samples


def test_a_mean_over_languages_of_unequal_seeds(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers, over: Over
) -> None:
    rows = _rows(connection, "unchanged_by_category", over, source="pbc", sentences=40)
    for row in rows:
        kept = {name: kept_values(study, name, row["language"], row["category"]) for name in MONOLINGUAL}
        value, samples = _over_languages({name: shares_of(kept[name], left) for name in kept})
        items = np.sum([items_of(kept[name], left) for name in kept], axis=0)
        assert row["unchanged"] == pytest.approx(value[0])
        assert near(row, "unchanged", interval(value, items, "share", Seeds(over, samples)))
    # six questions say nothing of others, and all that is asked of other seeds
    without = {row["category"] for row in rows if row["unchanged_low"] is None}
    assert without == ({"science"} if over == "both" else set())


def test_a_single_seed_says_nothing_of_others(connection: duckdb.DuckDBPyConnection, over: Over) -> None:
    for row in _rows(connection, "unchanged_by_category", over, source="tanzil"):
        assert (row["unchanged_low"], row["unchanged_high"], row["seed_sd"]) == (None, None, None)


def test_a_difference_that_is_paired_by_seed(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers, over: Over
) -> None:
    rows = _rows(connection, "size_effect", over, few=40, many=80)
    tests = []
    for row in rows:
        names = [f"pbc-fa-{seed}{end}" for end in ("", "-more") for seed in (1, 2, 3)]
        kept = {name: kept_values(study, name, row["language"]) for name in names}
        shares = {name: shares_of(kept[name], left) for name in kept}
        changes = [shares[f"pbc-fa-{seed}-more"] - shares[f"pbc-fa-{seed}"] for seed in (1, 2, 3)]
        items = np.sum([items_of(kept[name], left) for name in kept], axis=0)
        seeds = Seeds(over, [[float(change[0]) for change in changes]])
        assert near(row, "change", interval(mean_of(*changes), items, seeds=seeds))
        tests.append(varied(jackknife(mean_of(*changes), items), seeds))
        assert row["p"] == pytest.approx(tests[-1].p)
        assert row["seed_sd"] == pytest.approx(seeds.sd)
    assert len(rows) == len(LANGUAGES)
    assert [row["p_family"] for row in rows] == pytest.approx(holm([test.cautious_p for test in tests]))


def test_mixtures_and_their_languages(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers, over: Over
) -> None:
    rows = {(row["strategy"], row["language"]): row for row in _rows(connection, "unchanged_multilingual", over)}
    assert len(rows) == 3 * len(LANGUAGES)
    tests = []
    for language in LANGUAGES:
        names = [*(name for name in MONOLINGUAL if "-de-" not in name), *(f"pbc-mult-{seed}" for seed in (1, 2, 3))]
        kept = {name: kept_values(study, name, language) for name in names}
        shares = {name: shares_of(kept[name], left) for name in names}
        items = {name: items_of(kept[name], left) for name in names}
        mixture = [shares[f"pbc-mult-{seed}"] for seed in (1, 2, 3)]
        singles = [[shares[f"pbc-{ft}-{seed}"] for seed in SEEDS[ft]] for ft in ("fa", "ko")]
        ends = interval(
            mean_of(*mixture),
            np.sum([items[f"pbc-mult-{seed}"] for seed in (1, 2, 3)], axis=0),
            "share",
            Seeds(over, [[float(value[0]) for value in mixture]]),
        )
        assert near(rows["multilingual", language], "unchanged", ends)
        ends = interval(
            mean_of(*(mean_of(*single) for single in singles)),
            np.sum([items[name] for name in names if "mult" not in name], axis=0),
            "share",
            Seeds(over, [[float(value[0]) for value in single] for single in singles]),
        )
        assert near(rows["monolingual_mean", language], "unchanged", ends)
        # the third seed has no run in Korean
        pairs = [mixture[seed] - mean_of(singles[0][seed], singles[1][seed]) for seed in (0, 1)]
        counted = [name for name in names if name[-1] != "3"]
        seeds = Seeds(over, [[float(pair[0]) for pair in pairs]])
        known = varied(jackknife(mean_of(*pairs), np.sum([items[name] for name in counted], axis=0)), seeds)
        row = rows["difference", language]
        assert row["p"] == pytest.approx(known.p)
        assert row["unchanged_high"] - row["unchanged"] == pytest.approx(known.quantile * (known.se or 0), rel=1e-4)
        tests.append(known.cautious_p)
    got = [rows["difference", language]["p_family"] for language in LANGUAGES]
    assert got == pytest.approx(holm(tests))


def test_a_change_of_rho(connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers, over: Over) -> None:
    rows = _rows(connection, "alignment_change", over, countries=COUNTRIES, source="pbc", sentences=40)
    tests = []
    for row in (row for row in rows if row["strategy"] == "monolingual"):
        before, items_before = rhos_of(study, "alpha", row["language"], row["country"], left)
        after = {name: rhos_of(study, name, row["language"], row["country"], left) for name in MONOLINGUAL}
        value, samples = _over_languages({name: rhos - before for name, (rhos, _) in after.items()})
        # each rho is over the questions that it has; the fewer of the two count
        items = np.sum([np.minimum(items_before, others) for _, others in after.values()], axis=0)
        seeds = Seeds(over, samples)
        assert near(row, "change", interval(value, items, seeds=seeds))
        tests.append((row["p_family"], varied(jackknife(value, items), seeds)))
        assert row["p"] == pytest.approx(tests[-1][1].p)
    assert len(tests) == len(LANGUAGES) * len(COUNTRIES)
    assert [p_family for p_family, _ in tests] == pytest.approx(holm([test.cautious_p for _, test in tests]))


def test_a_figure_that_is_repeated(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers, over: Over
) -> None:
    rows = _rows(connection, "seed_robustness", over, source="pbc", sentences=40)
    seen = set()
    for row in rows:
        name = row["ft_languages"].replace("fa,ko", "mult")
        kept = [kept_values(study, f"pbc-{name}-{seed}", row["language"]) for seed in range(1, row["seeds"] + 1)]
        shares = [shares_of(one, left) for one in kept]
        items = np.sum([items_of(one, left) for one in kept], axis=0)
        seeds = Seeds(over, [[float(share[0]) for share in shares]])
        assert near(row, "mean", interval(mean_of(*shares), items, "share", seeds))
        seen.add((row["seeds"], row["mean_low"] is None))
    assert seen == {(3, False), (2, False), (1, True)}


def _shifted(study: Study, name: str, language: str) -> Numbers:
    """1 where a value shifted, NaN where it is not known: [questions]."""
    shifted: Numbers = 1 - kept_values(study, name, language)
    return shifted


def test_sets_of_shifts_of_several_seeds(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers, over: Over
) -> None:
    """Of an average over test languages, each seed has its own average: they share its runs."""
    pairs = list(combinations(LANGUAGES, 2))
    jaccards: dict[tuple[str, ...], list[Numbers]] = {pair: [] for pair in pairs}
    either: dict[tuple[str, ...], list[Numbers]] = {pair: [] for pair in pairs}
    for seed in SEEDS["fa"]:
        for pair in pairs:
            both = np.array([_shifted(study, f"pbc-fa-{seed}", language) for language in pair])
            both[:, np.isnan(both).any(axis=0)] = 0
            either[pair].append(left @ both.any(axis=0))
            jaccards[pair].append(100 * (left @ both.all(axis=0)) / either[pair][-1])
    jaccards["avg.", "avg."] = [mean_of(*(jaccards[pair][place] for pair in pairs)) for place in range(3)]
    either["avg.", "avg."] = [np.sum([either[pair] for pair in pairs], axis=(0, 1))]
    rows = _rows(connection, "shift_overlap_test_languages", over, source="pbc", sentences=40)
    rows = [row for row in rows if row["ft_languages"] == "fa"]
    assert len(rows) == len(pairs) + 1
    for row in rows:
        values = jaccards[row["language_a"], row["language_b"]]
        seeds = Seeds(over, [[float(value[0]) for value in values]])
        items = np.sum(either[row["language_a"], row["language_b"]], axis=0)
        low, high = interval(mean_of(*values), items, "share", seeds)
        assert low is not None and high is not None
        assert near(row, "jaccard", (low / 100, high / 100))
        assert (row["seeds"], row["seed_sd"]) == (3, pytest.approx(seeds.sd / 100))


def test_uniqueness_within_seeds(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers, over: Over
) -> None:
    """The third seed has one fine-tuning language, which nothing is compared with."""
    values: dict[str, list[Numbers]] = {language: [] for language in LANGUAGES}
    shifting: dict[str, list[Numbers]] = {language: [] for language in LANGUAGES}
    for fts, seed in ((("de", "fa", "ko"), 1), (("fa", "ko"), 2)):
        for language in LANGUAGES:
            shifts = np.array([_shifted(study, f"pbc-{ft}-{seed}", language) for ft in fts])
            shifts[:, np.isnan(shifts).any(axis=0)] = 0
            shifting[language].append(left @ shifts.any(axis=0))
            values[language].append(100 * (left @ (shifts.sum(axis=0) == 1)) / shifting[language][-1])
    values["avg."] = [mean_of(*(values[language][place] for language in LANGUAGES)) for place in range(2)]
    shifting["avg."] = [np.sum([shifting[language] for language in LANGUAGES], axis=(0, 1))]
    rows = _rows(connection, "shift_uniqueness", over, source="pbc", sentences=40)
    assert len(rows) == len(values)
    for row in rows:
        of_seeds = values[row["language"]]
        seeds = Seeds(over, [[float(value[0]) for value in of_seeds]])
        items = np.sum(shifting[row["language"]], axis=0)
        assert near(row, "uniqueness", interval(mean_of(*of_seeds), items, "share", seeds))
        assert row["seed_sd"] == pytest.approx(seeds.sd)


def test_seeds_that_do_not_differ(make_store: MakeStore, study: Study) -> None:
    """Nothing is known of other seeds then; with questions, the end is that of questions alone."""
    moved = ["alpha", "pbc-fa-1", "pbc-fa-2"]
    answers = study["answers"].filter(checkpoint="alpha")
    same = {
        **study,
        "checkpoints": checkpoints_of([run for run in RUNS if run[0] in moved]),
        "model_profiles": study["model_profiles"].filter(checkpoint="alpha"),
        "answers": pl.concat([answers.with_columns(checkpoint=pl.lit(name)) for name in moved]),
    }
    with open_store(drawn(make_store, same)) as opened:
        by = {over: _rows(opened, "seed_robustness", over) for over in ("questions", "seeds", "both")}
    assert [row["mean"] for row in by["seeds"]] == [100.0] * len(LANGUAGES)
    assert {(row["mean_low"], row["mean_high"]) for row in by["seeds"]} == {(None, None)}
    assert by["both"] == by["questions"]
    assert all(row["mean_low"] < 100 for row in by["both"])


@pytest.mark.parametrize("df", [1, 1.2, 2, 3.7, 8.99])
def test_few_degrees_of_freedom(df: float) -> None:
    """Two seeds have one, where t is 12.7."""
    with duckdb.connect() as connection:
        connection.execute(subject_sql("statistics"))
        got = connection.execute(
            "SELECT t_quantile($df::DOUBLE), t_quantile(0), t_quantile(NULL)", {"df": df}
        ).fetchone()
    assert got == (pytest.approx(stats.t.ppf((1 + echoes.CONFIDENCE) / 2, df), rel=1e-9), None, None)


@pytest.mark.parametrize("seed", range(5))
def test_spread_of_unequal_samples(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = [rng.normal(50, 5 * (1 + place), n).tolist() for place, n in enumerate(rng.permutation([1, 2, 3, 6]))]
    expected = Seeds("seeds", samples)
    install_macros(connection)
    row = connection.execute("SELECT unnest(seed_spread($samples))", {"samples": samples}).fetchone()
    assert row == pytest.approx((expected.sd, expected.variance, expected.df, 1))


def test_spread_of_known_samples(connection: duckdb.DuckDBPyConnection) -> None:
    """Of 1, 3 and 10, 10, 16: variances 2 and 12 with 1 and 2 degrees of freedom; a single value says nothing."""
    install_macros(connection)
    row = connection.execute("SELECT unnest(seed_spread([[1, 3], [10, 10, 16], [50]]))").fetchone()
    welch = 26**2 / (2**2 / 3 + 24**2 / 4) - 2
    assert row == pytest.approx((np.sqrt(26 / 3), 26 / 3 * (1 / 2 + 1 / 3 + 1) / 9, welch, 1))
    assert connection.execute("SELECT unnest(seed_spread([[1], [50]]))").fetchone() == (None, None, None, None)


@pytest.mark.parametrize("query", [query for query in all_versions() if "seeds" not in query.varied], ids=str)
def test_rows_of_single_runs_have_none(connection: duckdb.DuckDBPyConnection, query: Any) -> None:
    with pytest.raises(UsageError, match="no intervals") as caught:
        run(connection, query.name, parameters={"ci": "seeds"})
    assert "unchanged_by_category" in caught.value.hint


def test_the_option_takes_what_is_varied(study: Study, make_store: MakeStore) -> None:
    db = ["--db", str(drawn(make_store, study))]
    runner = CliRunner()
    for over in ("questions", "seeds", "both"):
        given = runner.invoke(app, ["query", "run", "seed_robustness", "--ci", over, "--format", "csv", *db])
        named = runner.invoke(app, ["query", "run", "seed_robustness", "-p", f"ci={over}", "--format", "csv", *db])
        assert "mean_low" in given.stdout
        assert given.stdout == named.stdout
    assert runner.invoke(app, ["query", "run", "seed_robustness", "--ci", "languages", *db]).exit_code == 2
