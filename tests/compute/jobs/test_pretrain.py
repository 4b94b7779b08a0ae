"""A small mT5, XLM-R or Llama from scratch: its size, what it is trained on, determinism and resumption."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tiny_model import DEMO
from workers import run_job

from mlv.compute.machine.options import ExecuteOptions, Silent
from mlv.compute.models import loading
from mlv.compute.models.families import CAUSAL, MASKED, SPAN
from mlv.compute.models.untrained import new_mt5, preset
from mlv.compute.training import pretraining
from mlv.compute.training.corruption import SpanCorruption
from mlv.compute.training.draws import batch_order, draw_segments
from mlv.compute.training.pretraining import PRETRAINING
from mlv.schema.errors import UsageError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Continued
from mlv.schema.jobs.pretrain import PRESETS, PretrainSpec

Plan = Callable[..., JobDirectory]

ENCODER = {"preset": "nano-encoder", "vocabulary": 400, "max_tokens": 20}
DECODER = {"preset": "nano-decoder", "vocabulary": 400, "max_tokens": 20}


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


def test_an_untrained_model_gives_logits_of_about_unit_variance() -> None:
    import torch

    torch.manual_seed(0)
    model = new_mt5(PRESETS["nano"], 6000).eval()
    assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight
    with torch.inference_mode():
        logits = model(
            input_ids=torch.randint(3, 6000, (2, 20)), decoder_input_ids=torch.randint(3, 6000, (2, 10))
        ).logits
    assert 0.5 < logits.std().item() < 2


@pytest.mark.parametrize(
    ("name", "vocabulary", "millions"),
    # mT5-small has 300 million; less 2 * 512 * (250,112 - 32,000) in its two vocabulary matrices
    [
        ("nano", 6000, 2.72),
        ("tiny", 12_000, 12.44),
        ("small", 32_000, 300.2 - 223.3),
        ("nano-encoder", 6000, 1.26),
        ("tiny-encoder", 12_000, 5.39),
        ("nano-decoder", 6000, 2.03),
    ],
)
def test_presets_have_the_sizes_that_are_documented(name: str, vocabulary: int, millions: float) -> None:
    import torch

    with torch.device("meta"):
        model = PRETRAINING[PRESETS[name].objective].new_model(PRESETS[name], vocabulary)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.01)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        preset("huge")
    assert "nano, tiny, small, nano-encoder, tiny-encoder, nano-decoder" in caught.value.hint


def _run(folder: Path, pretrain_job: Plan, options: ExecuteOptions, **settings: Any) -> JobDirectory:
    """A run of six steps without incident."""
    job = pretrain_job(folder, **settings)
    run_job(job, options)
    return job


@pytest.fixture(scope="module")
def mt5(pretrain_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """An mT5. Tests do not change it."""
    return _run(tmp_path_factory.mktemp("mt5"), pretrain_job, options)


@pytest.fixture(scope="module")
def encoder(pretrain_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """An encoder. Tests do not change it."""
    return _run(tmp_path_factory.mktemp("encoder"), pretrain_job, options, **ENCODER)


@pytest.fixture(scope="module")
def decoder(pretrain_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A decoder. Tests do not change it."""
    return _run(tmp_path_factory.mktemp("decoder"), pretrain_job, options, **DECODER)


@pytest.mark.parametrize(("name", "settings"), [("mt5", {}), ("encoder", ENCODER), ("decoder", DECODER)])
def test_a_broken_off_job_ends_with_the_weights_of_an_unbroken_one(
    name: str,
    settings: dict[str, Any],
    pretrain_job: Plan,
    options: ExecuteOptions,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    unbroken: JobDirectory = request.getfixturevalue(name)
    job = pretrain_job(tmp_path / "broken", **settings)
    with pytest.raises(BrokenOffError):
        run_job(job, options, BreaksAfter(4))
    assert not job.checkpoints.exists()
    run_job(job, options)
    assert [event.step for event in job.logged(Continued)] == [4]
    listed = [pl.read_parquet(one.outputs / "checkpoints.parquet").rows() for one in (job, unbroken)]
    assert listed[0] == listed[1]


def test_what_pretraining_leaves_is_a_model_in_the_official_layout(mt5: JobDirectory) -> None:
    listed = pl.read_parquet(mt5.outputs / "checkpoints.parquet").row(0, named=True)
    assert (listed["epoch"], listed["step"], listed["is_final"]) == (0, 6, True)
    loaded = loading.load(mt5.path / listed["path"], SPAN)
    assert loaded.model.config.tie_word_embeddings is False
    assert (loaded.model.get_output_embeddings().weight != loaded.model.get_input_embeddings().weight).any()
    described = mt5.read_json("outputs/model.json")
    assert described == {**loaded.describe(), "name": "made-up"}
    metrics = pl.read_parquet(mt5.outputs / "metrics.parquet")
    assert metrics.filter(pl.col("name") == "loss")["step"].to_list() == [1, 2, 3, 4, 5, 6]


def test_the_mask_that_was_asked_for_is_trained_with(
    pretrain_job: Plan, options: ExecuteOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[SpanCorruption] = []

    def kept(*settings: Any, **named: Any) -> SpanCorruption:
        made.append(SpanCorruption(*settings, **named))
        return made[-1]

    monkeypatch.setattr(pretraining, "SpanCorruption", kept)
    for mask in ("t5", "anywhere"):
        run_job(pretrain_job(tmp_path / mask, mask=mask, steps=1), options)
    assert [corruption.mask for corruption in made] == ["t5", "anywhere"]


def test_an_encoder_is_an_xlm_r_that_finds_masked_words(encoder: JobDirectory) -> None:
    import transformers

    folder = encoder.checkpoints / "epoch-0"
    loaded = loading.load(folder, MASKED)
    assert loaded.model.get_output_embeddings().weight is loaded.model.get_input_embeddings().weight
    assert encoder.read_json("outputs/model.json") == {**loaded.describe(), "name": "made-up"}
    assert loaded.describe()["architecture"] == "xlm-roberta"
    filled: Any = transformers.pipeline("fill-mask", model=str(folder), top_k=3)
    found = filled("trust family <mask> neighbours.")
    assert len(found) == 3
    assert found[0]["score"] >= found[1]["score"] >= found[2]["score"] > 0
    classifier = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3)
    inputs: Any = transformers.AutoTokenizer.from_pretrained(folder)("trust", "семья", return_tensors="pt")
    assert classifier(**inputs).logits.shape == (1, 3)


def test_an_encoder_reads_as_many_tokens_as_its_tokenizer_gives(encoder: JobDirectory) -> None:
    import torch

    loaded = loading.load(encoder.checkpoints / "epoch-0", MASKED)
    with torch.inference_mode():
        logits = loaded.model(input_ids=torch.full((1, 512), 7)).logits
    assert logits.shape == (1, 512, len(loaded.tokenizer))


def test_an_encoder_learns_by_the_loss_of_what_it_is_asked_for(
    pretrain_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    job = _run(tmp_path, pretrain_job, options, **ENCODER, steps=1, learning_rate=1e-9)
    logged = pl.read_parquet(job.outputs / "metrics.parquet").filter(pl.col("name") == "loss")["value"].item()
    spec, loaded = job.spec(), loading.load(job.checkpoints / "epoch-0", MASKED)
    frame = pl.read_parquet(job.inputs / "segments.parquet").sort("source", "language", "edition", "position")
    draws = draw_segments(frame["language"].to_numpy(), 4, spec.seed)
    ids = loaded.tokenizer(frame["text"].gather(draws).to_list(), add_special_tokens=False)["input_ids"]
    assert isinstance(spec, PretrainSpec)
    hide = PRETRAINING["masked_words"].corruption(spec, loaded.tokenizer)
    assert sorted(batch_order(draws, 4, spec.seed).tolist()) == [0, 1, 2, 3]
    losses = []
    for place, row in enumerate(ids):
        inputs, targets = hide(np.array(row[:20]), 1, place)
        with torch.inference_mode():
            logits = loaded.model(input_ids=torch.tensor(inputs[None])).logits[0]
        losses.append(
            cross_entropy(logits, torch.tensor(targets), ignore_index=-100, reduction="none")[targets != -100]
        )
    # trained with dropout, which moves the loss of an untrained model little
    assert torch.cat(losses).mean().item() == pytest.approx(logged, rel=0.02)


def test_a_decoder_is_a_llama_that_continues_texts(decoder: JobDirectory) -> None:
    import transformers

    folder = decoder.checkpoints / "epoch-0"
    loaded = loading.load(folder, CAUSAL)
    assert loaded.model.get_output_embeddings().weight is not loaded.model.get_input_embeddings().weight
    assert decoder.read_json("outputs/model.json") == {**loaded.describe(), "name": "made-up"}
    assert loaded.describe()["architecture"] == "llama"
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(["trust family", "семья"], return_tensors="pt", padding=True, padding_side="left")
    continued = model.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert continued[:, : inputs["input_ids"].shape[1]].equal(inputs["input_ids"])
    assert continued.shape[1] <= inputs["input_ids"].shape[1] + 3


def test_a_decoder_learns_by_the_loss_that_transformers_has_for_its_tokens(
    pretrain_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    import torch
    import transformers

    job = _run(tmp_path, pretrain_job, options, **DECODER, steps=1, learning_rate=1e-9)
    logged = pl.read_parquet(job.outputs / "metrics.parquet").filter(pl.col("name") == "loss")["value"].item()
    frame = pl.read_parquet(job.inputs / "segments.parquet").sort("source", "language", "edition", "position")
    texts = frame["text"].gather(draw_segments(frame["language"].to_numpy(), 4, job.spec().seed)).to_list()
    folder = job.checkpoints / "epoch-0"
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
    model: Any = transformers.LlamaForCausalLM.from_pretrained(folder)
    rows = [[1, *ids[:20], 2] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    assert len({len(row) for row in rows}) > 1
    with torch.inference_mode():
        losses = [model(input_ids=row, labels=row).loss.item() for row in (torch.tensor([ids]) for ids in rows)]
    predicted = [len(row) - 1 for row in rows]
    assert np.average(losses, weights=predicted) == pytest.approx(logged, rel=1e-5)


def test_a_decoder_foretells_unseen_sentences_better_than_frequencies_do(
    pretrain_job: Plan, options: ExecuteOptions, tmp_path: Path
) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    rows = [
        ("lines", code, "demo", number, text)
        for code in ("fa", "hi", "ko", "ru")
        for number, text in enumerate((DEMO / "corpus" / f"{code}.txt").read_text("utf-8").splitlines())
    ]
    frame = pl.DataFrame(rows, ["source", "language", "edition", "position", "text"], orient="row")
    unseen = pl.col("position") % 5 == 4
    settings = {"vocabulary": 1500, "max_tokens": 60, "steps": 50, "batch_size": 16, "learning_rate": 3e-3}
    job = pretrain_job(tmp_path, **DECODER | settings)
    frame.filter(~unseen).write_parquet(job.inputs / "segments.parquet")
    run_job(job, options)
    loaded = loading.load(job.checkpoints / "epoch-0", CAUSAL)

    def predicted(which: pl.Expr) -> list[list[int]]:
        ids = loaded.tokenizer(frame.filter(which)["text"].to_list(), add_special_tokens=False)["input_ids"]
        return [[*row[:60], loaded.tokenizer.eos_token_id] for row in ids]

    asked = predicted(unseen)
    counts = np.bincount(np.concatenate(predicted(~unseen)), minlength=len(loaded.tokenizer)) + 1
    by_frequency = -np.log(counts / counts.sum())[np.concatenate(asked)].mean()
    losses = []
    for row in asked:
        with torch.inference_mode():
            logits = loaded.model(input_ids=torch.tensor([[loaded.tokenizer.bos_token_id, *row[:-1]]])).logits[0]
        losses.append(cross_entropy(logits, torch.tensor(row), reduction="none"))
    assert torch.cat(losses).mean().item() < by_frequency - 0.5
