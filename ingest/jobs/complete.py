"""Completing: the sentences about social groups that a masked model has not completed leave the store; what it says,
and what emotions are in that, enters it."""

from collections.abc import Mapping
from typing import Annotated, Final

import duckdb
import polars as pl
from pydantic import Field

from mlv.ingest.jobs import request
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.lookup import find_checkpoint
from mlv.ingest.jobs.outputs import again, output
from mlv.ingest.jobs.planning import Context, NothingToDoError, Plan
from mlv.ingest.jobs.request import Count, Languages, ModelName, Name
from mlv.ingest.jobs.runs import NewRun
from mlv.schema.derived.emotions import enter_scores
from mlv.schema.errors import JobError, NotFoundError, UsageError, joined
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.complete import CompleteSpec
from mlv.schema.jobs.events import SkippedSentence, SkippedSentences, name_of, read_event
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.spec import Precision
from mlv.schema.papers import stereotypes
from mlv.schema.papers.stereotypes import Prior
from mlv.schema.store.rows import append, number

KEY: Final = ("category", "group_name", "language", "form", "text")


class Request(request.Request):
    """The sentences about the groups of a list that a masked model has not completed yet."""

    model: ModelName
    groups: Name = Field(description="Name of the list of groups.")
    languages: Annotated[
        Languages, Field(description="Languages of the sentences, comma-separated; all that the list has if not given.")
    ] = ()
    top_k: Count = Field(stereotypes.TOP_K, description="Likeliest tokens of a sentence that are kept.")
    prior: Prior = Field(
        "one_mask",
        description="What stands for the group where its effect is left out: one_mask, as_many (a mask for each of its "
        "tokens), or published (the one sentence of the authors' code).",
    )
    precision: Precision = Field("fp32", description="fp32 or bf16.")


_CLOZES: Final = """
SELECT z.group_list, z.category, z.group_name, z.language, z.form, z.text, z.prior_text, d.run, d.top_k
FROM v_cloze z
LEFT JOIN (
    SELECT c.cloze_id, any_value(n.run) AS run, any_value(n.top_k) AS top_k
    FROM completion c
    JOIN v_completion_run n USING (run_id)
    WHERE n.checkpoint_id = $checkpoint AND n.prior = $prior AND c.rank = 1
    GROUP BY c.cloze_id
) d USING (cloze_id)
WHERE z.group_list = $groups AND (len($languages) = 0 OR list_contains($languages, z.language))
ORDER BY z.category, z.group_name, z.language, z.form, z.text
"""


def plan(context: Context, request: Request) -> Plan:
    """Plan the completions of a masked model.

    Raises NothingToDoError if it has completed all, NotFoundError if the store has no such sentences, UsageError if it
    has completed some of them with another number of attributes.
    """
    model = context.find_model(request.model)
    known = find_checkpoint(context.connection, model) if model.digest else None
    clozes = _clozes(context.connection, request, known[0] if known else None)
    _check_top_k(clozes, request, model.name)
    left = clozes.filter(pl.col("run").is_null()).drop("run", "top_k")
    skipped = _skipped_before(context.connection, request, known[0] if known else None)
    left = left.join(skipped, on=list(KEY), how="anti", maintain_order="left")
    if left.is_empty():
        raise NothingToDoError(f"{model.name} has completed all sentences about {request.groups} under this prior.")
    spec = CompleteSpec(
        model=model,
        group_list=request.groups,
        languages=tuple(left["language"].unique().sort()),
        top_k=request.top_k,
        prior=request.prior,
        precision=request.precision,
        inputs_digest=content_digest(left),
    )
    return Plan(spec, lambda: {"clozes.parquet": left})


def _clozes(connection: duckdb.DuckDBPyConnection, request: Request, checkpoint_id: int | None) -> pl.DataFrame:
    """The sentences of a request, and the run in which a checkpoint completed each under its prior.

    Raises NotFoundError if a language has none.
    """
    values = {
        "groups": request.groups,
        "languages": list(request.languages),
        "checkpoint": checkpoint_id,
        "prior": request.prior,
    }
    found = frame_of(connection, _CLOZES, values)
    missing = sorted(set(request.languages) - set(found["language"]))
    if missing or found.is_empty():
        rows = connection.execute("SELECT DISTINCT group_list, language FROM v_cloze ORDER BY ALL").fetchall()
        known = joined([f"{name} ({language})" for name, language in rows])
        where = joined(missing) if missing else "any language"
        raise NotFoundError(
            f"The store has no sentences about the groups of {request.groups} in {where}; it has {known}.",
            "Ingest a list of groups: mlv ingest groups PATH",
        )
    return found


def _check_top_k(clozes: pl.DataFrame, request: Request, model: str) -> None:
    other = clozes.filter(pl.col("top_k").is_not_null() & (pl.col("top_k") != request.top_k))
    if not other.is_empty():
        runs = other["run"].unique().sort().to_list()
        raise UsageError(
            f"{model} has completed {other.height:,} of these sentences with other numbers of attributes "
            f"(top_k {joined(other['top_k'].unique().sort().cast(pl.String).to_list())}) under the prior "
            f"{request.prior}.",
            f"Ask for as many, or delete what is there: mlv runs delete {' '.join(runs)}",
        )


_SKIPPED: Final = """
SELECT e.detail
FROM run_event e
JOIN run r USING (run_id)
JOIN v_completion_run n USING (run_id)
WHERE e.event = $event AND n.group_list = $groups AND n.prior = $prior AND n.checkpoint_id = $checkpoint
"""


def _skipped_before(connection: duckdb.DuckDBPyConnection, request: Request, checkpoint_id: int | None) -> pl.DataFrame:
    """Sentences that a run on a checkpoint left out, since its tokenizer loses their mask or group."""
    values = {"groups": request.groups, "prior": request.prior, "checkpoint": checkpoint_id}
    rows = _events(connection, _SKIPPED, values)
    return pl.DataFrame([row.model_dump(include=set(KEY)) for row in rows], schema=dict.fromkeys(KEY, pl.String))


def skipped(connection: duckdb.DuckDBPyConnection, run: str) -> list[SkippedSentence]:
    """The sentences that a run left out."""
    statement = "SELECT e.detail FROM run_event e JOIN run r USING (run_id) WHERE e.event = $event AND r.name = $run"
    return _events(connection, statement, {"run": run})


def _events(
    connection: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, object]
) -> list[SkippedSentence]:
    rows = connection.execute(statement, {**values, "event": name_of(SkippedSentences)}).fetchall()
    events = [read_event(name_of(SkippedSentences), detail) for (detail,) in rows]
    return [one for event in events if isinstance(event, SkippedSentences) for one in event.sentences]


_COMPLETIONS: Final = """
WITH wanted AS (
    SELECT z.cloze_id, z.category, z.group_name, z.language, z.form, z.text
    FROM v_cloze z
    WHERE z.group_list = $groups AND z.cloze_id NOT IN (
        SELECT c.cloze_id
        FROM completion c
        JOIN completion_run n USING (run_id)
        JOIN run r USING (run_id)
        WHERE r.start_checkpoint_id = $checkpoint AND n.prior = $prior AND c.rank = 1
    )
)
INSERT INTO completion
SELECT $run, z.cloze_id, o.rank, o.attribute, o.token, o.logprob, o.logprob_prior, o.typicality_rank
FROM read_parquet($path) o
JOIN wanted z USING (category, group_name, language, form, text)
ORDER BY z.cloze_id, o.rank
"""

_NOT_LOGPROBS: Final = """
SELECT count(*) FROM read_parquet(?)
WHERE (isfinite(logprob) AND logprob <= 0) IS NOT TRUE
    OR (logprob_prior IS NOT NULL AND NOT (isfinite(logprob_prior) AND logprob_prior <= 0))
"""

_UNKNOWN: Final = """
SELECT count(*) FROM (SELECT DISTINCT category, group_name, language, form, text FROM read_parquet($path))
ANTI JOIN (FROM v_cloze WHERE group_list = $groups) USING (category, group_name, language, form, text)
"""


def commit(run: NewRun, spec: CompleteSpec) -> dict[str, int]:
    """Enter completions, and the emotions of their words by all lexicons; a sentence that the checkpoint completed
    before under the same prior keeps its first ones.

    Raises JobError if sentences are not in the store or values are no log-probabilities.
    """
    path = str(output(run.job, "completions.parquet"))
    place = {"path": path, "groups": spec.group_list}
    if unknown := number(run.connection, _UNKNOWN, place):
        raise JobError(
            f"{unknown:,} sentences of {path} are none that the store has about the groups of {spec.group_list}.",
            f"Ingest the list that the job was planned from (mlv ingest groups PATH). {again(run.job)}",
        )
    if wrong := number(run.connection, _NOT_LOGPROBS, [path]):
        raise JobError(
            f"{wrong:,} rows of {path} have log-probabilities that are NaN, infinite or above 0.",
            "Complete in fp32; if the model is of a training run, that run may have diverged: look at its losses.",
        )
    groups = number(run.connection, "SELECT group_list_id FROM group_list WHERE code = ?", [spec.group_list])
    row = {"run_id": run.run_id, "group_list_id": groups, "prior": spec.prior, "top_k": spec.top_k}
    entered = append(run.connection, "completion_run", pl.DataFrame([row]))
    values = {**place, "run": run.run_id, "checkpoint": run.examined_id, "prior": spec.prior}
    run.connection.execute(_COMPLETIONS, values)
    enter_scores(run.connection, run_id=run.run_id)
    return {
        "completion_run": entered,
        "completion": run.count("completion"),
        "emotion_score": run.count("emotion_score"),
    }


def _units(context: Context, request: Request, _: object) -> int:
    return number(
        context.connection,
        "SELECT count(*) FROM v_cloze WHERE group_list = $1 AND (len($2) = 0 OR list_contains($2, language))",
        [request.groups, list(request.languages)],
    )


COST = Cost(
    unit="sentences",
    units=_units,
    measured="SELECT run_id, count(*) AS units FROM completion WHERE rank = 1 GROUP BY run_id",
)
