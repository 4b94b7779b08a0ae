"""Likeness of sentences by chrF++ (Popović 2017): the overlap of their n-grams of 1 to 6 characters and 1 or 2 words.

To the bit what sacrebleu's ``CHRF(word_order=2).sentence_score`` gives, for all pairs at once: n-grams are counted once
a sentence and not once a pair.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SIGNATURE: Final = "nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no"
"""The settings, as sacrebleu words them."""

_CHARACTERS: Final = 6
_WORDS: Final = 2
_BETA: Final = 2
"""How many times as much as precision recall weighs."""

_PUNCTUATION: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def chrf_matrix(sentences: Sequence[str]) -> FloatArray:
    """chrF++ of all pairs, 0 to 100, [candidate, question]: candidates are hypotheses, questions references.

    A pair counts the orders of n-grams that both sentences are long enough for; precision and recall are means over
    these. The matrix is not symmetric, since recall weighs more: by it, a candidate that has all of the question and
    more is better than one that is a part of it.
    """
    shape = (len(sentences), len(sentences))
    precision, recall, orders = np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64)
    for ngrams_of in _orders():
        ngrams = [ngrams_of(sentence) for sentence in sentences]
        shared = _shared(ngrams)
        lengths = np.array([len(own) for own in ngrams], np.int64)
        precision += shared / np.maximum(lengths, 1)[:, None]
        recall += shared / np.maximum(lengths, 1)[None, :]
        orders += (lengths[:, None] > 0) & (lengths[None, :] > 0)
    return _f_score(precision / np.maximum(orders, 1), recall / np.maximum(orders, 1))


def _f_score(precision: FloatArray, recall: FloatArray) -> FloatArray:
    factor = _BETA**2
    weighted = factor * precision + recall
    return 100 * ((1 + factor) * precision * recall / np.where(weighted > 0, weighted, 1))


def _orders() -> list[Callable[[str], list[str]]]:
    """What finds a sentence's n-grams, for each order."""
    characters = [partial(_character_ngrams, order=order) for order in range(1, _CHARACTERS + 1)]
    return [*characters, *(partial(_word_ngrams, order=order) for order in range(1, _WORDS + 1))]


def _character_ngrams(sentence: str, order: int) -> list[str]:
    """N-grams of the characters without white space."""
    text = "".join(sentence.split())
    return [text[start : start + order] for start in range(len(text) - order + 1)]


def _word_ngrams(sentence: str, order: int) -> list[str]:
    """N-grams of words, with punctuation at the end of a word, else at its beginning, as a word of its own."""
    words = list(chain.from_iterable(map(_without_punctuation, sentence.split())))
    return [" ".join(words[start : start + order]) for start in range(len(words) - order + 1)]


def _without_punctuation(word: str) -> tuple[str, ...]:
    if len(word) > 1 and word[-1] in _PUNCTUATION:
        return word[:-1], word[-1]
    if len(word) > 1 and word[0] in _PUNCTUATION:
        return word[0], word[1:]
    return (word,)


def _shared(ngrams: Sequence[Sequence[str]]) -> IntArray:
    """How many n-grams each two sentences share: the sum of the minima of their counts, [sentences, sentences].

    The first occurrence of an n-gram in a sentence, the second and so on are features of their own; the sentences then
    share as many of these as the smaller of their counts.
    """
    columns: dict[tuple[str, int], int] = {}
    found = []
    for own in ngrams:
        seen: Counter[str] = Counter()
        for ngram in own:
            seen[ngram] += 1
            found.append(columns.setdefault((ngram, seen[ngram]), len(columns)))
    starts = np.cumsum([0, *map(len, ngrams)])
    features = csr_array((np.ones(len(found), np.int64), found, starts), shape=(len(ngrams), len(columns)))
    shared: IntArray = (features @ features.T).toarray()
    return shared
