"""A model small enough to be trained, asked and traced within a second."""

from importlib.resources import files
from pathlib import Path

from mlv.compute.jobs.pretrain import train_tokenizer

DEMO = Path(str(files("mlv.ingest") / "demo"))


def save_model(folder: Path) -> None:
    """A tiny random mT5 that has read nothing, with a tokenizer of the demo's Farsi; other letters are bytes to it."""
    import torch
    import transformers

    tokenizer = train_tokenizer((DEMO / "corpus" / "fa.txt").read_text("utf-8").splitlines(), 560)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(7)
    dimensions = {"d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 2, "num_heads": 3, "decoder_start_token_id": 0}
    model = transformers.MT5ForConditionalGeneration(transformers.MT5Config(vocab_size=len(tokenizer), **dimensions))
    model.lm_head.weight = torch.nn.Parameter(torch.randn(len(tokenizer), 24) * 0.2)
    model.config.tie_word_embeddings = False
    model.save_pretrained(folder)
