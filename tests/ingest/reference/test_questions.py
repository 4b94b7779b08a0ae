"""The numbering of the questions, and the packaged tables."""

import duckdb
import polars as pl
import pytest

from mlv.ingest.reference.languages import ensure_reference
from mlv.ingest.reference.questions import answer_sides, category_of, ensure_questions, number_of, probe_polarity
from mlv.schema.papers.echoes import CATEGORIES


@pytest.mark.parametrize(
    ("code", "number"),
    [("1", 1), ("259", 259), ("106a", 106), ("130d", 130)],
)
def test_identifiers_of_wave_7(code: str, number: int) -> None:
    assert number_of(code) == number


@pytest.mark.parametrize("code", ["", "0", "260", "1000", "a", "106A", "106ab", "Q1", "-1", "1.0", "٣"])
def test_identifiers_of_something_else(code: str) -> None:
    assert number_of(code) is None


def test_every_number_has_one_category() -> None:
    found = [category_of(number) for number in range(1, 260)]
    assert [category.number for category in found if category] == sorted(
        category.number for category in CATEGORIES for _ in range(category.first, category.last + 1)
    )


def test_both_poles_are_questions_of_one_variable(store: duckdb.DuckDBPyConnection) -> None:
    ensure_reference(store)
    ids = ensure_questions(store, ["106a", "106b", "7"])
    again = ensure_questions(store, ["7", "106b"])
    assert again == {"7": ids["7"], "106b": ids["106b"]}
    rows = store.execute(
        "SELECT q.code, number, variable, c.code FROM question q JOIN category c USING (category_id) ORDER BY number, 1"
    ).fetchall()
    assert rows == [
        ("7", 7, "Q7", "social_values"),
        ("106a", 106, "Q106", "economic_values"),
        ("106b", 106, "Q106", "economic_values"),
    ]


def test_the_packaged_mapping_is_whole() -> None:
    """Every code once a question, both answers reachable, negative codes missing, one scale for a variable's poles."""
    sides = answer_sides()
    assert not sides.select("question", "response_code").is_duplicated().any()
    for (question,), rows in sides.group_by("question"):
        assert number_of(str(question)) is not None
        assert {"first", "second"} <= set(rows["side"]) <= {"first", "second", "missing"}
        assert set(rows.filter(rows["response_code"] < 0)["side"]) == {"missing"}
    codes = sides.group_by("variable", "question").agg(pl.col("response_code").sort())
    assert codes.group_by("variable").agg(pl.col("response_code").n_unique())["response_code"].to_list() == [1] * 251


def test_polarities_depart_from_the_canonical_one_and_name_questions() -> None:
    polarity = probe_polarity()
    assert set(polarity.values()) == {"reversed", "undefined"}
    assert {question for question, _ in polarity} <= set(answer_sides()["question"])
