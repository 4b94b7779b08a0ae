"""Encoders with a classifier: loading them, with a new classifier where there is none, and what they say of texts.

A classifier is that of transformers (``AutoModelForSequenceClassification``). What of it a folder does not bring along
is drawn (:mod:`mlv.compute.models.new_heads`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from mlv.compute.machine.options import SILENT, Progress
from mlv.compute.machine.streams import FloatArray
from mlv.compute.models import loading
from mlv.compute.models.families import CLASSIFIER
from mlv.compute.models.folder import read_json
from mlv.compute.models.interfaces import Model, Tokenizer
from mlv.compute.models.scoring import batches
from mlv.schema.errors import DataError, joined

if TYPE_CHECKING:
    from torch import Tensor


class Encoded(NamedTuple):
    """A text or pair of texts as the tokenizer puts it."""

    tokens: list[int]
    """With all special tokens."""

    types: list[int]
    """Which text each token is of, if the model is told; otherwise empty."""


def load(folder: Path, classes: Sequence[str], task: str, device: str = "cpu") -> loading.LoadedModel:
    """An encoder with a classifier over ``classes``, which is new where the folder has none (``drawn``).

    Raises DataError as all loading does, or if the folder has a classifier over other classes.
    """
    _check_classes(folder, classes)
    names = dict(enumerate(classes))
    numbers = {name: number for number, name in names.items()}
    loaded, missing = loading.read(
        folder, CLASSIFIER, device=device, num_labels=len(classes), id2label=names, label2id=numbers
    )
    body = [name for name in missing if not _is_head(name)]
    if body:
        raise loading.lacking(folder, body)
    # a checkpoint says what it tells apart
    loaded.model.config.finetuning_task = task
    return replace(loaded, drawn=tuple(missing))


def load_trained(folder: Path, classes: Sequence[str], task: str, device: str = "cpu") -> loading.LoadedModel:
    """A classifier that was trained. Raises DataError as :func:`load` does, or if the folder has no classifier."""
    loaded = load(folder, classes, task, device)
    if loaded.drawn:
        raise DataError(
            f"{folder} holds an encoder without a classifier: it lacks {joined(loaded.drawn)}.",
            "Train one: mlv compute classify",
        )
    return loaded


def _check_classes(folder: Path, classes: Sequence[str]) -> None:
    """Raise DataError if a folder has a classifier over another number of classes."""
    raw = read_json(folder / "config.json")
    trained = any("ForSequenceClassification" in str(name) for name in raw.get("architectures") or [])
    # transformers writes nothing of two classes without names
    there = list((raw.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}).values())
    if trained and len(there) != len(classes):
        raise DataError(
            f"{folder} has a classifier over {len(there)} classes ({joined(map(str, there))}), and the task has "
            f"{len(classes)} ({joined(classes)}).",
            "Start from a pretrained encoder, or from a classifier of this task.",
        )


def _is_head(name: str) -> bool:
    """Whether a parameter is of what a classifier is made of, the dense layer over the first token included."""
    return name.startswith("classifier.") or "pooler." in name


def freeze_embeddings(model: Model) -> None:
    """Keep the input embeddings, of words, places and types, and their norm as they are."""
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if ".embeddings." in name:
            parameter.requires_grad_(False)


def encode(frame: pl.DataFrame, tokenizer: Tokenizer, max_tokens: int) -> tuple[list[Encoded], int]:
    """``[text, text_pair]`` as the tokenizer puts them, the longer text cut first, and how many were cut."""
    if frame.is_empty():
        return [], 0
    texts = frame["text"].to_list()
    pairs = None if frame["text_pair"].is_null().all() else frame["text_pair"].fill_null("").to_list()
    put = tokenizer(texts, pairs, verbose=False)
    cut = sum(len(tokens) > max_tokens for tokens in put["input_ids"])
    if cut:
        put = tokenizer(texts, pairs, truncation="longest_first", max_length=max_tokens)
    types = put.get("token_type_ids") or [[] for _ in texts]
    encoded = [Encoded(tokens, some) for tokens, some in zip(put["input_ids"], types, strict=True)]
    return encoded, cut


def batch(rows: Sequence[Encoded], tokenizer: Tokenizer, device: str = "cpu") -> "dict[str, Tensor]":
    """What a model is given, padded to the longest: all [rows, tokens]."""
    from mlv.compute.models.tensors import pad

    inputs, attention = pad([row.tokens for row in rows], tokenizer.pad_token_id, device)
    types = {"token_type_ids": pad([row.types for row in rows], 0, device)[0]} if rows[0].types else {}
    return {"input_ids": inputs, "attention_mask": attention, **types}


def logits(
    loaded: loading.LoadedModel, texts: Sequence[Encoded], batch_tokens: int, progress: Progress = SILENT
) -> FloatArray:
    """Logits of the classes, [texts, classes]; texts of similar length share a batch."""
    import torch

    found = np.zeros((len(texts), loaded.model.config.num_labels))
    with torch.inference_mode():
        for some in batches([len(text.tokens) for text in texts], batch_tokens):
            inputs = batch([texts[index] for index in some], loaded.tokenizer, loaded.device)
            found[some] = loaded.model(**inputs).logits.double().cpu().numpy()
            progress.advance(len(some))
    return found
