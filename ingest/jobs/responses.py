"""What a chat model was asked and answered, from a job directory to the store; how it is read, then and later."""

import hashlib
from collections.abc import Callable
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.answers.parsers import PARSERS
from mlv.ingest.answers.reading import Answered, Asked, Reading
from mlv.ingest.jobs.outputs import again, output
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.prompts.forms import Form, gapped
from mlv.schema.errors import PLAN_AGAIN, JobError
from mlv.schema.fetching import frame_of, registered
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.parquet import read_parquet, read_table
from mlv.schema.jobs.respond import RespondSpec
from mlv.schema.store.rows import append, ensure, next_id, number

_RUN: Final = """
INSERT INTO response_run
SELECT $run, s.probe_set_id, l.language_id, $form, $strategy, $demonstrations, $ordering, y.country_id, v.survey_id,
       $weighting, $answers, $options, $option_order, $samples, $scored, $temperature, $top_p, $top_k, $max_tokens,
       $draw, $parser
FROM probe_set s
CROSS JOIN "language" l
LEFT JOIN country y ON y.code = $country
LEFT JOIN survey v ON v.code = $survey
WHERE s.code = $probe_set AND l.code = $language
"""

_PROMPTS: Final = """
INSERT INTO prompt
SELECT $before + o.prompt, $run, p.probe_id, o.variant, o.samples, o.text, a.tokens
FROM _prompts o
JOIN v_probe p ON p.collection = $collection AND p.language = $language AND p.question = o.question
LEFT JOIN read_parquet($asked) a USING (prompt)
ORDER BY o.prompt
"""

_OPTIONS: Final = """
INSERT INTO prompt_option
SELECT $before + prompt, unnest(range(1, len(options) + 1)), unnest(options), unnest(places), unnest(sides)
FROM _prompts
ORDER BY prompt
"""

_DEMONSTRATIONS: Final = """
INSERT INTO demonstration
SELECT $before + o.prompt, o.position, p.probe_id, o.answer, o.similarity
FROM _shown o
JOIN v_probe p ON p.collection = $collection AND p.language = $language AND p.question = o.question
ORDER BY o.prompt, o.position
"""

_SCORES: Final = """
INSERT INTO option_score
SELECT $before + prompt, $run, number, tokens, logprob_sum, logprob_first
FROM read_parquet($path)
ORDER BY prompt, number
"""

_UNKNOWN: Final = """
SELECT count(*)
FROM read_parquet($path) o
ANTI JOIN (SELECT prompt_id FROM prompt WHERE run_id = $run) p ON p.prompt_id = $before + o.prompt
"""

_NOT_FINITE: Final = (
    "SELECT count(*) FROM read_parquet(?) WHERE (isfinite(logprob_sum) AND isfinite(logprob_first)) IS NOT TRUE"
)

_ASKED: Final = """
SELECT m.prompt_id, l.code AS language, p.template, o.options, o.shown, e.english
FROM prompt m
JOIN response_run n USING (run_id)
JOIN probe p USING (probe_id)
JOIN "language" l ON l.language_id = p.language_id
JOIN (
    SELECT prompt_id, list(text ORDER BY number) AS options, list(number ORDER BY place) AS shown
    FROM prompt_option
    GROUP BY prompt_id
) o USING (prompt_id)
LEFT JOIN (
    SELECT question_id, first([answer_first, answer_second] ORDER BY probe_id) AS english
    FROM probe
    WHERE language_id = (SELECT language_id FROM "language" WHERE code = 'en')
    GROUP BY question_id
) e ON e.question_id = p.question_id AND n.options = 'probe'
WHERE m.run_id = ?
"""

_FORM: Final = "SELECT content FROM prompt_form JOIN response_run USING (prompt_form_id) WHERE run_id = ?"

RESPONSES: Final = ("prompt", "sample", "text", "finish", "refused", "tokens", "logprob")
"""Columns of ``outputs/responses.parquet``."""


def enter_prompts(run: NewRun, spec: RespondSpec) -> dict[str, int]:
    """Enter how a run asks, and its prompts with their options and demonstrations; return the rows by table.

    Raises JobError if the prompts are not those that the run was planned with.
    """
    prompts = read_parquet(run.job.inputs / "prompts.parquet")
    if content_digest(prompts) != spec.inputs_digest:
        raise JobError(
            f"{run.job.inputs / 'prompts.parquet'} has other prompts than the job was planned with.", PLAN_AGAIN
        )
    shown = run.job.inputs / "demonstrations.parquet"
    place = {"before": next_id(run.connection, "prompt") - 1, "collection": spec.collection, "language": spec.language}
    _enter_run(run, spec)
    with registered(run.connection, "_prompts", prompts):
        asked = str(output(run.job, "asked.parquet"))
        run.connection.execute(_PROMPTS, {**place, "run": run.run_id, "asked": asked})
        entered = number(run.connection, _OPTIONS, {"before": place["before"]})
    rows = {"response_run": 1, "prompt": run.count("prompt"), "prompt_option": entered}
    if spec.demonstrations is None:
        return rows
    with registered(run.connection, "_shown", read_parquet(shown)):
        return rows | {"demonstration": number(run.connection, _DEMONSTRATIONS, place)}


def _enter_run(run: NewRun, spec: RespondSpec) -> None:
    shown, decoding = spec.demonstrations, spec.decoding
    values = {
        "run": run.run_id,
        "probe_set": spec.probe_set,
        "language": spec.language,
        "form": _form_id(run, spec),
        "strategy": shown and shown.strategy,
        "demonstrations": shown and shown.count,
        "ordering": shown and shown.ordering,
        "country": shown and shown.country,
        "survey": shown and shown.survey,
        "weighting": shown and shown.weighting,
        "answers": shown and shown.answers,
        "options": spec.options,
        "option_order": spec.option_order,
        "samples": spec.samples,
        "scored": spec.scored,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "top_k": decoding.top_k,
        "max_tokens": decoding.max_tokens,
        "draw": spec.draw,
        "parser": spec.parser,
    }
    if number(run.connection, _RUN, values) != 1:
        raise JobError(f"The store has no probe set {spec.probe_set}.", "Ingest its probes, then commit again.")


def _form_id(run: NewRun, spec: RespondSpec) -> int:
    """Key of the form; one that the store lacks is entered. Raises JobError if it is not the one of the job."""
    row = read_table(run.job.inputs / "form.parquet", ("code", "sha256", "content")).row(0, named=True)
    if not hashlib.sha256(row["content"].encode()).hexdigest() == row["sha256"] == spec.form_sha256:
        raise JobError(f"{run.job.inputs / 'form.parquet'} has another form than the job was planned with.", PLAN_AGAIN)
    language_id = number(run.connection, 'SELECT language_id FROM "language" WHERE code = ?', [spec.language])
    frame = pl.DataFrame([{**row, "language_id": language_id}])
    return int(ensure(run.connection, "prompt_form", frame, ["sha256"])["prompt_form_id"][0])


def enter_answers(run: NewRun, spec: RespondSpec) -> dict[str, int]:
    """Enter what was answered, as the run's parser reads it, and scores; return the rows by table.

    Raises JobError if they are not of the run's prompts, or scores are NaN or infinite.
    """
    first = number(run.connection, "SELECT min(prompt_id) - 1 FROM prompt WHERE run_id = ?", [run.run_id])
    given, scores = str(output(run.job, "responses.parquet")), str(output(run.job, "scores.parquet"))
    place = {"run": run.run_id, "before": first}
    if unknown := sum(number(run.connection, _UNKNOWN, place | {"path": path}) for path in (given, scores)):
        raise JobError(f"{unknown:,} rows of {run.job.outputs} are of prompts that the job lacks.", again(run.job))
    if diverged := number(run.connection, _NOT_FINITE, [scores]):
        raise JobError(
            f"{diverged:,} rows of {scores} have scores that are NaN or infinite.", "Ask the model again in fp32."
        )
    if spec.parser not in PARSERS:
        raise JobError(
            f"{run.job.path.name} is read by parser {spec.parser}, which this version of mlv does not have.",
            "Commit it with the version that planned it, or a newer one.",
        )
    answers = read_parquet(run.job.outputs / "responses.parquet").select(RESPONSES)
    answers = answers.with_columns(prompt_id=pl.col("prompt") + first)
    read = readings(run.connection, run.run_id, answers, PARSERS[spec.parser], english=spec.accept_english)
    rows = answers.with_columns(read).select(
        "prompt_id",
        "sample",
        "text",
        "outcome",
        "answer",
        "finish",
        "refused",
        "tokens",
        "logprob",
        run_id=pl.lit(run.run_id),
    )
    entered = append(run.connection, "response", rows.sort("prompt_id", "sample"))
    scored = number(run.connection, _SCORES, place | {"path": scores})
    return {"response": entered, "option_score": scored}


Read = Callable[[Asked, Answered], Reading]


def readings(
    connection: duckdb.DuckDBPyConnection, run_id: int, answers: pl.DataFrame, read: Read, *, english: bool
) -> list[pl.Series]:
    """``outcome`` and ``answer`` of rows ``[prompt_id, text, finish, refused]`` of answers of a run."""
    (form,) = connection.execute(_FORM, [run_id]).fetchall()[0]
    numbered = Form.model_validate_json(form).numbered
    prompts = frame_of(connection, _ASKED, [run_id]).iter_rows(named=True)
    asked = {row["prompt_id"]: _asked(row, numbered=numbered, english=english) for row in prompts}
    found = [
        read(asked[prompt], Answered(text, finish, bool(refused)))
        for prompt, text, finish, refused in answers.select("prompt_id", "text", "finish", "refused").iter_rows()
    ]
    return [
        pl.Series("outcome", [reading.outcome for reading in found], pl.String),
        pl.Series("answer", [reading.answer for reading in found], pl.Int32),
    ]


def _asked(row: dict[str, object], *, numbered: bool, english: bool) -> Asked:
    return Asked(
        options=tuple(row["options"]),  # type: ignore[arg-type]
        language=str(row["language"]),
        sentence=gapped(str(row["template"])),
        shown=tuple(row["shown"]) if numbered else (),  # type: ignore[arg-type]
        english=tuple(row["english"] or ()) if english else (),  # type: ignore[arg-type]
    )
