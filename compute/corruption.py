"""Span corruption as in T5, deterministic per (seed, epoch, position of the example) whatever the batch.

Follows ``random_spans_noise_mask``, ``noise_span_to_unique_sentinel`` and ``nonnoise_span_to_unique_sentinel`` of
google-research/text-to-text-transfer-transformer, ``t5/data/preprocessors.py`` (commit 0068fa7; Raffel et al. 2020,
section 3.1.4), then ``append_eos`` on both sides:

- noise tokens: ``round(length * density)`` in 32-bit floats, half to even, at least 1 and at most ``length - 1``;
- spans: ``round(noise / mean span length)``, at least 1, alternating, beginning with what is kept and ending with
  noise; their lengths are a random segmentation, all equally likely;
- inputs: each noise span becomes the next sentinel, then end of sequence;
- targets: each kept span becomes the next sentinel, then end of sequence. The last span is always noise, so no closing
  sentinel follows it, unlike in the paper's Figure 2.

Like T5, an example of one token is treated as the first of two: nothing is removed, and the target is one sentinel.
An empty example has the end of sequence on both sides. Sentinels are looked up by name, since their ids descend in
T5's vocabularies.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mlv.compute.streams import IntArray, Purpose, Stream
from mlv.schema.errors import DataError

BoolArray = npt.NDArray[np.bool_]


class Corrupted(NamedTuple):
    """What the model sees and what it has to say, token ids."""

    inputs: IntArray
    """[kept tokens + spans + 1]"""

    targets: IntArray
    """[noise tokens + spans + 1]"""


def sentinel_ids(tokenizer: Any) -> tuple[int, ...]:
    """Ids of ``<extra_id_0>``, ``<extra_id_1>``, ... as far as the tokenizer has them.

    Raises DataError where it has none: the model was not made by span corruption.
    """
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    ids: list[int] = []
    while True:
        name = f"<extra_id_{len(ids)}>"
        # sentencepiece keeps mT5's sentinels with its word-boundary mark
        found = vocabulary.get(name, vocabulary.get(f"▁{name}"))
        if found is None:
            break
        ids.append(found)
    if not ids:
        raise DataError(
            "The tokenizer has no sentinels (<extra_id_0>, ...): it is not that of a T5 or mT5",
            "Name a T5 or mT5 model, e.g. `--model google/mt5-small`.",
        )
    return tuple(ids)


@dataclass(frozen=True)
class SpanCorruption:
    """Corrupts token sequences; holds everything that the corruption depends on but for epoch and position."""

    sentinels: tuple[int, ...]
    eos: int
    seed: int
    noise_density: float
    mean_span_length: float

    def __call__(self, tokens: IntArray, epoch: int, position: int) -> Corrupted:
        """Corrupt ``tokens`` [length] (no end of sequence) of the example at ``position`` for ``epoch``.

        Raises DataError where there are more spans than sentinels.
        """
        mask = self.noise_mask(len(tokens), Stream(self.seed, Purpose.CORRUPTION, epoch, position))
        return Corrupted(self._with_sentinels(tokens, mask), self._with_sentinels(tokens, ~mask))

    def noise_mask(self, length: int, stream: Stream) -> BoolArray:
        """Which of ``length`` tokens to remove, [length]."""
        whole = max(length, 2)
        noise, spans = noise_counts(whole, self.noise_density, self.mean_span_length)
        noise_lengths = random_segmentation(noise, spans, stream)
        kept_lengths = random_segmentation(whole - noise, spans, stream)
        lengths = np.stack([kept_lengths, noise_lengths], axis=1).ravel()
        return np.repeat(np.arange(2 * spans) % 2 == 1, lengths)[:length]

    def _with_sentinels(self, tokens: IntArray, replaced: BoolArray) -> IntArray:
        """Each run of ``replaced`` tokens as the next sentinel, then the end of sequence."""
        starts = replaced & ~np.concatenate([[False], replaced[:-1]])
        runs = int(starts.sum())
        if runs > len(self.sentinels):
            raise DataError(
                f"An example of {len(tokens)} tokens has {runs} spans, more than there are sentinels "
                f"({len(self.sentinels)})",
                "Use a smaller `--max-tokens` or a longer mean span.",
            )
        result = tokens.copy()
        result[starts] = self.sentinels[:runs]
        return np.append(result[starts | ~replaced], self.eos)


def noise_counts(length: int, noise_density: float, mean_span_length: float) -> tuple[int, int]:
    """Noise tokens and noise spans for ``length`` >= 2 tokens, by T5's rounding."""
    noise = int(np.round(np.float32(length) * np.float32(noise_density)))
    noise = min(max(noise, 1), length - 1)
    spans = max(int(np.round(np.float32(noise) / np.float32(mean_span_length))), 1)
    # T5 has no such bound; without it a density above one half asks for more kept spans than kept tokens
    return noise, min(spans, noise, length - noise)


def random_segmentation(items: int, segments: int, stream: Stream) -> IntArray:
    """Lengths of ``segments`` non-empty segments that add up to ``items``, all segmentations equally likely."""
    cuts = np.sort(stream.permutation(items - 1)[: segments - 1]) + 1
    return np.diff(cuts, prepend=0, append=items)
