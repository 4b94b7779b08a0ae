"""Validation: what is to be retrained leaves the store; how well attributions predict what comes of it enters it."""

from pathlib import Path
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import AfterValidator, Field, field_validator, model_validator

from mlv.ingest.jobs import request, traced_probes, traced_texts
from mlv.ingest.jobs.attributions import named_all
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.loading import load, load_of_targets, scored_examples, traced_run_id
from mlv.ingest.jobs.planning import Context, NothingToDoError, Plan
from mlv.ingest.jobs.request import Count, Names, Option, ProbeSet, TestLanguages, each_once
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.jobs.tracing import (
    Targets,
    Traced,
    find_traced,
    in_languages,
    in_turn,
    misplaced,
    tracing_inputs,
    trained_alone,
)
from mlv.ingest.jobs.training import Training
from mlv.schema.errors import NotFoundError, UsageError
from mlv.schema.jobs.spec import Seed
from mlv.schema.jobs.tracing import Quantity
from mlv.schema.jobs.validate import REMOVAL_DRAWS, REMOVAL_K, SMOKE_TEST, ValidateSpec
from mlv.schema.store.rows import append

DRAWN = 104
"""Probes or texts of a validation unless another number is given: eight in each of the papers' 13 languages."""


class Request(request.Request):
    """Which run is retrained on parts of its examples, and which attributions should predict what comes of it."""

    run: Annotated[str, Option(argument=True)] = Field(
        min_length=1, description="A fine-tuning run's name, or the beginning of it."
    )
    attributions: Annotated[Names, Option("attribution", repeated=True)] = Field(
        ("default",),
        min_length=1,
        description="default, exact, echoes, languages, or METHOD-PROJECTION-DIMENSIONS, e.g. trak-random-32, "
        "trak-exact, tracin-cosine-principal-16; settings may follow, as in 'trak-principal-16 kernel=joint "
        "damping=0.1'; repeatable. The removal test takes the first.",
    )
    targets: Literal["random", "shifted", "all", "correct"] = Field(
        "random",
        description="random: drawn without looking at any answer, of all test languages alike; of probes shifted or "
        "all; of a classifier correct: drawn of the texts that it has right. What principal directions are learnt from "
        "is never among them.",
    )
    most: Count | None = Field(None, description=f"How many are drawn; {DRAWN} if not given.")
    languages: TestLanguages = ()
    quantities: Annotated[tuple[Quantity, ...], AfterValidator(each_once), Option("trace")] = Field(
        (),
        description="What is traced, comma-separated: answer, margin, shift, as compute influence has them; if not "
        "given shift,answer. The same retrained models serve all; the removal test takes the first. Of a classifier it "
        "is label.",
    )
    halves: int = Field(
        64,
        ge=0,
        lt=2**31,
        description="Models trained on random halves of the examples, with the run's seed; "
        f"{SMOKE_TEST} or fewer are a smoke test.",
    )
    other_seed_halves: int = Field(
        64, ge=0, lt=2**31, description="The same, each with a seed of its own: whether scores say what data do."
    )
    without_language: int = Field(
        8,
        ge=0,
        lt=2**31,
        description="Models trained without each of the run's languages, if it has several: whether what is said of "
        "languages is so.",
    )
    removal_targets: int = Field(
        30, ge=0, lt=2**31, description="Probes of the removal test; each takes two models for every k and seed."
    )
    removal_seeds: Count = Field(1, description="Seeds of the removal test's models, the run's own first.")
    removal_k: Annotated[tuple[Count, ...], Option("k")] = Field(
        REMOVAL_K, description="How many of the most influential examples are left out, comma-separated."
    )
    probe_set: ProbeSet = None
    split: traced_texts.TextSplit = None
    allow_seen: traced_texts.AllowSeen = False
    seed: Seed = Field(0, description="Seed of everything random.")

    @field_validator("attributions")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        named_all(names, 0)
        return names

    @field_validator("halves", "other_seed_halves")
    @classmethod
    def _can_be_ranked(cls, halves: int) -> int:
        if halves == 1:
            raise ValueError("A rank correlation needs 2 models or more, and 0 leaves them out.")
        return halves

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.targets in ("shifted", "all") and self.most is not None:
            raise ValueError(f"Most is how many are drawn, and targets is {self.targets}: leave one out.")
        return self

    def retrainings(self, languages: int) -> int:
        """Models that are trained of a run in so many languages, its own among them."""
        removals = 1
        if self.removal_targets:
            removals = self.removal_seeds * (1 + len(set(self.removal_k)) * (2 * self.removal_targets + REMOVAL_DRAWS))
        without = languages * self.without_language if languages > 1 else 0
        return self.halves + self.other_seed_halves + without + removals


def plan(context: Context, request: Request) -> Plan:
    """Plan the retraining of a run without parts of its examples. Raises as the planning of an influence job does.

    Targets come in an order that is drawn, since the removal test takes the first of them.
    """
    traced = find_traced(context, request.run)
    if faults := _misplaced(request, traced):
        raise UsageError(*faults)
    chosen = (_texts if traced.is_classifier else _probes)(context, request, traced)
    _check_start(context, traced)
    if request.retrainings(len(traced.spec.languages)) == 1:
        raise UsageError(
            "There is nothing to retrain: give halves, other-seed halves or removal targets, or of a run in several "
            "languages models without one."
        )
    spec = ValidateSpec(
        model=traced.last_checkpoint,
        training=traced.spec,
        checkpoints=tuple(traced.checkpoints.values()),
        attributions=tuple(
            dict.fromkeys(trained_alone(traced, each) for each in named_all(request.attributions, request.seed))
        ),
        **chosen.fields,
        quantities=("label",) if traced.is_classifier else request.quantities or ("shift", "answer"),
        halves=request.halves,
        other_seed_halves=request.other_seed_halves,
        without_language=request.without_language if len(traced.spec.languages) > 1 else 0,
        removal_targets=request.removal_targets,
        removal_seeds=request.removal_seeds,
        removal_k=tuple(sorted(set(request.removal_k))),
        seed=request.seed,
    )
    return Plan(spec, lambda: tracing_inputs(context, traced, spec, chosen))


def _misplaced(request: Request, traced: Traced) -> list[str]:
    """Settings that are about targets of another kind."""
    of_probes = {
        f"targets {request.targets}": request.targets in ("shifted", "all"),
        "quantities": set(request.quantities) - {"label"},
        "probe set": request.probe_set,
    }
    of_texts = {
        "targets correct": request.targets == "correct",
        "quantity label": "label" in request.quantities,
        "split": request.split,
        "allow seen": request.allow_seen,
    }
    return misplaced(traced, of_probes, of_texts)


def _probes(context: Context, request: Request, traced: Traced) -> Targets:
    """The probes of a validation, in an order that does not depend on any result."""
    probes = traced_probes.find_probes(context, traced, request.probe_set, request.languages)
    answered = traced_probes.answered_probes(traced, request.languages, probes)
    reference = traced_probes.reference_probes(answered)
    offered = _held_out(answered, reference, request, "Probe more questions or languages: mlv compute probe")
    kept = traced_probes.shifted_probes(offered, traced) if request.targets == "shifted" else offered
    return traced_probes.as_targets(_drawn(kept, request), reference)


def _texts(context: Context, request: Request, traced: Traced) -> Targets:
    """The labelled texts of a validation, in an order that does not depend on any result."""
    texts = traced_texts.predicted_texts(context, traced, request.split, request.languages)
    reference = traced_texts.reference_texts(texts)
    kept = texts.filter("correct") if request.targets == "correct" else texts
    offered = _held_out(kept, reference, request, "Ask it more texts or languages: mlv compute predict")
    chosen = _drawn(offered, request)
    if not request.allow_seen:
        traced_texts.check_unseen(context, traced, chosen)
    return traced_texts.as_targets(chosen, reference)


def _held_out(answered: pl.DataFrame, reference: pl.DataFrame, request: Request, hint: str) -> pl.DataFrame:
    """Those that no directions are learnt from. Raises NothingToDoError if there is none in a request's languages."""
    others = answered.join(reference, on=["language", "question"], how="anti", maintain_order="left")
    offered = in_languages(request.languages, others)
    if offered.is_empty():
        raise NothingToDoError(
            f"{request.run} answered too few to learn directions from some and validate with others.", hint
        )
    return offered


def _drawn(offered: pl.DataFrame, request: Request) -> pl.DataFrame:
    """What a request draws, of one language after another in turn."""
    drawn = in_turn(offered, str(request.seed))
    return drawn if request.targets in ("shifted", "all") else drawn.head(request.most or DRAWN)


def _check_start(context: Context, traced: Traced) -> None:
    """Raise NotFoundError if the model that a run started from is gone."""
    folder = traced.spec.model.path
    if not folder or not Path(folder).is_dir():
        raise NotFoundError(
            f"{traced.name} cannot be trained again: {traced.spec.model.name} is not at {folder or 'hand'}.",
            f"Put it back, or set model_paths in {context.jobs / traced.name / 'provenance.json'} to where it is.",
        )


_RESULTS = """
        INSERT INTO validation_result
        SELECT $run, o.test, o.quantity, o.scores, i.probe_id, i.segment_id, o.seeds, o.seed, o.direction, o.k, o.draw,
               o.n, o.value, o.reference
        FROM read_parquet($path) o
        JOIN _items i USING (language, question)
    """

_LDS = """
        INSERT INTO validation_lds
        SELECT $run, o.test, o.quantity, o.scores, o.seeds, o.targets, o.draws, o.n, o.lds, o.lds_low, o.lds_high,
               o.difference, o.difference_low, o.difference_high, o.null_mean, o.null_sd
        FROM read_parquet($path) o
    """


def commit(run: NewRun, spec: ValidateSpec) -> dict[str, int]:
    """Enter how well scores predict. Raises JobError as the commit of an influence job does."""
    row = {
        "run_id": run.run_id,
        "traced_run_id": traced_run_id(run, spec),
        "quantities": ",".join(spec.quantities),
        "checkpoints": len(spec.checkpoints),
        "examples": scored_examples(run),
    }
    own = {"run": run.run_id}
    return {
        "validation_run": append(run.connection, "validation_run", pl.DataFrame([row])),
        "validation_lds": load(run, "lds", _LDS, own),
        "validation_result": load_of_targets(run, spec, "validation", _RESULTS, own),
    }


def _units(context: Context, request: Request, training: object) -> int:
    traced = training if isinstance(training, Training) else find_traced(context, request.run)
    return traced.training_examples * traced.epochs * request.retrainings(len(traced.trained_on))


COST = Cost(
    unit="training examples x epochs x retrainings",
    units=_units,
    measured="""
        SELECT i.run_id, any_value(i.examples * regexp_extract(r.spec ->> '$.model.name', '(\\d+)$', 1)::BIGINT)
                   * count(*) AS units
        FROM validation_run i JOIN run r USING (run_id) JOIN run_event e USING (run_id)
        WHERE e.event = 'retraining' GROUP BY i.run_id
    """,
)
