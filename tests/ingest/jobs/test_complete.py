"""Which sentences are planned for a masked model, and what a commit makes of what it says."""

import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from finished_jobs import dump, write
from groups import GROUPS, OWN, clozes, enter_groups, enter_lexicon
from planned import Jobs

from mlv.ingest.jobs.committing import Committed, commit_job
from mlv.ingest.jobs.complete import KEY, Request
from mlv.ingest.jobs.planning import NothingToDoError
from mlv.ingest.upkeep.check import violations
from mlv.ingest.upkeep.deletion import delete_run
from mlv.schema.errors import JobError, NotFoundError, UsageError
from mlv.schema.jobs.complete import CompleteSpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import SkippedSentence, SkippedSentences
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.opening import connect

BERT = ModelRef(name="bert", digest="digest-bert", path="/models/bert")
XLM_R = ModelRef(name="xlm-r", digest="digest-xlm-r", path="/models/xlm-r")
WORDS = ("warm", "Tall", "quiet", "##ly")
ALL = clozes().height


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "jobs")


@pytest.fixture
def store(store: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A store with groups and sentences."""
    enter_groups(store)
    return store


def planned(store: duckdb.DuckDBPyConnection, jobs: Jobs, model: ModelRef = BERT, **asked: Any) -> JobDirectory:
    request = Request.model_validate({"model": model.name, "groups": "own", **asked})
    return jobs.plan(store, "complete", request, BERT, XLM_R)


def said(job: JobDirectory, words: tuple[str, ...] = WORDS, **columns: Any) -> JobDirectory:
    """A finished job: a model that says the same words of all groups, less likely with each; ``columns`` instead."""
    frame = pl.read_parquet(job.inputs / "clozes.parquet")
    ranks = pl.DataFrame({"rank": range(1, len(words) + 1), "attribute": words})
    rows = frame.join(ranks, how="cross").with_columns(
        token=pl.col("rank") + 100,
        logprob=-pl.col("rank").cast(pl.Float64),
        logprob_prior=pl.when(pl.col("prior_text").is_not_null()).then(-2.0 * pl.col("rank")),
        # the last is the most typical
        typicality_rank=pl.when(pl.col("prior_text").is_not_null()).then(len(words) + 1 - pl.col("rank")),
    )
    kept = rows.select(*KEY, "rank", "attribute", "token", "logprob", "logprob_prior", "typicality_rank").with_columns(
        **columns
    )
    skipped = pl.DataFrame(schema={**dict.fromkeys(KEY, pl.String), "reason": pl.String})
    return write(job, completions=kept, skipped=skipped)


def committed(store: duckdb.DuckDBPyConnection, job: JobDirectory) -> Committed:
    return commit_job(store, job, job.path.parent.parent / "store.duckdb")


def test_all_sentences_of_a_list_are_planned(store: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    job = planned(store, jobs)
    assert pl.read_parquet(job.inputs / "clozes.parquet").equals(clozes())
    spec = job.spec()
    assert isinstance(spec, CompleteSpec)
    assert (spec.group_list, spec.languages, spec.top_k, spec.prior, spec.precision) == (
        *("own", ("en",), 200, "one_mask"),
        "fp32",
    )


def test_only_what_a_checkpoint_has_not_completed_under_a_prior_is_planned(
    store: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    first = committed(store, said(planned(store, jobs, top_k=4)))
    with pytest.raises(NothingToDoError, match="bert has completed all sentences about own"):
        planned(store, jobs, top_k=4)
    for other in ({"prior": "as_many"}, {"prior": "published", "top_k": 9}, {"model": XLM_R}):
        assert pl.read_parquet(planned(store, jobs, **other).inputs / "clozes.parquet").height == ALL
    new = ("craft", "bakers", "mine", "bakers are mostly [MASK]")
    store.execute(
        "INSERT INTO cloze SELECT 901, social_group_id, language_id, $3, NULL, $4, NULL FROM social_group g, "
        "(SELECT min(language_id) AS language_id FROM cloze) WHERE g.category = $1 AND g.name = $2",
        new,
    )
    job = planned(store, jobs, top_k=4)
    assert pl.read_parquet(job.inputs / "clozes.parquet").select("category", "group_name", "form", "text").rows() == [
        new
    ]
    second = committed(store, said(job))
    assert (first.run == second.run, second.rows["completion"]) == (False, 4)
    assert violations(store) == []


def test_another_number_of_attributes_of_the_same_sentences_is_refused(
    store: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    run = committed(store, said(planned(store, jobs, top_k=4))).run
    with pytest.raises(UsageError, match=rf"bert has completed {ALL} of these sentences .*\(top_k 4\)") as caught:
        planned(store, jobs, top_k=5)
    assert caught.value.hint.endswith(f"mlv runs delete {run}")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"groups": "nobody"}, "groups of nobody in any language; it has own \\(en\\)"),
        ({"languages": ("fa", "en")}, "groups of own in fa; it has own \\(en\\)"),
    ],
)
def test_what_the_store_lacks_is_said(
    store: duckdb.DuckDBPyConnection, jobs: Jobs, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(NotFoundError, match=said) as caught:
        planned(store, jobs, **asked)
    assert "mlv ingest groups" in caught.value.hint


def test_some_languages_alone_are_planned(store: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    store.execute(
        'INSERT INTO "language" SELECT * REPLACE (900 AS language_id, \'de\' AS code) FROM "language" LIMIT 1'
    )
    store.execute("INSERT INTO cloze VALUES (901, 1, 900, 'mine', NULL, 'warum sind sie so [MASK] ?', NULL)")
    assert pl.read_parquet(planned(store, jobs, languages=("de",)).inputs / "clozes.parquet").height == 1
    job = planned(store, jobs)
    assert job.spec().model_dump()["languages"] == ("de", "en")
    assert pl.read_parquet(job.inputs / "clozes.parquet").height == ALL + 1


def test_completions_enter_with_the_emotions_of_their_words(store: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    enter_lexicon(store, {"warm": (1, 1), "tall": (0, 1), "loud": (0, 0)})
    done = committed(store, said(planned(store, jobs, top_k=4)))
    groups = sum(map(len, GROUPS.values()))
    assert done.rows == {
        "run_event": 2,
        "completion_run": 1,
        "completion": 4 * ALL,
        "emotion_score": 2 * groups,
    }
    rows = store.execute(
        "SELECT DISTINCT rank, attribute, token, logprob, logprob_prior, typicality, typicality_rank FROM v_completion "
        "JOIN v_cloze USING (cloze_id) WHERE prior_text IS NOT NULL ORDER BY rank"
    ).fetchall()
    assert rows == [(n, WORDS[n - 1], 100 + n, -n, -2 * n, n, 5 - n) for n in range(1, 5)]
    without = store.execute(
        "SELECT rank, logprob_prior, typicality_rank FROM v_completion JOIN v_cloze USING (cloze_id) "
        "WHERE prior_text IS NULL ORDER BY rank"
    ).fetchall()
    assert without == [(n, None, None) for n in range(1, 5)]
    scores = store.execute("SELECT DISTINCT emotion, words, covered, score FROM emotion_score ORDER BY ALL").fetchall()
    assert scores == [("joy", 4, 2, 0.5), ("trust", 4, 2, 1.0)]
    assert store.execute("SELECT count(DISTINCT social_group_id) FROM emotion_score").fetchall() == [(groups,)]
    assert violations(store) == []


def test_a_sentence_of_a_collection_has_no_part_in_emotions(store: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    enter_lexicon(store, {"warm": (1, 1), "loud": (1, 1)})
    job = said(planned(store, jobs, top_k=4))
    path = job.outputs / "completions.parquet"
    own = {text for *_, form, text, _ in OWN if form == "dataset"}
    of_people = pl.col("text").is_in(list(own)) & (pl.col("form") == "dataset") & (pl.col("rank") == 1)
    frame = pl.read_parquet(path).with_columns(
        attribute=pl.when(of_people).then(pl.lit("loud")).otherwise(pl.col("attribute"))
    )
    frame.write_parquet(path)
    committed(store, job)
    assert store.execute("SELECT DISTINCT words, covered FROM emotion_score").fetchall() == [(4, 1)]


@pytest.mark.parametrize("column", ["logprob", "logprob_prior"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.25])
def test_what_is_no_log_probability_is_refused(
    store: duckdb.DuckDBPyConnection, jobs: Jobs, column: str, value: float
) -> None:
    wrong: dict[str, Any] = {column: pl.when(pl.col("rank") == 1).then(pl.lit(value)).otherwise(pl.col(column))}
    _refused(store, said(planned(store, jobs, top_k=4), **wrong), "NaN, infinite or above 0")


def test_a_missing_log_probability_is_refused(store: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    _refused(store, said(planned(store, jobs, top_k=4), logprob=pl.lit(None, pl.Float64)), "NaN, infinite or above 0")


@pytest.mark.parametrize(
    ("columns", "said_of_it"),
    [
        ({"text": pl.lit("gardeners are [MASK]")}, "27 sentences of .* are none that the store has"),
        ({"category": pl.lit("science")}, "23 sentences of .* are none that the store has"),
        ({"rank": pl.lit(1)}, "completed sentences whose attributes are not ranked"),
        ({"typicality_rank": pl.lit(1)}, "cannot be committed|completed sentences whose attributes are not ranked"),
        ({"logprob_prior": pl.lit(None, pl.Float64)}, "cannot be committed"),
        ({"rank": pl.lit("first")}, "cannot be committed"),
        ({"attribute": pl.lit(None, pl.String)}, "cannot be committed"),
    ],
)
def test_results_that_do_not_fit_are_refused_whole(
    store: duckdb.DuckDBPyConnection, jobs: Jobs, columns: dict[str, Any], said_of_it: str
) -> None:
    _refused(store, said(planned(store, jobs, top_k=4), **columns), said_of_it)


def test_more_attributes_than_were_asked_for_are_refused(store: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    _refused(store, said(planned(store, jobs, top_k=3)), "are more than the run keeps")


def _refused(store: duckdb.DuckDBPyConnection, job: JobDirectory, why: str) -> None:
    before = dump(store)
    with pytest.raises(JobError, match=why):
        committed(store, job)
    assert dump(store) == before


def test_sentences_that_were_left_out_are_kept_as_an_event_and_not_planned_again(
    store: duckdb.DuckDBPyConnection, jobs: Jobs
) -> None:
    job = planned(store, jobs, top_k=4)
    out = clozes().filter(form="dataset")
    job.log(
        SkippedSentences(
            sentences=tuple(SkippedSentence(**row, reason="x") for row in out.select(KEY).iter_rows(named=True))
        )
    )
    said(job)
    path = job.outputs / "completions.parquet"
    pl.read_parquet(path).filter(pl.col("form") != "dataset").write_parquet(path)
    assert committed(store, job).rows["completion"] == 4 * (ALL - out.height)
    with pytest.raises(NothingToDoError):
        planned(store, jobs, top_k=4)
    # its group may have tokens for another prior or model
    for other in ({"prior": "as_many"}, {"model": XLM_R}):
        assert pl.read_parquet(planned(store, jobs, **other).inputs / "clozes.parquet").height == ALL


def test_what_two_jobs_completed_is_kept_of_the_first(store: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    some = clozes().filter(category="craft")
    both = planned(store, jobs, top_k=4)
    store.execute("INSERT INTO group_list SELECT group_list_id + 1, 'aside' FROM group_list")
    store.execute("UPDATE social_group SET group_list_id = group_list_id + 1 WHERE category = 'leisure'")
    one = planned(store, jobs, top_k=4)
    assert pl.read_parquet(one.inputs / "clozes.parquet").height == some.height
    committed(store, said(one))
    store.execute("UPDATE social_group SET group_list_id = group_list_id - 1 WHERE category = 'leisure'")
    assert committed(store, said(both, words=("busy", "kind"))).rows["completion"] == 2 * (ALL - some.height)
    assert violations(store) == []


def test_a_run_that_is_deleted_takes_all_of_its_rows_along(store: duckdb.DuckDBPyConnection, jobs: Jobs) -> None:
    enter_lexicon(store, {"warm": (1, 1)})
    committed(store, said(planned(store, jobs, model=XLM_R, top_k=4)))
    before = dump(store)
    done = committed(store, said(planned(store, jobs, top_k=4)))
    delete_run(store, done.run_id, done.run, jobs.folder)
    after = dump(store)
    assert {name for name in before if before[name] != after[name]} <= {"base_model", "checkpoint"}
    assert planned(store, jobs, top_k=4).path.name == done.run


def test_a_job_gives_the_same_rows_in_another_store(
    store: duckdb.DuckDBPyConnection, jobs: Jobs, empty_store: Path, tmp_path: Path
) -> None:
    enter_lexicon(store, {"warm": (1, 1)})
    job = said(planned(store, jobs, top_k=4))
    committed(store, job)
    other = Path(shutil.copyfile(empty_store, tmp_path / "other.duckdb"))
    with connect(other, read_only=False) as connection:
        enter_groups(connection)
        enter_lexicon(connection, {"warm": (1, 1)})
        committed(connection, job)
        mine, theirs = dump(store), dump(connection)
    assert {name for name in mine if mine[name] != theirs[name]} == {"run"}
    assert [row[:11] for row in mine["run"]] == [row[:11] for row in theirs["run"]]
