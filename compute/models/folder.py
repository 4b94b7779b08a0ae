"""The folder of a model: which files decide what it computes, and what is checked before any of them is opened.

:func:`identifying_files` is the one list: the digest is over it, and what is loaded is in it. What would change a model
otherwise is refused by :func:`check_folder`: settings of a configuration that lead to other files, to code, or to
weights that are not what they say. Whether transformers would apply an adapter hangs on whether PEFT is installed: it
never gets to see one.
"""

import contextlib
import json
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mlv.compute.models.families import CAUSAL
from mlv.schema.errors import DataError, NotFoundError, excerpt

LONGEST_QUOTE: Final = 500
"""Characters that a message quotes of another library's error."""

SAFE_INDEX: Final = "model.safetensors.index.json"
SAFE_WEIGHTS: Final = ("model*.safetensors", SAFE_INDEX)
TORCH_WEIGHTS: Final = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
TOKENIZER_FILES: Final = (
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "spiece.model",
    "spm.model",
    "tokenizer*.json",  # tokenizer_config.json may name one for a version of transformers, tokenizer.4.0.0.json
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
)
VOCABULARIES: Final = (
    *("tokenizer.json", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model", "spm.model", "vocab.txt"),
    "vocab.json",
)
"""Files of which a tokenizer has one, unless it reads bytes; ``vocab.json`` has ``merges.txt`` beside it."""

BYTE_TOKENIZER: Final = "ByT5Tokenizer"
"""Class of the tokenizers that do, as ``tokenizer_config.json`` or ``config.json`` names it."""

ENDS: Final = "generation_config.json"
"""File that names the tokens that end a decoder's text, beside defaults that are never used."""

ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
ADAPTER_FILES: Final = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)

REFUSED: Final = {
    "auto_map": "code that comes with the model, and none is ever run",
    "configuration_files": "other configurations, for some versions of transformers",
    "quantization_config": "quantised weights, while everything here computes with those of 32 bits",
    "transformers_weights": "weights in a file of another name",
}
"""What a configuration may ask for that would make another model of the folder."""


def identifying_files(folder: Path) -> list[Path]:
    """The files that decide what the model computes: configuration, weights, adapter and tokenizer, and of a decoder
    what ends its texts."""
    ends = (ENDS,) if read_json(folder / "config.json").get("model_type") in CAUSAL.architectures else ()
    beside = {path for pattern in (*TOKENIZER_FILES, *ADAPTER_FILES, *ends) for path in folder.glob(pattern)}
    return sorted([folder / "config.json", *weight_files(folder), *beside], key=lambda path: path.name)


@contextlib.contextmanager
def without_adapter(folder: Path) -> Iterator[Path]:
    """A folder with links to configuration and weights alone: what transformers loads if nothing else is there.

    What text a model generates by default has no part in what it computes, but for what ends it; it is there to be
    saved again.
    """
    chosen = [folder / "config.json", *weight_files(folder), *folder.glob(ENDS)]
    with tempfile.TemporaryDirectory(prefix="mlv-") as made:
        for path in chosen:
            (Path(made) / path.name).symlink_to(path.resolve())
        yield Path(made)


def check_folder(folder: Path) -> None:
    """Raise NotFoundError unless the folder has a configuration and weights, DataError if these are not safe to open,
    have no tokenizer or no whole adapter beside them, or are not all that makes the model."""
    _check_adapter(folder)
    missing = [] if (folder / "config.json").exists() else ["config.json"]
    if not weight_files(folder):
        if any(folder.glob(TORCH_WEIGHTS[0])):
            raise pickle_error(str(folder), None)
        missing.append("weights (model.safetensors)")
    elif (folder / SAFE_INDEX).exists():
        _check_index(folder)
    if missing:
        raise NotFoundError(
            f"{folder} is not a model folder: {' and '.join(missing)} missing",
            "Name a folder in the transformers format, e.g. jobs/RUN/checkpoints/epoch-5.",
        )
    check_tokenizer(folder)
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).exists():
            _check_settings(folder / name)


def _check_settings(path: Path) -> None:
    """Raise DataError if a configuration asks for what would make another model of the folder."""
    asked = [name for name, value in read_json(path).items() if name in REFUSED and value]
    if asked:
        raise DataError(
            f"{path} asks by {asked[0]} for {REFUSED[asked[0]]}.",
            "Name a model that is its configuration, weights and tokenizer alone, or save it as one with transformers.",
        )


def has_adapter(folder: Path) -> bool:
    """Whether an adapter lies beside the weights."""
    return (folder / ADAPTER_CONFIG).exists()


def _check_adapter(folder: Path) -> None:
    """Raise DataError if a folder's adapter is not whole, not LoRA's, not safe to open, or without a model."""
    weights = sorted(path.name for path in folder.glob("adapter_model*"))
    if not has_adapter(folder) and not weights:
        return
    missing = [name for name in ADAPTER_FILES if not (folder / name).exists()]
    if missing:
        found = f" (it has {', '.join(weights)}; a pickle can run any program)" if ADAPTER_WEIGHTS in missing else ""
        raise DataError(
            f"The adapter in {folder} has no {missing[0]}{found if weights else ''}.",
            "Save it again with PEFT as safetensors, or take its files out of the folder.",
        )
    adapter = read_json(folder / ADAPTER_CONFIG)
    if adapter.get("peft_type") != "LORA":
        raise DataError(
            f"The adapter in {folder} is of type {excerpt(str(adapter.get('peft_type')), 100)}; only those of LoRA are "
            "merged into a model's weights.",
            "Merge it with PEFT and save the whole model, or take its files out of the folder.",
        )
    if not (folder / "config.json").exists():
        base = excerpt(str(adapter.get("base_model_name_or_path")), 200)
        raise DataError(
            f"{folder} holds an adapter alone, made for {base}.",
            "Copy both its files into a folder with the files of that model, and name this folder.",
        )


def check_tokenizer(folder: Path) -> None:
    """Raise DataError if a folder has no tokenizer: transformers would make an empty one up."""
    if any((folder / name).exists() for name in VOCABULARIES):
        return
    classes = [read_json(path).get("tokenizer_class") for path in folder.glob("*config.json")]
    if BYTE_TOKENIZER not in classes:
        raise DataError(
            f"{folder} has no tokenizer: none of {', '.join(VOCABULARIES)}.",
            "Put that of the model beside its weights, or name a model that comes with its own.",
        )


def _check_index(folder: Path) -> None:
    """Raise DataError if the index of the weights names files outside the folder, or files that are not weights."""
    places = read_json(folder / SAFE_INDEX).get("weight_map")
    names = {str(place) for place in places.values()} if isinstance(places, dict) else {"nothing"}
    refused = sorted(name for name in names if not re.fullmatch(r"model[\w.-]*\.safetensors", name))
    if refused:
        raise DataError(
            f"{folder / SAFE_INDEX} names {refused[0][:100]!r}, which is not a weights file of the folder.",
            "Fetch the model again from its origin.",
        )


def weight_files(folder: Path) -> list[Path]:
    """Files with weights that are safe to open, and their index."""
    return [path for pattern in SAFE_WEIGHTS for path in folder.glob(pattern)]


def pickle_error(model: str, revision: str | None) -> DataError:
    """The error for a model whose weights are pickles."""
    name = f"{model}@{revision}" if revision else model
    return DataError(
        f"The weights of {model} are pickles (pytorch_model.bin) or missing, and a pickle can run any program.",
        f"Make safetensors of them, which takes tensors alone: mlv compute convert {shlex.quote(name)}",
    )


def read_json(path: Path) -> dict[str, Any]:
    """An object of JSON. Raises DataError if the file holds anything else."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {quote(error)}", "Fetch the model again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} is not a JSON object.", "Fetch the model again.")
    return value


def quote(error: Exception) -> str:
    """The message of another library's error, cut off if it is long."""
    return excerpt(str(error) or type(error).__name__, LONGEST_QUOTE)
