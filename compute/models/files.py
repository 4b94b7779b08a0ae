"""Finding, identifying and loading T5 and mT5 models: by hub name, local folder or checkpoint of a run.

A model is identified by content: the SHA-256 over its configuration, weights and tokenizer. The official mT5 and T5
1.1 checkpoints carry an output matrix (``lm_head``) apart from the input embedding and say so with
``tie_word_embeddings: false``, which transformers 5 overrides; :func:`load` keeps both matrices apart and the logits
unscaled, also after saving and loading again.

Weights are read from safetensors alone. PyTorch's own files (``.bin``) are pickles, which can run any program when they
are opened: a model that has no others is refused, and :func:`convert` makes safetensors of them on request, taking
tensors and nothing else. No code that comes with a model is ever run.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mlv.schema.errors import DataError, JobError, NotFoundError, excerpt
from mlv.schema.files import written_aside
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.spec import ModelRef

SHOWN: Final = 500
"""Characters that an error quotes of another library's."""

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

NEEDED: Final = ("config.json", *TOKENIZER_FILES, *SAFE_WEIGHTS)
"""What is fetched of a model on the hub."""


def resolve(name_or_path: str, revision: str | None = None) -> ModelRef:
    """Find a model and identify it: a local folder where there is one of that name, the hub otherwise.

    ``HF_HOME`` and ``HF_HUB_OFFLINE`` are respected. Raises NotFoundError where the folder holds no model, or the hub
    has none of that name or cannot be reached and the model is not in the cache; DataError where its weights are
    pickles or it has no tokenizer.
    """
    folder = Path(name_or_path).expanduser()
    if _is_folder(folder):
        _check_folder(folder)
        return ModelRef(name=_local_name(folder.resolve()), digest=digest(folder), path=str(folder.resolve()))
    if folder.is_absolute() or name_or_path.startswith((".", "~")):
        raise NotFoundError(f"There is no folder {name_or_path}", "Name a folder with a model, or a hub name.")
    snapshot = _download(name_or_path, revision, NEEDED)
    if not _weights(snapshot):
        raise _pickled(name_or_path, revision)
    _check_folder(snapshot)
    return ModelRef(name=name_or_path, revision=snapshot.name, digest=digest(snapshot), path=str(snapshot))


def convert(name_or_path: str, revision: str | None = None) -> Path:
    """Make ``model.safetensors`` beside the pickled weights of a folder or hub model, unless it is there; the folder.

    Takes tensors out of a pickle and nothing else (PyTorch's ``weights_only``): what would run a program is refused.
    Raises NotFoundError where there is no such model, DataError where its files hold more than tensors or are damaged.
    """
    from safetensors.torch import save_file

    folder = Path(name_or_path).expanduser()
    if not _is_folder(folder):
        folder = _download(name_or_path, revision, (*NEEDED, *TORCH_WEIGHTS))
    if _weights(folder):
        return folder
    pickles = sorted(folder.glob(TORCH_WEIGHTS[0]))
    if not pickles:
        raise NotFoundError(f"{folder} holds no weights.", "Name a folder in the transformers format, or a hub name.")
    tensors = {name: tensor for path in pickles for name, tensor in _unpickled(path).items()}
    with written_aside(folder / "model.safetensors") as aside:
        save_file(_each_once(tensors), aside, {"format": "pt"})
    return folder


def _unpickled(path: Path) -> dict[str, Any]:
    """The tensors of a pickle by name."""
    import torch

    hint = "Fetch it again from an origin that you trust; there may be a copy as safetensors."
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    # the unpickler meets whatever a damaged or hostile file makes it do
    except Exception as error:
        raise DataError(f"{path} cannot be read as tensors alone: {str(error).splitlines()[0]}", hint) from error
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise DataError(f"{path} holds more than tensors by name.", hint)
    return found


def _each_once(tensors: dict[str, Any]) -> dict[str, Any]:
    """Tensors without those that are another under a second name, as the embedding of encoder and decoder is."""
    kept: dict[object, str] = {}
    for name in sorted(tensors, key=lambda name: (name != "shared.weight", name)):
        kept.setdefault((tensors[name].data_ptr(), tensors[name].shape), name)
    return {name: tensors[name].clone().contiguous() for name in kept.values()}


def digest(folder: Path) -> str:
    """SHA-256 over name and content of configuration, weights and tokenizer files, in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(_files(folder), key=lambda path: path.name):
        with path.open("rb") as file:
            whole.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def locate(job: JobDirectory, reference: ModelRef) -> Path:
    """Folder of a model that a job reads, as its provenance says.

    Raises NotFoundError where it is gone, JobError where its content is not the one that was planned.
    """
    folder = Path(_recorded(job, reference) or "an unknown place")
    if not folder.is_dir():
        raise NotFoundError(
            f"Model {reference.name} of {job.path.name} is not at {folder}",
            "Put it back, or set its path in provenance.json (model_paths) to where it is now.",
        )
    _check_folder(folder)
    if digest(folder) != reference.digest:
        raise JobError(
            f"Model {reference.name} at {folder} is not the one that {job.path.name} was planned with: "
            "its content has changed",
            "Plan the job again, or set its path in provenance.json to an unchanged copy.",
        )
    return folder


def _recorded(job: JobDirectory, reference: ModelRef) -> str:
    """Where the provenance says that a model is, by its name."""
    path: str = job.read_json("provenance.json").get("model_paths", {}).get(reference.name, "")
    return path or reference.path


def check_tokenizer(folder: Path) -> None:
    """Raise DataError where a folder has no tokenizer: transformers would make an empty one up."""
    if any((folder / name).exists() for name in VOCABULARIES):
        return
    named = [read_json(path).get("tokenizer_class") for path in folder.glob("*config.json")]
    if BYTE_TOKENIZER not in named:
        raise DataError(
            f"{folder} has no tokenizer: none of {', '.join(VOCABULARIES)}.",
            "Put that of the model beside its weights, or name a model that comes with its own.",
        )


def read_json(path: Path) -> dict[str, Any]:
    """An object of JSON. Raises DataError where the file holds none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not JSON: {shortened(error)}", "Fetch the model again.") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} holds no JSON object.", "Fetch the model again.")
    return value


def shortened(error: Exception) -> str:
    """What an error says, as much as a person reads."""
    return excerpt(str(error) or type(error).__name__, SHOWN)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise NotFoundError(
            f"{path} cannot be reached: {error.strerror}.", "Name a folder with a model, or a hub name."
        ) from error


def _download(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    """Folder of a hub model in the cache, with the files of some patterns, fetched where they are not there."""
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(patterns),
                local_files_only=huggingface_hub.constants.HF_HUB_OFFLINE,
            )
        )
    # the hub's errors and those of its transport share no narrower base from one release to the next
    except (OSError, ValueError, huggingface_hub.errors.HfHubHTTPError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NotFoundError(
            f"Model {name}{f' at {revision}' if revision else ''} is no folder, not in the hub's cache, and could not "
            f"be fetched: {reason}",
            "Check the name, fetch it once with network (`hf download NAME`), or name a folder with a model.",
        ) from error


def _check_folder(folder: Path) -> None:
    """Raise NotFoundError unless the folder has a configuration and weights, DataError where they are not safe or have
    no tokenizer beside them."""
    missing = [] if (folder / "config.json").exists() else ["config.json"]
    if not _weights(folder):
        if any(folder.glob(TORCH_WEIGHTS[0])):
            raise _pickled(str(folder), None)
        missing.append("weights (model.safetensors)")
    elif (folder / SAFE_INDEX).exists():
        _check_index(folder)
    if missing:
        raise NotFoundError(
            f"{folder} holds no model: {' and '.join(missing)} missing",
            "Name a folder in the transformers format, e.g. jobs/RUN/checkpoints/epoch-5.",
        )
    check_tokenizer(folder)


def _pickled(model: str, revision: str | None) -> DataError:
    """The error for a model whose weights are pickles."""
    name = f"{model}@{revision}" if revision else model
    return DataError(
        f"The weights of {model} are pickles (pytorch_model.bin) or missing, and a pickle can run any program.",
        f"Make safetensors of them, which takes tensors alone: mlv compute convert {shlex.quote(name)}",
    )


def _check_index(folder: Path) -> None:
    """Raise DataError where the index of the weights names files that are none of the folder's."""
    places = read_json(folder / SAFE_INDEX).get("weight_map")
    files = {str(place) for place in places.values()} if isinstance(places, dict) else {"nothing"}
    strange = sorted(file for file in files if not re.fullmatch(r"model[\w.-]*\.safetensors", file))
    if strange:
        raise DataError(
            f"{folder / SAFE_INDEX} names {strange[0][:100]!r}, which is no weights file of the folder.",
            "Fetch the model again from its origin.",
        )


def _weights(folder: Path) -> list[Path]:
    """Weight files, and their index."""
    return [path for pattern in SAFE_WEIGHTS for path in folder.glob(pattern)]


def _files(folder: Path) -> list[Path]:
    tokenizer = [folder / name for name in TOKENIZER_FILES if (folder / name).exists()]
    return [folder / "config.json", *_weights(folder), *tokenizer]


def _local_name(folder: Path) -> str:
    """``run/epoch-N`` for a checkpoint of a run, else the folder's own name."""
    if folder.parent.name == "checkpoints":
        return f"{folder.parent.parent.name}/{folder.name}"
    return folder.name
