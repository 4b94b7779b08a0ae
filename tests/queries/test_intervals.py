"""Intervals and p-values by battery: against numpy, on studies of known shares, and beside results without them."""

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from asked import asked
from battery_study import (
    BATTERIES,
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
    profile_of,
    random_study,
    rhos_of,
    shares_of,
)
from by_battery import Jackknife, Numbers, interval, jackknife, resampled_statistics, step_down
from scipy import stats
from typer.testing import CliRunner

from mlv.cli.app import app
from mlv.queries import Query, all_versions, run
from mlv.queries.engine.macros import subject_sql
from mlv.schema.errors import UsageError
from mlv.schema.papers import echoes
from mlv.schema.store.opening import open_store

WITH_INTERVALS = [query for query in all_versions() if query.intervals]

RUNS: list[Run] = [
    ("pbc-fa-1", "pbc", "fa", 40, 1),
    ("pbc-fa-2", "pbc", "fa", 40, 2),
    ("pbc-ko-1", "pbc", "ko", 40, 1),
    ("pbc-ko-2", "pbc", "ko", 40, 2),
    ("pbc-fa-1-more", "pbc", "fa", 80, 1),
    ("pbc-fa-2-more", "pbc", "fa", 80, 2),
    ("tanzil-fa-1", "tanzil", "fa", 40, 1),
]


@pytest.fixture(scope="module")
def study() -> Study:
    return random_study(RUNS)


@pytest.fixture(scope="module")
def store(study: Study, make_store: MakeStore) -> Path:
    return drawn(make_store, study)


@pytest.fixture(scope="module")
def connection(store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(store) as connection:
        yield connection


@pytest.fixture(scope="module")
def left() -> Numbers:
    return left_out()


@pytest.fixture(scope="module")
def times(connection: duckdb.DuckDBPyConnection) -> Numbers:
    """How often each resample has each battery: [2000, batteries]."""
    place = {battery: number for number, battery in enumerate(sorted(set(BATTERIES.values())))}
    drawn = np.zeros((echoes.BOOTSTRAP_RESAMPLES, len(place)))
    for resample, battery, number in connection.execute("SELECT resample, battery, times FROM v_resample").fetchall():
        drawn[resample - 1, place[battery]] = number
    return drawn


def _rows(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> list[dict[str, Any]]:
    rows = run(connection, name, parameters={"ci": "questions", **parameters}).frame.to_dicts()
    assert rows
    return rows


def test_a_share(connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers) -> None:
    for row in _rows(connection, "unchanged"):
        kept = kept_values(study, row["run"], row["language"])
        shares, items = shares_of(kept, left), items_of(kept, left)
        assert near(row, "unchanged", interval(shares, items, "share"))
        binomial = shares[0] * (100 - shares[0]) / items[0]
        assert row["design_effect"] == pytest.approx((jackknife(shares, items).se or np.nan) ** 2 / binomial)


def test_a_mean_over_seeds_and_fine_tuning_languages(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers
) -> None:
    rows = _rows(connection, "unchanged_by_category", source="pbc", sentences=40)
    for row in rows:
        kept = {run_name: kept_values(study, run_name, row["language"], row["category"]) for run_name, *_ in RUNS[:4]}
        values = {run_name: shares_of(kept[run_name], left) for run_name in kept}
        of_language = [mean_of(values[f"pbc-{ft}-1"], values[f"pbc-{ft}-2"]) for ft in ("fa", "ko")]
        items = np.sum([items_of(kept[name], left) for name in kept], axis=0)
        assert near(row, "unchanged", interval(mean_of(*of_language), items, "share"))
        variances = [np.var([values[f"pbc-{ft}-{seed}"][0] for seed in (1, 2)], ddof=1) for ft in ("fa", "ko")]
        assert (row["seeds"], row["seed_sd"]) == (2, pytest.approx(np.sqrt(np.mean(variances))))
    # six questions carry no interval
    assert {row["category"] for row in rows if row["unchanged_low"] is None} == {"science"}


def test_a_paired_difference(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers, times: Numbers
) -> None:
    rows = _rows(connection, "size_effect", few=40, many=80)
    tests = []
    for row in rows:
        kept = {
            name: kept_values(study, name, row["language"])
            for name in ("pbc-fa-1", "pbc-fa-2", "pbc-fa-1-more", "pbc-fa-2-more")
        }
        values = {name: shares_of(kept[name], left) for name in kept}
        change = mean_of(*(values[f"pbc-fa-{seed}-more"] - values[f"pbc-fa-{seed}"] for seed in (1, 2)))
        items = np.sum([items_of(kept[name], left) for name in kept], axis=0)
        assert near(row, "change", interval(change, items))
        tests.append(jackknife(change, items))
        assert row["p"] == pytest.approx(tests[-1].p)
    assert [row["p_family"] for row in rows] == pytest.approx(_family(tests, times))


def _family(tests: list[Jackknife], times: Numbers) -> list[float]:
    statistics = np.array(
        [abs(test.value) / (test.se or np.nan) * (test.effective - 1) / test.effective for test in tests]
    )
    p: list[float] = step_down(statistics, resampled_statistics(tests, times)).tolist()
    return p


def test_a_jaccard_index(connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers) -> None:
    """Of the questions that two languages have: mean over the seeds, then over the pairs of languages."""
    rows = [row for row in _rows(connection, "shift_overlap_test_languages", sentences=40) if row["source"] == "pbc"]
    for ft in ("fa", "ko"):
        pairs = {pair: _jaccards(study, ft, pair, left) for pair in combinations(LANGUAGES, 2)}
        pairs["avg.", "avg."] = (
            mean_of(*(values for values, _ in pairs.values())),
            np.sum([items for _, items in pairs.values()], axis=0),
        )
        for row in (row for row in rows if row["ft_languages"] == ft):
            values, items = pairs.pop((row["language_a"], row["language_b"]))
            low, high = interval(100 * values, items, "share")
            assert low is not None and high is not None
            assert near(row, "jaccard", (low / 100, high / 100))
        assert not pairs


def _jaccards(study: Study, ft: str, pair: tuple[str, ...], left: Numbers) -> tuple[Numbers, Numbers]:
    """Mean over the seeds, and the questions that shift in either language."""
    values, items = [], []
    for seed in (1, 2):
        kept = np.array([kept_values(study, f"pbc-{ft}-{seed}", language) for language in pair])
        shifted = np.where(np.isnan(kept).any(axis=0), np.nan, kept) == 0
        items.append(left @ shifted.any(axis=0))
        values.append(left @ shifted.all(axis=0) / items[-1])
    return mean_of(*values), np.sum(items, axis=0)


def test_a_difference_of_rhos_is_paired(connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers) -> None:
    row = next(
        row
        for row in _rows(connection, "alignment_change", countries=COUNTRIES, source="tanzil")
        if (row["language"], row["country"]) == ("fa", "KR")
    )
    (after, items_after), (before, items_before) = (
        rhos_of(study, checkpoint, "fa", "KR", left) for checkpoint in ("tanzil-fa-1", "alpha")
    )
    # each rho is over the questions that it has; the fewer of the two count
    change, items = after - before, np.minimum(items_after, items_before)
    assert near(row, "change", interval(change, items))
    assert row["p"] == pytest.approx(jackknife(change, items).p)


def test_a_cosine_and_the_structure_of_cosines(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers
) -> None:
    (row,) = _rows(connection, "similarity_structure", strategies="pretrained")
    pairs = list(combinations(range(len(LANGUAGES)), 2))
    models = [profile_of(study["model_profiles"], checkpoint="alpha", language=language) for language in LANGUAGES]
    of_models = [_cosines(models[a], models[b], left) for a, b in pairs]
    values, items = np.mean([pair[0] for pair in of_models], axis=0), np.sum([pair[1] for pair in of_models], axis=0)
    assert near(row, "similarity", interval(values, items, "rho"))
    people = [profile_of(study["country_profiles"], country=country) for country in COUNTRIES]
    first = next(iter(_rows(connection, "ground_truth_similarity", countries=COUNTRIES)))
    assert near(first, "cosine", interval(*_cosines(people[0], people[1], left), "rho"))


def _cosines(x: Numbers, y: Numbers, left: Numbers) -> tuple[Numbers, Numbers]:
    both = ~np.isnan(x) & ~np.isnan(y)
    x, y, weights = x[both], y[both], left[:, both]
    return weights @ (x * y) / np.sqrt((weights @ (x * x)) * (weights @ (y * y))), weights.sum(axis=1)


def test_a_difference_between_mixture_and_single_languages_is_paired_by_seed(
    make_store: MakeStore, study: Study, left: Numbers, times: Numbers
) -> None:
    """A third seed of the mixture alone, and of one language alone, is not in the difference."""
    runs = [
        *RUNS[:4],
        *((f"pbc-mult-{seed}", "pbc", "fa,ko", 40, seed) for seed in (1, 2, 3)),
        ("pbc-fa-3", "pbc", "fa", 40, 3),
    ]
    same = {
        "pbc-mult-1": "pbc-fa-1-more",
        "pbc-mult-2": "pbc-fa-2-more",
        "pbc-mult-3": "tanzil-fa-1",
        "pbc-fa-3": "pbc-fa-1",
    }
    answers = pl.concat(
        [
            study["answers"],
            *(
                study["answers"].filter(checkpoint=old).with_columns(checkpoint=pl.lit(new))
                for new, old in same.items()
            ),
        ]
    )
    names = ["alpha", *(name for name, *_ in runs)]
    mixed = {**study, "checkpoints": checkpoints_of(runs), "answers": answers.filter(pl.col("checkpoint").is_in(names))}
    mixed["model_profiles"] = study["model_profiles"].filter(pl.col("checkpoint").is_in(names))
    with open_store(drawn(make_store, mixed)) as opened:
        rows = [row for row in _rows(opened, "unchanged_multilingual") if row["strategy"] == "difference"]
    assert [row["language"] for row in rows] == list(LANGUAGES)
    tests = []
    for row in rows:
        kept = {name: kept_values(mixed, name, row["language"]) for name in names[1:]}
        shares = {name: shares_of(kept[name], left) for name in kept}
        change = mean_of(
            *(
                shares[f"pbc-mult-{seed}"] - mean_of(shares[f"pbc-fa-{seed}"], shares[f"pbc-ko-{seed}"])
                for seed in (1, 2)
            )
        )
        counted = [f"pbc-{ft}-{seed}" for ft in ("fa", "ko", "mult") for seed in (1, 2)]
        items = np.sum([items_of(kept[name], left) for name in counted], axis=0)
        assert row["unchanged"] == pytest.approx(change[0])
        assert (row["seeds"], row["runs"]) == (2, 6)
        assert near(row, "unchanged", interval(change, items))
        tests.append(jackknife(change, items))
        assert row["p"] == pytest.approx(tests[-1].p)
    assert [row["p_family"] for row in rows] == pytest.approx(_family(tests, times))


@pytest.mark.parametrize(("language", "ends"), [("de", "all"), ("fa", "none")])
def test_no_interval_has_a_width_of_0(make_store: MakeStore, study: Study, language: str, ends: str) -> None:
    """A run that keeps every answer, or none: Wilson's interval of as many draws as there are effective batteries."""
    answers = study["answers"].filter(pl.col("checkpoint").is_in(["alpha"]), language=language)
    moved = answers.with_columns(answer=pl.col("answer") if ends == "all" else 3 - pl.col("answer"))
    one = {
        **study,
        "checkpoints": checkpoints_of(RUNS[:1]),
        "model_profiles": study["model_profiles"].filter(checkpoint="alpha"),
    }
    one["answers"] = pl.concat([answers, moved.with_columns(checkpoint=pl.lit("pbc-fa-1"))])
    with open_store(drawn(make_store, one)) as opened:
        (row,) = _rows(opened, "unchanged")
    sizes = answers.group_by(pl.col("question").replace(BATTERIES)).len()["len"].to_numpy()
    effective = sizes.sum() ** 2 / (sizes**2).sum()
    quantile = stats.t.ppf((1 + echoes.CONFIDENCE) / 2, effective - 1)
    beyond = 100 * quantile**2 / (effective + quantile**2)
    expected = [100 - beyond, 100] if ends == "all" else [0, beyond]
    assert [row["unchanged_low"], row["unchanged_high"]] == pytest.approx(expected, rel=1e-4)
    assert row["design_effect"] is None


@pytest.fixture(scope="module")
def drawn_by_hand(hand_study: Study, grid_study: Study, make_store: MakeStore) -> dict[bool, Path]:
    """The studies that are computed by hand, with resamples: one that is traced, and a larger one that is not."""
    return {True: drawn(make_store, hand_study), False: drawn(make_store, grid_study)}


@pytest.mark.parametrize("query", WITH_INTERVALS, ids=lambda query: query.reference)
def test_intervals_change_nothing_else(
    request: pytest.FixtureRequest, drawn_by_hand: dict[bool, Path], query: Query
) -> None:
    """Nor does the number of threads change the intervals."""
    traced, other = "v_influence" in query.text or "influence_runs" in query.text, asked(query).store
    with open_store(drawn_by_hand[traced] if other == "hand_store" else request.getfixturevalue(other)) as opened:
        plain = run(opened, query.name, query.version).frame
        frame = run(opened, query.name, query.version, {"ci": query.varied[0]}).frame
        opened.execute("SET threads = 1")
        assert run(opened, query.name, query.version, {"ci": query.varied[0]}).frame.equals(frame)
    assert plain.columns == list(query.columns)
    # neither study has profiles of two models, or after two sources
    assert plain.height > 0 or query.name == "alignment_difference"
    assert set(frame.columns) == {*query.columns, *query.intervals}
    assert frame.select(plain.columns).equals(plain)


def test_intervals_do_not_depend_on_the_order_of_rows(store: Path, shuffled: Callable[[Path], Path]) -> None:
    with open_store(store) as first, open_store(shuffled(store)) as second:
        for name in ("alignment", "unchanged_by_category"):
            expected = run(first, name, parameters={"ci": "questions"}).frame
            assert expected.height > 0
            assert run(second, name, parameters={"ci": "questions"}).frame.equals(expected, null_equal=True), name


@pytest.mark.parametrize("query", WITH_INTERVALS, ids=lambda query: query.reference)
def test_intervals_are_declared_in_one_way(query: Query) -> None:
    assert query.varied in (("questions",), ("questions", "seeds", "both"), ("groups",))
    assert not set(query.intervals) & set(query.columns)
    ends = {name.removesuffix(end) for name in query.intervals for end in ("_low", "_high") if name.endswith(end)}
    assert ends
    assert all({f"{name}_low", f"{name}_high"} <= set(query.intervals) and name in query.columns for name in ends)


@pytest.mark.parametrize("df", [9, 9.5, 14.2, 23.4, 57, 236, 1e4])
def test_ends_are_those_of_the_papers_constant(df: float) -> None:
    with duckdb.connect() as connection:
        connection.execute(subject_sql("statistics"))
        (got,) = connection.execute("SELECT t_quantile($df::DOUBLE)", {"df": df}).fetchall()[0]
    assert got == pytest.approx(stats.t.ppf((1 + echoes.CONFIDENCE) / 2, df), abs=2e-5)


@pytest.mark.parametrize("seed", range(5))
def test_tests_of_several_families_step_down_each(seed: int) -> None:
    """With ties, and with a test that has no statistic."""
    rng = np.random.default_rng(seed)
    statistics, by_chance = np.round(np.abs(rng.normal(1, 1, 12)), 1), np.abs(np.round(rng.normal(0, 1, (199, 12)), 1))
    family = np.arange(12) % 3
    expected = np.zeros(12)
    for number in range(3):
        expected[family == number] = step_down(statistics[family == number], by_chance[:, family == number])
    frame = pl.DataFrame(
        {
            "key": range(13),
            "family": [*family, 0],
            "statistic": [*statistics, None],
            "by_chance": [*by_chance.T.tolist(), [1.0]],
        }
    )
    with duckdb.connect() as connection:
        connection.execute(subject_sql("statistics"))
        connection.register("given", frame)
        rows = connection.execute("FROM step_down((SELECT list(g) FROM given g)) ORDER BY key").fetchall()
    assert [key for key, _ in rows] == list(range(12))
    assert [p for _, p in rows] == pytest.approx(expected.tolist())


def test_a_query_without_intervals_names_those_with(store: Path) -> None:
    result = CliRunner().invoke(app, ["query", "run", "coverage", "--ci", "questions", "--db", str(store)])
    assert isinstance(result.exception, UsageError)
    assert "coverage@1 has no intervals" in result.exception.message
    assert "unchanged" in result.exception.hint


def test_the_option_is_the_parameter(store: Path) -> None:
    runner, command = CliRunner(), ["query", "run", "unchanged", "--format", "csv", "--db", str(store)]
    given = runner.invoke(app, [*command, "--param", "ci=questions"])
    assert "unchanged_low" in given.stdout
    assert runner.invoke(app, [*command, "--ci", "questions"]).stdout == given.stdout
    assert "unchanged_low" not in runner.invoke(app, command).stdout


def test_no_correlation_has_no_interval(empty_store: Path) -> None:
    """Neither where it is not defined, as of a constant, nor where it is not without some battery."""
    rows: list[list[float | None]] = [[0, 0.5, 30]]
    rows += [[battery, 0.5 + battery / 100, 28] for battery in range(1, 16)]
    ends = """
        SELECT rho_low(replicates(row[2], row[3]::INTEGER, row[1]::INTEGER)) IS NULL
        FROM (SELECT unnest($rows) AS row)
    """
    with open_store(empty_store) as connection:
        for subject in ("statistics", "jackknife"):
            connection.execute(subject_sql(subject))
        assert connection.execute("SELECT fisher_z(NULL::DOUBLE)").fetchone() == (None,)
        assert connection.execute(ends, {"rows": rows}).fetchone() == (False,)
        rows[-1][1] = None
        assert connection.execute(ends, {"rows": rows}).fetchone() == (True,)


@pytest.mark.parametrize("percentage", [0.4, 11.0, 97.0])
def test_a_mean_of_percentages_that_hardly_differ_lies_within_its_interval(
    empty_store: Path, percentage: float
) -> None:
    """Of 20 batteries of a question each: an empirical logit of 20 draws would lie beyond."""
    values = percentage * (1 + np.array([0, *0.002 * np.arange(-9.5, 10)]))
    items = np.array([20] + [19] * 20)
    rows = [
        {"left_out": place, "value": value, "items": int(items[place])} for place, value in enumerate(values.tolist())
    ]
    with open_store(empty_store) as connection:
        for subject in ("statistics", "jackknife"):
            connection.execute(subject_sql(subject))
        ends = "SELECT share_low(rows), share_high(rows) FROM (SELECT $rows AS rows)"
        [(low, high)] = connection.execute(ends, {"rows": rows}).fetchall()
    assert (low, high) == pytest.approx(interval(values, items, "share"))
    assert low < percentage < high
