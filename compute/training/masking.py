"""Masked words as in BERT, deterministic per (seed, epoch, position of the example) whatever the batch.

Counts are those of google-research/bert, ``create_pretraining_data.py`` (Devlin et al. 2019, section 3.1): of an
example's tokens ``round(length * density)``, half to even and at least 1, are asked for, all such sets equally likely.
Of these 80% become the mask, 10% another token and 10% stay as they are, each token for itself.

Two things are as in XLM-R's training (fairseq, ``mask_tokens_dataset.py``): an example that comes again is masked
otherwise, and other tokens are drawn from those that are not special, all alike. transformers draws the number of
masks, too, so that of all sentences of 10 tokens a fifth has none.

Special tokens are never asked for, not even those that a text contains. Of an example without others the end of
sequence is asked for, so that every example has a loss.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from mlv.compute.machine.streams import IntArray, Purpose, Stream
from mlv.compute.models.families import mask_ids
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.training.corruption import Corrupted
from mlv.compute.training.objective import IGNORED

MASKED: Final = 0.8
"""Share of the tokens asked for that become the mask."""

REPLACED: Final = 0.1
"""Share of them that become another token; the rest stays."""


@dataclass(frozen=True)
class WordMasking:
    """Masks words of token sequences; has everything that a masking depends on, but for epoch and position."""

    start: int
    """Token before an example, ``<s>`` or ``[CLS]``."""

    end: int
    mask: int
    special: tuple[int, ...]
    """Ids of all special tokens, these included."""

    vocabulary: int
    """Entries, special tokens included."""

    seed: int
    noise_density: float

    def __call__(self, tokens: IntArray, epoch: int, position: int) -> Corrupted:
        """Mask words of ``tokens`` [length] (no start, no end) of the example at ``position`` for ``epoch``."""
        stream = Stream(self.seed, Purpose.CORRUPTION, epoch, position)
        inputs = np.concatenate([[self.start], tokens, [self.end]])
        asked = self._asked(inputs, stream)
        targets = np.full_like(inputs, IGNORED)
        targets[asked] = inputs[asked]
        if len(asked):
            inputs[asked] = self._instead(inputs[asked], stream)
        else:
            targets[-1] = self.end
        return Corrupted(inputs, targets)

    def _asked(self, inputs: IntArray, stream: Stream) -> IntArray:
        """Places that are asked for, [asked]."""
        places = np.flatnonzero(~np.isin(inputs, self.special))
        count = max(1, round(len(places) * self.noise_density))
        return places[stream.permutation(len(places))[:count]]

    def _instead(self, tokens: IntArray, stream: Stream) -> IntArray:
        """What stands in the places of ``tokens`` [asked], [asked]."""
        fate = stream.uniform(len(tokens))
        others = self._ordinary[(stream.uniform(len(tokens)) * len(self._ordinary)).astype(np.int64)]
        return np.select([fate < MASKED, fate < MASKED + REPLACED], [np.full_like(tokens, self.mask), others], tokens)

    @cached_property
    def _ordinary(self) -> IntArray:
        """Ids that are not special, [ids]."""
        return np.setdiff1d(np.arange(self.vocabulary), self.special)


def word_masking(tokenizer: Tokenizer, seed: int, noise_density: float) -> WordMasking:
    """The masking of a tokenizer's words. Raises DataError if it has no mask token."""
    (mask,) = mask_ids(tokenizer)
    return WordMasking(
        start=tokenizer.cls_token_id,
        end=tokenizer.sep_token_id,
        mask=mask,
        special=tuple(tokenizer.all_special_ids),
        vocabulary=len(tokenizer),
        seed=seed,
        noise_density=noise_density,
    )
