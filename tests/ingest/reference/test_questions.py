"""The numbering of the questions, and the wvs7 tables."""

from itertools import groupby

import polars as pl
import pytest

from mlv.ingest.reference.codebook import wvs7
from mlv.ingest.reference.questions import category_of, number_of, probe_polarity, question_batteries
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
    sides = wvs7().sides
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
    assert {question for question, _ in polarity} <= set(wvs7().sides["question"])


def test_batteries_are_consecutive_and_have_every_question_of_the_mapping() -> None:
    codes = wvs7().sides["question"].unique(maintain_order=True).to_list()
    assert list(question_batteries()) == codes
    batteries = [battery for battery, _ in groupby(question_batteries().values())]
    assert len(batteries) == len(set(batteries)) == 68
    for battery in batteries:
        some = [number_of(code) for code, of in question_batteries().items() if of == battery]
        assert battery == (str(some[0]) if some[0] == some[-1] else f"{some[0]}-{some[-1]}")


def test_questions_of_a_battery_have_one_card_of_answers() -> None:
    """But for the poles of a question, and for 106 to 110, which are a card of scales."""
    cards = dict(
        wvs7()
        .sides.filter(pl.col("side") != "missing", ~pl.col("question").str.contains("[a-d]$"))
        .group_by("question")
        .agg(pl.struct("response_code", "label").sort_by("response_code"))
        .iter_rows()
    )
    for battery in set(question_batteries().values()):
        some = [cards[code] for code, of in question_batteries().items() if of == battery and code in cards]
        assert all(card == some[0] for card in some), battery
