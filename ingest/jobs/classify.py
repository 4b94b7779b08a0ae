"""Classifiers: labelled texts leave the store; checkpoints, metrics and what was trained on enter it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from mlv.ingest.jobs import request
from mlv.ingest.jobs.composition import Composition, check_classes, compose, offered
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
from mlv.ingest.jobs.planning import Context, Plan
from mlv.ingest.jobs.request import Count, Languages, ModelName, Name, Option, language_code
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.jobs.tasks import StoredTask, find_task, task_id
from mlv.ingest.jobs.trained import corpora_of, enter_checkpoints, enter_corpora, enter_examples, enter_metrics
from mlv.ingest.jobs.training import (
    USUAL,
    CourseOfRate,
    GradientAccumulation,
    TrainingPrecision,
    TrainingSeed,
    Warmup,
    WeightDecay,
    recorded,
    training_cost,
)
from mlv.schema.errors import DataError, NotFoundError, joined
from mlv.schema.jobs.classify import COMPOSITION, MASKS, ClassifySpec, Draw
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.masks import Updates
from mlv.schema.jobs.spec import ModelRef, Seed
from mlv.schema.jobs.training import Course, ParameterGroup
from mlv.schema.papers import sharing
from mlv.schema.store.rows import append

DEVELOPMENT: Final = "dev"
"""Edition of development examples if none is named and the store has it."""

_OF_MASKS: Final = frozenset({"masks", "combine", "shuffle", "allow_empty", "unmasked"})
"""Settings that come to the masks of a specification."""

DEVELOPMENT_SHARE: Final = 0.1
"""How many development examples there are beside the training examples, where no edition has any."""


class Request(request.Request):
    """A classifier. The defaults are the paper's (Choenni, Garrette and Shutova 2023, sections 3 and 4.1)."""

    model: ModelName
    task: Name = Field(description="What is told apart: xnli-entailment, pawsx-paraphrase, ..., or your own.")
    languages: Annotated[
        Languages, Field(min_length=1, description="Languages that have the examples, comma-separated.")
    ]
    split: Name = Field("train", description="Edition of the texts that examples are taken from.")
    examples: Count = Field(
        sharing.EXAMPLES,
        description="Examples of each language; of texts that are translations of each other the same ones.",
    )
    seed: TrainingSeed = 1
    draw: Literal["random", "first"] = Field(
        "random", description="random: drawn by the draw seed; first: of the file."
    )
    draw_seed: Seed = Field(1, description="Seed of the draw, whatever the seed of the training.")
    balanced: bool = Field(False, description="Take as many examples of each class; if not as they come.")
    left_out: Annotated[Languages, Option("leave-out")] = Field(
        (), description="Of these languages those that are not trained on (zero-shot), comma-separated."
    )
    added: Annotated[dict[str, Count], Option("add", repeated=True)] = Field(
        {}, description="LANGUAGE=PERCENT: how many more examples of one language there are, e.g. ko=50."
    )
    development: Name | None = Field(
        None,
        description="Edition of the development examples; if not given dev, or where the store has none a tenth as "
        "many examples as are trained on, drawn beside these.",
    )
    development_examples: Count | None = Field(
        None, description="Development examples of each language; all if not given."
    )
    epochs: Count = Field(sharing.EPOCHS, description="Most passes over the examples.")
    patience: int = Field(
        sharing.PATIENCE,
        ge=0,
        lt=2**31,
        description="Ends training when the accuracy on development examples has not risen for so many epochs, and "
        "makes the best epoch the run's final checkpoint; 0: all epochs, and the last.",
    )
    batch_size: Count = Field(sharing.BATCH_SIZE, description="Examples of a batch.")
    gradient_accumulation: GradientAccumulation = USUAL.gradient_accumulation
    learning_rate: float = Field(sharing.LEARNING_RATE, gt=0, description="Of AdamW, at its highest.")
    schedule: CourseOfRate = USUAL.schedule
    warmup: Warmup = USUAL.warmup
    weight_decay: WeightDecay = USUAL.weight_decay
    precision: TrainingPrecision = "fp32"
    max_tokens: int = Field(
        sharing.MAX_TOKENS, ge=8, lt=2**31, description="Length at which a text or pair is cut off, in tokens."
    )
    freeze: tuple[ParameterGroup, ...] = Field(
        (), description="Parameters that keep their pretrained values: embeddings, or none if not given."
    )
    masks: Masks = Field({})
    combine: Combine = None
    shuffle: Shuffle = None
    allow_empty: AllowEmpty = False
    unmasked: Annotated[Languages, Option("unmasked-language")] = Field(
        (), description="Languages that train all heads while others have masks, comma-separated."
    )
    updates: Updates | None = Field(
        None,
        description="With masks, what a batch changes: gradient (if not given), what the optimizer makes of gradients "
        "that are 0 for disabled heads; strict, nothing of these.",
    )

    @model_validator(mode="before")
    @classmethod
    def _codes(cls, given: Any) -> Any:
        """Codes of the languages that examples are added of."""
        if isinstance(given, Mapping) and isinstance(given.get("added"), Mapping):
            return {**given, "added": {language_code(name): much for name, much in given["added"].items()}}
        return given

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if astray := sorted(set(self.left_out) - set(self.languages)):
            raise ValueError(
                f"{', '.join(astray)} is left out, and is none of the languages {', '.join(self.languages)}"
            )
        if not self.trained_on:
            raise ValueError("No language is left to train on: leave out fewer")
        if len(self.added) > 1:
            raise ValueError("Examples are added of one language at a time")
        if astray := sorted(set(self.added) - set(self.trained_on)):
            raise ValueError(f"Examples of {', '.join(astray)} are added, which is not trained on")
        if not self.masks and (self.updates or self.unmasked):
            raise ValueError("There are no masks: updates and unmasked languages belong to them")
        check_masks(self)
        return self

    @property
    def training_examples(self) -> int:
        """Examples of the training split."""
        return self.examples * len(self.trained_on) + self.composition.added

    @property
    def trained_on(self) -> Languages:
        """The languages that are not left out."""
        return tuple(code for code in self.languages if code not in self.left_out)

    @property
    def composition(self) -> Composition:
        """Which examples it is about."""
        ((language, percent),) = self.added.items() or ((None, 0),)
        return Composition(
            self.languages,
            self.examples,
            self.left_out,
            language,
            percent,
            self.draw == "first",
            self.balanced,
            self.draw_seed,
        )


def plan(context: Context, request: Request) -> Plan:
    """Plan the training of a classifier.

    Raises NotFoundError or DataError if the store lacks the task, its texts or enough of them, or a subnetwork;
    UsageError if masks do not fit the model or the languages.
    """
    model = context.find_model(request.model)
    task = find_task(context.connection, request.task)
    of_examples = request.model_dump_json(exclude={"model", "updates", *_OF_MASKS})
    examples = context.once(("classify", of_examples), lambda: _examples(context, request, task))
    chosen = choose(context, request, model)
    if chosen.names:
        check_languages(chosen.names, request.trained_on, "what is trained on are", request.unmasked)
    spec = _spec(request, model, task, examples, chosen)
    return Plan(spec, lambda: {"examples.parquet": examples.drop("corpus_sha256")})


def _examples(context: Context, request: Request, task: StoredTask) -> pl.DataFrame:
    """Training and development examples, numbered: the columns of ``inputs/examples.parquet`` and corpus_sha256."""
    texts = offered(context.connection, task, request.split, request.languages)
    train = compose(texts, request.composition)
    check_classes(train, len(task.classes))
    development = _development(context, request, task, texts, train)
    parts = [part.with_columns(split=pl.lit(name)) for part, name in ((train, "train"), (development, "development"))]
    return (
        pl.concat(parts)
        .rename({"position": "segment_position"})
        .select(
            pl.int_range(pl.len()).alias("position"),
            *("split", "source", "language", "edition", "segment_position", "parallel_key"),
            *("text", "text_pair", "class_number", "corpus_sha256"),
        )
    )


def _development(
    context: Context, request: Request, task: StoredTask, texts: pl.DataFrame, train: pl.DataFrame
) -> pl.DataFrame:
    """Development examples in the languages that are trained on, drawn as the others are; of a split of their own all,
    of the training's those that are left, a part."""
    languages = request.trained_on
    others, most = _development_split(context, request, task), request.development_examples
    if others is None:
        others = texts.filter(pl.col("language").is_in(list(languages))).join(train, on="parallel_key", how="anti")
        most = most or max(1, round(request.examples * DEVELOPMENT_SHARE))
    found = min(others.group_by("language").len()["len"].to_list(), default=0)
    if not found:
        raise DataError(
            f"{request.split} has no example in {joined(languages)} beside those that are trained on.",
            "Ingest a development split, or take fewer examples (--examples).",
        )
    if most is None or most >= found:
        return others
    drawn = Composition(languages, most, first=request.draw == "first", seed=request.draw_seed)
    return compose(others, drawn)


def _development_split(context: Context, request: Request, task: StoredTask) -> pl.DataFrame | None:
    """The texts of the development split; None where none is named and the store has none but the training's."""
    edition = request.development or DEVELOPMENT
    if edition == request.split:
        return None
    try:
        return offered(context.connection, task, edition, request.trained_on)
    except NotFoundError:
        if request.development:
            raise
        return None


def _spec(request: Request, model: ModelRef, task: StoredTask, examples: pl.DataFrame, chosen: Chosen) -> ClassifySpec:
    train, development = (examples.filter(split=name) for name in ("train", "development"))
    return ClassifySpec(
        model=model,
        source=task.source,
        languages=request.trained_on,
        corpora=corpora_of(train),
        development=corpora_of(development),
        classes=task.classes,
        inputs_digest=content_digest(examples.drop("corpus_sha256")),
        **_settings(request),
        **chosen.fields,
    )


def _settings(request: Request, mode: Literal["python", "json"] = "python") -> dict[str, Any]:
    """Settings as a specification has them."""
    elsewhere = {"model", "languages", "split", "development", "development_examples", "added", *_OF_MASKS}
    composition = request.composition
    added = {"added_language": composition.added_language, "added_percent": composition.added_percent}
    usual = {**Course()._asdict(), **Draw()._asdict(), "patience": 0, "added_percent": 0}
    given = {
        name: value or None for name, value in request.model_dump(mode=mode, include={"left_out", "freeze"}).items()
    }
    updates = {"updates": (request.updates or "gradient") if request.masks else None}
    return recorded({**request.model_dump(mode=mode, exclude=elsewhere), **given, **added, **updates}, usual)


def commit(run: NewRun, spec: ClassifySpec) -> dict[str, int]:
    """Enter metrics, corpora, checkpoints and examples of a run. Raises JobError as all commits do."""
    added = run.connection.execute(
        'SELECT language_id FROM "language" WHERE code = ?', [spec.added_language]
    ).fetchone()
    row = {
        "run_id": run.run_id,
        "task_id": task_id(run, spec.task),
        "examples": spec.examples,
        "left_out": ",".join(spec.left_out) if spec.left_out else None,
        "added_language_id": added[0] if added else None,
        "added_percent": spec.added_percent,
    }
    types = {"left_out": pl.String, "added_language_id": pl.Int32, "added_percent": pl.Int32}
    return {
        "metric": enter_metrics(run),
        "run_corpus": enter_corpora(run, spec.corpora),
        "checkpoint": enter_checkpoints(run),
        "training_example": enter_examples(run, spec.inputs_digest),
        **enter_run_masks(run, spec.masks, spec.subnetworks),
        "classification_run": append(run.connection, "classification_run", pl.DataFrame([row], schema_overrides=types)),
    }


COST = training_cost(
    ClassifySpec, lambda request: _settings(request, mode="json"), {"draw_seed", *COMPOSITION, *MASKS} - {"freeze"}
)
