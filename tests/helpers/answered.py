"""Chat models that are played: what they answer is said by a function."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import polars as pl
from command_line import Mlv
from finished_jobs import write

from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.respond import RespondSpec

Reply = Callable[[Mapping[str, Any], int], str]
"""The answer to a prompt (a row of ``inputs/prompts.parquet``), by the number of the sample."""


def first_shown(prompt: Mapping[str, Any], sample: int) -> str:
    """The option that is shown first, but the other one every third time."""
    return str(prompt["options"][prompt["places"].index(1 if sample % 3 else 2)])


API: Final = ("--endpoint", "http://127.0.0.1:9/v1", "--api-model", "chat", "--as-of", "today", "--api", "completions")
"""Options that name a model behind an API that is never asked."""


def ask_played(mlv: Mlv, *options: str, reply: Reply = first_shown) -> None:
    """Plan a job, answer in the place of its model, and commit it."""
    before = set((mlv.folder / "jobs").glob("respond-*"))
    planned = mlv("compute", "respond", *options, "--plan-only")
    assert planned.code == 0, planned.err
    (job,) = {*(mlv.folder / "jobs").glob("respond-*")} - before
    answered(JobDirectory(job), reply)
    committed = mlv("runs", "resume", job.name)
    assert committed.code == 0, committed.err


def answered(job: JobDirectory, reply: Reply = first_shown) -> JobDirectory:
    """Finish a job: samples as ``reply`` has it; of n options the first gets the logit 1, the others 0."""
    spec = job.spec()
    assert isinstance(spec, RespondSpec)
    prompts = pl.read_parquet(job.inputs / "prompts.parquet").to_dicts()
    replies = [(row, sample) for row in prompts for sample in range(row["samples"])]
    responses = pl.DataFrame(
        [
            {"prompt": row["prompt"], "sample": sample, "text": reply(row, sample), "finish": "stop", "tokens": 2}
            for row, sample in replies
        ],
        schema={"prompt": pl.Int64, "sample": pl.Int64, "text": pl.String, "finish": pl.String, "tokens": pl.Int64},
    ).with_columns(refused=False, logprob=-1.5)
    scores = pl.DataFrame(
        [
            {
                "prompt": row["prompt"],
                "number": number,
                "tokens": 2,
                "logprob_sum": -float(number),
                "logprob_first": -0.5,
            }
            for row in prompts
            for number in range(1, len(row["options"]) + 1)
            if spec.scored
        ],
        schema={
            "prompt": pl.Int64,
            "number": pl.Int64,
            "tokens": pl.Int64,
            "logprob_sum": pl.Float64,
            "logprob_first": pl.Float64,
        },
    )
    asked = pl.DataFrame({"prompt": [row["prompt"] for row in prompts], "tokens": [20] * len(prompts)})
    write(job, asked=asked, responses=responses, scores=scores)
    (job.outputs / "usage.json").write_text(json.dumps({"requests": len(prompts)}))
    if spec.endpoint is not None:
        (job.outputs / "model.json").write_text(json.dumps({"architecture": "endpoint"}))
    return job
