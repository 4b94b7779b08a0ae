"""Intervals and p-values by battery: against numpy, on studies of known shares, and beside results without them."""

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from by_battery import Ends, Jackknife, interval, jackknife, resampled_statistics, step_down
from numpy.typing import NDArray
from scipy import stats
from typer.testing import CliRunner

from mlv.cli.app import app
from mlv.queries import Query, all_versions, run
from mlv.queries.engine.catalogue import INTERVALS
from mlv.queries.engine.macros import subject_sql
from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.errors import UsageError
from mlv.schema.papers import echoes
from mlv.schema.store.opening import connect, open_store

Study = dict[str, pl.DataFrame]
Numbers = NDArray[np.float64]
MakeStore = Callable[[Study], Path]

WITH_INTERVALS = [query for query in all_versions() if query.intervals]

CATEGORIES = {"security": range(131, 152), "science": range(158, 164), "ethical_values": range(177, 199)}
QUESTIONS = {str(number): category for category, numbers in CATEGORIES.items() for number in numbers}
BATTERIES = {
    question: f"{category}-{3 * (place // 4) + max(0, place % 4 - 1)}"
    for category, numbers in CATEGORIES.items()
    for place, question in enumerate(map(str, numbers))
}
"""Of two questions, of one, of one, and so on within a category."""

SPEC = '{"epochs":5,"batch_size":8,"learning_rate":5e-05}'
LANGUAGES = ("de", "fa", "ko")
COUNTRIES = ("DE", "IR", "KR")
RUNS = [
    ("pbc-fa-1", "pbc", "fa", 40, 1),
    ("pbc-fa-2", "pbc", "fa", 40, 2),
    ("pbc-ko-1", "pbc", "ko", 40, 1),
    ("pbc-ko-2", "pbc", "ko", 40, 2),
    ("pbc-fa-1-more", "pbc", "fa", 80, 1),
    ("pbc-fa-2-more", "pbc", "fa", 80, 2),
    ("tanzil-fa-1", "tanzil", "fa", 40, 1),
]
"""Name, source, fine-tuning language, sentences and seed."""


def _drawn(make_store: MakeStore, study: Study) -> Path:
    """A store of a study, with resamples of its probe sets."""
    path = make_store(study)
    with connect(path, read_only=False) as connection:
        for (probe_set,) in connection.execute("SELECT probe_set_id FROM probe_set").fetchall():
            draw_resamples(connection, probe_set)
    return path


def _checkpoints(runs: list[tuple[str, str, str, int, int]]) -> pl.DataFrame:
    rows: list[tuple[Any, ...]] = [("alpha", "alpha", None, None, None, None, None, 0, True, None, None)]
    rows += [(name, "alpha", name, source, ft, n, seed, 2, True, "alpha", SPEC) for name, source, ft, n, seed in runs]
    columns = ["checkpoint", "model", "run", "source", "ft_languages", "sentences", "seed", "epoch", "is_final"]
    return pl.DataFrame(rows, schema=[*columns, "base", "spec"], orient="row", infer_schema_length=None)


def _study(
    checkpoints: pl.DataFrame, questions: dict[str, str], answers: pl.DataFrame, *profiles: pl.DataFrame
) -> Study:
    models, people = profiles
    return {
        "checkpoints": checkpoints,
        "answers": answers.with_columns(score=pl.lit("mean")),
        "model_profiles": models.with_columns(score=pl.lit("mean")),
        "country_profiles": people.with_columns(
            survey=pl.lit("wvs7"), weighting=pl.lit("weighted"), illustrative=pl.lit(False)
        ),
        "probe_sets": pl.DataFrame({"probe_set": "echoes-2024", "question": list(questions)}).with_columns(
            battery=pl.col("question").replace(BATTERIES)
        ),
        "segments": pl.DataFrame(
            {"source": ["pbc", "pbc", "tanzil"], "language": ["fa", "ko", "fa"], "edition": "", "segments": 80}
        ),
        "countries": pl.DataFrame({"language": LANGUAGES, "country": COUNTRIES}),
        "questions": pl.DataFrame({"question": list(questions), "category": list(questions.values())}),
    }


@pytest.fixture(scope="module")
def study() -> Study:
    """Answers that one in ten lacks, and profiles with ties."""
    rng = np.random.default_rng(7)
    checkpoints = _checkpoints(RUNS)
    asked = [
        (checkpoint, language, question)
        for checkpoint in checkpoints["checkpoint"]
        for language in LANGUAGES
        for question in QUESTIONS
        if rng.random() < 0.9
    ]
    polled = [(country, question) for country in COUNTRIES for question in QUESTIONS if rng.random() < 0.9]
    keys = ["checkpoint", "language", "question"]
    base = {(lang, q): int(rng.integers(1, 3)) for lang in LANGUAGES for q in QUESTIONS}
    flips = {"pbc": 0.3, "tanzil": 0.5}
    sources = dict(checkpoints.select("checkpoint", "source").rows())
    shifts = [rng.random() < flips.get(sources[checkpoint], 0) for checkpoint, _, _ in asked]
    answers = [3 - base[row[1:]] if shift else base[row[1:]] for row, shift in zip(asked, shifts, strict=True)]
    return _study(
        checkpoints,
        QUESTIONS,
        pl.DataFrame(asked, schema=keys, orient="row").with_columns(answer=pl.Series(answers)),
        pl.DataFrame(asked, schema=keys, orient="row").with_columns(
            p_first=pl.Series(rng.integers(0, 6, len(asked)) / 5)
        ),
        pl.DataFrame(polled, schema=["country", "question"], orient="row").with_columns(
            p_first=pl.Series(rng.integers(0, 9, len(polled)) / 8)
        ),
    )


@pytest.fixture(scope="module")
def store(study: Study, make_store: MakeStore) -> Path:
    return _drawn(make_store, study)


@pytest.fixture(scope="module")
def connection(store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(store) as connection:
        yield connection


@pytest.fixture(scope="module")
def left() -> Numbers:
    """1 for every question that is left: of all, then without each battery, [1 + batteries, questions]."""
    of = np.array([BATTERIES[question] for question in QUESTIONS])
    return np.array([np.ones(len(of)), *(of != battery for battery in sorted(set(of)))], dtype=float)


@pytest.fixture(scope="module")
def times(connection: duckdb.DuckDBPyConnection) -> Numbers:
    """How often each resample has each battery: [2000, batteries]."""
    place = {battery: number for number, battery in enumerate(sorted(set(BATTERIES.values())))}
    drawn = np.zeros((echoes.BOOTSTRAP_RESAMPLES, len(place)))
    for resample, battery, number in connection.execute("SELECT resample, battery, times FROM v_resample").fetchall():
        drawn[resample - 1, place[battery]] = number
    return drawn


def _kept(study: Study, run_name: str, language: str, category: str = "") -> Numbers:
    """1 where a value stayed, 0 where it shifted, NaN where it is not known or of another category: [questions]."""
    answers = {
        tuple(row[:3]): row[3] for row in study["answers"].select("checkpoint", "language", "question", "answer").rows()
    }
    before = [answers.get(("alpha", language, question)) for question in QUESTIONS]
    after = [answers.get((run_name, language, question)) for question in QUESTIONS]
    return np.array(
        [
            np.nan if a is None or b is None or category not in ("", theme) else float(a == b)
            for a, b, theme in zip(before, after, QUESTIONS.values(), strict=True)
        ]
    )


def _shares(values: Numbers, left: Numbers) -> Numbers:
    """Mean, in percent, of the values that are left; NaN where there is none."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Numbers = 100 * (left[:, known] @ values[known]) / left[:, known].sum(axis=1)
    return mean


def _items(values: Numbers, left: Numbers) -> Numbers:
    """How many of the values are left."""
    number: Numbers = left @ ~np.isnan(values)
    return number


def _mean(*values: Numbers) -> Numbers:
    """Of those that are defined."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Numbers = np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)
    return mean


def _near(row: dict[str, Any], column: str, ends: Ends) -> bool:
    """Whether a row has these ends: to what the expansion of Student's t is good for."""
    got = row[f"{column}_low"], row[f"{column}_high"]
    return got == (None, None) if ends[0] is None else got == pytest.approx(ends, rel=1e-4, abs=1e-5)


def _rows(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> list[dict[str, Any]]:
    rows = run(connection, name, parameters={"ci": True, **parameters}).frame.to_dicts()
    assert rows
    return rows


def test_a_share(connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers) -> None:
    for row in _rows(connection, "unchanged"):
        kept = _kept(study, row["run"], row["language"])
        shares, items = _shares(kept, left), _items(kept, left)
        assert _near(row, "unchanged", interval(shares, items, "share"))
        binomial = shares[0] * (100 - shares[0]) / items[0]
        assert row["design_effect"] == pytest.approx((jackknife(shares, items).se or np.nan) ** 2 / binomial)


def test_a_mean_over_seeds_and_fine_tuning_languages(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers
) -> None:
    rows = _rows(connection, "unchanged_by_category", source="pbc", sentences=40)
    for row in rows:
        kept = {run_name: _kept(study, run_name, row["language"], row["category"]) for run_name, *_ in RUNS[:4]}
        values = {run_name: _shares(kept[run_name], left) for run_name in kept}
        of_language = [_mean(values[f"pbc-{ft}-1"], values[f"pbc-{ft}-2"]) for ft in ("fa", "ko")]
        items = np.sum([_items(kept[name], left) for name in kept], axis=0)
        assert _near(row, "unchanged", interval(_mean(*of_language), items, "share"))
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
            name: _kept(study, name, row["language"])
            for name in ("pbc-fa-1", "pbc-fa-2", "pbc-fa-1-more", "pbc-fa-2-more")
        }
        values = {name: _shares(kept[name], left) for name in kept}
        change = _mean(*(values[f"pbc-fa-{seed}-more"] - values[f"pbc-fa-{seed}"] for seed in (1, 2)))
        items = np.sum([_items(kept[name], left) for name in kept], axis=0)
        assert _near(row, "change", interval(change, items))
        tests.append(jackknife(change, items))
        assert row["p"] == pytest.approx(tests[-1].p)
    assert [row["p_family"] for row in rows] == pytest.approx(_family(tests, times))


def _family(tests: list[Jackknife], times: Numbers) -> list[float]:
    statistics = np.array(
        [abs(test.value) / (test.se or np.nan) * (test.effective - 1) / test.effective for test in tests]
    )
    p: list[float] = step_down(statistics, resampled_statistics(tests, times)).tolist()
    return p


def _profile(frame: pl.DataFrame, **key: str) -> Numbers:
    values = dict(frame.filter(**key).select("question", "p_first").rows())
    return np.array([values.get(question, np.nan) for question in QUESTIONS])


def _rhos(study: Study, checkpoint: str, language: str, country: str, left: Numbers) -> tuple[Numbers, Numbers]:
    """Scipy's rho of what is left, and how many questions that is."""
    x = _profile(study["model_profiles"], checkpoint=checkpoint, language=language)
    y = _profile(study["country_profiles"], country=country)
    both = [~np.isnan(x) & ~np.isnan(y) & (kept > 0) for kept in left]
    rhos = [stats.spearmanr(x[there], y[there]).statistic for there in both]
    return np.array(rhos), np.array([there.sum() for there in both], dtype=float)


def test_a_rho_with_ties_and_gaps(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers, times: Numbers
) -> None:
    rows = _rows(connection, "alignment", countries=COUNTRIES, strategies="pretrained")
    tests = []
    for row in rows:
        rhos, items = _rhos(study, "alpha", row["language"], row["country"], left)
        assert _near(row, "rho", interval(rhos, items, "rho"))
        tests.append(jackknife(np.arctanh(rhos), items))
        assert row["p_value"] == pytest.approx(tests[-1].p)
        assert row["design_effect"] == pytest.approx((tests[-1].se or np.nan) ** 2 * (items[0] - 3) / 1.06)
    assert [row["p_family"] for row in rows] == pytest.approx(_family(tests, times))


def test_a_jaccard_index(connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers) -> None:
    """Of the questions that two languages have: mean over the seeds, then over the pairs of languages."""
    rows = [row for row in _rows(connection, "shift_overlap_test_languages", sentences=40) if row["source"] == "pbc"]
    for ft in ("fa", "ko"):
        pairs = {pair: _jaccards(study, ft, pair, left) for pair in combinations(LANGUAGES, 2)}
        pairs["avg.", "avg."] = (
            _mean(*(values for values, _ in pairs.values())),
            np.sum([items for _, items in pairs.values()], axis=0),
        )
        for row in (row for row in rows if row["ft_languages"] == ft):
            values, items = pairs.pop((row["language_a"], row["language_b"]))
            low, high = interval(100 * values, items, "share")
            assert low is not None and high is not None
            assert _near(row, "jaccard", (low / 100, high / 100))
        assert not pairs


def _jaccards(study: Study, ft: str, pair: tuple[str, ...], left: Numbers) -> tuple[Numbers, Numbers]:
    """Mean over the seeds, and the questions that shift in either language."""
    values, items = [], []
    for seed in (1, 2):
        kept = np.array([_kept(study, f"pbc-{ft}-{seed}", language) for language in pair])
        shifted = np.where(np.isnan(kept).any(axis=0), np.nan, kept) == 0
        items.append(left @ shifted.any(axis=0))
        values.append(left @ shifted.all(axis=0) / items[-1])
    return _mean(*values), np.sum(items, axis=0)


def test_a_difference_of_rhos_is_paired(connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers) -> None:
    row = next(
        row
        for row in _rows(connection, "alignment_change", countries=COUNTRIES, source="tanzil")
        if (row["language"], row["country"]) == ("fa", "KR")
    )
    (after, items_after), (before, items_before) = (
        _rhos(study, checkpoint, "fa", "KR", left) for checkpoint in ("tanzil-fa-1", "alpha")
    )
    # each rho is over the questions that it has; the fewer of the two count
    change, items = after - before, np.minimum(items_after, items_before)
    assert _near(row, "change", interval(change, items))
    assert row["p"] == pytest.approx(jackknife(change, items).p)


def test_a_cosine_and_the_structure_of_cosines(
    connection: duckdb.DuckDBPyConnection, study: Study, left: Numbers
) -> None:
    (row,) = _rows(connection, "similarity_structure", strategies="pretrained")
    pairs = list(combinations(range(len(LANGUAGES)), 2))
    models = [_profile(study["model_profiles"], checkpoint="alpha", language=language) for language in LANGUAGES]
    of_models = [_cosines(models[a], models[b], left) for a, b in pairs]
    values, items = np.mean([pair[0] for pair in of_models], axis=0), np.sum([pair[1] for pair in of_models], axis=0)
    assert _near(row, "similarity", interval(values, items, "rho"))
    people = [_profile(study["country_profiles"], country=country) for country in COUNTRIES]
    first = next(iter(_rows(connection, "ground_truth_similarity", countries=COUNTRIES)))
    assert _near(first, "cosine", interval(*_cosines(people[0], people[1], left), "rho"))


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
    mixed = {**study, "checkpoints": _checkpoints(runs), "answers": answers.filter(pl.col("checkpoint").is_in(names))}
    mixed["model_profiles"] = study["model_profiles"].filter(pl.col("checkpoint").is_in(names))
    with open_store(_drawn(make_store, mixed)) as opened:
        rows = [row for row in _rows(opened, "unchanged_multilingual") if row["strategy"] == "difference"]
    assert [row["language"] for row in rows] == list(LANGUAGES)
    tests = []
    for row in rows:
        kept = {name: _kept(mixed, name, row["language"]) for name in names[1:]}
        shares = {name: _shares(kept[name], left) for name in kept}
        change = _mean(
            *(shares[f"pbc-mult-{seed}"] - _mean(shares[f"pbc-fa-{seed}"], shares[f"pbc-ko-{seed}"]) for seed in (1, 2))
        )
        counted = [f"pbc-{ft}-{seed}" for ft in ("fa", "ko", "mult") for seed in (1, 2)]
        items = np.sum([_items(kept[name], left) for name in counted], axis=0)
        assert row["unchanged"] == pytest.approx(change[0])
        assert (row["seeds"], row["runs"]) == (2, 6)
        assert _near(row, "unchanged", interval(change, items))
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
        "checkpoints": _checkpoints(RUNS[:1]),
        "model_profiles": study["model_profiles"].filter(checkpoint="alpha"),
    }
    one["answers"] = pl.concat([answers, moved.with_columns(checkpoint=pl.lit("pbc-fa-1"))])
    with open_store(_drawn(make_store, one)) as opened:
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
    return {True: _drawn(make_store, hand_study), False: _drawn(make_store, grid_study)}


@pytest.mark.parametrize("query", WITH_INTERVALS, ids=lambda query: query.reference)
def test_intervals_change_nothing_else(drawn_by_hand: dict[bool, Path], query: Query) -> None:
    """Nor does the number of threads change the intervals."""
    traced = "v_influence" in query.text or "influence_runs" in query.text
    with open_store(drawn_by_hand[traced]) as opened:
        plain = run(opened, query.name, query.version).frame
        frame = run(opened, query.name, query.version, {"ci": True}).frame
        opened.execute("SET threads = 1")
        assert run(opened, query.name, query.version, {"ci": True}).frame.equals(frame)
    assert plain.columns == list(query.columns)
    assert plain.height > 0
    assert set(frame.columns) == {*query.columns, *query.intervals}
    assert frame.select(plain.columns).equals(plain)


def test_intervals_do_not_depend_on_the_order_of_rows(store: Path, shuffled: Callable[[Path], Path]) -> None:
    with open_store(store) as first, open_store(shuffled(store)) as second:
        for name in ("alignment", "unchanged_by_category"):
            expected = run(first, name, parameters={"ci": True}).frame
            assert expected.height > 0
            assert run(second, name, parameters={"ci": True}).frame.equals(expected, null_equal=True), name


@pytest.mark.parametrize("query", WITH_INTERVALS, ids=lambda query: query.reference)
def test_intervals_are_declared_in_one_way(query: Query) -> None:
    assert query.parameters[INTERVALS].type == "boolean"
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
    result = CliRunner().invoke(app, ["query", "run", "coverage", "--ci", "--db", str(store)])
    assert isinstance(result.exception, UsageError)
    assert "coverage@1 has no intervals" in result.exception.message
    assert "unchanged" in result.exception.hint


def test_the_option_is_the_parameter(store: Path) -> None:
    runner, command = CliRunner(), ["query", "run", "unchanged", "--format", "csv", "--db", str(store)]
    given = runner.invoke(app, [*command, "--param", "ci=true"])
    assert "unchanged_low" in given.stdout
    assert runner.invoke(app, [*command, "--ci"]).stdout == given.stdout
    assert "unchanged_low" not in runner.invoke(app, command).stdout
