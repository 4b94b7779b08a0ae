"""Projections in the store: which profiles are planned, what a commit enters, and what deletion leaves."""

import json
import shutil
from collections.abc import Callable, Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from finished_jobs import MODEL, dump, finetuned, probed
from planned import Jobs, plan_pca, plan_probe

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.running.execute import execute
from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.jobs.lookup import find_run
from mlv.ingest.upkeep.check import violations
from mlv.ingest.upkeep.deletion import delete_run, dependants
from mlv.ingest.writing.surveys import ingest_survey
from mlv.queries import run as query
from mlv.schema.errors import DataError, JobError, NotFoundError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.pca import PcaSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.opening import connect

Store = duckdb.DuckDBPyConnection


def _commit(study: Store, jobs: Jobs, job: JobDirectory) -> str:
    return commit_job(study, job, jobs.folder.parent / "store.duckdb").run


def _last(run: str, digest: str) -> ModelRef:
    return ModelRef(name=f"{run}/epoch-2", digest=digest, path="")


@pytest.fixture(scope="module")
def template(study_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the study, whose base model and a fine-tuned one are probed in all languages."""
    folder = tmp_path_factory.mktemp("trained")
    jobs = Jobs(folder / "jobs", {"arguments": ["test"]})
    shutil.copyfile(study_store, folder / "store.duckdb")
    with connect(folder / "store.duckdb", read_only=False) as study:
        _commit(study, jobs, probed(plan_probe(study, jobs, MODEL, probe_set="demo-all")))
        run = _commit(study, jobs, finetuned(study, jobs))
        after = plan_probe(study, jobs, _last(run, f"{run}-2"), probe_set="demo-all")
        _commit(study, jobs, probed(after, shift=0.75))
    return folder


@pytest.fixture
def study(template: Path, tmp_path: Path) -> Iterator[Store]:
    """A connection to a copy of its store, open for writing; the jobs are beside it."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    with connect(tmp_path / "store.duckdb", read_only=False) as connection:
        yield connection


@pytest.fixture
def trained(study: Store) -> str:
    """The name of the fine-tuned run."""
    ((run,),) = study.execute("SELECT name FROM run WHERE kind = 'finetune'").fetchall()
    return str(run)


@pytest.fixture
def people(study: Store) -> None:
    """The demo's survey."""
    with as_file(files("mlv.ingest") / "demo") as demo:
        ingest_survey(study, demo / "survey.csv", name="illustrative", illustrative=True)


def _done(study: Store, jobs: Jobs, **settings: Any) -> str:
    """Plan, run and commit; the name of the run."""
    job = plan_pca(study, jobs, **settings)
    execute(job.path, ExecuteOptions("cpu", 1))
    return _commit(study, jobs, job)


def _inputs(job: JobDirectory) -> pl.DataFrame:
    return pl.read_parquet(job.inputs / "profiles.parquet")


def test_base_and_last_checkpoints_are_compared_by_natural_key(study: Store, jobs: Jobs, trained: str) -> None:
    job = plan_pca(study, jobs)
    spec, frame = job.spec(), _inputs(job)
    assert isinstance(spec, PcaSpec)
    assert spec.checkpoints == ("digest-0", f"{trained}/epoch-2")
    assert (spec.languages, spec.score, spec.survey, spec.countries) == (("fa", "hi", "ko", "ru"), "mean", "", ())
    assert frame["profile"].n_unique() == 8
    questions = frame.group_by("profile").agg(pl.col("question").sort())["question"]
    assert questions.n_unique() == 1
    # the values are those of the view
    value = study.execute(
        "SELECT p_first FROM v_model_profile JOIN v_checkpoint USING (checkpoint_id) "
        "WHERE run = ? AND is_final AND language = 'ko' AND score = 'mean' ORDER BY question",
        [trained],
    ).fetchall()
    kept = frame.filter(checkpoint=f"{trained}/epoch-2", language="ko").sort("question")["p_first"]
    assert kept.to_list() == [row[0] for row in value]


def test_the_same_request_is_the_same_job_whatever_the_model_is_called(
    study: Store, jobs: Jobs, trained: str, tmp_path: Path
) -> None:
    first = plan_pca(study, jobs)
    assert plan_pca(study, jobs).path == first.path
    study.execute("UPDATE base_model SET name = 'another'")
    assert plan_pca(study, jobs, model="another").path == first.path
    others: list[dict[str, Any]] = [{"score": "sum"}, {"languages": ("fa", "ko")}]
    assert len({plan_pca(study, jobs, **other).path for other in others} | {first.path}) == 3


def test_runs_bring_what_they_started_from(study: Store, jobs: Jobs, trained: str) -> None:
    ko = _commit(study, jobs, finetuned(study, jobs, ("ko",), seed=2))
    _commit(study, jobs, probed(plan_probe(study, jobs, _last(ko, f"{ko}-2"), probe_set="demo-all"), shift=1.5))

    def checkpoints(**settings: Any) -> set[str]:
        return set(_inputs(plan_pca(study, jobs, **settings))["checkpoint"])

    assert checkpoints(seed=2) == {"digest-0", f"{ko}/epoch-2"}
    assert checkpoints(source="lines") == {"digest-0", f"{ko}/epoch-2", f"{trained}/epoch-2"}


@pytest.mark.parametrize(
    "models",
    [{"model": "none"}, {"source": "none"}, {"sentences": 3}, {"seed": 9}],
)
def test_what_the_store_lacks_is_said(study: Store, jobs: Jobs, trained: str, models: dict[str, Any]) -> None:
    with pytest.raises(NotFoundError, match="The store has no checkpoint of"):
        plan_pca(study, jobs, **models)


def test_languages_and_countries_without_profiles_are_named(
    study: Store, jobs: Jobs, trained: str, people: None
) -> None:
    with pytest.raises(NotFoundError, match="No profile is of language de, el") as caught:
        plan_pca(study, jobs, languages=("fa", "de", "el"))
    assert "There are: fa, hi, ko, ru." in caught.value.hint
    with pytest.raises(NotFoundError, match="No profile is of country XX"):
        plan_pca(study, jobs, countries=("XX",))
    with pytest.raises(NotFoundError, match="no weighted profiles of illustrative"):
        plan_pca(study, jobs, countries=("all",), survey="illustrative", weighting="weighted")
    with pytest.raises(NotFoundError, match="no probe set none"):
        plan_pca(study, jobs, probe_set="none")


def test_fewer_than_three_profiles_make_no_plane(study: Store, jobs: Jobs, trained: str) -> None:
    with pytest.raises(DataError, match="2 profiles over demo-all are too few for a plane, which needs 3"):
        plan_pca(study, jobs, languages=("fa",))


def _forget(study: Store, language: str, keep: str, gone: str) -> None:
    """Delete values of the base model's profile in a language: for all questions but ``keep``, or for ``gone``."""
    study.execute(
        "DELETE FROM profile_value WHERE profile_id IN (SELECT profile_id FROM profile JOIN checkpoint USING "
        '(checkpoint_id) JOIN "language" USING (language_id) WHERE epoch = 0 AND code = $language) '
        "AND question_id IN (SELECT question_id FROM question WHERE code <> $keep AND code = coalesce($gone, code))",
        {"language": language, "keep": keep, "gone": gone or None},
    )


def test_questions_that_one_profile_lacks_are_left_out_of_all(study: Store, jobs: Jobs, trained: str) -> None:
    everything = _inputs(plan_pca(study, jobs))
    first, second, *_ = sorted(set(everything["question"]))
    _forget(study, "fa", keep="", gone=first)
    left = _inputs(plan_pca(study, jobs))
    assert left.equals(everything.filter(pl.col("question") != first))
    _forget(study, "fa", keep=second, gone="")
    assert set(_inputs(plan_pca(study, jobs))["question"]) == {second}
    _forget(study, "ko", keep="", gone=second)
    with pytest.raises(DataError, match="The 8 profiles have no question of demo-all in common") as caught:
        plan_pca(study, jobs)
    assert "That of digest-0 fa mean has 1: probe it anew" in caught.value.hint


def test_a_commit_enters_every_profile_once(study: Store, jobs: Jobs, trained: str) -> None:
    run = _done(study, jobs)
    frame = query(study, "profile_pca").frame
    assert frame.height == 8
    assert frame["run"].unique().to_list() == [run]
    points = pl.read_parquet(jobs.folder / run / "outputs" / "points.parquet")
    tuned, base = (points.filter(pl.col("checkpoint").str.contains("/") == made) for made in (True, False))
    shown = frame.filter(strategy="monolingual").sort("language")
    assert shown.select("x", "y").rows() == tuned.sort("language").select("x", "y").rows()
    assert shown.select("base_x", "base_y").rows() == base.sort("language").select("x", "y").rows()
    facts = json.loads((jobs.folder / run / "outputs" / "run.json").read_text())
    assert frame.select("questions", "explained_x", "explained_y").unique().row(0) == (
        facts["questions"],
        facts["explained_x"],
        facts["explained_y"],
    )
    before = dump(study)
    again = commit_job(study, JobDirectory(jobs.folder / run), jobs.folder.parent / "store.duckdb")
    assert again.already_there
    assert dump(study) == before
    assert violations(study) == []


def test_countries_alone_and_with_models(study: Store, jobs: Jobs, trained: str, people: None) -> None:
    alone = _done(study, jobs, countries=("all",))
    countries = study.execute("SELECT DISTINCT country FROM v_country_profile ORDER BY 1").fetchall()
    frame = query(study, "profile_pca", parameters={"run": alone}).frame
    assert [(country,) for country in frame["country"]] == countries
    assert frame["checkpoint_id"].null_count() == frame["base_x"].null_count() == frame.height
    assert study.execute("SELECT DISTINCT score FROM pca_run").fetchall() == [(None,)]
    both = _done(study, jobs, languages=("fa",), countries=tuple(row[0] for row in countries[:2]))
    frame = query(study, "profile_pca", parameters={"run": both}).frame
    assert frame["country"].drop_nulls().to_list() == [row[0] for row in countries[:2]]
    assert frame["language"].drop_nulls().to_list() == ["fa", "fa"]
    assert violations(study) == []


def test_what_a_projection_is_of_is_not_deleted_before_it(study: Store, jobs: Jobs, trained: str) -> None:
    base, after = (
        row[0] for row in study.execute("SELECT run FROM v_run WHERE kind = 'probe' ORDER BY run_id").fetchall()
    )
    run = _done(study, jobs)
    before = dump(study)
    for name in (base, after, trained):
        with pytest.raises(DataError, match=f"cannot be deleted: .*{run}"):
            delete_run(study, *find_run(study, name), jobs.folder)
    assert dump(study) == before
    delete_run(study, *find_run(study, run), jobs.folder)
    assert not (jobs.folder / run).exists()
    assert study.execute("SELECT count(*) FROM pca_point, pca_run").fetchone() == (0,)
    assert violations(study) == []
    for name in (after, trained, base):
        delete_run(study, *find_run(study, name), jobs.folder)


def test_a_probing_run_in_other_languages_can_go(study: Store, jobs: Jobs, trained: str) -> None:
    probes = {row[0] for row in study.execute("SELECT run FROM v_run WHERE kind = 'probe'").fetchall()}
    ko = _commit(study, jobs, finetuned(study, jobs, seed=3))
    for language in ("fa", "ko", "ru"):
        planned = plan_probe(study, jobs, _last(ko, f"{ko}-2"), probe_set="demo-all", languages=[language])
        _commit(study, jobs, probed(planned, shift=len(language)))
    run = _done(study, jobs, languages=("fa", "ko"))
    depending = {
        name
        for (name,) in study.execute("SELECT run FROM v_run WHERE kind = 'probe'").fetchall()
        if run in dependants(study, find_run(study, name)[0])
    }
    in_ru = study.execute(
        "SELECT DISTINCT r.name FROM probe_logit g JOIN v_probe USING (probe_id) JOIN run r USING (run_id) "
        "GROUP BY r.name HAVING list(DISTINCT language) = ['ru']"
    ).fetchall()
    assert len(in_ru) == 1
    assert in_ru[0][0] not in depending
    assert depending > probes


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda points: points.with_columns(x=pl.col("x") + 1), "not finite and centred"),
        (lambda points: points.with_columns(y=pl.lit(float("nan"))), "not finite and centred"),
        (lambda points: points.head(2).with_columns(x=0.0, y=0.0), "fewer than 3 profiles"),
        (lambda points: points.with_columns(language=pl.lit("de")), "profiles that the store lacks"),
    ],
)
def test_coordinates_that_cannot_be_are_not_committed(
    study: Store, jobs: Jobs, trained: str, damage: Callable[[pl.DataFrame], pl.DataFrame], complaint: str
) -> None:
    job = plan_pca(study, jobs)
    execute(job.path, ExecuteOptions("cpu", 1))
    path = job.outputs / "points.parquet"
    damage(pl.read_parquet(path)).write_parquet(path)
    before = dump(study)
    with pytest.raises(JobError, match=complaint):
        _commit(study, jobs, job)
    assert dump(study) == before


def test_a_missing_output_is_named(study: Store, jobs: Jobs, trained: str) -> None:
    job = plan_pca(study, jobs)
    execute(job.path, ExecuteOptions("cpu", 1))
    (job.outputs / "points.parquet").unlink()
    with pytest.raises(JobError, match=r"points.parquet is missing although the job is finished"):
        _commit(study, jobs, job)
    # the worker makes it again
    assert execute(job.path, ExecuteOptions("cpu", 1))
    _commit(study, jobs, job)


def test_a_checkpoint_that_is_not_there_is_asked_for(study: Store, jobs: Jobs, trained: str) -> None:
    job = plan_pca(study, jobs)
    execute(job.path, ExecuteOptions("cpu", 1))
    for name in [*dependants(study, find_run(study, trained)[0]), trained]:
        delete_run(study, *find_run(study, name), jobs.folder)
    with pytest.raises(JobError, match=f"compares profiles of {trained}/epoch-2, which is not in the store") as caught:
        _commit(study, jobs, job)
    assert f"mlv runs resume {trained}" in caught.value.hint


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("DELETE FROM pca_run", "principal component analyses without a row in pca_run"),
        ("DELETE FROM pca_point", "analyses of fewer than 3 profiles"),
        ("UPDATE pca_run SET explained_y = 2", "shares of variance"),
        ("UPDATE pca_point SET profile_id = 999 + profile_id", "have a profile_id that profile lacks"),
        ("INSERT INTO pca_point SELECT * FROM pca_point", "occur more than once in pca_point"),
    ],
)
def test_a_check_of_the_store_finds_what_is_wrong(
    study: Store, jobs: Jobs, trained: str, statement: str, complaint: str
) -> None:
    _done(study, jobs)
    assert violations(study) == []
    study.execute(statement)
    assert any(complaint in sentence for sentence in violations(study))
