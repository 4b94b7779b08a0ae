"""`mlv compute pca` on a study whose models were played: options, messages, planning, resuming and deleting."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from command_line import Mlv
from finished_jobs import MODEL, finetuned, probed
from planned import Jobs, plan_probe

from mlv.cli import edge
from mlv.ingest.jobs.committing import commit_job
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.opening import connect

DEMO = Path(str(files("mlv.ingest") / "demo"))


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the demo's data, a model without weights, and a run that started from it, both probed."""
    folder = tmp_path_factory.mktemp("base")
    mlv = Mlv(folder)
    mlv("db", "upgrade")
    mlv("ingest", "probes", str(DEMO / "probes"), "--collection", "demo", "--citation", "own")
    mlv("ingest", "survey", str(DEMO / "survey.csv"), "--name", "illustrative", "--illustrative")
    mlv("ingest", "corpus", str(DEMO / "corpus" / "fa.txt"), "--source", "lines", "--language", "fa")
    jobs = Jobs(folder / "jobs")

    def commit(job: JobDirectory) -> str:
        return commit_job(connection, job, mlv.store).run

    with connect(mlv.store, read_only=False) as connection:
        commit(probed(plan_probe(connection, jobs, MODEL, probe_set="demo-all")))
        run = commit(finetuned(connection, jobs))
        last = ModelRef(name=f"{run}/epoch-2", digest=f"{run}-2")
        commit(probed(plan_probe(connection, jobs, last, probe_set="demo-all"), shift=0.75))
    return folder


def _run(mlv: Mlv) -> str:
    ((run,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'pca'")
    return str(run)


def test_a_projection_is_computed_committed_and_read(mlv: Mlv) -> None:
    done = mlv("compute", "pca", "--source", "lines", "--language", "fa,ko")
    assert done.code == 0, done.err
    assert done.out == ""
    assert f"see it: mlv query run profile_pca --param run={_run(mlv)}" in done.err
    read = mlv("query", "run", "profile_pca", "--format", "jsonl")
    rows = [json.loads(line) for line in read.out.splitlines()]
    assert [(row["strategy"], row["language"]) for row in rows] == [
        ("pretrained", "fa"),
        ("pretrained", "ko"),
        ("monolingual", "fa"),
        ("monolingual", "ko"),
    ]
    assert [(row["base_x"], row["base_y"]) for row in rows[2:]] == [(row["x"], row["y"]) for row in rows[:2]]
    again = mlv("compute", "pca", "--source", "lines", "--language", "ko,fa")
    assert f"{_run(mlv)}: already committed" in again.err
    assert mlv("db", "check").code == 0


def test_countries_alone_or_with_models(mlv: Mlv) -> None:
    assert mlv("compute", "pca", "--country", "all").code == 0
    assert mlv.rows("SELECT count(language), count(country) > 2 FROM v_pca_point") == [(0, True)]
    assert mlv("compute", "pca", "--country", "kr,ir", "--language", "fa").code == 0
    assert mlv.rows(
        "SELECT count(language), list(country ORDER BY country) FROM v_pca_point WHERE run IN "
        "(SELECT run FROM v_pca_point WHERE language IS NOT NULL) GROUP BY run"
    ) == [(2, ["IR", "KR", None, None])]


def test_a_planned_projection_is_run_elsewhere_and_resumed(mlv: Mlv) -> None:
    planned = mlv("compute", "pca", "--plan-only")
    assert planned.code == 0
    (job,) = (mlv.folder / "jobs").glob("pca-*")
    assert f"planned: {job}" in planned.err
    assert f"not committed: {job.name} (planned)" in mlv("runs", "list").err
    assert mlv.rows("SELECT count(*) FROM v_pca_point") == [(0,)]
    resumed = mlv("runs", "resume", job.name)
    assert resumed.code == 0, resumed.err
    assert f"{job.name}: committed" in resumed.err
    shown = json.loads(mlv("runs", "show", job.name).out)
    assert shown["kind"] == "pca"
    assert shown["spec"]["probe_set"] == "demo-all"
    assert "scipy" in shown["provenance"]["environment"]["packages"]
    assert job.name in mlv("runs", "list").out


def test_what_it_is_of_is_deleted_after_it(mlv: Mlv) -> None:
    mlv("compute", "pca")
    run = _run(mlv)
    ((tuned,),) = mlv.rows("SELECT run FROM v_run WHERE kind = 'finetune'")
    told = mlv("runs", "delete", str(tuned))
    assert told.code == 0
    assert run in told.err.partition("first: ")[2]
    assert mlv("runs", "delete", str(tuned), "--yes").code == edge.ExitCode.DATA
    assert mlv("runs", "delete", run, "--yes").code == 0
    assert not (mlv.folder / "jobs" / run).exists()
    assert run not in mlv("runs", "delete", str(tuned)).err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--score", "best"], edge.ExitCode.USAGE, "--score: should be 'sum', 'mean' or 'first', not 'best'"),
        (
            ["--country", "IN,IR,KR", "--weighting", "by-age"],
            edge.ExitCode.USAGE,
            "--weighting: should be 'weighted' or 'unweighted'",
        ),
        (["--survey", "illustrative"], edge.ExitCode.USAGE, "about countries: name some, or all"),
        (["--source", "pbc"], edge.ExitCode.NOT_FOUND, "The store has no checkpoint of source pbc."),
        (["--model", "small"], edge.ExitCode.NOT_FOUND, "The store has no checkpoint of model small."),
        (["--language", "de"], edge.ExitCode.NOT_FOUND, "There are: fa, hi, ko, ru."),
        (["--country", "KR,XX"], edge.ExitCode.NOT_FOUND, "No profile is of country XX."),
        (["--country", "KR,IR", "--survey", "wvs7"], edge.ExitCode.NOT_FOUND, "mlv ingest survey"),
        (["--country", "KR,IR"], edge.ExitCode.DATA, "2 profiles over demo-all are too few for a plane"),
        (["--probe-set", "none"], edge.ExitCode.NOT_FOUND, "SELECT DISTINCT probe_set"),
    ],
)
def test_what_cannot_be_projected_is_said(mlv: Mlv, arguments: list[str], code: int, words: str) -> None:
    done = mlv("compute", "pca", *arguments)
    assert done.code == code
    assert words in done.err
    assert not list((mlv.folder / "jobs").glob("pca-*"))
