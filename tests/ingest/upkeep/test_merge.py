"""What a store takes over from another: all that it lacks, once, and in a way that it can be made again from."""

import shutil
from pathlib import Path

import pytest
from tiny_study import DEMO
from two_stores import Place, Theirs

from mlv.ingest.journal import Ingest, RunEvent, journal_path, read_journal
from mlv.ingest.readers.surveys.template import template
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.ingest.upkeep.merge import merge, plan_merge
from mlv.ingest.upkeep.rebuild import plan_rebuild, rebuild
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.ingest.writing.probe_sets import make_probe_set
from mlv.ingest.writing.surveys import ingest_survey
from mlv.ingest.writing.tasks import ingest_task
from mlv.schema.errors import DataError, UsageError
from mlv.schema.store.opening import connect


@pytest.fixture(scope="module")
def theirs(study_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Theirs:
    """A store with runs, a text and a survey that the other has not; the text was read under another name."""
    place = Theirs(tmp_path_factory.mktemp("theirs") / "theirs", study_store)
    text = Path(shutil.copyfile(DEMO / "corpus" / "ru.txt", place.store.with_name("ru.txt")))
    with connect(place.store, read_only=False) as connection:
        ingest_corpus(connection, "lines", [text], language="ru")
        ingest_survey(connection, DEMO / "survey.csv", name="illustrative", illustrative=True)
    return place


@pytest.fixture
def mine(study_store: Path, tmp_path: Path) -> Place:
    return Place(tmp_path / "mine", study_store)


def _merge(mine: Place, theirs: Place, *folders: Path) -> list[str]:
    """Merge; what was done."""
    with connect(mine.store, read_only=False) as connection:
        plan = plan_merge(connection, mine.store, mine.jobs, theirs.store, theirs.jobs, list(folders))
        merge(connection, mine.store, mine.jobs, plan)
    return [step.description for step in plan.steps]


def test_all_that_is_lacking_is_taken_over_once_and_the_store_can_be_made_again(theirs: Theirs, mine: Place) -> None:
    done = _merge(mine, theirs)
    assert {"ingest corpus lines/ru/ru", "ingest survey illustrative"} < set(done)
    assert f"commit {theirs.compared}" in done
    assert not any("lines/fa" in step or "demo" in step for step in done)
    assert mine.prints() == theirs.prints()
    journal = read_journal(journal_path(mine.store))[0]
    assert len([entry for entry in journal if isinstance(entry, Ingest)]) == 2
    assert len([entry for entry in journal if isinstance(entry, RunEvent)]) == len(done) - 2
    assert _merge(mine, theirs) == []
    assert read_journal(journal_path(mine.store))[0] == journal
    made = rebuild(plan_rebuild(mine.store, mine.jobs, [DEMO]), mine.store)
    assert made.differing == {}
    with connect(mine.store) as connection:
        assert fingerprints(connection) == theirs.prints()


def test_codebooks_and_probe_sets_of_a_users_own_go_along(study_store: Path, mine: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other", study_store)
    (tmp_path / "book.toml").write_text(template(), encoding="utf-8")
    (tmp_path / "survey.csv").write_text("V2,V258,V4\nDE,1,1\nDE,1,3\n")
    with connect(other.store, read_only=False) as connection:
        ingest_survey(connection, tmp_path / "survey.csv", codebook=tmp_path / "book.toml")
        make_probe_set(connection, "few", collection="demo", questions=["1", "57"])
    assert set(_merge(mine, other)) == {"ingest codebook my-study", "ingest survey my-study", "ingest probe_set few"}
    assert mine.prints() == other.prints()
    assert _merge(mine, other) == []
    mine.do(
        "DELETE FROM probe_set_member WHERE probe_set_id = (SELECT probe_set_id FROM probe_set WHERE code = 'few') "
        "AND question_id = (SELECT question_id FROM question WHERE code = '57')"
    )
    with pytest.raises(DataError, match="the probe_set few differs: 1 here, 1 57 there"):
        _merge(mine, other)


def test_labelled_data_and_tasks_go_along(study_store: Path, mine: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other", study_store)
    task = 'code = "mine"\nsource = "pawsx"\nclasses = ["a", "b"]\n[labels]\n0 = "a"\n1 = "b"\n'
    (tmp_path / "mine.toml").write_text(task)
    (tmp_path / "dev-de.tsv").write_text("a\tb\t1\n")
    with connect(other.store, read_only=False) as connection:
        ingest_corpus(connection, "pawsx", [tmp_path / "dev-de.tsv"])
        ingest_task(connection, tmp_path / "mine.toml")
    assert _merge(mine, other) == ["ingest corpus pawsx/de/dev", "ingest task mine"]
    assert mine.rows("SELECT code FROM task ORDER BY code") == [("mine",), ("pawsx-paraphrase",)]
    assert mine.prints() == other.prints()
    assert _merge(mine, other) == []
    mine.do("UPDATE task SET sha256 = 'x' WHERE code = 'mine'")
    with pytest.raises(DataError, match="the task mine differs: x here"):
        _merge(mine, other)


def test_a_source_that_was_renamed_is_found_and_noted_by_the_name_that_it_had(theirs: Theirs, mine: Place) -> None:
    moved = theirs.store.parent / "elsewhere" / "renamed.txt"
    moved.parent.mkdir()
    text = theirs.store.with_name("ru.txt").rename(moved)
    try:
        with pytest.raises(DataError, match=r"the source .*/ru\.txt is gone") as caught:
            _merge(mine, theirs)
        assert "--sources FOLDER" in caught.value.hint
        assert not mine.jobs.exists()
        _merge(mine, theirs, moved.parent)
    finally:
        text.rename(theirs.store.with_name("ru.txt"))
    assert mine.prints() == theirs.prints()
    noted = [e.files[0].path for e in read_journal(journal_path(mine.store))[0] if isinstance(e, Ingest)]
    assert str(theirs.store.with_name("ru.txt")) in noted
    assert not list(mine.jobs.glob(".*"))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE corpus SET sha256 = 'x' WHERE edition = 'ko'", "the corpus lines/ko/ko differs: x here, "),
        ("UPDATE probe SET answer_first = 'x' WHERE probe_id = 1", "the probes demo/fa differs: "),
    ],
)
def test_contents_that_differ_are_named_and_nothing_written(
    theirs: Theirs, mine: Place, statement: str, said: str
) -> None:
    mine.do(statement)
    before = mine.prints()
    with pytest.raises(DataError) as caught:
        _merge(mine, theirs)
    assert said in caught.value.message
    assert mine.prints() == before
    assert not mine.jobs.exists()


def test_a_run_that_made_other_weights_is_a_conflict(theirs: Theirs, mine: Place) -> None:
    mine.take(theirs.export(theirs.runs.farsi))
    mine.do("UPDATE checkpoint SET digest = 'x' WHERE epoch = 2")
    with pytest.raises(DataError, match=f"the checkpoint {theirs.runs.farsi}/epoch-2 differs: x here"):
        _merge(mine, theirs)


def test_a_store_is_not_merged_with_itself(mine: Place) -> None:
    with pytest.raises(UsageError, match="is the store itself"):
        _merge(mine, mine)
