"""A store whose survey was read by a codebook of a user's is made again, from its journal or from itself."""

import shutil
from pathlib import Path

import pytest

from mlv.ingest.journal import journal_path
from mlv.ingest.upkeep.rebuild import plan_rebuild, rebuild
from mlv.ingest.writing.surveys import ingest_survey
from mlv.migrations import upgrade
from mlv.schema.errors import DataError
from mlv.schema.store.opening import connect

BOOK = """
name = "ours"
country = "DE"
[variables.v1]
questions.57 = {first = [5], second = [1]}
"""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "mlv.duckdb"
    upgrade(path)
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "people.csv").write_text("v1\n5\n5\n1\n")
    (tmp_path / "sources" / "wave 7.csv").write_text("question,country,response_code,percent\n1,DE,1,100\n")
    (tmp_path / "sources" / "book.toml").write_text(BOOK)
    with connect(path, read_only=False) as connection:
        ingest_survey(connection, tmp_path / "sources" / "wave 7.csv")
        people, book = tmp_path / "sources" / "people.csv", tmp_path / "sources" / "book.toml"
        ingest_survey(connection, people, codebook=book, name="people", citation="We", illustrative=True)
    return path


@pytest.mark.parametrize("lost", ["journal", "store"])
def test_a_survey_is_read_by_the_same_codebook_again(store: Path, lost: str) -> None:
    with connect(store) as connection:
        before = connection.execute("FROM v_country_profile ORDER BY ALL").fetchall()
    (journal_path(store) if lost == "journal" else store).unlink()
    moved = shutil.move(store.parent / "sources", store.parent / "moved")
    done = rebuild(plan_rebuild(store, store.parent / "jobs", [Path(moved)]), store)
    assert not done.left_out and not done.differing
    with connect(store) as connection:
        assert connection.execute("FROM v_country_profile ORDER BY ALL").fetchall() == before
        kept = (
            "SELECT s.code, k.code, citation, illustrative FROM survey s JOIN codebook k USING (codebook_id) ORDER BY 1"
        )
        assert connection.execute(kept).fetchall() == [("people", "ours", "We", True), ("wvs7", "wvs7", "", False)]


def test_a_codebook_that_is_gone_is_named(store: Path) -> None:
    (store.parent / "sources" / "book.toml").unlink()
    with pytest.raises(DataError, match=r"book\.toml is gone .*read into ours"):
        plan_rebuild(store, store.parent / "jobs")
