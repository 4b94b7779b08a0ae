"""Loading T5 and mT5 models with their tokenizers."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from mlv.compute.models.files import check_tokenizer, read_json, shortened
from mlv.schema.errors import DataError
from mlv.schema.jobs.spec import Precision


def sentinel_ids(tokenizer: Any) -> tuple[int, ...]:
    """Ids of ``<extra_id_0>``, ``<extra_id_1>``, ... as far as the tokenizer has them.

    Raises DataError where it has none: the model was not made by span corruption.
    """
    vocabulary: dict[str, int] = tokenizer.get_vocab()
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
            "Name a T5 or mT5 model, e.g. `--model google/mt5-small`.",
        )
    return tuple(ids)


MODEL_TYPES: Final = ("t5", "mt5")
"""Architectures that probes and span corruption are meant for."""


@dataclass(frozen=True)
class LoadedModel:
    """A model in evaluation mode with its tokenizer."""

    model: Any
    tokenizer: Any
    device: str

    @cached_property
    def sentinels(self) -> tuple[int, ...]:
        """Ids of the sentinels, ``<extra_id_0>`` first."""
        return sentinel_ids(self.tokenizer)

    def describe(self) -> dict[str, Any]:
        """Architecture, parameters (shared ones once) and vocabulary (rows of the embedding)."""
        return {
            "architecture": self.model.config.model_type,
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "vocabulary": self.model.config.vocab_size,
        }


def describe(folder: Path) -> dict[str, Any]:
    """Architecture, parameters and vocabulary of the model in ``folder``; loads it."""
    return load(folder).describe()


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of the model in ``folder``. Raises DataError where it has none."""
    import transformers

    check_tokenizer(folder)
    try:
        return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    # the readers of its formats share no narrower base
    except Exception as error:
        raise DataError(
            f"The tokenizer in {folder} cannot be loaded: {shortened(error)}",
            "A model folder holds tokenizer.json or spiece.model beside the weights.",
        ) from error


def load(folder: Path, precision: Precision = "fp32", device: str = "cpu") -> LoadedModel:
    """Load any T5 or mT5 with its tokenizer, in evaluation mode.

    Raises DataError where the folder holds another architecture or damaged weights.
    """
    import torch

    raw = check_architecture(folder)
    tokenizer = load_tokenizer(folder)
    model = _load_weights(folder, torch.bfloat16 if precision == "bf16" else torch.float32)
    if raw.get("tie_word_embeddings") is False:
        mark_untied(model, folder)
    if max(sentinel_ids(tokenizer)) >= model.config.vocab_size:
        raise DataError(
            f"The tokenizer in {folder} has sentinels beyond the model's {model.config.vocab_size:,} entries.",
            "Take the tokenizer that belongs to the model: tokenizer_config.json and spiece.model or tokenizer.json.",
        )
    return LoadedModel(model.to(device).eval(), tokenizer, device)


def _load_weights(folder: Path, dtype: Any) -> Any:
    """The model with all its weights from files; transformers would make up missing ones."""
    import transformers

    hint = "Fetch or train the model again."
    try:
        model, report = transformers.AutoModelForSeq2SeqLM.from_pretrained(
            folder,
            dtype=dtype,
            local_files_only=True,
            output_loading_info=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except MemoryError:
        raise
    # a configuration of other types than it should have fails anywhere in transformers or torch
    except Exception as error:
        raise DataError(f"The weights in {folder} cannot be loaded: {shortened(error)}", hint) from error
    if report["missing_keys"]:
        raise DataError(f"The weights in {folder} lack {', '.join(sorted(report['missing_keys']))}", hint)
    return model


def mark_untied(model: Any, where: Path) -> None:
    """Say in the model's configuration that its output matrix is its own, so that saving keeps it so.

    Raises DataError where loading has tied it to the input embedding all the same.
    """
    if model.lm_head.weight is model.shared.weight:
        raise DataError(
            f"The model in {where} has its own output matrix, but it was tied to the embedding while loading",
            "Its lm_head is missing from the weights, or this version of transformers ties it: upgrade transformers.",
        )
    model.config.tie_word_embeddings = False


def check_architecture(folder: Path) -> dict[str, Any]:
    """The raw configuration of a T5 or mT5. Raises DataError where it is another model's or not JSON."""
    raw = read_json(folder / "config.json")
    model_type = raw.get("model_type", "unnamed")
    if model_type not in MODEL_TYPES:
        raise DataError(
            f"{folder} holds a model of type {model_type}; span corruption and probing need an encoder-decoder "
            "with sentinels",
            "Name a T5 or mT5 model, e.g. `--model google/mt5-small`.",
        )
    return raw
