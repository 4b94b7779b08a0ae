"""Finding and identifying models: by hub name, local folder or checkpoint of a run.

A model is identified by content: the SHA-256 over its configuration, weights, tokenizer and, if there is one, adapter.

Weights are read from safetensors alone. PyTorch's own files (``.bin``) are pickles, which can run any program when they
are opened: a model that has no others is refused, and :func:`convert` makes safetensors of them on request, taking
tensors and nothing else.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlv.compute.models.folder import (
    ADAPTER_FILES,
    ENDS,
    SAFE_WEIGHTS,
    TOKENIZER_FILES,
    TORCH_WEIGHTS,
    check_folder,
    has_adapter,
    identifying_files,
    pickle_error,
    weight_files,
)
from mlv.schema.errors import DataError, JobError, NotFoundError
from mlv.schema.files import written_aside
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.spec import ModelRef

if TYPE_CHECKING:
    from torch import Tensor

FETCHED: Final = ("config.json", *TOKENIZER_FILES, *SAFE_WEIGHTS, *ADAPTER_FILES, ENDS)
"""What is fetched of a model on the hub."""


def resolve(name_or_path: str, revision: str | None = None) -> ModelRef:
    """Find a model and identify it: a local folder if there is one of that name, else the hub.

    ``HF_HOME`` and ``HF_HUB_OFFLINE`` are respected. Raises NotFoundError if the folder holds no model, or the hub has
    none of that name or cannot be reached and the model is not in the cache; DataError if its weights are pickles, it
    has no tokenizer, or there is something in it that would make it another model.
    """
    folder = Path(name_or_path).expanduser()
    if _is_folder(folder):
        check_folder(folder)
        return ModelRef(name=_local_name(folder.resolve()), digest=digest(folder), path=str(folder.resolve()))
    if folder.is_absolute() or name_or_path.startswith((".", "~")):
        raise NotFoundError(f"There is no folder {name_or_path}", "Name a folder with a model, or a hub name.")
    snapshot = _download(name_or_path, revision, FETCHED)
    if not weight_files(snapshot) and not has_adapter(snapshot):
        raise pickle_error(name_or_path, revision)
    check_folder(snapshot)
    return ModelRef(name=name_or_path, revision=snapshot.name, digest=digest(snapshot), path=str(snapshot))


def convert(name_or_path: str, revision: str | None = None) -> Path:
    """Make ``model.safetensors`` beside the pickled weights of a folder or hub model, unless it is there; the folder.

    Takes tensors out of a pickle and nothing else (PyTorch's ``weights_only``): a pickle that would run a program is
    refused. Raises NotFoundError if there is no such model, DataError if its files hold more than tensors or are
    damaged.
    """
    from safetensors.torch import save_file

    folder = Path(name_or_path).expanduser()
    if not _is_folder(folder):
        folder = _download(name_or_path, revision, (*FETCHED, *TORCH_WEIGHTS))
    if weight_files(folder):
        return folder
    pickles = sorted(folder.glob(TORCH_WEIGHTS[0]))
    if not pickles:
        raise NotFoundError(f"{folder} has no weights.", "Name a folder in the transformers format, or a hub name.")
    tensors = {name: tensor for path in pickles for name, tensor in _load_pickle(path).items()}
    with written_aside(folder / "model.safetensors") as aside:
        save_file(_without_duplicates(tensors), aside, {"format": "pt"})
    return folder


def _load_pickle(path: Path) -> "dict[str, Tensor]":
    """The tensors of a pickle by name. Raises DataError if it cannot be read or holds anything else."""
    import torch

    hint = "Fetch it again from an origin that you trust; there may be a copy as safetensors."
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    # a damaged or hostile file can raise anything in the unpickler
    except Exception as error:
        raise DataError(f"{path} cannot be read as tensors alone: {str(error).splitlines()[0]}", hint) from error
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise DataError(f"{path} holds more than tensors by name.", hint)
    return found


def _without_duplicates(tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """The tensors, each under one name: files repeat the embedding for encoder and decoder."""
    kept: dict[object, str] = {}
    for name in sorted(tensors, key=lambda name: (name != "shared.weight", name)):
        kept.setdefault((tensors[name].data_ptr(), tensors[name].shape), name)
    return {name: tensors[name].clone().contiguous() for name in kept.values()}


def digest(folder: Path) -> str:
    """SHA-256 over name and content of the files that decide what a model computes, in the order of their names."""
    combined = hashlib.sha256()
    for path in identifying_files(folder):
        with path.open("rb") as file:
            combined.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return combined.hexdigest()


def locate(job: JobDirectory, reference: ModelRef) -> Path:
    """Folder of a model that a job reads, by the job's provenance.

    Raises NotFoundError if it is gone, JobError if its content is not what the job was planned with.
    """
    folder = Path(recorded_path(job, reference) or "an unknown place")
    if not folder.is_dir():
        raise NotFoundError(
            f"Model {reference.name} of {job.path.name} is not at {folder}",
            "Put it back, or set its path in provenance.json (model_paths) to where it is now.",
        )
    check_folder(folder)
    if digest(folder) != reference.digest:
        raise JobError(
            f"Model {reference.name} at {folder} is not the one that {job.path.name} was planned with: "
            "its content has changed",
            "Plan the job again, or set its path in provenance.json to an unchanged copy.",
        )
    return folder


def recorded_path(job: JobDirectory, reference: ModelRef) -> str:
    """Where the provenance says that a model is, by its name: a folder, or the address of an endpoint."""
    path: str = job.read_json("provenance.json").get("model_paths", {}).get(reference.name, "")
    return path or reference.path


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise NotFoundError(
            f"{path} cannot be reached: {error.strerror}.", "Name a folder with a model, or a hub name."
        ) from error


def _download(name: str, revision: str | None, patterns: Sequence[str]) -> Path:
    """Folder of a hub model in the cache, with the files of some patterns, fetched if they are missing."""
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
            f"Model {name}{f' at {revision}' if revision else ''} is not a folder, not in the hub's cache, and could "
            f"not be fetched: {reason}",
            "Check the name, fetch it once with network (`hf download NAME`), or name a folder with a model.",
        ) from error


def _local_name(folder: Path) -> str:
    """``RUN/epoch-N`` for a checkpoint of a run, else the folder's own name."""
    if folder.parent.name == "checkpoints":
        return f"{folder.parent.parent.name}/{folder.name}"
    return folder.name
