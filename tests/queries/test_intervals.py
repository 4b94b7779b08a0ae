"""Intervals: against numpy on the very same draws, on studies of known shares, and beside results without them."""

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats
from typer.testing import CliRunner

from mlv.cli.main import app
from mlv.queries import Query, all_versions, run
from mlv.queries.engine.catalogue import INTERVALS
from mlv.queries.engine.macros import macro_bodies, macros_sql, subject_sql
from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.errors import UsageError
from mlv.schema.papers import echoes
from mlv.schema.store.opening import connect, open_store

Study = dict[str, pl.DataFrame]
Numbers = NDArray[np.float64]
MakeStore = Callable[[Study], Path]

WITH_INTERVALS = [query for query in all_versions() if query.intervals]

CATEGORIES = {"security": range(131, 140), "science": range(158, 164), "religious_values": range(164, 175)}
QUESTIONS = {str(number): category for category, numbers in CATEGORIES.items() for number in numbers}
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
        "probe_sets": pl.DataFrame({"probe_set": "echoes-2024", "question": list(questions)}),
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
def draws(connection: duckdb.DuckDBPyConnection) -> Numbers:
    """How often each resample has each question: [2000, questions]."""
    place = {question: number for number, question in enumerate(QUESTIONS)}
    weights = np.zeros((echoes.BOOTSTRAP_RESAMPLES, len(QUESTIONS)))
    for resample, question, times in connection.execute("SELECT resample, question, times FROM v_resample").fetchall():
        weights[resample - 1, place[question]] = times
    return weights


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


def _resampled(values: Numbers, draws: Numbers) -> Numbers:
    """Mean, in percent, of each resample's values; NaN where it has none."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Numbers = 100 * (draws[:, known] @ values[known]) / draws[:, known].sum(axis=1)
    return mean


def _mean(*resampled: Numbers) -> Numbers:
    """Within each resample, of what it has."""
    known = ~np.isnan(resampled)
    with np.errstate(invalid="ignore"):
        mean: Numbers = np.where(known, resampled, 0).sum(axis=0) / known.sum(axis=0)
    return mean


def _interval(resampled: Numbers) -> list[float]:
    ends: list[float] = np.nanquantile(resampled, [(1 - echoes.CONFIDENCE) / 2, (1 + echoes.CONFIDENCE) / 2]).tolist()
    return ends


def _p(resampled: Numbers) -> float:
    defined = resampled[~np.isnan(resampled)]
    return float(min(1, 2 * (1 + min((defined <= 0).sum(), (defined >= 0).sum())) / (1 + len(defined))))


def _holm(p: list[float | None]) -> list[float | None]:
    """Holm's step-down procedure as it is told: from the smallest, times how many are left, never falling."""
    corrected: list[float | None] = [None] * len(p)
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    largest = 0.0
    for done, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, value * (len(known) - done)))
        corrected[place] = largest
    return corrected


def _rows(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Any) -> list[dict[str, Any]]:
    rows = run(connection, name, parameters={"ci": True, **parameters}).frame.to_dicts()
    assert rows
    return rows


def test_a_share(connection: duckdb.DuckDBPyConnection, study: Study, draws: Numbers) -> None:
    for row in _rows(connection, "unchanged"):
        resampled = _resampled(_kept(study, row["run"], row["language"]), draws)
        assert [row["unchanged_low"], row["unchanged_high"]] == pytest.approx(_interval(resampled), abs=1e-9)


def test_a_mean_over_seeds_and_fine_tuning_languages(
    connection: duckdb.DuckDBPyConnection, study: Study, draws: Numbers
) -> None:
    rows = _rows(connection, "unchanged_by_category", source="pbc", sentences=40)
    for row in rows:
        kept = {run_name: _kept(study, run_name, row["language"], row["category"]) for run_name, *_ in RUNS[:4]}
        values = {run_name: _resampled(kept[run_name], draws) for run_name in kept}
        of_language = [_mean(values[f"pbc-{ft}-1"], values[f"pbc-{ft}-2"]) for ft in ("fa", "ko")]
        ends = _interval(_mean(*of_language))
        assert [row["unchanged_low"], row["unchanged_high"]] == pytest.approx(ends, abs=1e-9)
        shares = {run_name: 100 * np.nanmean(kept[run_name]) for run_name in kept}
        of_seed = [(shares[f"pbc-fa-{seed}"] + shares[f"pbc-ko-{seed}"]) / 2 for seed in (1, 2)]
        assert (row["seeds"], row["seed_sd"]) == (2, pytest.approx(np.std(of_seed, ddof=1)))


def test_a_paired_difference(connection: duckdb.DuckDBPyConnection, study: Study, draws: Numbers) -> None:
    rows = _rows(connection, "size_effect", few=40, many=80)
    for row in rows:
        values = {
            name: _resampled(_kept(study, name, row["language"]), draws)
            for name in ("pbc-fa-1", "pbc-fa-2", "pbc-fa-1-more", "pbc-fa-2-more")
        }
        changes = [values[f"pbc-fa-{seed}-more"] - values[f"pbc-fa-{seed}"] for seed in (1, 2)]
        change = _mean(*changes)
        assert [row["change_low"], row["change_high"]] == pytest.approx(_interval(change), abs=1e-9)
        assert row["p"] == pytest.approx(_p(np.round(change, 9)))
    assert [row["p_holm"] for row in rows] == pytest.approx(_holm([row["p"] for row in rows]))


def _profile(frame: pl.DataFrame, **key: str) -> Numbers:
    values = dict(frame.filter(**key).select("question", "p_first").rows())
    return np.array([values.get(question, np.nan) for question in QUESTIONS])


def _rho(x: Numbers, y: Numbers, weights: Numbers) -> float:
    """Scipy's, of each pair as often as it was drawn."""
    both = ~np.isnan(x) & ~np.isnan(y)
    times = weights[both].astype(int)
    a, b = stats.rankdata(np.repeat(x[both], times)), stats.rankdata(np.repeat(y[both], times))
    return float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) and np.ptp(b) else np.nan


def _rhos(study: Study, checkpoint: str, language: str, country: str, draws: Numbers) -> Numbers:
    x = _profile(study["model_profiles"], checkpoint=checkpoint, language=language)
    y = _profile(study["country_profiles"], country=country)
    return np.array([_rho(x, y, weights) for weights in draws])


def test_a_rho_with_ties_and_gaps(connection: duckdb.DuckDBPyConnection, study: Study, draws: Numbers) -> None:
    rows = _rows(connection, "alignment", countries=COUNTRIES, strategies="pretrained")
    for row in rows[:3]:
        ends = _interval(_rhos(study, "alpha", row["language"], row["country"], draws))
        assert [row["rho_low"], row["rho_high"]] == pytest.approx(ends, abs=1e-9)
    assert [row["p_holm"] for row in rows] == pytest.approx(_holm([row["p_value"] for row in rows]))


def test_a_jaccard_index(connection: duckdb.DuckDBPyConnection, study: Study, draws: Numbers) -> None:
    """Of the questions that two languages have: mean over the seeds, then over the pairs of languages."""
    rows = [row for row in _rows(connection, "shift_overlap_test_languages", sentences=40) if row["source"] == "pbc"]
    for ft in ("fa", "ko"):
        resampled = {pair: _mean(*_jaccards(study, ft, pair, draws)) for pair in combinations(LANGUAGES, 2)}
        resampled["avg.", "avg."] = _mean(*resampled.values())
        for row in (row for row in rows if row["ft_languages"] == ft):
            ends = _interval(resampled.pop((row["language_a"], row["language_b"])))
            assert [row["jaccard_low"], row["jaccard_high"]] == pytest.approx(ends, abs=1e-9)
        assert not resampled


def _jaccards(study: Study, ft: str, pair: tuple[str, ...], draws: Numbers) -> Iterator[Numbers]:
    """Of either seed."""
    for seed in (1, 2):
        kept = np.array([_kept(study, f"pbc-{ft}-{seed}", language) for language in pair])
        shifted = np.where(np.isnan(kept).any(axis=0), np.nan, kept) == 0
        with np.errstate(invalid="ignore"):
            yield draws @ shifted.all(axis=0) / (draws @ shifted.any(axis=0))


def test_a_difference_of_rhos_is_paired(connection: duckdb.DuckDBPyConnection, study: Study, draws: Numbers) -> None:
    row = next(
        row
        for row in _rows(connection, "alignment_change", countries=COUNTRIES, source="tanzil")
        if (row["language"], row["country"]) == ("fa", "KR")
    )
    change = _rhos(study, "tanzil-fa-1", "fa", "KR", draws) - _rhos(study, "alpha", "fa", "KR", draws)
    assert [row["change_low"], row["change_high"]] == pytest.approx(_interval(change), abs=1e-9)
    assert row["p"] == pytest.approx(_p(np.round(change, 9)))


def test_a_cosine_and_the_structure_of_cosines(
    connection: duckdb.DuckDBPyConnection, study: Study, draws: Numbers
) -> None:
    (row,) = _rows(connection, "similarity_structure", strategies="pretrained")
    pairs = list(combinations(range(len(LANGUAGES)), 2))
    models = [_profile(study["model_profiles"], checkpoint="alpha", language=language) for language in LANGUAGES]
    people = [_profile(study["country_profiles"], country=country) for country in COUNTRIES]
    of_models = np.array([_cosines(models[a], models[b], draws) for a, b in pairs])
    of_people = np.array([_cosines(people[a], people[b], draws) for a, b in pairs])
    ends = _interval(of_models.mean(axis=0))
    assert [row["similarity_low"], row["similarity_high"]] == pytest.approx(ends, abs=1e-9)
    rhos = [stats.spearmanr(a, b).statistic for a, b in zip(of_models.T, of_people.T, strict=True)]
    assert [row["rho_low"], row["rho_high"]] == pytest.approx(_interval(np.array(rhos)), abs=1e-9)
    first = next(iter(_rows(connection, "ground_truth_similarity", countries=COUNTRIES)))
    assert [first["cosine_low"], first["cosine_high"]] == pytest.approx(_interval(of_people[0]), abs=1e-9)


def _cosines(x: Numbers, y: Numbers, draws: Numbers) -> Numbers:
    both = ~np.isnan(x) & ~np.isnan(y)
    x, y, weights = x[both], y[both], draws[:, both]
    cosines: Numbers = weights @ (x * y) / np.sqrt((weights @ (x * x)) * (weights @ (y * y)))
    return cosines


def test_a_mean_over_traced_probes(drawn_by_hand: dict[bool, Path]) -> None:
    """Of the probes 131 and 132 in German, with mean scores of Persian examples of 0.25 and 0.75, six examples each."""
    with open_store(drawn_by_hand[True]) as opened:
        rows = run(opened, "influence_mean", parameters={"ci": True, "run": "trace-mult"}).frame
        times = opened.execute(
            "SELECT sum(times * (question = '131')::INT), sum(times * (question = '132')::INT) FROM v_resample "
            "WHERE probe_set = 'wvs7-all' GROUP BY resample"
        ).fetchall()
    first, second = np.array(times, dtype=np.float64).T
    with np.errstate(invalid="ignore"):
        ends = _interval((0.25 * first + 0.75 * second) / (first + second))
    (row,) = rows.filter(language="de", train_language="fa").to_dicts()
    assert [row["influence_low"], row["influence_high"]] == pytest.approx(ends, abs=1e-9)


def test_the_interval_of_a_known_share_covers_it(make_store: MakeStore) -> None:
    """Of 240 cells with a share of 0.7 over 60 questions, about 95% (sd 1.4%, and a percentile interval is narrow)."""
    rng = np.random.default_rng(1)
    questions = {f"{number}{pole}": "security" for number in range(131, 151) for pole in "abc"}
    checkpoints = _checkpoints([(f"run-{number}", "pbc", "fa", 40, number) for number in range(80)])
    keys = [(k, language, q) for k in checkpoints["checkpoint"] for language in LANGUAGES for q in questions]
    answers = [1 if checkpoint == "alpha" or rng.random() < 0.7 else 2 for checkpoint, *_ in keys]
    frame = pl.DataFrame(keys, schema=["checkpoint", "language", "question"], orient="row")
    profiles = (
        frame.head(1).with_columns(p_first=0.5),
        pl.DataFrame({"country": "DE", "question": "131a", "p_first": 0.5}),
    )
    path = _drawn(make_store, _study(checkpoints, questions, frame.with_columns(answer=pl.Series(answers)), *profiles))
    with open_store(path) as opened:
        rows = _rows(opened, "unchanged")
    covered = np.mean([row["unchanged_low"] <= 70 <= row["unchanged_high"] for row in rows])
    assert len(rows) == 240
    assert 0.90 < covered < 0.98


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


def test_ends_are_those_of_the_papers_constant() -> None:
    assert macros_sql().count(f"quantile_cont(value, {(1 - echoes.CONFIDENCE) / 2:.3f})") == 1
    assert macros_sql().count(f"quantile_cont(value, {(1 + echoes.CONFIDENCE) / 2:.3f})") == 1


@pytest.mark.parametrize(
    "p", [[0.01, 0.04, 0.03, 0.005], [0.02, None, 0.02, 0.5, 0.9], [0.2], [None], [0.001] * 3 + [0.0006]]
)
def test_holm_is_that_of_the_step_down_procedure(p: list[float | None]) -> None:
    with duckdb.connect() as connection:
        connection.execute(subject_sql("statistics"))
        connection.register("given", pl.DataFrame({"place": range(len(p)), "p": p}, schema_overrides={"p": pl.Float64}))
        rows = connection.execute(
            "SELECT holm(step, p) FROM (SELECT *, holm_step(p) AS step FROM given) ORDER BY place"
        ).fetchall()
    assert [row[0] for row in rows] == [None if value is None else pytest.approx(value) for value in _holm(p)]


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


def test_more_questions_than_ranks_have_bits_for_are_refused() -> None:
    with duckdb.connect() as connection:
        for view, columns in {
            "v_probe_set": "'wide' AS probe_set, 'c' AS collection, i::VARCHAR AS question",
            "v_resample": "'wide' AS probe_set, 1 AS resample, i::VARCHAR AS question, 1 AS times",
            "v_model_profile": "1 AS profile_id, 1 AS checkpoint_id, 'c' AS collection, 'de' AS language, "
            "'mean' AS score, i::VARCHAR AS question, i / 4096 AS p_first",
            "v_country_profile": "2 AS profile_id, 's' AS survey, 'w' AS weighting, 'DE' AS country, "
            "i::VARCHAR AS question, i / 4096 AS p_first",
        }.items():
            connection.execute(f"CREATE VIEW {view} AS SELECT {columns} FROM range(getvariable('questions')) t(i)")
        connection.execute(subject_sql("statistics"))
        connection.execute(macro_bodies()["resampled_correlations"])
        asked = "FROM resampled_correlations([1], 'mean', 'wide', 's', 'w', ['DE'], TRUE)"
        connection.execute("SET VARIABLE questions = 2047")
        # nine of ten that share an integer were not drawn
        assert [rho for *_, rho in connection.execute(asked).fetchall() if rho is not None] == [pytest.approx(1)]
        connection.execute("SET VARIABLE questions = 2048")
        with pytest.raises(duckdb.Error, match="2,047 questions"):
            connection.execute(asked).fetchall()
