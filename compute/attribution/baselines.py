"""Baselines that influence scores have to beat: without gradients, or with those of other examples or targets.

``random``: normal numbers. ``shuffled-probes``: an attribution's own scores, taken from another target.
``character-ngrams``: similarity in spelling of target and example. ``bm25``: the same by words' rarity (Robertson and
Zaragoza 2009), with the model's tokens for words. Scores that are dealt to other training examples are no baseline but
the null of each, in :mod:`mlv.compute.validation.correlation`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtri

from mlv.compute.machine.streams import FloatArray, IntArray, Purpose, Stream

DRAWS: Final = 20
"""Draws of each random baseline."""

LONGEST_NGRAM: Final = 3
"""Characters."""

BM25_SATURATION: Final = 1.2
BM25_LENGTH: Final = 0.75
"""BM25's k1 and b, at their usual values."""


def random_baselines(scores: FloatArray, seed: int) -> Iterator[tuple[str, FloatArray]]:
    """Name and scores [targets, examples] of every draw; ``scores`` are those to shuffle, of the same shape.

    With a single target there are no ``shuffled-probes``.
    """
    for draw in range(DRAWS):
        normal, shuffled = (Stream(seed, Purpose.BASELINES, draw, kind) for kind in (0, 2))
        # the middle of each interval, so that none is at 0
        quantiles: FloatArray = ndtri(normal.uniform(scores.size) + 2.0**-54)
        yield "random", quantiles.reshape(scores.shape)
        if len(scores) > 1:
            yield "shuffled-probes", scores[_derangement(shuffled, len(scores))]


def character_ngrams(queries: Sequence[str], texts: Sequence[str]) -> FloatArray:
    """Cosines of counts of n-grams of one to three characters, [queries, texts]; 0 for an empty text."""
    vocabulary: dict[str, int] = {}
    counts = [[_ngrams(text, vocabulary) for text in some] for some in (queries, texts)]
    left, right = (_unit_rows(rows, len(vocabulary)) for rows in counts)
    cosines: FloatArray = (left @ right.T).toarray()
    return cosines


def bm25(queries: Sequence[Sequence[int]], texts: Sequence[Sequence[int]]) -> FloatArray:
    """Okapi BM25 of texts for queries, each as token ids, [queries, texts]: how many of a query's tokens a text has,
    rare ones more and those of long texts less."""
    size = max((token for ids in (*queries, *texts) for token in ids), default=0) + 1
    asked, counts = (_token_counts(rows, size) for rows in (queries, texts))
    found = np.bincount(counts.indices, minlength=size)
    rarity = np.log1p((len(texts) - found + 0.5) / (found + 0.5))
    lengths = counts.sum(axis=1)
    usual = BM25_SATURATION * (1 - BM25_LENGTH + BM25_LENGTH * lengths / max(lengths.mean(), 1e-300))
    per_entry = np.repeat(usual, np.diff(counts.indptr))
    counts.data *= (BM25_SATURATION + 1) / (counts.data + per_entry)
    scores: FloatArray = (asked @ (counts * rarity[None]).T).toarray()
    return scores


def _token_counts(rows: Sequence[Sequence[int]], size: int) -> csr_array:
    """How often each token is in each row, [rows, size]."""
    places = np.repeat(np.arange(len(rows)), [len(ids) for ids in rows])
    tokens = np.array([token for ids in rows for token in ids], dtype=np.int64)
    # as coordinates, entries that are there twice add up
    return csr_array((np.ones(len(tokens)), (places, tokens)), shape=(len(rows), size))


def _derangement(stream: Stream, count: int) -> IntArray:
    """A random permutation of the numbers below ``count`` in one cycle: nothing keeps its place, [count]."""
    cycle = stream.permutation(count)
    deranged = np.empty_like(cycle)
    deranged[cycle] = np.roll(cycle, 1)
    return deranged


def _ngrams(text: str, vocabulary: dict[str, int]) -> Counter[int]:
    """Counts by number of the n-gram; new n-grams are added to ``vocabulary``."""
    return Counter(
        vocabulary.setdefault(text[start : start + length], len(vocabulary))
        for length in range(1, LONGEST_NGRAM + 1)
        for start in range(len(text) - length + 1)
    )


def _unit_rows(rows: Sequence[Counter[int]], columns: int) -> csr_array:
    """Counts as a sparse array of rows of length 1, [rows, columns]."""
    counts = [np.fromiter(row.values(), dtype=np.float64) for row in rows]
    values = np.concatenate([row / max(float(np.linalg.norm(row)), 1.0) for row in counts])
    indices = [index for row in rows for index in row]
    return csr_array((values, indices, np.cumsum([0, *map(len, rows)])), shape=(len(rows), columns))
