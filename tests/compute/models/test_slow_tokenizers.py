"""Tokenizers in the files that older releases of transformers wrote, beside which there is no tokenizer.json."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import sentencepiece
from tiny_model import DEMO

from mlv.compute.models import loading
from mlv.compute.models.folder import VOCABULARIES, check_tokenizer, identifying_files
from mlv.schema.errors import DataError


def _sentencepiece(folder: Path, name: str, **settings: Any) -> None:
    sentencepiece.SentencePieceTrainer.train(
        input=str(DEMO / "corpus" / "ru.txt"),
        model_prefix=str(folder / "learnt"),
        vocab_size=300,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **settings,
    )
    (folder / "learnt.model").rename(folder / name)


def bert(folder: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "в", "на", "##чале"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", "utf-8")


def roberta(folder: Path) -> None:
    words = ["<s>", "<pad>", "</s>", "<unk>", "a", "b", "Ġ", "ab", "Ġab", "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b\nĠ ab\n", "utf-8")


def xlm_roberta(folder: Path) -> None:
    _sentencepiece(folder, "sentencepiece.bpe.model")


def deberta(folder: Path) -> None:
    ids: dict[str, Any] = {"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3}
    pieces = {"pad_piece": "[PAD]", "unk_piece": "[UNK]", "bos_piece": "[CLS]", "eos_piece": "[SEP]"}
    _sentencepiece(folder, "spm.model", **ids, **pieces)


WRITERS: Final[dict[str, tuple[Callable[[Path], None], str, list[str]]]] = {
    "bert": (bert, "в начале [MASK]", ["[CLS]", "в", "на", "##чале", "[MASK]", "[SEP]"]),
    "roberta": (roberta, "ab ab<mask>", ["<s>", "ab", "Ġab", "<mask>", "</s>"]),
    "xlm-roberta": (xlm_roberta, "в<mask>", ["<s>", "▁в", "<mask>", "</s>"]),
    "deberta-v2": (deberta, "в[MASK]", ["[CLS]", "▁в", "[MASK]", "[SEP]"]),
}


@pytest.mark.parametrize("architecture", WRITERS)
def test_a_tokenizer_of_slow_files_is_found_and_read(architecture: str, tmp_path: Path) -> None:
    write, text, tokens = WRITERS[architecture]
    (tmp_path / "config.json").write_text(json.dumps({"model_type": architecture}))
    with pytest.raises(DataError, match="has no tokenizer"):
        check_tokenizer(tmp_path)
    write(tmp_path)
    check_tokenizer(tmp_path)
    loaded = loading.load_tokenizer(tmp_path)
    assert loaded.convert_ids_to_tokens(loaded([text])["input_ids"][0]) == tokens
    assert loaded.mask_token_id is not None
    assert {path.name for path in identifying_files(tmp_path)} & set(VOCABULARIES)


@pytest.mark.parametrize("architecture", ["mt5", "xlm-roberta", "deberta-v2"])
def test_no_tokenizer_is_made_up_beside_the_vocabulary_of_another(architecture: str, tmp_path: Path) -> None:
    bert(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": architecture}))
    with pytest.raises(DataError, match=r"reads .*(spiece|sentencepiece\.bpe|spm)\.model"):
        loading.load_tokenizer(tmp_path)


def test_pieces_without_merges_are_refused(tmp_path: Path) -> None:
    roberta(tmp_path)
    (tmp_path / "merges.txt").unlink()
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    with pytest.raises(DataError, match="cannot be loaded"):
        loading.load_tokenizer(tmp_path)
