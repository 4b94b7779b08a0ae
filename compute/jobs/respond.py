"""Asking a chat model: a prompt is the unit of work that an interrupted job keeps."""

from typing import Final

import polars as pl

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.models import files
from mlv.compute.respondents.kept import Kept
from mlv.compute.respondents.respondent import Prompt, Respondent, Wanted
from mlv.schema.errors import JobError
from mlv.schema.files import write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Answered
from mlv.schema.jobs.parquet import read_table, write_table
from mlv.schema.jobs.respond import RespondSpec

COLUMNS: Final = ("prompt", "question", "variant", "samples", "text", "options")

ASKED: Final = {"prompt": pl.Int64, "tokens": pl.Int64}
"""Columns of ``outputs/asked.parquet``: tokens of the prompts as they were put, with those of the chat template."""

RESPONSES: Final = {
    "prompt": pl.Int64,
    "sample": pl.Int64,
    "text": pl.String,
    "finish": pl.String,
    "refused": pl.Boolean,
    "tokens": pl.Int64,
    "logprob": pl.Float64,
}
"""Columns of ``outputs/responses.parquet``, a row for each sampled answer; log-probabilities in nats."""

SCORES: Final = {
    "prompt": pl.Int64,
    "number": pl.Int64,
    "tokens": pl.Int64,
    "logprob_sum": pl.Float64,
    "logprob_first": pl.Float64,
}
"""Columns of ``outputs/scores.parquet``, a row for each option of a prompt, without any unless options are scored."""


def run(job: JobDirectory, spec: RespondSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a job to its end; what was answered already is not asked again.

    Raises JobError for damaged inputs, and what the respondent raises; see there.
    """
    device = runtime.prepare(options.device, options.threads, spec.seed)
    with Kept(job.work / "responses.jsonl") as kept:
        respondent = _respondent(job, spec, options, device, kept.reported())
        if respondent:
            _ask(job, respondent, kept, kept.left(_prompts(job), spec.scored), progress)
        _write(job, kept)
    described = {**respondent.describe(), "model": spec.models()[0].model_dump(mode="json")} if respondent else {}
    write_json(job.outputs / "model.json", described)


def _prompts(job: JobDirectory) -> list[tuple[Prompt, int]]:
    """Prompts, and how many answers are to be sampled of each. Raises JobError for damaged inputs."""
    path = job.inputs / "prompts.parquet"
    rows = read_table(path, COLUMNS)
    if rows["prompt"].is_duplicated().any() or rows.null_count().sum_horizontal().item():
        raise JobError(f"{path} has prompts twice, or lacks a part of one.", "Plan the job again.")
    return [
        (Prompt(number, question, variant, text, tuple(options)), samples)
        for number, question, variant, samples, text, options in rows.iter_rows()
    ]


def _respondent(
    job: JobDirectory, spec: RespondSpec, options: ExecuteOptions, device: str, reported: dict[str, str]
) -> Respondent | None:
    """What is asked; None if the prompts are for nobody."""
    if spec.endpoint:
        from mlv.compute.respondents.endpoint import Endpoint

        url = files.recorded_path(job, spec.models()[0])
        return Endpoint(spec.endpoint, url, spec, options, job.log, reported)
    if spec.model:
        from mlv.compute.models import loading
        from mlv.compute.models.families import CAUSAL
        from mlv.compute.respondents.local import LocalModel

        loaded = loading.load(files.locate(job, spec.model), CAUSAL, spec.precision, device)
        return LocalModel(loaded, spec, options.batch_tokens)
    return None


def _ask(job: JobDirectory, respondent: Respondent, kept: Kept, wanted: list[Wanted], progress: Progress) -> None:
    before = len(kept.replies)
    progress.start(sum(one.answers for one in wanted), "answer", "asking")
    try:
        respondent.ask(wanted, kept.append, progress)
    finally:
        new = kept.replies[before:]
        answers = sum(len(reply.answers) + len(reply.scores) for reply in new)
        job.log(Answered(prompts=len({reply.prompt for reply in new}), answers=answers))


def _write(job: JobDirectory, kept: Kept) -> None:
    asked = sorted(kept.tokens().items())
    answers = [
        (prompt, answer.sample, answer.text, answer.finish, answer.refused, answer.tokens, answer.logprob)
        for prompt, samples in sorted(kept.answers().items())
        for _, answer in sorted(samples.items())
    ]
    scores = [
        (prompt, score.number, score.tokens, score.logprob_sum, score.logprob_first)
        for prompt, options in sorted(kept.scores().items())
        for score in options
    ]
    for name, rows, columns in (
        ("asked", asked, ASKED),
        ("responses", answers, RESPONSES),
        ("scores", scores, SCORES),
    ):
        write_table(job.outputs / f"{name}.parquet", pl.DataFrame(rows, columns, orient="row"))
    write_json(job.outputs / "usage.json", kept.usage().model_dump())
