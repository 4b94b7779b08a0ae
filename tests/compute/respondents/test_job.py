"""What a job that asks leaves, whoever is asked."""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from mlv.compute.jobs.respond import ASKED, RESPONSES, SCORES
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.running.execute import execute
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.spec import ModelRef

OPTIONS = ExecuteOptions("cpu", 1)
Plan = Callable[..., JobDirectory]


def test_prompts_for_nobody_are_not_asked(respond_job: Plan) -> None:
    job = respond_job("")
    assert execute(job.path, OPTIONS)
    for name, columns in (("asked", ASKED), ("responses", RESPONSES), ("scores", SCORES)):
        frame = pl.read_parquet(job.outputs / f"{name}.parquet")
        assert frame.is_empty()
        assert frame.schema == pl.Schema(columns)
    assert json.loads((job.outputs / "model.json").read_text()) == {}
    assert set(json.loads((job.outputs / "usage.json").read_text()).values()) == {0}


def test_a_local_model_is_asked_and_scored(
    respond_job: Plan, decoder_folder: Path, decoder_reference: ModelRef
) -> None:
    job = respond_job(str(decoder_folder), model=decoder_reference, scored=True)
    assert execute(job.path, OPTIONS)
    rows = pl.read_parquet(job.outputs / "responses.parquet")
    assert rows.select("prompt", "sample").rows() == [(prompt, sample) for prompt in range(1, 6) for sample in range(4)]
    assert rows["logprob"].max() <= 0  # type: ignore[operator]
    scores = pl.read_parquet(job.outputs / "scores.parquet")
    assert scores.select("prompt", "number").rows() == [(prompt, option) for prompt in range(1, 6) for option in (1, 2)]
    assert pl.read_parquet(job.outputs / "asked.parquet")["tokens"].min() > 3  # type: ignore[operator]
    assert json.loads((job.outputs / "model.json").read_text())["architecture"] == "llama"


@pytest.mark.parametrize("damage", ["twice", "null", "column"])
def test_prompts_that_are_damaged_are_an_error(
    respond_job: Plan, decoder_folder: Path, decoder_reference: ModelRef, damage: str
) -> None:
    job = respond_job(str(decoder_folder), model=decoder_reference)
    path = job.inputs / "prompts.parquet"
    frame = pl.read_parquet(path)
    damaged = {
        "twice": pl.concat([frame, frame[:1]]),
        "null": frame.with_columns(text=pl.lit(None, pl.String)),
        "column": frame.drop("options"),
    }
    damaged[damage].write_parquet(path)
    with pytest.raises(JobError, match=r"prompts\.parquet"):
        execute(job.path, OPTIONS)
