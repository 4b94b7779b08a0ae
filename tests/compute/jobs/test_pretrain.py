"""A small mT5 from scratch: tokenizer, language balance, batches, determinism and resumption."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from workers import run_job

from mlv.compute.jobs import pretrain
from mlv.compute.machine.options import ExecuteOptions, Silent
from mlv.compute.models import loading
from mlv.compute.models.families import SPAN
from mlv.compute.training.corruption import SpanCorruption
from mlv.schema.errors import DataError, UsageError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Continued

Plan = Callable[..., JobDirectory]
BENGALI = "পরিবার খুব গুরুত্বপূর্ণ"


class BrokenOffError(Exception):
    """Stands for a kill."""


class BreaksAfter(Silent):
    """A progress that breaks the job off after some training steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, amount: int, **info: float | str) -> None:
        """Count down; only training tells a loss."""
        self.left -= amount if "loss" in info else 0
        if self.left < 0:
            raise BrokenOffError


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
    tokenizers: list[Any] = [pretrain.train_tokenizer(texts, 460) for _ in range(2)]
    first, second = tokenizers
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()


@pytest.mark.parametrize(
    ("vocabulary", "error", "words"), [(359, UsageError, "no room"), (370, DataError, "could be learnt")]
)
def test_a_vocabulary_that_is_too_small_is_refused(
    vocabulary: int, error: type[Exception], words: str, make_sentence: Callable[..., str]
) -> None:
    with pytest.raises(error, match=words):
        pretrain.train_tokenizer([make_sentence(number) for number in range(50)], vocabulary)


def test_languages_are_drawn_by_the_power_of_their_size() -> None:
    languages = np.array(["a"] * 1000 + ["b"] * 10)
    draws = pretrain.draw_segments(languages, 30_000, seed=1)
    expected = 10**0.3 / (1000**0.3 + 10**0.3)
    # 30,000 draws: standard error 0.0023
    assert abs((languages[draws] == "b").mean() - expected) < 0.009


def test_all_segments_of_a_language_come_before_any_comes_again() -> None:
    languages = np.array(["a", "b"] * 20)
    draws = pretrain.draw_segments(languages, 500, seed=4)
    for language in ("a", "b"):
        own = [draw for draw in draws.tolist() if languages[draw] == language]
        for start in range(0, len(own) - 20, 20):
            assert len(set(own[start : start + 20])) == 20


def test_batches_hold_every_draw_once_and_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 64, 8 * 100)
    order = pretrain.batch_order(lengths, 8, seed=1)
    assert sorted(order.tolist()) == list(range(800))
    batches = lengths[order].reshape(-1, 8)
    padded = (batches.max(axis=1) * 8).sum() / lengths.sum()
    unsorted = (lengths.reshape(-1, 8).max(axis=1) * 8).sum() / lengths.sum()
    assert padded < 1.1
    assert unsorted > 1.5
    # batches are not in the order of their length
    assert abs(np.corrcoef(np.arange(100), batches.max(axis=1))[0, 1]) < 0.4


def test_an_untrained_model_gives_logits_of_about_unit_variance() -> None:
    import torch

    torch.manual_seed(0)
    model = pretrain.new_model("nano", 6000).eval()
    assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight
    with torch.inference_mode():
        logits = model(
            input_ids=torch.randint(3, 6000, (2, 20)), decoder_input_ids=torch.randint(3, 6000, (2, 10))
        ).logits
    assert 0.5 < logits.std().item() < 2


@pytest.mark.parametrize(
    ("preset", "vocabulary", "millions"),
    # mT5-small has 300 million; less 2 * 512 * (250,112 - 32,000) in its two vocabulary matrices
    [("nano", 6000, 2.72), ("tiny", 12_000, 12.44), ("small", 32_000, 300.2 - 223.3)],
)
def test_presets_have_the_sizes_that_are_documented(preset: str, vocabulary: int, millions: float) -> None:
    import torch

    with torch.device("meta"):
        model = pretrain.new_model(preset, vocabulary, "meta")
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        pretrain.preset("huge")
    assert "nano, tiny, small" in caught.value.hint


@pytest.fixture(scope="module")
def unbroken(pretrain_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A run of six steps without incident. Tests do not change it."""
    job = pretrain_job(tmp_path_factory.mktemp("unbroken"))
    run_job(job, options)
    return job


def test_a_broken_off_job_ends_with_the_weights_of_an_unbroken_one(
    unbroken: JobDirectory, pretrain_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    job = pretrain_job(tmp_path / "broken")
    with pytest.raises(BrokenOffError):
        run_job(job, options, BreaksAfter(4))
    assert not job.checkpoints.exists()
    run_job(job, options)
    assert [event.step for event in job.logged(Continued)] == [4]
    listed = [pl.read_parquet(one.outputs / "checkpoints.parquet").rows() for one in (job, unbroken)]
    assert listed[0] == listed[1]


def test_what_pretraining_leaves_is_a_model_in_the_official_layout(unbroken: JobDirectory) -> None:
    listed = pl.read_parquet(unbroken.outputs / "checkpoints.parquet").row(0, named=True)
    assert (listed["epoch"], listed["step"], listed["is_final"]) == (0, 6, True)
    loaded = loading.load(unbroken.path / listed["path"], SPAN)
    assert loaded.model.config.tie_word_embeddings is False
    assert (loaded.model.get_output_embeddings().weight != loaded.model.get_input_embeddings().weight).any()
    described = unbroken.read_json("outputs/model.json")
    assert described == {**loaded.describe(), "name": "made-up"}
    metrics = pl.read_parquet(unbroken.outputs / "metrics.parquet")
    assert metrics.filter(pl.col("name") == "loss")["step"].to_list() == [1, 2, 3, 4, 5, 6]


def test_the_mask_that_was_asked_for_is_trained_with(
    pretrain_job: Plan, options: ExecuteOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[SpanCorruption] = []

    def kept(*settings: Any) -> SpanCorruption:
        made.append(SpanCorruption(*settings))
        return made[-1]

    monkeypatch.setattr(pretrain, "SpanCorruption", kept)
    for mask in ("t5", "anywhere"):
        run_job(pretrain_job(tmp_path / mask, mask=mask, steps=1), options)
    assert [corruption.mask for corruption in made] == ["t5", "anywhere"]
