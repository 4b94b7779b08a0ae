"""Codebooks in the store: they enter with a survey, a name stands for one content, and profiles are folded by them."""

from pathlib import Path

import duckdb
import pytest

from mlv.ingest.readers.report import FileReport
from mlv.ingest.reference.codebook import Codebook, wvs7
from mlv.ingest.writing.codebooks import find_codebook
from mlv.ingest.writing.surveys import ingest_survey
from mlv.schema.errors import DataError, NotFoundError

BOOK = """
name = "ours"
title = "Our study, 2024"
citation = "We (2024)"
country_columns = ["land"]
weight_column = "w"
[variables.v1]
questions.57 = {first = [5], second = [1, 2]}
labels.5 = "yes"
[variables.v2]
questions.106a = {first = [2], second = [1]}
questions.106b = {first = [1], second = [2]}
missing = [3]
"""
PEOPLE = "land,w,v1,v2\nDE,1,5,1\nDE,3,1,2\nDE,4,2,3\n"


def _write(folder: Path, book: str = BOOK, people: str = PEOPLE) -> tuple[Path, Path]:
    (folder / "people.csv").write_text(people)
    (folder / "book.toml").write_text(book)
    return folder / "people.csv", folder / "book.toml"


def _ingest(store: duckdb.DuckDBPyConnection, folder: Path, book: str = BOOK) -> list[FileReport]:
    people, codebook = _write(folder, book)
    return ingest_survey(store, people, codebook=codebook)


def _profile(store: duckdb.DuckDBPyConnection, survey: str) -> dict[tuple[str, str], float]:
    rows = store.execute("SELECT weighting, question, p_first FROM v_country_profile WHERE survey = ?", [survey])
    return {row[:2]: row[2] for row in rows.fetchall()}


def test_a_survey_is_folded_by_its_codebook_whatever_others_say(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "wvs.csv").write_text("question,country,response_code,percent\nQ57,DE,1,40\nQ57,DE,2,60\n")
    ingest_survey(store, tmp_path / "wvs.csv")
    of_book, report = _ingest(store, tmp_path)
    assert (of_book.kind, of_book.target, of_book.rows_read, of_book.rows_kept) == ("codebook", "ours", 2, 2)
    assert (report.kind, report.target, report.rows_kept) == ("survey", "ours", 3)
    assert _profile(store, "wvs7") == {("unweighted", "57"): 0.4}
    assert _profile(store, "ours") == {
        ("unweighted", "57"): pytest.approx(1 / 3),
        ("unweighted", "106a"): 0.5,
        ("unweighted", "106b"): 0.5,
        ("weighted", "57"): pytest.approx(1 / 8),
        ("weighted", "106a"): 0.75,
        ("weighted", "106b"): 0.25,
    }
    rows = store.execute(
        "SELECT question, variable, response_code, label, side FROM v_survey_response WHERE survey = 'ours' "
        "AND question IN ('57', '106a') ORDER BY ALL"
    ).fetchall()
    assert rows == [
        ("106a", "v2", 1, "", "second"),
        ("106a", "v2", 2, "", "first"),
        ("106a", "v2", 3, "", "missing"),
        ("57", "v1", 1, "", "second"),
        ("57", "v1", 2, "", "second"),
        ("57", "v1", 5, "yes", "first"),
    ]
    assert store.execute("SELECT citation FROM survey WHERE code = 'ours'").fetchall() == [("We (2024)",)]


def test_the_store_keeps_all_that_it_says(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    _ingest(store, tmp_path)
    code, title, sha256, content = store.execute("SELECT code, title, sha256, content FROM codebook").fetchall()[0]
    book = Codebook.read(tmp_path / "book.toml")
    assert (code, title, sha256) == ("ours", "Our study, 2024", book.sha256)
    assert Codebook.model_validate_json(content) == book
    assert find_codebook(store, "ours").sides.equals(book.sides)
    assert find_codebook(store, None) is find_codebook(store, "wvs7") is wvs7()
    with pytest.raises(NotFoundError, match=r"no codebook theirs: neither a file nor one .*\(wvs7, ours\)"):
        find_codebook(store, "theirs")


def test_the_same_again_changes_nothing_and_comments_do_not_count(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    _ingest(store, tmp_path)
    again = _ingest(store, tmp_path, f"# a comment\n{BOOK}")
    assert [report.already_there for report in again] == [True, True]
    assert store.execute("SELECT count(*) FROM codebook").fetchall() == [(1,)]


def test_a_name_stands_for_one_content(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    _ingest(store, tmp_path)
    other = BOOK.replace("first = [5]", "first = [2]").replace("second = [1, 2]", "second = [1, 5]")
    with pytest.raises(DataError, match="has a codebook ours that says something else") as caught:
        _ingest(store, tmp_path, other)
    assert "another name" in caught.value.hint
    people, codebook = _write(tmp_path, other.replace('"ours"', '"ours-2"'))
    with pytest.raises(DataError, match="survey ours is in the store read by another codebook"):
        ingest_survey(store, people, codebook=codebook, name="ours")
    assert store.execute("SELECT count(*) FROM codebook").fetchall() == [(1,)]
    ingest_survey(store, people, codebook=codebook)
    assert _profile(store, "ours-2")["weighted", "57"] == 0.5


def test_questions_that_no_probe_is_about_are_named_and_nothing_is_written(
    store: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"names 1 questions that no probe is about: trust\.") as caught:
        _ingest(store, tmp_path, BOOK.replace("questions.57", "questions.trust"))
    assert "mlv ingest probes PATH" in caught.value.hint
    assert store.execute("SELECT count(*) FROM codebook").fetchall() == [(0,)]


def test_a_codebook_stays_out_if_its_survey_cannot_be_read(store: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    people, codebook = _write(tmp_path, people="land,w,age\nDE,1,30\n")
    with pytest.raises(DataError, match="none of the variables v1, v2"):
        ingest_survey(store, people, codebook=codebook)
    assert store.execute("SELECT count(*) FROM codebook").fetchall() == [(0,)]
