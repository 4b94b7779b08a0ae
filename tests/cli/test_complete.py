"""`mlv compute complete`: a masked model that was pretrained here completes sentences about groups."""

import shutil
from pathlib import Path

import pytest
from command_line import Mlv
from groups import clozes, enter_groups, enter_lexicon
from tiny_masked import save_masked
from tiny_model import DEMO, save_model, smaller_presets

from mlv.cli import edge
from mlv.ingest.jobs.committing import commit_job
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.store.opening import connect

HERE = ("--threads", "1", "--device", "cpu")
ASK = ("compute", "complete", "--model", "nano", "--groups", "own", "--top-k", "30", *HERE)
ALL = clozes().height


@pytest.fixture(scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with groups, a lexicon and an encoder that was pretrained a little."""
    folder = tmp_path_factory.mktemp("base")
    mlv = Mlv(folder)
    assert mlv("db", "upgrade").code == 0
    text = ("ingest", "corpus", str(DEMO / "corpus" / "ru.txt"), "--source", "lines", "--language", "ru")
    assert mlv(*text).code == 0
    with connect(mlv.store, read_only=False) as connection:
        enter_groups(connection)
        enter_lexicon(connection, {"a": (1, 0), "b": (0, 1), "e": (1, 1), "s": (0, 0), "и": (1, 0)})
    pretrain = ("compute", "pretrain", "--name", "nano", "--preset", "nano-encoder", "--steps", "5")
    with smaller_presets():
        done = mlv(*pretrain, "--batch-size", "8", "--vocabulary", "600", *HERE)
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def mlv(_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    return Mlv(Path(shutil.copytree(_base, tmp_path / "study")), capsys)


def test_a_model_completes_what_it_has_not_completed(mlv: Mlv) -> None:
    done = mlv(*ASK)
    assert done.code == 0, done.err
    # counts, and no words
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["category", "groups", "sentences", "with_prior", "attributes"]
    assert [line for line in lines if line[0] in ("craft", "leisure")] == [
        ["craft", "2", "12", "0.917", "360"],
        ["leisure", "3", "16", "1.000", "480"],
    ]
    assert mlv.rows("SELECT count(*), count(DISTINCT cloze_id), max(rank) FROM v_completion") == [(30 * ALL, ALL, 30)]
    ((scores,),) = mlv.rows("SELECT count(*) FROM v_emotion_score")
    assert scores > 0
    again = mlv(*ASK)
    assert (again.code, again.out) == (0, "")
    assert "has completed all sentences about own under this prior" in again.err
    other = mlv(*ASK[:-6], "--top-k", "31", *HERE)
    assert other.code == edge.ExitCode.USAGE
    assert "mlv runs delete complete-" in other.err
    assert mlv(*ASK, "--prior", "published").code == 0
    assert mlv.rows("SELECT count(*) FROM v_completion WHERE typicality_rank IS NULL AND prior = 'published'") == [(0,)]
    assert mlv("db", "check").code == 0


def test_what_is_left_out_is_said(mlv: Mlv) -> None:
    with connect(mlv.store, read_only=False) as connection:
        connection.execute("UPDATE cloze SET text = 'why so ?', prior_text = NULL WHERE cloze_id = 1")
    done = mlv(*ASK)
    assert done.code == 0, done.err
    assert "warning: 1 sentences were left out, since the model cannot complete them" in done.err
    assert "1: the tokenizer finds 0 masks where there is to be 1" in done.err
    assert mlv.rows("SELECT count(*) FROM run_event WHERE event = 'skipped_sentences'") == [(1,)]
    assert "has completed all" in mlv(*ASK).err


def test_an_unknown_list_and_a_model_without_masks_are_refused(mlv: Mlv) -> None:
    done = mlv(*ASK[:4], "--groups", "nobody")
    assert done.code == edge.ExitCode.NOT_FOUND
    assert "mlv ingest groups" in done.err
    save_model(mlv.folder / "t5")
    done = mlv("compute", "complete", "--model", str(mlv.folder / "t5"), "--groups", "own", *HERE)
    assert done.code == edge.ExitCode.DATA
    assert "BART" in done.err


def test_a_model_from_elsewhere_completes_and_its_run_can_be_deleted(mlv: Mlv) -> None:
    save_masked(mlv.folder / "bart", "bart")
    before = mlv.rows("FROM run ORDER BY run_id")
    ask = ("compute", "complete", "--model", str(mlv.folder / "bart"), "--groups", "own", "--top-k", "20")
    done = mlv(*ask, "--prior", "as_many", "--language", "en", *HERE)
    assert done.code == 0, done.err
    ((run, architecture),) = mlv.rows(
        "SELECT r.name, b.architecture FROM run r JOIN checkpoint k ON k.checkpoint_id = r.start_checkpoint_id "
        "JOIN base_model b USING (base_model_id) WHERE r.kind = 'complete'"
    )
    assert architecture == "bart"
    assert mlv("db", "check").code == 0
    assert mlv("runs", "delete", run, "--yes").code == 0
    assert mlv.rows("SELECT count(*) FROM completion") == mlv.rows("SELECT count(*) FROM emotion_score") == [(0,)]
    assert mlv.rows("FROM run ORDER BY run_id") == before
    assert not (mlv.folder / "jobs" / run).exists()


def test_a_planned_job_is_run_and_committed_elsewhere(mlv: Mlv) -> None:
    assert mlv(*ASK, "--plan-only").code == 0
    assert mlv.rows("SELECT count(*) FROM completion") == [(0,)]
    (job,) = (mlv.folder / "jobs").glob("complete-*")
    assert mlv.bare("compute", "run", str(job), *HERE).code == 0
    with connect(mlv.store, read_only=False) as connection:
        done = commit_job(connection, JobDirectory(job), mlv.store)
    assert done.rows["completion"] == 30 * ALL
