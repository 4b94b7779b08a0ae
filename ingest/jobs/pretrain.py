"""Pretraining: corpora leave the store; the model that is made of them enters it."""

from typing import Annotated, Literal, Self

import polars as pl
from pydantic import Field, model_validator

from mlv.ingest.jobs import request
from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.planning import Context, Plan
from mlv.ingest.jobs.request import Count, Languages, Name, Names, Option
from mlv.ingest.jobs.runs import NewRun
from mlv.ingest.jobs.trained import MASK, corpora_of, enter_checkpoints, enter_corpora, enter_metrics
from mlv.ingest.readers.report import check_name
from mlv.schema.errors import NotFoundError, UsageError
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.identity import content_digest, spec_hash
from mlv.schema.jobs.pretrain import PRESETS, PretrainSpec, check_settings
from mlv.schema.jobs.spec import Mask, Precision, Seed
from mlv.schema.store.rows import number


class Request(request.Request):
    """A tokenizer and a small mT5, XLM-R or Llama, trained from the store's corpora."""

    name: Name = Field(description="What the model is called in the store.")
    preset: Literal["nano", "tiny", "small", "nano-encoder", "tiny-encoder", "nano-decoder"] = Field(
        "nano",
        description="Architecture and training: nano, tiny and small are mT5s, nano-encoder and tiny-encoder are "
        "XLM-Rs that find masked words, nano-decoder is a Llama that continues texts.",
    )
    sources: Annotated[Names, Option("source")] = Field(
        (), description="Sources to train on, comma-separated; all if not given."
    )
    languages: Languages = Field((), description="Languages, comma-separated; all if not given.")
    segments: Count | None = Field(None, description="Most segments taken from each corpus.")
    steps: Count | None = Field(None, description="Optimizer steps; the preset's if not given.")
    batch_size: Count | None = Field(None, description="Examples a step; the preset's if not given.")
    learning_rate: float | None = Field(None, gt=0, description="Highest rate; the preset's if not given.")
    vocabulary: int | None = Field(None, ge=400, lt=2**31, description="Entries; the preset's if not given.")
    seed: Seed = Field(1, description="Seed of everything random.")
    mask: Mask | None = Field(None, description=f"{MASK} Of an mT5 alone; anywhere if not given.")
    precision: Precision = Field("fp32", description="fp32, or bf16 on a GPU that computes in it.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_settings(self, self.preset)
        return self

    def steps_and_batch(self) -> tuple[int, int]:
        """Optimizer steps, and examples a step."""
        preset = PRESETS[self.preset]
        return self.steps or preset.steps, self.batch_size or preset.batch_size


def plan(context: Context, request: Request) -> Plan:
    """Plan the training of a tokenizer and a small model.

    Raises NotFoundError if the store has no such corpus, UsageError if another model has the name.
    """
    check_name("a model", request.name)
    segments = _segments(context, request)
    preset = PRESETS[request.preset]
    steps, batch_size = request.steps_and_batch()
    spec = PretrainSpec(
        name=request.name,
        preset=request.preset,
        corpora=corpora_of(segments),
        inputs_digest=content_digest(segments.drop("corpus_sha256")),
        vocabulary=request.vocabulary or preset.vocabulary,
        steps=steps,
        batch_size=batch_size,
        learning_rate=request.learning_rate or preset.learning_rate,
        max_tokens=preset.max_tokens,
        seed=request.seed,
        mask=request.mask,
        precision=request.precision,
    )
    _check_name(context, spec)
    return Plan(spec, lambda: {"segments.parquet": segments.drop("corpus_sha256")})


def _segments(context: Context, request: Request) -> pl.DataFrame:
    segments = frame_of(
        context.connection,
        "SELECT s.code AS source, l.code AS language, c.edition, g.position, g.text, c.sha256 AS corpus_sha256 "
        "FROM segment g JOIN corpus c USING (corpus_id) JOIN source s USING (source_id) "
        'JOIN "language" l USING (language_id) '
        "WHERE (len($sources) = 0 OR list_contains($sources, s.code)) "
        "  AND (len($languages) = 0 OR list_contains($languages, l.code)) "
        "  AND ($limit IS NULL OR g.position < $limit) ORDER BY ALL",
        {"sources": list(request.sources), "languages": list(request.languages), "limit": request.segments},
    )
    if segments.is_empty():
        raise NotFoundError(
            "The store has no corpus of "
            f"{', '.join(request.sources) or 'any source'} in {', '.join(request.languages) or 'any language'}.",
            "See what is there: mlv sql 'SELECT DISTINCT source, language FROM v_segment'",
        )
    return segments


def _check_name(context: Context, spec: PretrainSpec) -> None:
    """Refuse a name that another model of the store has."""
    known = number(
        context.connection,
        "SELECT count(*) FROM base_model b JOIN checkpoint k USING (base_model_id) LEFT JOIN run r USING (run_id) "
        "WHERE b.name = ? AND k.epoch = 0 AND r.spec_hash IS DISTINCT FROM ?",
        [spec.name, spec_hash(spec)],
    )
    if known:
        raise UsageError(f"The store has another model called {spec.name}.", "Choose another --name.")


def commit(run: NewRun, spec: PretrainSpec) -> dict[str, int]:
    """Enter metrics, corpora and the model. Raises JobError as all commits do."""
    return {
        "metric": enter_metrics(run),
        "run_corpus": enter_corpora(run, spec.corpora),
        "checkpoint": enter_checkpoints(run, spec.name),
    }


def _units(_: Context, request: Request, __: object) -> int:
    steps, batch_size = request.steps_and_batch()
    return steps * batch_size


COST = Cost(
    unit="examples",
    units=_units,
    measured="""
        SELECT run_id, json_extract(spec, '$.steps')::BIGINT * json_extract(spec, '$.batch_size')::BIGINT AS units
        FROM run
    """,
    checkpoints=lambda _: 1,
    alike=lambda spec, request: spec.settings()["preset"] == request.preset,
)
