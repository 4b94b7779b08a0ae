"""Encoders that predict masked words, with a new head where there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from mlv.compute.models import loading
from mlv.compute.models.families import MASKED

HEADS: Final = ("cls.", "lm_head.", "lm_predictions.")
"""What the names of a head's parameters begin with."""


def load(folder: Path, device: str = "cpu") -> loading.LoadedModel:
    """A masked model, whose head is new where the folder holds an encoder alone (``drawn``).

    The head's output matrix is the input embedding. Raises DataError as all loading does.
    """
    loaded, missing = loading.read(folder, MASKED, device=device)
    body = [name for name in missing if not name.startswith(HEADS)]
    if body:
        raise loading.lacking(folder, body)
    own = dict(loaded.model.named_parameters())
    # shared parameters go by one of their names
    return replace(loaded, drawn=tuple(name for name in missing if name in own))
