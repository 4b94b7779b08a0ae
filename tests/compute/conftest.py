"""Tiny models in the official layouts, and planned jobs that use them. Everything is random but keyed by seeds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.models.tokenizers import train_tokenizer
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.pretrain import PretrainSpec
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.spec import ModelRef

TEXT = (
    "the people of this country trust family friends and neighbours more than government "
    "religion work leisure are very important in life not at all children should learn to obey respect "
    "나라 사람들 가족 친구 매우 중요하다 사회 정부 믿는다 삶 "
    "семья друзья работа религия очень важны в жизни людей страны"
)
WORDS = TEXT.split()


def sentence(number: int, words: int | None = None) -> str:
    """A made-up sentence of 1 to 24 words that depends on ``number`` alone."""
    random = np.random.default_rng(number)
    return " ".join(random.choice(WORDS, words or int(random.integers(1, 25))))


@pytest.fixture(scope="session")
def make_sentence() -> Callable[..., str]:
    """:func:`sentence`."""
    return sentence


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    """A Unigram tokenizer of some 500 entries in three scripts."""
    return train_tokenizer((sentence(number) for number in range(400)), 500)


def tiny_config(vocabulary: int) -> dict[str, Any]:
    """Dimensions that all differ, so that none can stand for another."""
    return {
        "vocab_size": vocabulary,
        "d_model": 24,
        "d_kv": 6,
        "d_ff": 40,
        "num_layers": 2,
        "num_heads": 3,
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 20,
    }


def write_official(folder: Path, model: Any, tokenizer: Any, *, tied: bool) -> Path:
    """Write a model as the official checkpoints are: ``tie_word_embeddings`` says whether there is an lm_head."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    doubled = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
    left_out = (*doubled, "lm_head.weight") if tied else doubled
    state = {name: value.clone() for name, value in model.state_dict().items() if name not in left_out}
    save_file(state, str(folder / "model.safetensors"), metadata={"format": "pt"})
    config = {**model.config.to_dict(), "tie_word_embeddings": tied, "decoder_start_token_id": 0}
    config.pop("scale_decoder_outputs", None)
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer.save_pretrained(folder)
    return folder


def random_model(kind: str, vocabulary: int, *, tied: bool) -> Any:
    """A random T5 or mT5 whose activations are large enough to tell scalings apart."""
    import torch
    import transformers

    torch.manual_seed(7)
    config_class, model_class = {
        "mt5": (transformers.MT5Config, transformers.MT5ForConditionalGeneration),
        "t5": (transformers.T5Config, transformers.T5ForConditionalGeneration),
    }[kind]
    projection = "relu" if kind == "t5" and tied else "gated-gelu"
    model = model_class(config_class(**tiny_config(vocabulary), feed_forward_proj=projection)).eval()
    if not tied:
        model.lm_head.weight = torch.nn.Parameter(torch.randn(vocabulary, 24) * 0.3)
    return model


@pytest.fixture(scope="session")
def official_mt5(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A tiny random mT5 in the official layout: its own lm_head, ``tie_word_embeddings`` false."""
    folder = tmp_path_factory.mktemp("models") / "tiny-mt5"
    return write_official(folder, random_model("mt5", len(tokenizer) + 12, tied=False), tokenizer, tied=False)


@pytest.fixture(scope="session")
def official_t5(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A tiny random T5 1.0: one embedding for both ends, scaled outputs."""
    folder = tmp_path_factory.mktemp("models") / "tiny-t5"
    return write_official(folder, random_model("t5", len(tokenizer), tied=True), tokenizer, tied=True)


@pytest.fixture(scope="session")
def official_t5_1_1(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A tiny random T5 1.1: its own lm_head, unscaled outputs."""
    folder = tmp_path_factory.mktemp("models") / "tiny-t5-1.1"
    return write_official(folder, random_model("t5", len(tokenizer), tied=False), tokenizer, tied=False)


@pytest.fixture(scope="session")
def loaded(official_mt5: Path) -> loading.LoadedModel:
    """The tiny mT5, loaded. Tests do not train it."""
    return loading.load(official_mt5, SPAN)


@pytest.fixture(scope="session")
def reference(official_mt5: Path) -> ModelRef:
    """The tiny mT5 as a job names it."""
    return files.resolve(str(official_mt5))


@pytest.fixture(scope="session")
def options() -> ExecuteOptions:
    """One thread on the CPU, so that sums have one order."""
    return ExecuteOptions(device="cpu", threads=1)


@pytest.fixture(scope="session")
def finetune_job(reference: ModelRef) -> Callable[..., JobDirectory]:
    """Plans fine-tuning on 23 training and 5 development sentences; positions are mixed between the splits."""

    def plan(folder: Path, **settings: Any) -> JobDirectory:
        spec = FinetuneSpec(
            model=reference,
            source="made-up",
            languages=("en",),
            sentences=28,
            corpora=(),
            inputs_digest="0",
            **{"epochs": 3, "batch_size": 4, "learning_rate": 1e-3, "max_tokens": 24, **settings},
        )
        job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
        examples = [
            (n, "development" if n % 5 == 4 else "train", "made-up", "en", "a", n, f"k{n}", sentence(1000 + n))
            for n in range(28)
        ]
        columns = ["position", "split", "source", "language", "edition", "segment_position", "parallel_key", "text"]
        pl.DataFrame(examples, schema=columns, orient="row").write_parquet(job.inputs / "examples.parquet")
        return job

    return plan


@pytest.fixture(scope="session")
def probe_frame() -> pl.DataFrame:
    """13 probes in each of 2 languages: templates and answers of many lengths, masks glued and apart."""
    masks = ("[MASK]", "un[MASK]", "[MASK]ness", " [MASK] ")
    rows = [
        (
            f"{n}",
            language,
            f"{sentence(n * 7 + k)} {masks[n % 4]} {sentence(n * 11 + k)}".strip(),
            sentence(n * 13 + k, 1 + n % 4),
            sentence(n * 17 + k + 1, 1 + n % 3) + " x",
        )
        for k, language in enumerate(("ko", "en"))
        for n in range(13)
    ]
    columns = ["question", "language", "template", "answer_first", "answer_second"]
    return pl.DataFrame(rows, schema=columns, orient="row")


@pytest.fixture(scope="session")
def probe_job(reference: ModelRef, probe_frame: pl.DataFrame) -> Callable[..., JobDirectory]:
    """Plans the asking of :func:`probe_frame`, or of another frame."""

    def plan(folder: Path, frame: pl.DataFrame = probe_frame, **settings: Any) -> JobDirectory:
        languages = tuple(frame["language"].unique().sort())
        spec = ProbeSpec(
            model=reference,
            collection="made-up",
            probe_set="all",
            languages=languages,
            inputs_digest="0",
            **settings,
        )
        job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
        frame.write_parquet(job.inputs / "probes.parquet")
        return job

    return plan


@pytest.fixture(scope="session")
def pretrain_job() -> Callable[..., JobDirectory]:
    """Plans pretraining on 60 sentences of one language and 12 of another."""

    def plan(folder: Path, **settings: Any) -> JobDirectory:
        chosen = {"preset": "nano", "vocabulary": 500, "steps": 6, "batch_size": 4, "learning_rate": 1e-3, **settings}
        spec = PretrainSpec(name="made-up", corpora=(), inputs_digest="0", **chosen)
        job = JobDirectory.create(folder, spec, {})
        rows = [("made-up", "en" if n < 60 else "ko", "a", n, sentence(n)) for n in range(72)]
        columns = ["source", "language", "edition", "position", "text"]
        pl.DataFrame(rows, schema=columns, orient="row").write_parquet(job.inputs / "segments.parquet")
        return job

    return plan
