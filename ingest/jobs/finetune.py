"""Fine-tuning: the sentences of a run leave the store; checkpoints, metrics and examples enter it."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from mlv.ingest.jobs import parallel, request
from mlv.ingest.jobs.parallel import ParallelWith
from mlv.ingest.jobs.planning import Context, Plan
from mlv.ingest.jobs.request import Count, Languages, ModelName, Name, Names, Option
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.jobs.segments import select_articles, select_segments
from mlv.ingest.jobs.trained import MASK, corpora_of, enter_checkpoints, enter_corpora, enter_examples, enter_metrics
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
from mlv.schema.jobs.finetune import SPANS, FinetuneSpec
from mlv.schema.jobs.identity import content_digest
from mlv.schema.jobs.spec import Mask, ModelRef
from mlv.schema.jobs.training import Course, ParameterGroup
from mlv.schema.papers import echoes

LORA: Final[Mapping[str, Any]] = {"lora_alpha": 8.0, "lora_dropout": 0.0, "lora_targets": ("q", "v")}
"""PEFT's own defaults, for a T5 or mT5."""


class Request(request.Request):
    """A fine-tuning run. The defaults are those of Echoes (section 4.2, appendix B)."""

    model: ModelName
    source: Name = Field(description="Source to train on: pbc, ebible, tanzil, flores, news-..., or your own.")
    languages: Annotated[
        Languages,
        Field(min_length=1, description="One language, or several, comma-separated, each of which has every sentence."),
    ]
    parallel_with: ParallelWith = Field(
        (),
        description="Languages that have to have the sentences as well, comma-separated, so that runs in all of them "
        "are on the same; none: any sentences. If not given fa,hi,ko,ru for a run in these, as far as the source has "
        "them; in a study file the languages that it trains in on this source.",
    )
    sentences: int = Field(
        echoes.SENTENCES,
        ge=2,
        lt=2**31,
        description="Sentences in all languages together, of which 80% train (Echoes section 4.2).",
    )
    objective: Literal["span_corruption", "masked_words"] = Field(
        "span_corruption",
        description="span_corruption, of a T5 or mT5; masked_words, of a BERT, RoBERTa, XLM-R or the like.",
    )
    articles: Count | None = Field(
        None,
        description="With masked words: not sentences but so many whole articles of each language, the first, joined "
        "and cut to blocks of the maximal length. All of them train.",
    )
    share: float | None = Field(None, gt=0, le=1, description="Share of the articles that is given, the first.")
    seed: TrainingSeed = 1
    epochs: Count = Field(echoes.EPOCHS, description="Passes over the sentences.")
    batch_size: Count = Field(echoes.BATCH_SIZE, description="Examples of a batch.")
    gradient_accumulation: GradientAccumulation = USUAL.gradient_accumulation
    learning_rate: float = Field(echoes.LEARNING_RATE, gt=0, description="Of AdamW, at its highest.")
    schedule: CourseOfRate = USUAL.schedule
    warmup: Warmup = USUAL.warmup
    weight_decay: WeightDecay = USUAL.weight_decay
    patience: Count | None = Field(
        None,
        description="Ends training when the development loss has not fallen for so many epochs, and makes the epoch "
        "of the lowest loss the run's final checkpoint; if not given, the last of all epochs is.",
    )
    max_tokens: int = Field(256, ge=8, lt=2**31, description="Length at which a sentence is cut off, or of blocks.")
    editions: Annotated[dict[str, str], Option("edition")] = Field(
        {}, description="LANGUAGE=EDITION, if the store has several of a language; may be given repeatedly."
    )
    mask: Mask = Field("anywhere", description=MASK)
    precision: TrainingPrecision = "fp32"
    freeze: tuple[ParameterGroup, ...] = Field(
        (), description="With masked words, parameters that keep their values: embeddings, or none if not given."
    )
    lora: Count | None = Field(
        None, description="Rank of a LoRA adapter that is trained instead of all weights, and merged in checkpoints."
    )
    lora_alpha: float | None = Field(
        None, gt=0, description=f"LoRA's update counts alpha / rank times; with LoRA {LORA['lora_alpha']} if not given."
    )
    lora_dropout: float | None = Field(
        None, ge=0, lt=1, description=f"Dropout before LoRA's matrices; with LoRA {LORA['lora_dropout']} if not given."
    )
    lora_targets: Names | None = Field(
        None, description="Modules that LoRA is added to, comma-separated; with LoRA q,v if not given."
    )

    @model_validator(mode="before")
    @classmethod
    def _lora(cls, given: Any) -> Any:
        """The settings of an adapter where one is asked for."""
        if not isinstance(given, Mapping):
            return given
        chosen = {name: value for name, value in given.items() if value is not None}
        if "lora" in chosen:
            return {**LORA, **chosen}
        astray = [name for name in LORA if name in chosen]
        if astray:
            raise ValueError(f"{', '.join(astray)}: of an adapter, which is asked for by its rank (lora)")
        return chosen

    @property
    def training_examples(self) -> int:
        """Sentences of the training split, about; of articles their number."""
        if self.articles:
            return max(1, round(self.articles * (self.share or 1))) * len(self.languages)
        return round(self.sentences * (1 - echoes.DEVELOPMENT_SHARE))

    @property
    def trained_on(self) -> Languages:
        """The languages."""
        return self.languages

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.objective == "masked_words":
            faults: tuple[tuple[object, str], ...] = (
                (self.mask != "anywhere", "mask: of span corruption, which masked words are not"),
                (
                    self.lora,
                    "lora: of span corruption; masked words train all weights, or all but embeddings (freeze)",
                ),
                (self.articles and self.patience, "patience watches development sentences, and articles all train"),
                (self.articles and self.parallel_with, "parallel_with: of sentences, and whole articles are asked for"),
                (self.share and not self.articles, "share: of articles; say how many there are (articles)"),
            )
        else:
            faults = (
                (self.articles or self.share, "articles and share: of masked words (objective masked_words)"),
                (self.freeze, "freeze: of masked words (objective masked_words)"),
            )
        for wrong, fault in faults:
            if wrong:
                raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _watches(self) -> Self:
        """A loss for the patience to watch."""
        each = self.sentences // len(self.languages)
        if self.patience and not self.articles and not round(each * echoes.DEVELOPMENT_SHARE):
            raise ValueError(
                f"patience watches the loss of development sentences, and of {each} in a language none is one. "
                "Give more sentences, or no patience"
            )
        return self

    @model_validator(mode="after")
    def _divides(self) -> Self:
        each = len(self.languages)
        if not self.articles and self.sentences % each:
            fitting = max(1, round(self.sentences / each)) * each
            raise ValueError(
                f"{self.sentences:,} sentences do not divide into {each} languages. Each gets as many: {fitting:,}"
            )
        return self


def plan(context: Context, request: Request) -> Plan:
    """Plan a fine-tuning run.

    Raises NotFoundError or DataError if the store lacks the corpus or enough (multi-parallel) sentences.
    """
    model = context.find_model(request.model)
    # which examples it is given is the same for every model, and takes a while to find out
    key = ("finetune", request.model_copy(update={"model": "", "editions": tuple(sorted(request.editions.items()))}))
    spec = context.once(key, lambda: _spec(context, request))
    spec = spec.model_copy(update={"model": model})
    return Plan(spec, lambda: {"examples.parquet": _examples(_segments(context, request, spec.parallel_with), spec)})


def _segments(context: Context, request: Request, together: tuple[str, ...] | None) -> pl.DataFrame:
    """The sentences of a run; ``together`` have them all."""
    editions = dict(request.editions)
    if request.articles:
        segments = select_articles(
            context.connection, request.source, request.languages, request.articles, request.share or 1.0, editions
        )
    else:
        segments = select_segments(
            context.connection, request.source, request.languages, request.sentences, editions, together or ()
        )
    return segments.with_columns(source=pl.lit(request.source))


def _spec(context: Context, request: Request) -> FinetuneSpec:
    """The specification but for its model."""
    together = None if request.articles else _together(context, request)
    segments = _segments(context, request, together)
    settings = request.model_dump(exclude={"model", "sentences", "editions", "parallel_with"})
    spec = FinetuneSpec(
        model=ModelRef(name="", digest=""),
        sentences=segments.height,
        parallel_with=together,
        corpora=corpora_of(segments),
        inputs_digest="",
        **_recorded(settings),
        **({"development_share": 0.0} if request.articles else {}),
    )
    return spec.model_copy(update={"inputs_digest": content_digest(_examples(segments, spec))})


def _together(context: Context, request: Request) -> tuple[str, ...] | None:
    asked = request.parallel_with or parallel.in_store(context.connection, request.source, request.languages)
    return parallel.together(request.languages, asked)


def _recorded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a specification has them: None for what is as usual, and for what the objective does without."""
    without = SPANS if settings["objective"] == "masked_words" else frozenset[str]()
    kept = {name: None if name in without else value for name, value in settings.items()}
    return recorded(kept, {**Course()._asdict(), "freeze": ()})


def in_study(jobs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The settings of jobs, with those whose default hangs on what else a study trains; of articles none does."""
    usual = iter(parallel.in_study([job for job in jobs if not job.get("articles")]))
    own = [() if job.get("articles") else next(usual) for job in jobs]
    return [{**job, "parallel_with": job["parallel_with"] or beside} for job, beside in zip(jobs, own, strict=True)]


def _examples(segments: pl.DataFrame, spec: FinetuneSpec) -> pl.DataFrame:
    """Number the examples and draw the development split by parallel key.

    A sentence and its translations land on the same side: a development sentence was not seen in any language. The
    draw is by hashes, so that it is the same with every version of every library.
    """
    keys = segments["parallel_key"].unique(maintain_order=True).to_list()
    drawn = sorted(keys, key=lambda key: hashlib.sha256(f"{spec.seed} {key}".encode()).digest())
    development = drawn[: round(len(keys) * spec.development_share)]
    return segments.rename({"position": "segment_position"}).select(
        pl.int_range(pl.len()).alias("position"),
        pl.when(pl.col("parallel_key").is_in(development))
        .then(pl.lit("development"))
        .otherwise(pl.lit("train"))
        .alias("split"),
        *("source", "language", "edition", "segment_position", "parallel_key", "text"),
    )


def commit(run: NewRun, spec: FinetuneSpec) -> dict[str, int]:
    """Enter metrics, corpora, checkpoints and examples of a run. Raises JobError as all commits do."""
    return {
        "metric": enter_metrics(run),
        "run_corpus": enter_corpora(run, spec.corpora),
        "checkpoint": enter_checkpoints(run),
        "training_example": enter_examples(run, spec.inputs_digest),
    }


def _settings(request: Request) -> dict[str, Any]:
    return _recorded({**request.model_dump(mode="json"), "freeze": list(request.freeze) or ()})


COST = training_cost(FinetuneSpec, _settings, {"parallel_with", *SPANS, "development_share"})
