"""Fetching a model of the hub in advance, on a machine with network, for jobs on machines without.

It is checked as far as possible without loading weights, for which a login node may have too little memory.
"""

import json
from pathlib import Path
from typing import NamedTuple

from mlv.compute.models import files, loading
from mlv.compute.models.families import CLASSIFIER, families_of
from mlv.compute.models.folder import SAFE_INDEX, read_json
from mlv.schema.errors import DataError, DownloadError, UsageError, joined
from mlv.schema.jobs.spec import ModelRef


class Fetched(NamedTuple):
    """A model in the hub's cache."""

    model: ModelRef
    size: int
    """Bytes of its files."""


def prefetch(name: str, revision: str | None = None) -> Fetched:
    """Fetch a model of a known family with its tokenizer into the hub's cache, unless it is there, at one commit.

    Raises UsageError if the hub is switched off, NotFoundError if it has no such model or cannot be reached, DataError
    if something is missing, damaged, or not safe to open.
    """
    from huggingface_hub.constants import HF_HUB_OFFLINE

    if HF_HUB_OFFLINE:
        raise UsageError("HF_HUB_OFFLINE is set, so nothing can be fetched.", "Unset it on a machine with network.")
    found = files.resolve(name, revision)
    folder = Path(found.path)
    _check_family(folder)
    _check_weights(folder)
    _check_offline(name, revision, folder)
    return Fetched(found, sum(path.stat().st_size for path in folder.iterdir()))


def _check_family(folder: Path) -> None:
    """Raise DataError unless architecture and tokenizer are those of a family."""
    families = families_of(str(read_json(folder / "config.json").get("model_type", "unnamed")))
    tokenizer = loading.load_tokenizer(folder)
    # what is trained as a classifier needs no mask token
    if CLASSIFIER not in families:
        for family in families:
            family.special_tokens(tokenizer)


def _check_weights(folder: Path) -> None:
    """Raise DataError unless every weights file is complete and has the tensors that the index lists for it."""
    import safetensors

    index = folder / SAFE_INDEX
    listed: dict[str, str] = json.loads(index.read_text(encoding="utf-8"))["weight_map"] if index.exists() else {}
    stored: dict[str, str] = {}
    for path in sorted({*folder.glob("model*.safetensors"), *(folder / file for file in listed.values())}):
        try:
            with safetensors.safe_open(path, "np") as tensors:
                stored |= dict.fromkeys(tensors.keys(), path.name)
        except (OSError, safetensors.SafetensorError) as error:
            raise DataError(f"{path} cannot be read: {error}", "Delete it and fetch the model again.") from error
    absent = sorted(name for name, file in listed.items() if stored.get(name) != file)
    if absent:
        raise DataError(
            f"The weights in {folder} lack {joined(absent, most=5)}.", "Name another revision of the model."
        )


def _check_offline(name: str, revision: str | None, folder: Path) -> None:
    """Raise DownloadError unless the cache alone leads from the name to the folder."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = Path(
            snapshot_download(name, revision=revision, allow_patterns=list(files.FETCHED), local_files_only=True)
        )
    except LocalEntryNotFoundError as error:
        raise DownloadError(f"{name} was fetched but is not in the cache: {error}", "Fetch it again.") from error
    if found != folder:
        raise DownloadError(f"{name} was fetched to {folder}, but the cache leads to {found}.", "Fetch it again.")
