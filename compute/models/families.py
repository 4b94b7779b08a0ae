"""Families of models: which architectures they have, and what a model needs to be loaded as one of a family.

A family is a kind of head and what it was trained to do with it. Adding an architecture to a family is a line of its
table; code that depends on the family takes it as an argument (:func:`mlv.compute.models.loading.load`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from mlv.compute.models.interfaces import Tokenizer, Vocabulary
from mlv.schema.errors import DataError


def sentinel_ids(tokenizer: Vocabulary) -> tuple[int, ...]:
    """Ids of ``<extra_id_0>``, ``<extra_id_1>``, ... as far as the tokenizer has them.

    Raises DataError if it has none: the model was not made by span corruption.
    """
    vocabulary = tokenizer.get_vocab()
    ids: list[int] = []
    while True:
        name = f"<extra_id_{len(ids)}>"
        # mT5's own sentinels carry sentencepiece's word-boundary mark; a loader may have appended others without it,
        # which the model has never seen
        found = vocabulary.get(f"▁{name}", vocabulary.get(name))
        if found is None:
            break
        ids.append(found)
    if not ids:
        raise DataError(
            "The tokenizer has no sentinels (<extra_id_0>, ...): it is not that of a T5 or mT5",
            SPAN.hint,
        )
    return tuple(ids)


def mask_ids(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Id of the mask token. Raises DataError if the tokenizer has none: the model was not trained on masked words."""
    if tokenizer.mask_token_id is None:
        raise DataError(
            "The tokenizer has no mask token: it is not that of a masked language model",
            MASKED.hint,
        )
    return (tokenizer.mask_token_id,)


@dataclass(frozen=True)
class Family:
    """Models that are loaded, trained and read alike."""

    name: Literal["span", "masked", "causal", "classifier"]
    description: str
    """A model of it, in a message."""

    architectures: tuple[str, ...]
    """Its architectures, by the ``model_type`` of their configuration."""

    auto_class: str
    """Class of transformers that loads all of them with their head."""

    hint: str
    """Which models to name, for a message."""

    special_tokens: Callable[[Tokenizer], tuple[int, ...]] = lambda _: ()
    """Ids of the special tokens that it cannot do without. Raises DataError if the tokenizer lacks them."""

    output_matrix: bool = True
    """Whether the head is a matrix over the vocabulary, which may be that of the input embedding."""


ENCODERS: Final = ("bert", "roberta", "xlm-roberta", "deberta-v2")

SPAN: Final = Family(
    name="span",
    description="an encoder-decoder with sentinels",
    architectures=("t5", "mt5"),
    auto_class="AutoModelForSeq2SeqLM",
    hint="Name a T5 or mT5 model, e.g. `--model google/mt5-small`.",
    special_tokens=sentinel_ids,
)
MASKED: Final = Family(
    name="masked",
    description="a model that predicts masked words",
    architectures=(*ENCODERS, "bart"),
    auto_class="AutoModelForMaskedLM",
    hint="Name a BERT, RoBERTa, XLM-R, DeBERTa or BART model, e.g. `--model FacebookAI/xlm-roberta-base`.",
    special_tokens=mask_ids,
)
CAUSAL: Final = Family(
    name="causal",
    description="a decoder that continues a text",
    architectures=(
        *("bloom", "cohere", "cohere2", "falcon", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neox", "granite"),
        *("llama", "mistral", "olmo", "olmo2", "opt", "phi", "phi3", "qwen2", "qwen3", "smollm3", "stablelm"),
        *("starcoder2", "xglm"),
    ),
    auto_class="AutoModelForCausalLM",
    hint="Name a decoder, e.g. `--model HuggingFaceTB/SmolLM2-135M-Instruct`.",
)
CLASSIFIER: Final = Family(
    name="classifier",
    description="an encoder with a classifier",
    architectures=ENCODERS,
    auto_class="AutoModelForSequenceClassification",
    hint="Name a checkpoint of a BERT, RoBERTa, XLM-R or DeBERTa that was fine-tuned as a classifier.",
    output_matrix=False,
)

FAMILIES: Final = (SPAN, MASKED, CAUSAL, CLASSIFIER)


def families_of(model_type: str) -> tuple[Family, ...]:
    """The families of an architecture. Raises DataError if it is of none."""
    found = tuple(family for family in FAMILIES if model_type in family.architectures)
    if not found:
        known = sorted({name for family in FAMILIES for name in family.architectures})
        raise DataError(f"Models of type {model_type} are not known.", f"Known are {', '.join(known)}.")
    return found
