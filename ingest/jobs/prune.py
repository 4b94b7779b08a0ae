"""Pruning: a classifier's examples in a language leave the store; the subnetwork that they need enters it."""

from typing import Annotated, Final, cast

import polars as pl
from pydantic import AfterValidator, Field

from mlv.ingest.jobs import request
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.loading import load
from mlv.ingest.jobs.lookup import check_folder, find_run
from mlv.ingest.jobs.outputs import again, count_in, output, share_in
from mlv.ingest.jobs.planning import Context, Plan
from mlv.ingest.jobs.request import Count, Option, language_code
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.jobs.tasks import task_id
from mlv.ingest.jobs.tracing import Traced, examples_of, find_traced
from mlv.ingest.jobs.training import Training
from mlv.ingest.writing.subnetworks import enter_subnetwork
from mlv.schema.errors import DataError, JobError, UsageError, joined
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.identity import content_digest, job_name
from mlv.schema.jobs.masks import Mask, Subnetwork
from mlv.schema.jobs.parquet import read_parquet
from mlv.schema.jobs.prune import Importance, Normalise, PruneSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.papers import modularity
from mlv.schema.store.rows import append


class Request(request.Request):
    """A language whose subnetwork is looked for in a classifier. The defaults are those of the dissertation's chapter
    on modularity (section 5.3.1), by its section 4.4.3.1."""

    run: Annotated[str, Option(argument=True)] = Field(
        min_length=1, description="A classifier's run, or the beginning of its name."
    )
    language: Annotated[str, AfterValidator(language_code)] | None = Field(
        None, description="Language of the examples; not needed where the run was trained on one alone."
    )
    checkpoint: Count | None = Field(None, description="Epoch whose checkpoint is pruned; the final one if not given.")
    step: float = Field(
        modularity.STEP, gt=0, lt=1, description="Share of all attention heads that is disabled at a time."
    )
    threshold: float = Field(
        modularity.THRESHOLD,
        gt=0,
        le=1,
        description="Share of the accuracy with all heads that has to be kept, on the development examples.",
    )
    importance: Importance = Field(
        "example", description="Of what the absolute derivative is the mean: of each example's loss, or of a batch's."
    )
    normalise: Normalise = Field(
        "none", description="layer: importances of a layer are divided by their root sum of squares."
    )
    max_examples: Count | None = Field(
        None, description="Training examples that importance is estimated on, the first; all if not given."
    )
    anyway: bool = Field(
        False, description="Prune also a classifier that tells no better than by its most frequent class."
    )


def plan(context: Context, request: Request) -> Plan:
    """Plan the pruning of a classifier.

    Raises NotFoundError if the run, its checkpoint or its examples are not there, UsageError if it is no classifier or
    was not trained on the language, DataError if its examples have changed or there are none to measure accuracy on.
    """
    training, traced = _classifier(context, request.run)
    language = _language(traced, request.language)
    model = _checkpoint(traced, request.checkpoint)
    check_folder(model)
    examples = context.once(("prune", traced.name, language), lambda: _examples(context, traced, language))
    spec = PruneSpec(
        model=model,
        training=training,
        language=language,
        development=tuple(corpus for corpus in training.development if corpus.language == language),
        step=request.step,
        threshold=request.threshold,
        importance=request.importance,
        normalise=request.normalise,
        max_examples=request.max_examples,
        anyway=request.anyway or None,
        inputs_digest=content_digest(examples),
    )
    return Plan(spec, lambda: {"examples.parquet": examples})


def _classifier(context: Context, name: str) -> tuple[ClassifySpec, Traced]:
    """A run of the store that trained a classifier. Raises UsageError for a run of another kind."""
    run_id, full = find_run(context.connection, name)
    ((kind,),) = context.connection.execute("SELECT kind FROM run WHERE run_id = ?", [run_id]).fetchall()
    if kind != "classify":
        raise UsageError(
            f"{full} is a {kind} run; what can be pruned is a classifier.", "See which there are: mlv runs list"
        )
    traced = find_traced(context, full)
    return cast(ClassifySpec, traced.spec), traced


def _language(traced: Traced, wanted: str | None) -> str:
    """The language of the examples. Raises UsageError where the run has not it, or several and none is named."""
    languages = traced.trained_on
    if wanted is None and len(languages) == 1:
        return languages[0]
    if wanted is None:
        raise UsageError(
            f"{traced.name} was trained on {joined(languages)}.", "Say whose subnetwork is wanted: --language"
        )
    if wanted not in languages:
        raise UsageError(
            f"{traced.name} was not trained on {wanted}, but on {joined(languages)}.", "Name one of these: --language"
        )
    return wanted


def _checkpoint(traced: Traced, epoch: int | None) -> ModelRef:
    if epoch is None:
        return traced.last_checkpoint
    if epoch not in traced.checkpoints:
        raise UsageError(
            f"{traced.name} has no epoch {epoch}; it has {joined(map(str, traced.checkpoints))}.",
            "Name one of these: --checkpoint",
        )
    return traced.checkpoints[epoch]


def _examples(context: Context, traced: Traced, language: str) -> pl.DataFrame:
    """The run's examples in a language, of both splits. Raises DataError if a split has none."""
    examples = read_parquet(examples_of(context, traced)).filter(language=language)
    for split in ("train", "development"):
        if examples.filter(split=split).is_empty():
            raise DataError(
                f"{traced.name} has no {split} examples in {language}.", "Train one that has: mlv compute classify"
            )
    return examples


_STEPS: Final = """
INSERT INTO pruning_step SELECT $run, iteration, enabled, score, kept FROM read_parquet($path)
"""

_IMPORTANCES: Final = """
INSERT INTO head_importance
SELECT $run, iteration, layer, attention_head, importance, disabled FROM read_parquet($path)
"""


def commit(run: NewRun, spec: PruneSpec) -> dict[str, int]:
    """Enter the subnetwork, the iterations that found it, and how important heads were.

    Raises JobError if an output is missing or does not fit the store: that iterations and importances lead to the
    subnetwork is a rule of it.
    """
    output(run.job, "run.json")
    ids = run.connection.execute('SELECT language_id FROM "language" WHERE code = ?', [spec.language]).fetchone()
    if ids is None:
        raise JobError(f"{run.job.path.name} is about {spec.language}, which the store does not know.")
    row = {
        "run_id": run.run_id,
        "task_id": task_id(run, spec.training.task),
        "language_id": ids[0],
        "examples": count_in(run.job, "run.json", "examples"),
        "development_examples": count_in(run.job, "run.json", "development_examples"),
        "score_before": share_in(run.job, "run.json", "score_before"),
    }
    rows = {
        "pruning_run": append(run.connection, "pruning_run", pl.DataFrame([row])),
        "pruning_step": load(run, "steps", _STEPS, {"run": run.run_id}),
        "head_importance": load(run, "importance", _IMPORTANCES, {"run": run.run_id}),
    }
    found = Subnetwork(name=job_name(spec), mask=_mask(run, spec), origin="pruned")
    enter_subnetwork(run.connection, found, run.run_id, int(ids[0]))
    return rows | {"subnetwork": 1}


def _mask(run: NewRun, spec: PruneSpec) -> Mask:
    """The mask that was found. Raises JobError where there is not one, of the language, whose bits fit its shape."""
    path = output(run.job, "masks.parquet")
    rows = frame_of(run.connection, "SELECT language, layers, heads, bits FROM read_parquet(?)", [str(path)]).rows()
    try:
        ((language, layers, heads, bits),) = rows
        mask = Mask(layers=layers, heads=heads, bits=bits)
    except ValueError as error:
        raise JobError(f"{path} does not hold one mask: {str(error).splitlines()[0]}.", again(run.job)) from error
    if language != spec.language:
        raise JobError(f"{path} is about {language}, not {spec.language}.", again(run.job))
    return mask


def _iterations(step: float) -> int:
    """Iterations until no head is left, at most."""
    return round(1 / step)


def _units(context: Context, request: Request, training: object) -> int:
    pruned = training if isinstance(training, Training) else find_traced(context, request.run)
    examples = pruned.training_examples // len(pruned.trained_on)
    return min(examples, request.max_examples or examples) * _iterations(request.step)


COST = Cost(
    unit="training examples x iterations",
    units=_units,
    measured="SELECT run_id, any_value(examples) * count(*) AS units FROM pruning_run JOIN pruning_step USING (run_id) "
    "GROUP BY run_id",
)
