"""Answers and profiles: closed form, ties, gaps, and an independent computation with numpy."""

import math
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from mlv.ingest.reference.questions import number_of
from mlv.ingest.writing.probes import ingest_probes
from mlv.ingest.writing.profiles import answer_probes, build_country_profiles, build_model_profiles
from mlv.ingest.writing.reference import ensure_countries, ensure_questions, ensure_reference
from mlv.schema.errors import JobError
from mlv.schema.store.rows import append, ensure

RUN, CHECKPOINT = 3, 7
CANONICAL, REVERSED, UNDEFINED = "1", "16", "18"


def _logit(probe: int, answer: int, tokens: int, total: float, first: float, run: int = RUN) -> dict[str, object]:
    return {
        "run_id": run,
        "checkpoint_id": CHECKPOINT,
        "probe_id": probe,
        "answer": answer,
        "tokens": tokens,
        "logit_sum": 0.0,
        "logprob_sum": total,
        "logprob_first": first,
    }


def _answers(store: duckdb.DuckDBPyConnection, probe: int) -> dict[str, tuple[int, float, float]]:
    rows = store.execute(
        "SELECT score, answer, margin, p_first FROM probe_answer WHERE probe_id = ?", [probe]
    ).fetchall()
    return {score: (answer, margin, p_first) for score, answer, margin, p_first in rows}


def test_the_three_scores_in_closed_form(store: duckdb.DuckDBPyConnection) -> None:
    """A: one token at ln 0.2. B: three tokens, ln 0.4 first and ln(0.4 * 0.5 * 0.5) together."""
    rows = [_logit(1, 1, 1, math.log(0.2), math.log(0.2)), _logit(1, 2, 3, math.log(0.1), math.log(0.4))]
    append(store, "probe_logit", pl.DataFrame(rows))
    assert answer_probes(store, RUN, CHECKPOINT) == 3
    answers = _answers(store, 1)
    mean = 0.1 ** (1 / 3)
    assert answers["sum"] == pytest.approx((1, math.log(2), 2 / 3))
    assert answers["mean"] == pytest.approx((2, math.log(0.2 / mean), 0.2 / (0.2 + mean)))
    assert answers["first"] == pytest.approx((2, -math.log(2), 1 / 3))


def test_equal_scores_count_for_the_first_answer(store: duckdb.DuckDBPyConnection) -> None:
    append(store, "probe_logit", pl.DataFrame([_logit(1, 1, 2, -4.0, -1.0), _logit(1, 2, 2, -4.0, -1.0)]))
    answer_probes(store, RUN, CHECKPOINT)
    assert set(_answers(store, 1).values()) == {(1, 0.0, 0.5)}


def test_margins_beyond_the_range_of_exp(store: duckdb.DuckDBPyConnection) -> None:
    rows = [_logit(1, 1, 1, -5000.0, 0.0), _logit(1, 2, 1, -1.0, 0.0), _logit(2, 1, 1, -1.0, 0.0)]
    append(store, "probe_logit", pl.DataFrame([*rows, _logit(2, 2, 1, -5000.0, 0.0)]))
    answer_probes(store, RUN, CHECKPOINT)
    assert _answers(store, 1)["sum"] == (2, -4999.0, 0.0)
    assert _answers(store, 2)["sum"] == (1, 4999.0, 1.0)


@pytest.mark.parametrize("answers", [(1,), (2,), (1, 1), (1, 2, 2)])
def test_a_probe_without_its_two_scores_is_an_error(store: duckdb.DuckDBPyConnection, answers: tuple[int, ...]) -> None:
    good = [_logit(1, 1, 1, -1.0, -1.0), _logit(1, 2, 1, -1.0, -1.0)]
    bad = [_logit(2, answer, 1, -1.0, -1.0) for answer in answers]
    append(store, "probe_logit", pl.DataFrame(good + bad))
    with pytest.raises(JobError, match="1 probes do not have one score for each"):
        answer_probes(store, RUN, CHECKPOINT)
    assert _answers(store, 1) == {}


def test_other_runs_are_left_alone(store: duckdb.DuckDBPyConnection) -> None:
    rows = [_logit(1, 1, 1, -1.0, -1.0, run=9), _logit(2, 1, 1, -1.0, -1.0), _logit(2, 2, 1, -2.0, -2.0)]
    append(store, "probe_logit", pl.DataFrame(rows))
    assert answer_probes(store, RUN, CHECKPOINT) == 3
    assert _answers(store, 1) == {}


def test_answers_agree_with_numpy(store: duckdb.DuckDBPyConnection) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 9, (200, 2))
    total = -rng.gamma(2.0, 20.0, (200, 2))
    first = np.maximum(total, -rng.gamma(2.0, 5.0, (200, 2)))
    total[:20, 1] = total[:20, 0]
    rows = [
        _logit(probe, answer + 1, int(tokens[probe, answer]), total[probe, answer], first[probe, answer])
        for probe in range(200)
        for answer in (1, 0)
    ]
    append(store, "probe_logit", pl.DataFrame(rows))
    answer_probes(store, RUN, CHECKPOINT)
    for score, values in {"sum": total, "mean": total / tokens, "first": first}.items():
        softmax = np.exp(values - np.logaddexp.reduce(values, axis=1, keepdims=True))
        found = store.execute(
            "SELECT answer, margin, p_first FROM probe_answer WHERE score = ? ORDER BY probe_id", [score]
        ).fetchnumpy()
        np.testing.assert_array_equal(found["answer"], np.argmax(values, axis=1) + 1)
        np.testing.assert_allclose(found["margin"], values[:, 0] - values[:, 1], rtol=1e-12)
        np.testing.assert_allclose(found["p_first"], softmax[:, 0], rtol=1e-12)


@pytest.fixture
def probes(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> dict[str, int]:
    """Three Persian probes of the published collection, one of each polarity: question to key."""
    rows = [f"{i}\t{code}\tx [MASK]\ta\tb" for i, code in enumerate((CANONICAL, REVERSED, UNDEFINED))]
    (tmp_path / "fa.csv").write_text("\n".join(["\t0\t1\t2\t3", *rows]))
    ingest_probes(store, tmp_path / "fa.csv")
    return dict(store.execute("SELECT question, probe_id FROM v_probe").fetchall())


def _ask(store: duckdb.DuckDBPyConnection, probe: int, run: int = RUN) -> None:
    """Let the checkpoint give the first answer three quarters of the probability, whatever the score."""
    first, second = math.log(0.6), math.log(0.2)
    rows = [_logit(probe, 1, 1, first, first, run), _logit(probe, 2, 1, second, second, run)]
    append(store, "probe_logit", pl.DataFrame(rows))


def _model_profile(store: duckdb.DuckDBPyConnection, score: str = "mean") -> dict[str, float]:
    rows = store.execute("SELECT question, p_first FROM v_model_profile WHERE score = ?", [score]).fetchall()
    return dict(rows)


def test_model_profiles_are_oriented_by_polarity(store: duckdb.DuckDBPyConnection, probes: dict[str, int]) -> None:
    for probe in probes.values():
        _ask(store, probe)
    answer_probes(store, RUN, CHECKPOINT)
    assert build_model_profiles(store, CHECKPOINT) == 3 * 3
    for score in ("sum", "mean", "first"):
        assert _model_profile(store, score) == pytest.approx({CANONICAL: 0.75, REVERSED: 0.25, UNDEFINED: 0.75})
    named = store.execute("SELECT checkpoint_id, score, survey_id FROM profile ORDER BY score").fetchall()
    assert named == [(CHECKPOINT, score, None) for score in ("first", "mean", "sum")]


def test_a_profile_grows_with_later_probes_and_twice_is_once(
    store: duckdb.DuckDBPyConnection, probes: dict[str, int]
) -> None:
    for run, question in ((RUN, CANONICAL), (RUN + 1, REVERSED)):
        _ask(store, probes[question], run)
        answer_probes(store, run, CHECKPOINT)
        assert build_model_profiles(store, CHECKPOINT) == 3 * (run - RUN + 1)
        assert build_model_profiles(store, CHECKPOINT) == 3 * (run - RUN + 1)
    assert _model_profile(store).keys() == {CANONICAL, REVERSED}
    assert store.execute("SELECT count(*) FROM profile").fetchall() == [(3,)]


def test_a_run_without_answers_has_no_profiles(store: duckdb.DuckDBPyConnection) -> None:
    assert answer_probes(store, RUN, CHECKPOINT) == 0
    assert build_model_profiles(store, CHECKPOINT) == 0
    assert store.execute("SELECT count(*) FROM profile").fetchall() == [(0,)]


SURVEY, BOOK = 1, 2


def _respond(
    store: duckdb.DuckDBPyConnection, country: str, variable: str, shares: dict[int, tuple[float, float | None]]
) -> None:
    """Answers of a country: code to unweighted and weighted share."""
    rows = [
        {
            "survey_id": SURVEY,
            "country_id": ensure_countries(store, [country])[country],
            "variable": variable,
            "response_code": code,
            "share": share,
            "weighted_share": weighted,
        }
        for code, (share, weighted) in shares.items()
    ]
    append(store, "survey_response", pl.DataFrame(rows, schema_overrides={"weighted_share": pl.Float64}))


def _country_profile(store: duckdb.DuckDBPyConnection, country: str, weighting: str) -> dict[str, float]:
    rows = store.execute(
        "SELECT question, p_first FROM profile_value JOIN profile USING (profile_id) JOIN country c USING (country_id) "
        "JOIN (SELECT question_id, code AS question FROM question) USING (question_id) "
        "WHERE c.code = ? AND weighting = ?",
        [country, weighting],
    ).fetchall()
    return dict(rows)


SIDES = {
    "1": {1: "first", 2: "first", 3: "second", 4: "second", -1: "missing"},
    "43": {1: "first", 2: "missing", 3: "second"},
    "106a": {5: "second", 6: "first"},
    "106b": {5: "first", 6: "second"},
    "112": {code: "first" if code > 5 else "second" for code in range(1, 11)},
}


@pytest.fixture
def survey(store: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A store with a mapping of five questions."""
    ensure_reference(store)
    questions = ensure_questions(store, SIDES)
    store.execute(f"INSERT INTO codebook VALUES ({BOOK}, 'ours', '', '', ''); ")
    store.execute(f"INSERT INTO survey VALUES ({SURVEY}, {BOOK}, 'ours', false, '', '')")
    rows = [
        (BOOK, questions[code], f"Q{number_of(code)}", answer, side)
        for code, sides in SIDES.items()
        for answer, side in sides.items()
    ]
    columns = ["codebook_id", "question_id", "variable", "response_code", "side"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    ensure(store, "answer_side", frame, ["codebook_id", "question_id", "response_code"])
    return store


def test_country_profiles_in_closed_form(survey: duckdb.DuckDBPyConnection) -> None:
    """Missing answers are on neither side; 106a and 106b are the two poles of one scale."""
    _respond(survey, "DE", "Q1", {1: (0.4, 0.3), 2: (0.2, 0.3), 3: (0.1, 0.1), 4: (0.1, 0.1), -1: (0.2, 0.2)})
    _respond(survey, "DE", "Q43", {1: (0.1, 0.2), 2: (0.6, 0.2), 3: (0.3, 0.6)})
    _respond(survey, "DE", "Q106", {5: (0.25, 0.5), 6: (0.75, 0.5)})
    assert build_country_profiles(survey, SURVEY) == 2 * 4
    assert _country_profile(survey, "DE", "unweighted") == pytest.approx(
        {"1": 0.6 / 0.8, "43": 0.1 / 0.4, "106a": 0.75, "106b": 0.25}
    )
    assert _country_profile(survey, "DE", "weighted") == pytest.approx(
        {"1": 0.6 / 0.8, "43": 0.2 / 0.8, "106a": 0.5, "106b": 0.5}
    )
    assert build_country_profiles(survey, SURVEY) == 0


def test_questions_without_mass_on_either_side_are_left_out(survey: duckdb.DuckDBPyConnection) -> None:
    _respond(survey, "DE", "Q1", {-1: (0.5, 0.5), -2: (0.5, 0.5)})
    _respond(survey, "DE", "Q43", {2: (1.0, 1.0), 1: (0.0, 0.0)})
    _respond(survey, "DE", "Q106", {5: (0.4, 0.4), 7: (0.6, 0.6)})
    build_country_profiles(survey, SURVEY)
    assert _country_profile(survey, "DE", "unweighted") == {"106a": 0.0, "106b": 1.0}


def test_a_survey_without_weights_has_no_weighted_profiles(survey: duckdb.DuckDBPyConnection) -> None:
    _respond(survey, "DE", "Q1", {1: (1.0, None)})
    _respond(survey, "PK", "Q1", {4: (0.5, 0.25), 1: (0.5, 0.75)})
    build_country_profiles(survey, SURVEY)
    weightings = survey.execute(
        "SELECT c.code, weighting FROM profile JOIN country c USING (country_id) ORDER BY ALL"
    ).fetchall()
    assert weightings == [("DE", "unweighted"), ("PK", "unweighted"), ("PK", "weighted")]
    assert _country_profile(survey, "PK", "weighted") == {"1": 0.75}


def test_country_profiles_agree_with_numpy(survey: duckdb.DuckDBPyConnection) -> None:
    """Ten-point scale Q112, first side 6 to 10: random shares with gaps, over ten countries."""
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(10), 10)
    shares[rng.random((10, 10)) < 0.3] = 0.0
    countries = ["DE", "PK", "RS", "VN", "IR", "KR", "RO", "TR", "ID", "BD"]
    for country, row in zip(countries, shares, strict=True):
        _respond(survey, country, "Q112", {code: (row[code - 1], None) for code in range(1, 11) if row[code - 1]})
    build_country_profiles(survey, SURVEY)
    expected = shares[:, 5:].sum(axis=1) / shares.sum(axis=1)
    found = [_country_profile(survey, country, "unweighted")["112"] for country in countries]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
