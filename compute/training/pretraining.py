"""What a model can be pretrained to do. An objective is a row: which tokenizer and model it takes, and what is hidden
of an example. Everything else of pretraining is the same for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlv.compute.machine.streams import IntArray
from mlv.compute.models.families import sentinel_ids
from mlv.compute.models.interfaces import Model, Tokenizer
from mlv.compute.models.tokenizers import LLAMA, MT5, XLM_R, Layout
from mlv.compute.models.untrained import new_llama, new_mt5, new_xlm_r
from mlv.compute.training.corruption import Corrupted, Corruption, SpanCorruption
from mlv.compute.training.masking import WordMasking, word_masking
from mlv.compute.training.objective import IGNORED
from mlv.schema.jobs.pretrain import Preset, PretrainSpec
from mlv.schema.jobs.spec import Objective


@dataclass(frozen=True)
class Pretraining:
    """What pretraining by an objective takes."""

    layout: Layout
    """Of the tokenizer."""

    new_model: Callable[[Preset, int], Model]
    """The untrained model of a preset, for a vocabulary of so many entries."""

    corruption: Callable[[PretrainSpec, Tokenizer], Corruption]
    """What is hidden of an example."""


def _spans(spec: PretrainSpec, tokenizer: Tokenizer) -> SpanCorruption:
    return SpanCorruption(sentinel_ids(tokenizer), tokenizer.eos_token_id, spec.seed, **spec.of_objective())


def _words(spec: PretrainSpec, tokenizer: Tokenizer) -> WordMasking:
    return word_masking(tokenizer, spec.seed, **spec.of_objective())


def _next(_: PretrainSpec, tokenizer: Tokenizer) -> Corruption:
    """Hides nothing: a decoder sees only what is before a token. The end is asked for, too, the start is not."""

    def whole(tokens: IntArray, _: int, __: int) -> Corrupted:
        inputs = np.concatenate([[tokenizer.bos_token_id], tokens, [tokenizer.eos_token_id]])
        return Corrupted(inputs, np.concatenate([[IGNORED], inputs[1:]]))

    return whole


PRETRAINING: Final[Mapping[Objective, Pretraining]] = {
    "span_corruption": Pretraining(MT5, new_mt5, _spans),
    "masked_words": Pretraining(XLM_R, new_xlm_r, _words),
    "next_token": Pretraining(LLAMA, new_llama, _next),
}
