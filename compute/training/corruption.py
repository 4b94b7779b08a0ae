"""Span corruption as in T5, deterministic per (seed, epoch, position of the example) whatever the batch.

Counts, segmentation and sentinels follow ``random_spans_noise_mask``, ``noise_span_to_unique_sentinel`` and
``nonnoise_span_to_unique_sentinel`` of google-research/text-to-text-transfer-transformer, ``t5/data/preprocessors.py``
(Raffel et al. 2020, section 3.1.4), then ``append_eos`` on both sides:

- noise tokens: ``round(length * density)`` in 32-bit floats, half to even, at least 1 and at most ``length - 1``;
- spans: ``round(noise / mean span length)``, at least 1; their lengths are a random segmentation of the noise;
- inputs: each noise span becomes the next sentinel; then the end of sequence;
- targets: each noise span after its sentinel, and a closing sentinel if the example continues after the last span
  (Figure 2 of the paper); then the end of sequence.

One thing differs with the mask ``anywhere``, and nothing with ``t5``. T5's sequences, 512 tokens of running text, begin
with kept tokens and end with noise. A sentence of 30 tokens or fewer has one span, which would then always be the
sentence's end, the same in every epoch; T5's code warns of it and offers to roll the mask (``random_roll``), which
tears spans and parts sentinels from them. So by default kept tokens may be absent before the first span and present
after the last, all such segmentations equally likely: a sentence is corrupted like a piece of running text.

Of an example of one token nothing is removed, and its target is one sentinel, as in T5. An empty example has the end
of sequence on both sides. Sentinels are looked up by name, since their ids descend in T5's vocabularies.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mlv.compute.machine.streams import IntArray, Purpose, Stream
from mlv.schema.errors import DataError
from mlv.schema.jobs.spec import Mask

BoolArray = npt.NDArray[np.bool_]


class Corrupted(NamedTuple):
    """Inputs and targets of a model, token ids."""

    inputs: IntArray
    """[kept tokens + spans + 1]; of masked words and next tokens [tokens + 2]."""

    targets: IntArray
    """[noise tokens + spans + closing sentinel + 1]; of the others as the inputs, IGNORED where nothing is asked."""


class Corruption(Protocol):
    """Hides part of an example, the same part whenever it is asked."""

    def __call__(self, tokens: IntArray, epoch: int, position: int, /) -> Corrupted:
        """Corrupt ``tokens`` [length] (no special ones) of the example at ``position`` for ``epoch``."""


@dataclass(frozen=True)
class SpanCorruption:
    """Corrupts token sequences; has everything that a corruption depends on, but for epoch and position."""

    sentinels: tuple[int, ...]
    eos: int
    seed: int
    noise_density: float
    mean_span_length: float
    mask: Mask = "anywhere"

    def __call__(self, tokens: IntArray, epoch: int, position: int) -> Corrupted:
        """Corrupt ``tokens`` [length] (no end of sequence) of the example at ``position`` for ``epoch``.

        Raises DataError if there are more spans than sentinels.
        """
        return self.apply(tokens, self.noise_mask(len(tokens), epoch, position))

    def noise_mask(self, length: int, epoch: int, position: int) -> BoolArray:
        """Which of ``length`` tokens to remove, [length]."""
        if length < 2:
            return np.zeros(length, dtype=bool)
        stream = Stream(self.seed, Purpose.CORRUPTION, epoch, position)
        noise, spans = noise_counts(length, self.noise_density, self.mean_span_length)
        segments = _as_in_t5 if self.mask == "t5" else _anywhere
        lengths = segments(length - noise, noise, spans, stream)
        return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)

    def apply(self, tokens: IntArray, mask: BoolArray) -> Corrupted:
        """Inputs and targets for ``tokens`` [length] and the noise ``mask`` [length]."""
        starts = np.flatnonzero(mask & ~np.concatenate([[False], mask[:-1]]))
        continues = len(tokens) > 0 and not mask[-1]
        used = self._sentinels(len(starts) + continues, len(tokens))
        inputs = tokens.copy()
        inputs[starts] = used[: len(starts)]
        kept = ~mask
        kept[starts] = True
        targets = np.insert(tokens, starts, used[: len(starts)])[np.insert(mask, starts, True)]
        return Corrupted(np.append(inputs[kept], self.eos), np.concatenate([targets, used[len(starts) :], [self.eos]]))

    def _sentinels(self, count: int, length: int) -> IntArray:
        """The first ``count`` sentinels, [count]."""
        if count > len(self.sentinels):
            raise DataError(
                f"An example of {length} tokens needs {count} sentinels; the tokenizer has {len(self.sentinels)}",
                "Use a smaller `--max-tokens` or a longer mean span.",
            )
        return np.asarray(self.sentinels[:count], dtype=np.int64)


def noise_counts(length: int, noise_density: float, mean_span_length: float) -> tuple[int, int]:
    """Noise tokens and noise spans for ``length`` >= 2 tokens, by T5's rounding."""
    noise = int(np.round(np.float32(length) * np.float32(noise_density)))
    noise = min(max(noise, 1), length - 1)
    spans = max(int(np.round(np.float32(noise) / np.float32(mean_span_length))), 1)
    # T5 has no such bound; without it a density above one half gives more kept segments than kept tokens
    return noise, min(spans, noise, length - noise + 1)


def _anywhere(kept: int, noise: int, spans: int, stream: Stream) -> IntArray:
    """Lengths of kept and noise segments in turn, kept ones at both ends, which may be empty, [2 * spans + 1]."""
    noise_lengths = random_segmentation(noise, spans, stream)
    # one more kept token at either end, taken away again, lets the outer segments be empty
    kept_lengths = random_segmentation(kept + 2, spans + 1, stream)
    kept_lengths[[0, -1]] -= 1
    return np.insert(kept_lengths, np.arange(1, spans + 1), noise_lengths)


def _as_in_t5(kept: int, noise: int, spans: int, stream: Stream) -> IntArray:
    """Lengths of kept and noise segments in turn, the last one noise and none empty, [2 * spans]."""
    spans = min(spans, kept)
    noise_lengths = random_segmentation(noise, spans, stream)
    return np.column_stack([random_segmentation(kept, spans, stream), noise_lengths]).ravel()


def random_segmentation(items: int, segments: int, stream: Stream) -> IntArray:
    """Lengths of ``segments`` non-empty segments that add up to ``items``, all segmentations equally likely."""
    cuts = np.sort(stream.permutation(items - 1)[: segments - 1]) + 1
    return np.diff(cuts, prepend=0, append=items)
