"""What a model can be pretrained to do. An objective is a row: which tokenizer and model it takes, and what is hidden
of an example. Everything else of pretraining is the same for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mlv.compute.models.families import mask_ids, sentinel_ids
from mlv.compute.models.interfaces import Model, Tokenizer
from mlv.compute.models.tokenizers import MT5, XLM_R, Layout
from mlv.compute.models.untrained import new_mt5, new_xlm_r
from mlv.compute.training.corruption import Corruption, SpanCorruption
from mlv.compute.training.masking import WordMasking
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
    return SpanCorruption(
        sentinel_ids(tokenizer), tokenizer.eos_token_id, spec.seed, spec.noise_density, **spec.of_objective()
    )


def _words(spec: PretrainSpec, tokenizer: Tokenizer) -> WordMasking:
    (mask,) = mask_ids(tokenizer)
    return WordMasking(
        start=tokenizer.cls_token_id,
        end=tokenizer.sep_token_id,
        mask=mask,
        special=tuple(tokenizer.all_special_ids),
        vocabulary=len(tokenizer),
        seed=spec.seed,
        noise_density=spec.noise_density,
    )


PRETRAINING: Final[Mapping[Objective, Pretraining]] = {
    "span_corruption": Pretraining(MT5, new_mt5, _spans),
    "masked_words": Pretraining(XLM_R, new_xlm_r, _words),
}
