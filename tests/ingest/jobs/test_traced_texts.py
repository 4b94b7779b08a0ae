"""Which of the texts that a classifier was asked are traced."""

import polars as pl
import pytest

from mlv.ingest.jobs.traced_texts import SORTED, pick
from mlv.schema.errors import DataError


def asked(answers: list[int]) -> pl.DataFrame:
    """Texts in two languages with these classes, every third one told wrong."""
    rows = [
        {"language": code, "question": str(number), "answer": answer, "correct": number % 3 != 2}
        for code in ("de", "ko")
        for number, answer in enumerate(answers)
    ]
    return pl.DataFrame(rows)


def test_the_first_ones_that_are_right_are_taken_in_the_order_of_their_file() -> None:
    found = pick(asked([1, 2] * 6), 3, "first", 0)
    assert found.select("language", "question").rows() == [(code, key) for code in ("de", "ko") for key in "013"]


def test_drawn_ones_are_the_same_texts_for_a_seed_and_others_for_another() -> None:
    texts = asked([1, 2] * 30)
    one, again, other = (pick(texts, 10, "random", seed) for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)
    assert one["correct"].all()
    assert one.group_by("language").len()["len"].to_list() == [10, 10]


def test_a_file_that_is_sorted_by_class_is_refused_unless_texts_are_drawn() -> None:
    texts = asked([1] * 30 + [2] * 30)
    with pytest.raises(DataError, match="seems sorted by class") as caught:
        pick(texts, SORTED, "first", 0)
    assert "--pick random" in caught.value.hint
    assert pick(texts, SORTED, "random", 0)["answer"].n_unique() == 2
    # a few are of one class by chance, and one is always
    assert pick(texts, 1, "first", 0).height == 2


def test_too_few_are_said_by_language() -> None:
    with pytest.raises(DataError, match="Of 9 texts in each language that the classifier has right there are 8 in de"):
        pick(asked([1, 2] * 6), 9, "first", 0)
