"""Models small enough to be trained, asked and traced within a second."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from mlv.compute.models.families import Family
from mlv.compute.models.tokenizers import train_tokenizer
from mlv.schema.jobs.pretrain import PRESETS

DEMO = Path(str(files("mlv.ingest") / "demo"))


@contextmanager
def smaller_presets() -> Iterator[None]:
    """Have the nano presets make models of a tenth of their parameters; all else about pretraining is theirs."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("nano", "nano-encoder"):
            smaller = replace(PRESETS[name], width=32, feed_forward=64, layers=2, heads=2, head_width=16)
            patched.setitem(PRESETS, name, smaller)
        yield


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


_ENCODER_DECODER = {"d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 2, "num_heads": 3, "decoder_start_token_id": 0}
_DIMENSIONS: dict[str, dict[str, int]] = {
    "t5": _ENCODER_DECODER,
    "mt5": _ENCODER_DECODER,
    "bart": {
        **{"d_model": 24, "encoder_layers": 2, "decoder_layers": 2, "encoder_ffn_dim": 40, "decoder_ffn_dim": 40},
        **{"encoder_attention_heads": 3, "decoder_attention_heads": 3, "max_position_embeddings": 34},
    },
    "falcon": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "alibi": True},
    "gpt2": {"n_embd": 24, "n_layer": 2, "n_head": 3, "n_positions": 34, "bos_token_id": 1, "eos_token_id": 1},
}
_OTHERS = {
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 34,
}
_DECODER = {**_OTHERS, "num_key_value_heads": 3, "head_dim": 8, "pad_token_id": 0}


@cache
def tiny_tokenizer(*, mask: bool = True) -> Any:
    """A tokenizer of the demo's Farsi with sentinels, and with a mask token if wanted."""
    tokenizer: Any = train_tokenizer((DEMO / "corpus" / "fa.txt").read_text("utf-8").splitlines(), 560)
    if mask:
        tokenizer.add_special_tokens({"mask_token": "<mask>"})
    return tokenizer


def save_random(folder: Path, family: Family, architecture: str, *, tied: bool | None = None) -> Any:
    """Save a random model of a family and its tokenizer; return the model.

    ``tied`` says whether embedding and output matrix are one; the architecture's default if not given.
    """
    import torch
    import transformers

    settings: dict[str, object] = {} if tied is None else {"tie_word_embeddings": tied}
    dimensions = _DIMENSIONS.get(architecture, _DECODER if family.name == "causal" else _OTHERS)
    config = transformers.AutoConfig.for_model(architecture, vocab_size=len(tiny_tokenizer()), **dimensions, **settings)
    torch.manual_seed(5)
    model = getattr(transformers, family.auto_class).from_config(config).eval()
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return model
