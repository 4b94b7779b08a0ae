"""The folder of a model: which files belong to it, and what is checked before any of them is opened."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, Final

from mlv.schema.errors import DataError, NotFoundError, excerpt

LONGEST_QUOTE: Final = 500
"""Characters that a message quotes of another library's error."""

SAFE_INDEX: Final = "model.safetensors.index.json"
SAFE_WEIGHTS: Final = ("model*.safetensors", SAFE_INDEX)
TORCH_WEIGHTS: Final = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
TOKENIZER_FILES: Final = (
    "added_tokens.json",
    "special_tokens_map.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
)
VOCABULARIES: Final = ("tokenizer.json", "spiece.model", "tokenizer.model")
"""Files of which a tokenizer has one, unless it reads bytes."""

BYTE_TOKENIZER: Final = "ByT5Tokenizer"
"""Class of the tokenizers that do, as ``tokenizer_config.json`` or ``config.json`` names it."""


def check_folder(folder: Path) -> None:
    """Raise NotFoundError unless the folder has a configuration and weights, DataError if these are not safe to open
    or have no tokenizer beside them."""
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
