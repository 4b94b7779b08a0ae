"""Small mT5 models and what they are given, made of the bundled texts: for measuring, not for reading."""

from importlib.resources import as_file, files
from pathlib import Path

import polars as pl
import torch

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models.tokenizers import train_tokenizer
from mlv.compute.models.untrained import new_mt5
from mlv.compute.running.execute import execute
from mlv.ingest.readers.probes import read_archive
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.pretrain import PRESETS, PretrainSpec

LANGUAGES = ("fa", "ko", "hi", "ru")


def sentences() -> list[str]:
    """The bundled corpora, language by language."""
    folder = files("mlv.ingest") / "demo" / "corpus"
    return [line for code in LANGUAGES for line in (folder / f"{code}.txt").read_text("utf-8").splitlines()]


def probes() -> pl.DataFrame:
    """The bundled probes: question, language, template, answer_first, answer_second."""
    with as_file(files("mlv.ingest") / "demo" / "probes") as folder:
        read = read_archive(folder)
    rows = [
        (probe.question, file.language, probe.template, probe.answer_first, probe.answer_second)
        for file in read
        for probe in file.probes
    ]
    return pl.DataFrame(rows, ["question", "language", "template", "answer_first", "answer_second"], orient="row")


def save_nano(folder: Path, vocabulary: int = 6_000) -> Path:
    """Write a nano mT5 with random weights to ``folder``; return it."""
    torch.manual_seed(1)
    tokenizer = train_tokenizer(sentences(), vocabulary)
    tokenizer.save_pretrained(folder)
    new_mt5(PRESETS["nano"], len(tokenizer)).save_pretrained(folder)
    return folder


def pretrain_nano(folder: Path, steps: int) -> Path:
    """Pretrain a nano mT5 on the bundled texts, in a job below ``folder``; return the folder of the model."""
    nano = PRESETS["nano"]
    spec = PretrainSpec(
        name="nano",
        preset="nano",
        corpora=(),
        inputs_digest="bench",
        vocabulary=nano.vocabulary,
        steps=steps,
        batch_size=nano.batch_size,
        learning_rate=nano.learning_rate,
    )
    job = JobDirectory.create(folder, spec, {})
    texts = sentences()
    segments = pl.DataFrame({"position": range(len(texts)), "text": texts}).with_columns(
        source=pl.lit("lines"),
        language=pl.Series(LANGUAGES).gather(pl.int_range(len(texts), eager=True) * len(LANGUAGES) // len(texts)),
        edition=pl.lit("bench"),
    )
    segments.write_parquet(job.inputs / "segments.parquet")
    execute(job.path, ExecuteOptions(device="cpu", threads=2))
    return job.checkpoints / "epoch-0"
