"""chrF++ of all pairs: by hand, and to the bit as sacrebleu has it."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from mlv.ingest.prompts.chrf import SIGNATURE, FloatArray, chrf_matrix

CHRF_PLUS_PLUS = CHRF(word_order=2)

SCRIPTS = (
    "ab. _-'(\u00df\u0219\u03b1\u03c2\u0431\u0436\u06a9\u06cc\u200c\u060c\u0986\u09ae\u09bf\u0964\uac00\ub2e4\u0301"
    "\u00a0\u2009\u3000\n\U0001f600"
)
"""Letters, joiners, combining marks, punctuation and white space of several scripts."""


def by_sacrebleu(sentences: list[str]) -> FloatArray:
    return np.array(
        [
            [CHRF_PLUS_PLUS.sentence_score(candidate, [question]).score for question in sentences]
            for candidate in sentences
        ]
    )


LETTERS = st.sampled_from(SCRIPTS) | st.characters(exclude_categories=["Cs"])


@settings(deadline=None)
@given(st.lists(st.text(LETTERS, min_size=1, max_size=30), min_size=1, max_size=6))
def test_it_is_what_sacrebleu_computes(sentences: list[str]) -> None:
    np.testing.assert_array_equal(chrf_matrix(sentences), by_sacrebleu(sentences))


def test_it_is_what_sacrebleu_computes_of_repeated_words() -> None:
    sentences = ["la la la la land", "la la", "la", "(la) la, la!", "...", "a"]
    np.testing.assert_array_equal(chrf_matrix(sentences), by_sacrebleu(sentences))


def test_the_signature_is_that_of_sacrebleu() -> None:
    CHRF_PLUS_PLUS.sentence_score("a", ["b"])
    assert str(CHRF_PLUS_PLUS.get_signature()).rpartition("|version:")[0] == SIGNATURE


def test_a_candidate_that_has_all_of_the_question_is_better_than_a_part_of_it() -> None:
    # "ab" for "abc": characters 2 of 2 and 3, pairs 1 of 1 and 2, words 0 of 1 and 1, nothing longer in both
    # precision (1 + 1 + 0) / 3, recall (2/3 + 1/2 + 0) / 3; F = 5 P R / (4 P + R) = 14/33, and 7/12 the other way
    np.testing.assert_allclose(chrf_matrix(["ab", "abc"]), [[100, 1400 / 33], [700 / 12, 100]])


def test_sentences_without_a_word_are_like_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(chrf_matrix(["", " \n", "a"]), [[0, 0, 0], [0, 0, 0], [0, 0, 100]])
        assert chrf_matrix([]).shape == (0, 0)
        assert chrf_matrix([""]).tolist() == [[0]]


@pytest.mark.parametrize("count", [1, 2])
def test_white_space_and_nothing_else_is_left_out_of_characters(count: int) -> None:
    # a word less: the same characters, other words
    joined, apart = chrf_matrix(["ab" * count + "cd", "ab" * count + " cd"])[0]
    assert joined == 100 > apart > 0
