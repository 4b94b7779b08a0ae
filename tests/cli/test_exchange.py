"""`mlv runs export`, `mlv runs import` and `mlv db merge`: what a colleague has, in one's own store."""

from pathlib import Path

import pytest
from command_line import Mlv
from played_study import play
from tiny_model import save_model
from tiny_study import demo_store, ingest_survey

from mlv.cli import edge
from mlv.schema.jobs.directory import JobDirectory


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two stores: in ``theirs/`` one with a probing run and a survey, in ``mine/`` one without."""
    folder = tmp_path_factory.mktemp("base")
    for name in ("theirs", "mine"):
        (folder / name).mkdir()
        demo_store(folder / name)
    theirs = Mlv(folder / "theirs")
    ingest_survey(theirs)
    save_model(folder / "tiny")
    assert theirs("compute", "probe", "--model", str(folder / "tiny"), "--language", "fa", "--plan-only").code == 0
    (job,) = (theirs.folder / "jobs").iterdir()
    play(JobDirectory(job))
    assert theirs("runs", "resume").code == 0
    return folder


def test_a_run_goes_from_one_store_to_another(mlv: Mlv, capsys: pytest.CaptureFixture[str]) -> None:
    theirs, mine = (Mlv(mlv.folder / name, capsys) for name in ("theirs", "mine"))
    ((run,),) = theirs.rows("SELECT run FROM v_run")
    archive = str(mlv.folder / "run.zip")
    done = theirs("runs", "export", "probe", "-o", archive)
    assert (done.code, done.out) == (0, f"{archive}\n")
    assert done.err.startswith("1 runs, ")
    assert f"{run}: committed (" in mine("runs", "import", archive).err
    assert f"{run}: already committed" in mine("runs", "import", archive).err
    assert mine.rows("FROM probe_answer") == theirs.rows("FROM probe_answer")
    assert mine("db", "check").code == 0
    assert mine("ingest", "delete", "demo").err.splitlines()[-2] == f"  first: {run}"
    assert mine("ingest", "delete", "demo", "--yes").code == edge.ExitCode.DATA


def test_a_store_takes_over_what_it_lacks_of_another(mlv: Mlv, capsys: pytest.CaptureFixture[str]) -> None:
    theirs, mine = (Mlv(mlv.folder / name, capsys) for name in ("theirs", "mine"))
    ((run,),) = theirs.rows("SELECT run FROM v_run")
    steps = f"ingest survey illustrative\ncommit {run}\n"
    assert mine("db", "merge", str(theirs.store), "--dry-run").out == steps
    assert mine.rows("FROM survey") == []
    assert mine("db", "merge", str(theirs.store)).err == f"{steps}2 steps\n"
    again = mine("db", "merge", str(theirs.store))
    assert (again.code, again.err) == (0, "0 steps: it has nothing that is not here\n")
    assert mine.rows("FROM profile_value") == theirs.rows("FROM profile_value")
    made = mine("db", "rebuild")
    assert made.code == 0, made.err
    assert "it has the same rows as the old store in every table" in made.err
