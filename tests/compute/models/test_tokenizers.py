"""Tokenizers learnt from text, laid out as those of mT5, XLM-R and Llama."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlv.compute.models import loading
from mlv.compute.models.tokenizers import LLAMA, MT5, XLM_R, Layout, train_tokenizer
from mlv.schema.errors import DataError, UsageError

BENGALI = "পরিবার খুব গুরুত্বপূর্ণ"


@pytest.fixture(scope="module")
def encoder_tokenizer(make_sentence: Callable[..., str]) -> Any:
    """A tokenizer of XLM-R's kind. Tests do not change it."""
    return train_tokenizer((make_sentence(number) for number in range(400)), 400, XLM_R)


def test_ids_are_laid_out_as_in_mt5(tokenizer: Any) -> None:
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3, 258]) == ["<pad>", "</s>", "<unk>", "<0x00>", "<0xFF>"]
    assert tokenizer.convert_tokens_to_ids("<extra_id_0>") == len(tokenizer) - 1
    assert tokenizer.convert_tokens_to_ids("<extra_id_99>") == len(tokenizer) - 100
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (0, 1, 2)


def test_a_script_never_seen_is_spelt_in_bytes_and_read_back(tokenizer: Any) -> None:
    ids = tokenizer(BENGALI)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == BENGALI
    assert sum(3 <= token <= 258 for token in ids) >= len(BENGALI.replace(" ", "").encode()) - 1


def test_known_text_is_not_spelt_in_bytes(tokenizer: Any, make_sentence: Callable[..., str]) -> None:
    text = make_sentence(3)
    ids = tokenizer(text)["input_ids"]
    assert not any(3 <= token <= 258 for token in ids)
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_the_tokenizer_survives_saving_and_auto_loading(tokenizer: Any, official_mt5: Path) -> None:
    loaded = loading.load_tokenizer(official_mt5)
    texts = [BENGALI, "trust <extra_id_0> family", "семья  very", "<0x41> ﬁ"]
    assert loaded(texts)["input_ids"] == tokenizer(texts)["input_ids"]


def test_the_same_text_gives_the_same_tokenizer(make_sentence: Callable[..., str]) -> None:
    texts = [make_sentence(number) for number in range(150)]
    tokenizers: list[Any] = [train_tokenizer(texts, 460) for _ in range(2)]
    first, second = tokenizers
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()


@pytest.mark.parametrize(
    ("layout", "vocabulary", "error", "words"),
    [
        (MT5, 359, UsageError, "no room: 359 entries are reserved"),
        (MT5, 370, DataError, "could be learnt"),
        (XLM_R, 261, UsageError, "no room: 261 entries are reserved"),
        (XLM_R, 270, DataError, "could be learnt"),
        (LLAMA, 260, UsageError, "no room: 260 entries are reserved"),
    ],
)
def test_a_vocabulary_that_is_too_small_is_refused(
    layout: Layout, vocabulary: int, error: type[Exception], words: str, make_sentence: Callable[..., str]
) -> None:
    with pytest.raises(error, match=words):
        train_tokenizer([make_sentence(number) for number in range(50)], vocabulary, layout)


def test_ids_of_an_encoder_are_laid_out_as_in_xlm_r(encoder_tokenizer: Any) -> None:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    assert encoder_tokenizer.convert_ids_to_tokens([0, 1, 2, 3, 4]) == [*special[:4], "<0x00>"]
    assert encoder_tokenizer.mask_token_id == len(encoder_tokenizer) - 1
    assert sorted(encoder_tokenizer.all_special_tokens) == sorted(special)
    assert encoder_tokenizer.model_max_length == 512


def _pieces(tokenizer: Any, text: str) -> list[str]:
    """Tokens of a text, without those that frame it."""
    return list(tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False)["input_ids"]))


def test_pairs_are_framed_as_by_xlm_r(encoder_tokenizer: Any) -> None:
    one, two = "trust family", "семья"
    bare = [_pieces(encoder_tokenizer, text) for text in (one, two)]
    single = encoder_tokenizer.convert_ids_to_tokens(encoder_tokenizer(one)["input_ids"])
    assert single == ["<s>", *bare[0], "</s>"]
    ids = encoder_tokenizer(one, two)["input_ids"]
    assert encoder_tokenizer.convert_ids_to_tokens(ids) == ["<s>", *bare[0], "</s>", "</s>", *bare[1], "</s>"]
    cut = encoder_tokenizer(one * 30, two * 30, truncation="longest_first", max_length=20)["input_ids"]
    assert len(cut) == 20
    assert encoder_tokenizer.convert_ids_to_tokens(cut).count("</s>") == 3


def test_what_follows_a_mask_is_read_as_where_the_mask_hides_a_word(encoder_tokenizer: Any) -> None:
    words, masked = _pieces(encoder_tokenizer, "trust family"), _pieces(encoder_tokenizer, "trust <mask>")
    assert masked == [*_pieces(encoder_tokenizer, "trust"), "<mask>"]
    assert _pieces(encoder_tokenizer, " trust \t\n family ") == words
    after = _pieces(encoder_tokenizer, "trust <mask> family")[len(masked) :]
    assert after == words[len(masked) - 1 :]
    glued = _pieces(encoder_tokenizer, "trust <mask>s.")[len(masked) :]
    assert glued
    assert not glued[0].startswith("▁")


def test_an_encoders_tokenizer_survives_saving_and_auto_loading(encoder_tokenizer: Any, tmp_path: Path) -> None:
    import transformers

    transformers.XLMRobertaConfig().save_pretrained(tmp_path)
    encoder_tokenizer.save_pretrained(tmp_path)
    loaded: Any = loading.load_tokenizer(tmp_path)
    for text in (BENGALI, "trust <mask>. family", "семья  very"):
        assert loaded(text, text)["input_ids"] == encoder_tokenizer(text, text)["input_ids"]
    assert (loaded.mask_token, loaded.model_max_length) == ("<mask>", 512)
    ids = loaded(BENGALI)["input_ids"]
    assert loaded.unk_token_id not in ids
    assert loaded.decode(ids, skip_special_tokens=True) == BENGALI


def test_a_decoders_tokenizer_is_laid_out_as_llamas_and_survives_auto_loading(
    make_sentence: Callable[..., str], tmp_path: Path
) -> None:
    import transformers

    tokenizer: Any = train_tokenizer((make_sentence(number) for number in range(400)), 400, LLAMA)
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3, 4]) == ["<unk>", "<s>", "</s>", "<pad>", "<0x00>"]
    transformers.LlamaConfig().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded: Any = loading.load_tokenizer(tmp_path)
    for text in (BENGALI, "trust family", "семья  very"):
        assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert loaded(text)["input_ids"] == [1, *loaded(text, add_special_tokens=False)["input_ids"]]
    assert (loaded.bos_token_id, loaded.eos_token_id, loaded.pad_token_id) == (1, 2, 3)
    assert loaded.chat_template is None
    ids = loaded(BENGALI)["input_ids"]
    assert loaded.unk_token_id not in ids
    assert loaded.decode(ids, skip_special_tokens=True) == BENGALI
