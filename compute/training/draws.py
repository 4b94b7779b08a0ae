"""Which segments a model is pretrained on, in which order, and which of them share a batch.

Languages are drawn with probability proportional to (number of segments)^0.3, the exponent of mT5 (Xue et al. 2021,
section 3.1) and XLM-R (Conneau et al. 2020, section 3), and the segments of a language in random order, all of them
before any comes again. Draws of alike length share a batch.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from mlv.compute.machine.streams import IntArray, Purpose, Stream

LANGUAGE_EXPONENT: Final = 0.3
"""Exponent that evens languages out."""

BATCHES_SORTED: Final = 64
"""Batches whose examples are sorted by length together: less padding, yet batches stay mixed."""


def draw_segments(languages: npt.ArrayLike, count: int, seed: int) -> IntArray:
    """Which segments to train on, in order: indices into ``languages`` [segments], [count]."""
    names, language_of = np.unique(np.asarray(languages, dtype=str), return_inverse=True)
    sizes = np.bincount(language_of)
    shares = sizes**LANGUAGE_EXPONENT / (sizes**LANGUAGE_EXPONENT).sum()
    uniform = Stream(seed, Purpose.LANGUAGE).uniform(count)
    drawn = np.minimum(np.searchsorted(shares.cumsum(), uniform, side="right"), len(names) - 1)
    draws = np.empty(count, dtype=np.int64)
    for language in range(len(names)):
        members, places = np.flatnonzero(language_of == language), np.flatnonzero(drawn == language)
        draws[places] = members[_rounds(len(members), len(places), seed, language)]
    return draws


def _rounds(members: int, count: int, seed: int, language: int) -> IntArray:
    """``count`` numbers below ``members``: permutation after permutation, [count]."""
    rounds = [
        Stream(seed, Purpose.ORDER, number, language).permutation(members)
        for number in range(math.ceil(count / members))
    ]
    return np.concatenate([np.empty(0, dtype=np.int64), *rounds])[:count]


def batch_order(lengths: IntArray, batch_size: int, seed: int) -> IntArray:
    """Order of the draws such that draws of alike length share a batch, [draws]; the order of batches is random."""
    window = batch_size * BATCHES_SORTED
    order = np.concatenate(
        [start + np.argsort(lengths[start : start + window], kind="stable") for start in range(0, len(lengths), window)]
    )
    batches = order.reshape(-1, batch_size)
    for number, start in enumerate(range(0, len(batches), BATCHES_SORTED)):
        some = batches[start : start + BATCHES_SORTED]
        batches[start : start + BATCHES_SORTED] = some[Stream(seed, Purpose.BATCHES, number).permutation(len(some))]
    return batches.ravel()
