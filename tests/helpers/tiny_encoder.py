"""A tiny random XLM-R with a tokenizer of words, and labelled texts that it can learn."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LANGUAGES = ("de", "en", "fr")
_WORDS = {"good": ("gut", "good", "bon"), "bad": ("schlecht", "bad", "mal"), "so": ("so", "so", "ainsi")}
_FILLERS = tuple(f"w{number}" for number in range(12))


def tiny_tokenizer() -> Any:
    """A tokenizer of XLM-R's form over words."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = [
        "<s>",
        "<pad>",
        "</s>",
        "<unk>",
        "<mask>",
        *_FILLERS,
        *sorted({w for some in _WORDS.values() for w in some}),
    ]
    backend = Tokenizer(models.WordLevel({word: place for place, word in enumerate(words)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single=["<s>", "$A", "</s>"],
        pair=["<s>", "$A", "</s>", "</s>", "$B", "</s>"],
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        **{"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"},
        **{"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"},
        model_input_names=["input_ids", "attention_mask"],
    )


def save_encoder(folder: Path, heads: int = 2, **settings: Any) -> Path:
    """A masked language model, as encoders are published; ``heads`` are those of each of its two layers."""
    import torch
    import transformers

    tokenizer = tiny_tokenizer()
    torch.manual_seed(3)
    config = transformers.XLMRobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=heads,
        intermediate_size=64,
        max_position_embeddings=40,
        type_vocab_size=1,
        **settings,
    )
    transformers.XLMRobertaForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _texts(count: int, start: int) -> Iterator[tuple[int, int, str]]:
    """Number, language and text; a text's class is that of the one word that is no filler."""
    for number in range(start, start + count):
        word = "good" if number * 7 % 11 < 6 else "bad"
        fillers = [_FILLERS[(number * step + step) % len(_FILLERS)] for step in (1, 5, 7)]
        for place, _ in enumerate(LANGUAGES):
            yield number, place, f"{fillers[0]} {_WORDS[word][place]} {_WORDS['so'][place]} {' '.join(fillers[1:])}"


def labelled_rows(splits: dict[str, int]) -> list[dict[str, object]]:
    """Rows of a table: id, lang, split, text, label; parallel in all languages."""
    rows: list[dict[str, object]] = []
    for begin, (split, count) in enumerate(splits.items()):
        for number, place, text in _texts(count, 1000 * begin):
            label = "plus" if any(word in text.split() for word in _WORDS["good"]) else "minus"
            rows.append({"id": number, "lang": LANGUAGES[place], "split": split, "text": text, "label": label})
    return rows


def write_table(path: Path, rows: Sequence[dict[str, object]]) -> Path:
    """The rows as CSV."""
    import polars as pl

    pl.DataFrame(rows).write_csv(path)
    return path


TASK = """
code = "praise"
source = "table-words"
classes = ["negative", "positive"]

[labels]
plus = "positive"
minus = "negative"
"""
