"""Asking chat models, in the store: which prompts are planned, what a commit enters, and what deletion leaves."""

import shutil
from collections.abc import Iterator, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from answered import Reply, answered, first_shown
from planned import Jobs
from pydantic import ValidationError

from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.jobs.lookup import find_run
from mlv.ingest.jobs.planning import NothingToDoError
from mlv.ingest.jobs.respond import Request
from mlv.ingest.upkeep.check import violations
from mlv.ingest.upkeep.deletion import delete_run
from mlv.ingest.writing.surveys import ingest_survey
from mlv.schema.errors import DataError, JobError, NotFoundError, UsageError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.respond import RespondSpec
from mlv.schema.store.opening import connect

Store = duckdb.DuckDBPyConnection

API = {"endpoint": "http://127.0.0.1:9/v1", "api_model": "chat", "as_of": "today", "api": "completions"}
NOBODY = {"samples": 0}
SHOWN: dict[str, Any] = {"strategy": "chrf", "demonstrations": 3}


@pytest.fixture(scope="module")
def surveyed(study_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of ``study`` with the demo's survey."""
    path = Path(shutil.copyfile(study_store, tmp_path_factory.mktemp("surveyed") / "store.duckdb"))
    with connect(path, read_only=False) as connection, as_file(files("mlv.ingest") / "demo") as demo:
        ingest_survey(connection, demo / "survey.csv", name="illustrative", illustrative=True)
    return path


@pytest.fixture
def study(surveyed: Path, tmp_path: Path) -> Iterator[Store]:
    """A connection to such a store, open for writing."""
    with connect(Path(shutil.copyfile(surveyed, tmp_path / "store.duckdb")), read_only=False) as connection:
        yield connection


def _plan(study: Store, jobs: Jobs, **settings: Any) -> JobDirectory:
    asked = {"language": "fa"} | settings
    return jobs.plan(study, "respond", Request.model_validate(asked))


def _commit(study: Store, jobs: Jobs, job: JobDirectory, reply: Reply = first_shown) -> str:
    return commit_job(study, answered(job, reply), jobs.folder.parent / "store.duckdb").run


def _prompts(job: JobDirectory) -> pl.DataFrame:
    return pl.read_parquet(job.inputs / "prompts.parquet")


def _shown(job: JobDirectory) -> pl.DataFrame:
    return pl.read_parquet(job.inputs / "demonstrations.parquet")


def _sides(study: Store, country: str = "IR") -> dict[str, str]:
    statement = "SELECT question, side FROM v_majority WHERE survey = 'illustrative' AND country = ?"
    return dict(study.execute(statement, [country]).fetchall())


def _responses(study: Store, run: str, columns: str) -> list[tuple[Any, ...]]:
    statement = (
        f"SELECT {columns}, count(*) FROM v_response JOIN v_response_run USING (run_id) WHERE run = ? GROUP BY ALL"
    )
    return study.execute(f"{statement} ORDER BY ALL", [run]).fetchall()


def _contents(study: Store) -> list[list[tuple[Any, ...]]]:
    tables = ("prompt", "response", "option_score", "profile_value")
    return [study.execute(f"FROM {table} ORDER BY ALL").fetchall() for table in tables]


def _answer_on(side: str, row: Mapping[str, Any]) -> str:
    return str(row["options"][row["sides"].index(side)])


def test_every_question_is_asked_once_with_its_two_answers(study: Store, jobs: Jobs) -> None:
    prompts = _prompts(_plan(study, jobs, **NOBODY))
    assert prompts["question"].n_unique() == prompts.height == 24
    for row in prompts.iter_rows(named=True):
        assert row["options"] == [row["answer_first"], row["answer_second"]]
        instruction, _, sentence = row["text"].partition("\n")
        assert row["template"].replace("[MASK]", "_") in sentence
        quoted = [instruction.index(f"«{option}»") for option in row["options"]]
        assert (quoted[0] < quoted[1]) == (row["places"] == [1, 2])
    assert set(map(tuple, prompts["places"])) == {(1, 2), (2, 1)}


def test_which_option_is_first_is_the_same_in_all_conditions_and_draws(study: Store, jobs: Jobs) -> None:
    conditions: list[dict[str, Any]] = [{}, SHOWN, {"draw": 2}, SHOWN | {"answers": "minority"}]
    places = [_prompts(_plan(study, jobs, **API, **settings))["places"].to_list() for settings in conditions]
    assert all(other == places[0] for other in places)
    other_seed = _prompts(_plan(study, jobs, **API, seed=1))["places"].to_list()
    assert other_seed != places[0]


def test_balanced_options_are_each_first_in_half_of_the_samples(study: Store, jobs: Jobs) -> None:
    prompts = _prompts(_plan(study, jobs, **API, samples=5, option_order="balanced"))
    by_question = prompts.group_by("question").agg("variant", "samples", "places")
    assert by_question["variant"].to_list() == [[1, 2]] * 24
    assert by_question["samples"].to_list() == [[3, 2]] * 24
    assert all(first != second for first, second in by_question["places"].to_list())
    both = _prompts(_plan(study, jobs, **API, samples=0, scored=True, option_order="balanced"))
    assert both["samples"].to_list() == [0] * 48


def test_demonstrations_are_completed_with_the_majority_s_answers(study: Store, jobs: Jobs) -> None:
    job = _plan(study, jobs, **NOBODY, **SHOWN)
    majority = _sides(study)
    shown = _shown(job)
    assert shown.group_by("prompt").len()["len"].to_list() == [3] * 24
    texts = dict(_prompts(job).select("prompt", "text").iter_rows())
    for row in shown.iter_rows(named=True):
        assert row["answer"] == (1 if majority[row["question"]] == "first" else 2)
        word = row["answer_first"] if row["answer"] == 1 else row["answer_second"]
        assert row["template"].replace("[MASK]", word) in texts[row["prompt"]].splitlines()
    own = dict(_prompts(job).select("prompt", "question").iter_rows())
    assert all(own[row["prompt"]] != row["question"] for row in shown.iter_rows(named=True))


def test_a_reversed_probe_is_completed_with_its_own_answer_of_that_side(study: Store, jobs: Jobs) -> None:
    before = _shown(_plan(study, jobs, **NOBODY, **SHOWN))
    question = before["question"][0]
    study.execute(
        "UPDATE probe SET polarity = 'reversed' WHERE question_id = (SELECT question_id FROM question WHERE code = ?)",
        [question],
    )
    job = _plan(study, jobs, **NOBODY, **SHOWN)
    after = _shown(job)
    same = before.join(after, on=["prompt", "position", "question"])
    turned = same.filter(question=question)
    assert (turned["answer"] + turned["answer_right"]).unique().to_list() == [3]
    assert same.filter(pl.col("question") != question).select((pl.col("answer") == pl.col("answer_right")).all()).item()
    assert _prompts(job).filter(question=question)["sides"].to_list() == [["second", "first"]]


def test_the_minority_s_answers_are_the_others_and_another_country_s_are_its_own(study: Store, jobs: Jobs) -> None:
    majority, minority, korean = (
        _shown(_plan(study, jobs, **NOBODY, **SHOWN, **settings))
        for settings in ({}, {"answers": "minority"}, {"country": "KR"})
    )
    assert (majority["answer"] + minority["answer"]).unique().to_list() == [3]
    assert majority["question"].to_list() == minority["question"].to_list() == korean["question"].to_list()
    expected = [1 if _sides(study, "KR")[question] == "first" else 2 for question in korean["question"]]
    assert korean["answer"].to_list() == expected != majority["answer"].to_list()


def test_shuffled_demonstrations_stand_in_another_order_for_each_sample(study: Store, jobs: Jobs) -> None:
    job = _plan(study, jobs, **API, **SHOWN, ordering="shuffled", samples=6)
    prompts, shown = _prompts(job), _shown(job)
    assert prompts.group_by("question").agg(pl.col("samples").sum())["samples"].to_list() == [6] * 24
    orders = (
        shown.group_by("prompt")
        .agg(pl.col("question").sort_by("position"))
        .join(prompts.select("prompt", asked="question"), on="prompt")
    )
    for _, some in orders.group_by("asked"):
        assert len({frozenset(order) for order in some["question"]}) == 1
        assert len({tuple(order) for order in some["question"]}) == some.height > 1


def test_a_question_without_a_majority_is_asked_and_not_shown(study: Store, jobs: Jobs) -> None:
    gone = _shown(_plan(study, jobs, **NOBODY, **SHOWN))["question"][0]
    study.execute(
        "DELETE FROM profile_value WHERE question_id = (SELECT question_id FROM question WHERE code = ?)", [gone]
    )
    job = _plan(study, jobs, **NOBODY, **SHOWN)
    assert gone not in _shown(job)["question"]
    assert gone in _prompts(job)["question"]


def test_the_survey_s_own_answers_are_the_options_of_a_scale(study: Store, jobs: Jobs) -> None:
    job = _plan(study, jobs, **API, options="scale", form="gap-english", samples=2)
    prompts = _prompts(job)
    assert prompts["options"].list.len().max() == 10
    rows = study.execute(
        "SELECT q.code, list(o.label ORDER BY o.response_code), list(a.side ORDER BY o.response_code) "
        "FROM answer_side a JOIN response_option o USING (codebook_id, variable, response_code) "
        "JOIN question q USING (question_id) JOIN survey s USING (codebook_id) "
        "WHERE a.side <> 'missing' AND o.label <> '' GROUP BY q.code"
    ).fetchall()
    scales = {question: (labels, sides) for question, labels, sides in rows}
    assert {row["question"]: (row["options"], row["sides"]) for row in prompts.to_dicts()} == {
        question: scales[question] for question in prompts["question"]
    }
    run = _commit(study, jobs, job, lambda row, _: str(row["options"][-1]))
    last = {labels[-1] for question, (labels, _) in scales.items() if question in set(prompts["question"])}
    assert {row[:2] for row in _responses(study, run, "outcome, answer_text")} == {("answer", text) for text in last}
    assert violations(study) == []


def test_what_was_answered_enters_the_store_as_it_is_read(study: Store, jobs: Jobs) -> None:
    replies = ["I cannot answer that.", "", "blue"]

    def reply(row: Mapping[str, Any], sample: int) -> str:
        return replies[sample] if sample < 3 else _answer_on("first" if sample < 6 else "second", row)

    run = _commit(study, jobs, _plan(study, jobs, **API, form="gap-english", samples=10, scored=True), reply)
    outcomes = _responses(study, run, "sample, outcome, side")
    expected = ["refusal", "empty", "none"]
    assert outcomes == [
        *((sample, expected[sample], None, 24) for sample in range(3)),
        *((sample, "answer", "first", 24) for sample in range(3, 6)),
        *((sample, "answer", "second", 24) for sample in range(6, 10)),
    ]
    profiles = study.execute(
        "SELECT score, count(*), min(p_first), max(p_first) FROM v_model_profile "
        "WHERE run_id IS NOT NULL GROUP BY score ORDER BY score"
    ).fetchall()
    assert [(score, count) for score, count, _, _ in profiles] == [("sampled", 24), ("scored", 24)]
    assert profiles[0][2:] == pytest.approx((3 / 7, 3 / 7))
    softmax = 1 / (1 + 2.718281828459045**-1)
    assert profiles[1][2:] == pytest.approx((softmax, softmax))
    assert violations(study) == []


def test_models_behind_an_api_are_told_apart_by_name_and_date_not_by_address(study: Store, jobs: Jobs) -> None:
    moved = API | {"endpoint": "http://localhost:8/v1"}
    later = API | {"as_of": "tomorrow"}
    first = _plan(study, jobs, **API)
    again = _plan(study, jobs, **moved)
    assert again.path == first.path
    assert again.read_json("provenance.json")["model_paths"] == {"chat": "http://localhost:8/v1"}
    assert "localhost" not in (first.path / "job.json").read_text()
    _commit(study, jobs, first)
    _commit(study, jobs, _plan(study, jobs, **later))
    models = study.execute(
        "SELECT name, revision, architecture, parameters, vocabulary FROM base_model ORDER BY revision"
    ).fetchall()
    assert [row[1:] for row in models] == [("today", "endpoint", None, None), ("tomorrow", "endpoint", None, None)]
    assert models[0][0] == "chat"


def test_only_misaligned_questions_are_asked_again(study: Store, jobs: Jobs) -> None:
    majority = _sides(study)
    wrong = set(list(majority)[:5])

    def reply(row: Mapping[str, Any], sample: int) -> str:
        other = {"first": "second", "second": "first"}[majority[row["question"]]]
        return _answer_on(other if row["question"] in wrong and sample == 0 else majority[row["question"]], row)

    run = _commit(study, jobs, _plan(study, jobs, **API, samples=2), reply)
    again = _plan(study, jobs, **API, **SHOWN, samples=2, only_misaligned=run)
    assert set(_prompts(again)["question"]) == wrong
    spec = again.spec()
    assert isinstance(spec, RespondSpec)
    assert spec.only_of == run
    right = _commit(
        study,
        jobs,
        _plan(study, jobs, **API, samples=2, draw=2),
        lambda row, _: _answer_on(majority[row["question"]], row),
    )
    with pytest.raises(NothingToDoError, match="answered all questions in line with IR"):
        _plan(study, jobs, **API, **SHOWN, only_misaligned=right)
    shown = _commit(study, jobs, again)
    with pytest.raises(DataError, match="did not ask zero-shot in fa"):
        _plan(study, jobs, **API, **SHOWN, only_misaligned=shown)


def test_prompts_for_nobody_enter_without_a_model(study: Store, jobs: Jobs) -> None:
    run = _commit(study, jobs, _plan(study, jobs, **NOBODY, **SHOWN))
    row = study.execute(
        "SELECT model, checkpoint_id, condition, country, samples FROM v_response_run WHERE run = ?", [run]
    ).fetchone()
    assert row == (None, None, "demonstrations", "IR", 0)
    counts = [
        study.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("prompt", "demonstration", "response")
    ]
    assert counts == [(24,), (72,), (0,)]
    assert violations(study) == []


def test_deletion_leaves_nothing_of_a_run_and_all_of_another(study: Store, jobs: Jobs) -> None:
    first = _commit(study, jobs, _plan(study, jobs, **API, scored=True))
    kept = _contents(study)
    second = _commit(study, jobs, _plan(study, jobs, **API, **SHOWN, scored=True))
    run_id, name = find_run(study, second)
    delete_run(study, run_id, name, jobs.folder)
    assert _contents(study) == kept
    assert study.execute("SELECT count(*) FROM demonstration").fetchone() == (0,)
    assert study.execute("SELECT run FROM v_response_run").fetchall() == [(first,)]
    assert violations(study) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"prompt": 99}, "of prompts that the job lacks"),
        ({"sample": 0}, "do not have their samples"),
        ({"logprob": float("nan")}, "NaN or infinite"),
        ({"logprob": 0.5}, "above 0"),
    ],
)
def test_answers_that_cannot_be_are_refused_and_nothing_enters(
    study: Store, jobs: Jobs, damage: Mapping[str, Any], message: str
) -> None:
    job = answered(_plan(study, jobs, **API, samples=2))
    path = job.outputs / "responses.parquet"
    frame = pl.read_parquet(path)
    ((name, value),) = damage.items()
    frame.with_columns(pl.lit(value, frame.schema[name]).alias(name)).write_parquet(path)
    with pytest.raises(JobError, match=message):
        commit_job(study, job, jobs.folder.parent / "store.duckdb")
    assert study.execute("SELECT count(*) FROM response_run").fetchone() == (0,)


@pytest.mark.parametrize("name", ["prompts", "form"])
def test_what_a_job_was_not_planned_with_is_refused(study: Store, jobs: Jobs, name: str) -> None:
    job = answered(_plan(study, jobs, **API, samples=2))
    path = job.inputs / f"{name}.parquet"
    column = "text" if name == "prompts" else "content"
    pl.read_parquet(path).with_columns(pl.col(column) + " ").write_parquet(path)
    with pytest.raises(JobError, match="than the job was planned with"):
        commit_job(study, job, jobs.folder.parent / "store.duckdb")


def test_english_answers_count_where_that_is_asked_for(study: Store, jobs: Jobs) -> None:
    study.execute(
        "INSERT INTO probe SELECT probe_id + 1000, probe_collection_id, question_id, "
        "       (SELECT language_id FROM \"language\" WHERE code = 'en'), "
        "       'It is [MASK].', 'splendid', 'dreadful', '', '', polarity "
        "FROM probe JOIN \"language\" USING (language_id) WHERE code = 'fa'"
    )
    for accept, expected in ((False, ("none", None, 48)), (True, ("answer", 2, 48))):
        job = _plan(study, jobs, **API, samples=2, accept_english=accept)
        run = _commit(study, jobs, job, lambda *_: "dreadful")
        assert _responses(study, run, "outcome, answer") == [expected]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "Nobody is asked"),
        ({**API, "samples": 0}, "Nothing is asked"),
        ({**API, "model": "nano"}, "One model is asked"),
        ({"endpoint": "http://localhost/v1"}, "--api-model"),
        ({**API, "answers": "minority"}, "about demonstrations"),
        ({**API, "api": "chat", "scored": True}, "needs --api completions"),
        ({**API, "temperature": 0}, "temperature"),
        ({**API, "top_p": 1.5}, "top_p"),
        ({**API, "language": "xx-unknown"}, "language"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(settings: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Request.model_validate({"language": "fa", **settings})


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"endpoint": "localhost:8000"}, UsageError, "no address"),
        ({"endpoint": "ftp://localhost/v1"}, UsageError, "no address"),
        ({"endpoint": "http://[localhost/v1"}, UsageError, "no address"),
        ({"endpoint": "http://me:secret@localhost/v1"}, UsageError, "may be secret"),
        ({"endpoint": "http://localhost/v1?key=secret"}, UsageError, "may be secret"),
        ({"language": "de"}, NotFoundError, "has no probes of demo-all in de"),
        ({"collection": "other"}, NotFoundError, "from other"),
        ({"language": "hi"}, NotFoundError, "no form gap for questions in hi"),
        ({"form": "nowhere.toml"}, NotFoundError, "no form of prompts"),
        ({"strategy": "chrf", "country": "BR"}, NotFoundError, "has no .* answers of BR"),
        ({"strategy": "chrf", "country": "XX"}, UsageError, "XX"),
        ({"strategy": "chrf", "survey": "other"}, NotFoundError, "no answers of other"),
        ({"only_misaligned": "respond-1"}, NotFoundError, "no run respond-1"),
    ],
)
def test_what_the_store_lacks_is_named(
    study: Store, jobs: Jobs, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        _plan(study, jobs, **(API | settings))
    assert "secret@" not in str(raised.value)
    assert "key=secret" not in str(raised.value)
