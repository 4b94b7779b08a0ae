"""What chat models take in tokens and money, against prompts and answers that are counted by hand."""

from pathlib import Path

import duckdb
import polars as pl
import pytest
from answered import answered

from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.jobs.tokens import BYTES_PER_TOKEN
from mlv.ingest.studies.prices import count_tokens, read_prices, total
from mlv.ingest.studies.status import StudyStatus
from mlv.ingest.studies.study import read_study
from mlv.schema.errors import DataError, NotFoundError

STUDY = """
[[job]]
name = "asked"
kind = "respond"
language = "ko"
samples = 4
each = [
  { endpoint = "http://localhost:1/v1", api_model = "m", as_of = "2026-11", draw = [1, 2] },
  { model = "local", scored = true },
  { model = "local", strategy = "chrf" },
]
[[job]]
kind = "probe"
model = "local"
"""
"""24 questions: twice zero-shot behind an API; locally, scored too, and after demonstrations, for which there is no
survey."""

PRICES = """
currency = "EUR"
[models.m]
prompt = 2
completion = 50
[models.another]
prompt = 1
completion = 1
"""


@pytest.fixture
def status(study: duckdb.DuckDBPyConnection, tmp_path: Path) -> StudyStatus:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    status = StudyStatus(
        read_study(str(file)), tmp_path / "store.duckdb", tmp_path / "jobs", {}, {"local": None}, lambda _: None
    )
    status.refresh(study)
    return status


def _prices(folder: Path, text: str = PRICES) -> Path:
    file = folder / "prices.toml"
    file.write_text(text)
    return file


def test_what_was_not_asked_yet_is_estimated_from_bytes_and_the_longest_answers(
    study: duckdb.DuckDBPyConnection, status: StudyStatus
) -> None:
    found = count_tokens(study, status, None)
    job = status.plan(study, status.cells[0])
    size = pl.read_parquet(job.inputs / "prompts.parquet")["text"].str.len_bytes().sum()
    # once for the samples, and once for each of two options
    prompts = [2 * round(size / BYTES_PER_TOKEN), round(3 * size / BYTES_PER_TOKEN)]
    assert found.select("kind", "model", "cells", "not_counted", "completion_tokens", "counted").rows() == [
        ("respond", "local", 2, 1, 24 * 4 * 16, "estimated"),
        ("respond", "m", 2, 0, 2 * 24 * 4 * 16, "estimated"),
    ]
    assert found["prompt_tokens"].to_list() == prompts[::-1]
    assert found["price"].to_list() == [None, None]
    said = total(found, None)
    assert said.startswith(f"{sum(prompts):,} tokens of prompts and 4,608 of answers; not counted is 1 cell")


def test_what_a_run_took_is_what_others_of_its_model_will_take(
    study: duckdb.DuckDBPyConnection, status: StudyStatus, tmp_path: Path
) -> None:
    """A played prompt has 20 tokens and an answer 2: 24 x 20 and 24 x 4 x 2 for the draw that is left.

    At 2 and 50 EUR for a million: (480 x 2 + 192 x 50) / 1,000,000.
    """
    job = answered(status.plan(study, status.cells[0]))
    commit_job(study, job, tmp_path / "store.duckdb")
    status.refresh(study)
    prices = read_prices(_prices(tmp_path))
    found = count_tokens(study, status, prices)
    row = found.filter(model="m").row(0, named=True)
    assert (row["cells"], row["prompt_tokens"], row["completion_tokens"], row["counted"]) == (1, 480, 192, "measured")
    assert (row["price"], row["currency"]) == (pytest.approx(0.01056), "EUR")
    said = total(found, prices)
    assert ", 0.01 EUR; without a price, and not in this sum: local; not counted is 1 cell" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("currency = 'EUR'", "models: it is missing"),
        (PRICES.replace("prompt = 2", "prompt = -2"), r"models\.m\.prompt: should be greater than or equal to 0"),
        (PRICES.replace("prompt = 2", "prompts = 2"), r"models\.m\.prompts: there is no such key"),
        (PRICES.replace("prompt = 2", "prompt = nan"), r"models\.m\.prompt"),
        ("m,1,2", "not valid TOML"),
    ],
)
def test_a_file_that_has_no_prices_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_prices(_prices(tmp_path, text))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.toml cannot be read"):
        read_prices(tmp_path / "none.toml")
