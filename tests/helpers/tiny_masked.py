"""Tiny random masked models of every architecture, with the kind of tokenizer that it has: pieces of words, bytes, or
pieces that begin with the mark of a word."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from groups import clozes

ADJECTIVES: Final = ("quiet", "early", "friendly", "patient", "tall", "busy", "clever", "kind", "warm", "curious")
_KINDS: Final = {
    "bert": "wordpiece",
    "roberta": "bytes",
    "bart": "bytes",
    "xlm-roberta": "sentencepiece",
    "deberta-v2": "sentencepiece",
}
ARCHITECTURES: Final = tuple(_KINDS)
_SIZES: Final = {"vocab_size": 0, "max_position_embeddings": 60, "hidden_size": 24}
_ENCODER: Final = {"num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 40}
_BART: Final = {
    **{"encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 3, "decoder_attention_heads": 3},
    **{"encoder_ffn_dim": 40, "decoder_ffn_dim": 40},
}
_LATIN: Final = {
    **{"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"},
    **{"pad_token": "<pad>", "unk_token": "<unk>"},
}


def texts() -> list[str]:
    """What tokenizers learn from."""
    sentences = [text.replace("[MASK]", word) for text in clozes()["text"] for word in ADJECTIVES]
    return [*sentences, *(f"{word} is not un{word} nor {word}ly, it is {word}" for word in ADJECTIVES)]


def _wordpiece() -> Any:
    import transformers
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    words = sorted({word for text in texts() for word in text.split() if word.isalpha()} - {"bakers", "gardeners"})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = [*special, *words, "bak", "garden", "##ers", "##ly", "##s", "un", "?", ",", "."]
    backend = Tokenizer(models.WordPiece({word: place for place, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece()
    backend.post_processor = processors.TemplateProcessing(
        single=["[CLS]", "$A", "[SEP]"], special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    backend.add_special_tokens(special)
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **dict(zip(names, special, strict=True)))


def _bytes() -> Any:
    import transformers
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=380, special_tokens=special, initial_alphabet=alphabet)
    backend.train_from_iterator(texts(), trainer)
    backend.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend,
        mask_token=AddedToken("<mask>", lstrip=True, special=True),
        model_input_names=["input_ids", "attention_mask"],
        **_LATIN,
    )


def _sentencepiece() -> Any:
    from mlv.compute.models.tokenizers import XLM_R, train_tokenizer

    tokenizer: Any = train_tokenizer(texts(), 380, XLM_R)
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    return tokenizer


@cache
def tokenizer_of(architecture: str) -> Any:
    """The tokenizer of an architecture."""
    makers = {"wordpiece": _wordpiece, "bytes": _bytes, "sentencepiece": _sentencepiece}
    return makers[_KINDS[architecture]]()


def save_masked(folder: Path, architecture: str, entries: int | None = None) -> Any:
    """Save a random model and its tokenizer, and return the model; ``entries`` of its vocabulary if not as many as
    the tokenizer has."""
    import torch
    import transformers

    tokenizer = tokenizer_of(architecture)
    sizes = {**_SIZES, "vocab_size": entries or len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    own = _BART if architecture == "bart" else _ENCODER
    config = transformers.AutoConfig.for_model(architecture, **sizes, **own)
    torch.manual_seed(5)
    model = transformers.AutoModelForMaskedLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            # far enough apart that no two tokens are as likely
            parameter.add_(torch.randn_like(parameter) * 0.15)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model
