"""A nano mT5 with random weights and a tokenizer learnt from the bundled texts: for measuring, not for reading."""

from importlib.resources import files
from pathlib import Path

import torch

from mlv.compute.pretraining import new_model, train_tokenizer

LANGUAGES = ("fa", "ko", "hi", "ru")


def sentences() -> list[str]:
    """The bundled corpora, language by language."""
    folder = files("mlv.ingest") / "demo" / "corpus"
    return [line for code in LANGUAGES for line in (folder / f"{code}.txt").read_text("utf-8").splitlines()]


def save_nano(folder: Path, vocabulary: int = 6_000) -> Path:
    """Write a nano mT5 to ``folder``; return it."""
    torch.manual_seed(1)
    tokenizer = train_tokenizer(sentences(), vocabulary)
    tokenizer.save_pretrained(folder)
    new_model("nano", len(tokenizer)).save_pretrained(folder)
    return folder
