"""The numbering of the questions, and the packaged tables."""

import polars as pl
import pytest

from mlv.ingest.reference.questions import answer_sides, category_of, number_of, probe_polarity
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


def test_the_packaged_mapping_is_complete() -> None:
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
