"""Predicting: the labelled texts that a classifier has not been asked leave the store; its scores enter it."""

import json
from typing import Annotated, Final, Self

import duckdb
import polars as pl
from pydantic import Field, model_validator

from mlv.ingest.jobs import request
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.lookup import find_checkpoint
from mlv.ingest.jobs.masks import (
    AllowEmpty,
    Chosen,
    Combine,
    Masks,
    Shuffle,
    check_languages,
    check_masks,
    choose,
    enter_run_masks,
)
from mlv.ingest.jobs.outputs import again, output
from mlv.ingest.jobs.planning import Context, NothingToDoError, Plan
from mlv.ingest.jobs.request import Count, Languages, ModelName, Name, Option
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.jobs.tasks import StoredTask, find_task, splits_of, task_id
from mlv.ingest.jobs.tracing import in_languages
from mlv.ingest.jobs.trained import corpora_of
from mlv.schema.errors import JobError, NotFoundError, UsageError, joined
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.kinds import read_spec
from mlv.schema.jobs.predict import PredictSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.papers import sharing
from mlv.schema.store.rows import append, number


class Request(request.Request):
    """The labelled texts of a split that a classifier has not been asked yet."""

    model: Annotated[ModelName, Option(argument=True)]
    split: Name = Field("test", description="Edition of the texts.")
    languages: Annotated[
        Languages, Field(description="Test languages, comma-separated; all that the store has of it if not given.")
    ] = ()
    most: Count | None = Field(
        None,
        description="Only so many texts of each language, drawn by their keys: of translations the same ones, and of a "
        "larger number those of a smaller one too. All if not given.",
    )
    task: Name | None = Field(
        None, description="What the model tells apart, for one that no run of the store made: xnli-entailment, ..."
    )
    masks: Masks = Field({})
    combine: Combine = None
    shuffle: Shuffle = None
    allow_empty: AllowEmpty = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_masks(self)
        return self

    @property
    def asked_languages(self) -> Languages:
        """Test languages: with masks those of these, if none are named."""
        return self.languages or tuple(sorted(self.masks))


_TEXTS: Final = """
SELECT s.code AS source, l.code AS language, c.edition, c.sha256 AS corpus_sha256, g.position, g.text, g.text_pair,
       EXISTS (
           FROM class_logit a
           LEFT JOIN mask m USING (mask_id)
           WHERE a.checkpoint_id = $checkpoint AND a.segment_id = g.segment_id
               AND m.digest IS NOT DISTINCT FROM ($masks::JSON ->> l.code)
       ) AS asked
FROM segment g
JOIN corpus c USING (corpus_id)
JOIN source s USING (source_id)
JOIN "language" l USING (language_id)
WHERE s.code = $source AND c.edition = $edition
QUALIFY row_number() OVER (PARTITION BY l.code ORDER BY md5(g.parallel_key), g.position) <= coalesce($most, 2147483647)
ORDER BY l.code, g.position
"""


def plan(context: Context, request: Request) -> Plan:
    """Plan the predictions of a classifier.

    Raises NothingToDoError if it was asked all, NotFoundError if the store lacks the task, its texts or a subnetwork,
    UsageError for a model whose task is not known, or masks that do not fit it.
    """
    model = context.find_model(request.model)
    known = find_checkpoint(context.connection, model) if model.digest else None
    trained = _training(context.connection, known[2] if known else None)
    task = _task(context.connection, request, model, trained)
    chosen = choose(context, request, model)
    if chosen.names:
        check_languages(chosen.names, request.asked_languages, "what is asked are texts in")
    texts = _texts(context.connection, task, request, chosen, known[0] if known else None)
    left = texts.filter(~pl.col("asked")).drop("asked")
    if left.is_empty():
        raise NothingToDoError(f"{model.name} has predicted all that is asked of {task.source}, {request.split}.")
    frame = left.drop("source", "corpus_sha256")
    spec = PredictSpec(
        model=model,
        task=task.code,
        classes=task.classes,
        source=task.source,
        split=request.split,
        languages=tuple(left["language"].unique().sort()),
        corpora=corpora_of(left),
        max_tokens=trained.max_tokens if trained else sharing.MAX_TOKENS,
        inputs_digest=content_digest(frame),
        **chosen.for_languages(left["language"].unique().to_list()).fields,
    )
    return Plan(spec, lambda: {"segments.parquet": frame})


def _training(connection: duckdb.DuckDBPyConnection, run_id: int | None) -> ClassifySpec | None:
    """How a run trained a classifier; None if it is none that did."""
    row = connection.execute("SELECT spec FROM run WHERE run_id = ? AND kind = 'classify'", [run_id]).fetchone()
    spec = read_spec(row[0]) if row else None
    return spec if isinstance(spec, ClassifySpec) else None


def _task(
    connection: duckdb.DuckDBPyConnection, request: Request, model: ModelRef, trained: ClassifySpec | None
) -> StoredTask:
    """What the model tells apart. Raises UsageError if nothing says it, or a request says otherwise."""
    if trained is None and request.task is None:
        raise UsageError(
            f"No run of the store trained {model.name} as a classifier, so its task is not known.",
            "Name the task of a classifier from elsewhere (--task), or train one: mlv compute classify",
        )
    if trained is not None and request.task not in (None, trained.task):
        raise UsageError(f"{model.name} was trained for {trained.task}, not {request.task}.", "Leave --task out.")
    return find_task(connection, trained.task if trained else str(request.task))


def _texts(
    connection: duckdb.DuckDBPyConnection,
    task: StoredTask,
    request: Request,
    chosen: Chosen,
    checkpoint_id: int | None,
) -> pl.DataFrame:
    """The texts of a request, and whether a checkpoint was asked them under the masks of their languages.

    Raises NotFoundError if a language has none.
    """
    values = {
        "source": task.source,
        "edition": request.split,
        "checkpoint": checkpoint_id,
        "masks": json.dumps(chosen.digests()),
        "most": request.most,
    }
    found = frame_of(connection, _TEXTS, values)
    there = found["language"].unique().sort().to_list()
    missing = [code for code in request.asked_languages if code not in there]
    if missing or not there:
        raise NotFoundError(
            f"The store has no text of {task.source} in {joined(missing) or 'any language'}, {request.split}.",
            f"It has {splits_of(connection, task)}. Ingest more, or name a split: --split",
        )
    return in_languages(request.asked_languages, found)


_LOGITS: Final = """
INSERT INTO class_logit
SELECT $run, $checkpoint, g.segment_id, o.class_number, o.logit, o.logprob, m.mask_id
FROM read_parquet($path) o
JOIN v_segment g ON g.source = $source AND g.edition = $edition AND g.language = o.language AND g.position = o.position
LEFT JOIN v_run_mask m ON m.run_id = $run AND m.language = o.language
WHERE NOT EXISTS (
    FROM class_logit k
    WHERE k.checkpoint_id = $checkpoint AND k.segment_id = g.segment_id AND k.mask_id IS NOT DISTINCT FROM m.mask_id
)
ORDER BY g.segment_id, o.class_number
"""

_NOT_FINITE: Final = "SELECT count(*) FROM read_parquet(?) WHERE (isfinite(logit) AND isfinite(logprob)) IS NOT TRUE"

_UNKNOWN: Final = """
SELECT count(*) FROM read_parquet($path) o
ANTI JOIN v_segment g
    ON g.source = $source AND g.edition = $edition AND g.language = o.language AND g.position = o.position
"""


def commit(run: NewRun, spec: PredictSpec) -> dict[str, int]:
    """Enter scores; a text that the checkpoint was asked before, under the same mask, keeps its first ones.

    Raises JobError if texts are not in the store or scores are not finite.
    """
    path = str(output(run.job, "class_logits.parquet"))
    place = {"path": path, "source": spec.source, "edition": spec.split}
    if unknown := number(run.connection, _UNKNOWN, place):
        raise JobError(f"{unknown:,} rows of {path} are of texts that the store lacks.", again(run.job))
    if diverged := number(run.connection, _NOT_FINITE, [path]):
        raise JobError(
            f"{diverged:,} rows of {path} have scores that are NaN or infinite: they would decide classes by chance.",
            "The run that trained the classifier may have diverged: look at its losses.",
        )
    row = pl.DataFrame([{"run_id": run.run_id, "task_id": task_id(run, spec.task)}])
    entered = append(run.connection, "prediction_run", row)
    masks = enter_run_masks(run, spec.masks, spec.subnetworks)
    run.connection.execute(_LOGITS, {**place, "run": run.run_id, "checkpoint": run.examined_id})
    return {"prediction_run": entered, **masks, "class_logit": run.count("class_logit")}


def _units(context: Context, request: Request, training: object) -> int:
    task = getattr(training, "task", request.task) or ""
    return number(
        context.connection,
        "SELECT coalesce(sum(least(n, $most)), 0) FROM (SELECT language, count(*) AS n FROM v_segment "
        "WHERE source = (SELECT any_value(source) FROM v_task WHERE task = $task) AND edition = $edition "
        "AND (len($languages) = 0 OR list_contains($languages, language)) GROUP BY language)",
        {"task": task, "edition": request.split, "languages": list(request.asked_languages), "most": request.most},
    )


COST = Cost(
    unit="texts",
    units=_units,
    measured="SELECT run_id, count(*) AS units FROM class_logit WHERE class_number = 1 GROUP BY run_id",
)
