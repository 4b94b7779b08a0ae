"""Random numbers by counter: a draw depends on its purpose, not on earlier draws.

A stream is Philox (Salmon et al. 2011) with the job's seed as key and (purpose, epoch, position) in the upper words
of its 256-bit counter, so that streams never overlap and do not depend on batch, order, device or resumption.
Everything is made of raw 64-bit words: numpy guarantees their values across versions, but not those of its
distributions.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class Purpose(IntEnum):
    """What a stream's numbers are used for."""

    CORRUPTION = 1
    ORDER = 2
    LANGUAGE = 3
    BATCHES = 4
    HALVES = 5
    BASELINES = 6
    REMOVALS = 7
    DIRECTIONS = 8
    RESAMPLES = 9
    HEAD = 10
    ANSWERS = 11


class Stream:
    """The random numbers of one (seed, purpose, epoch, position)."""

    def __init__(self, seed: int, purpose: Purpose, epoch: int = 0, position: int = 0) -> None:
        self._bits = np.random.Philox(key=seed, counter=[0, int(purpose), epoch, position])

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        """``count`` uniform 64-bit words, [count]."""
        words: npt.NDArray[np.uint64] = self._bits.random_raw(count)
        return words

    def uniform(self, count: int) -> npt.NDArray[np.float64]:
        """``count`` numbers in [0, 1), [count]."""
        return (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def permutation(self, count: int) -> IntArray:
        """The numbers below ``count`` in random order, [count]."""
        return np.argsort(self.words(count), kind="stable").astype(np.int64)
