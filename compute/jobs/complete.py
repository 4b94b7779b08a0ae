"""Letting a masked model complete sentences about social groups: a category is the unit of work that an interrupted
job keeps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.machine.streams import FloatArray, IntArray
from mlv.compute.models import completing, files, loading
from mlv.compute.models.completing import Cloze, Likeliest, Sentence, Texts
from mlv.compute.models.families import MASKED
from mlv.compute.models.loading import LoadedModel
from mlv.schema.errors import DataError, listed
from mlv.schema.files import write_json
from mlv.schema.jobs.complete import CompleteSpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import CategoryCompleted, SkippedSentence, SkippedSentences
from mlv.schema.jobs.parquet import read_table, write_table

KEY: Final = ("category", "group_name", "language", "form", "text")
COLUMNS: Final = (*KEY, "prior_text")
"""Columns that are read of ``inputs/clozes.parquet``."""

_TEXTS: Final = dict.fromkeys(KEY, pl.String)
COMPLETIONS: Final = {
    **_TEXTS,
    "rank": pl.Int64,
    "attribute": pl.String,
    "token": pl.Int64,
    "logprob": pl.Float64,
    "logprob_prior": pl.Float64,
    "typicality_rank": pl.Int64,
}
"""Columns of ``outputs/completions.parquet``, a row for each attribute of a sentence; log-probabilities in nats."""

SKIPPED: Final = {**_TEXTS, "reason": pl.String}
"""Columns of ``outputs/skipped.parquet``."""

SHOWN: Final = 5
"""Sentences that an error quotes."""


def run(job: JobDirectory, spec: CompleteSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a job to its end; categories that are finished already are not completed again.

    Raises DataError if the model is no masked language model, if no sentence can be completed, or what the model says
    of one is not finite; JobError for damaged inputs.
    """
    device = runtime.prepare(options.device, options.threads, spec.seed)
    loaded = loading.load(files.locate(job, spec.model), MASKED, spec.precision, device)
    frame = read_table(job.inputs / "clozes.parquet", COLUMNS)
    longest = completing.longest_input(loaded.model)
    encoded = completing.encode(frame, loaded.tokenizer, spec.prior, longest)
    _check_tokens(loaded, encoded)
    skipped = _skipped(frame, encoded)
    categories = _by_category(frame, encoded)
    if not categories:
        raise _nothing_left(skipped)
    _write_parts(job, loaded, spec, categories, options, progress)
    write_table(job.outputs / "skipped.parquet", skipped)
    if not skipped.is_empty():
        sentences = tuple(SkippedSentence(**row) for row in skipped.iter_rows(named=True))
        job.log(SkippedSentences(sentences=sentences))
    write_json(job.outputs / "model.json", {**loaded.describe(), "model": spec.model.model_dump(mode="json")})
    parts = [read_table(_part(job, number), list(COMPLETIONS)) for number in categories]
    write_table(job.outputs / "completions.parquet", pl.concat(parts))


def _check_tokens(loaded: LoadedModel, encoded: Sequence[Cloze | str]) -> None:
    """Raise DataError if the tokenizer is not the model's."""
    entries = loaded.model.get_input_embeddings().num_embeddings
    if any(max(one.sentence.tokens) >= entries for one in encoded if isinstance(one, Cloze)):
        raise DataError(
            f"The tokenizer has tokens beyond the model's {entries:,} entries.",
            "Take the tokenizer that belongs to the model.",
        )


def _skipped(frame: pl.DataFrame, encoded: Sequence[Cloze | str]) -> pl.DataFrame:
    """Rows of :data:`SKIPPED`."""
    reasons = pl.Series("reason", [one if isinstance(one, str) else None for one in encoded], pl.String)
    return frame.select(KEY).with_columns(reasons).filter(reasons.is_not_null()).cast(SKIPPED)  # type: ignore[arg-type]


def _nothing_left(skipped: pl.DataFrame) -> DataError:
    some = [f"{row['text']} ({row['reason']})" for row in skipped.head(SHOWN).iter_rows(named=True)]
    return DataError(
        f"None of {skipped.height:,} sentences can be completed by this model, such as{listed(some)}",
        "Sentences need one [MASK] that the model's tokenizer can read.",
    )


Part = tuple[pl.DataFrame, list[Cloze]]
"""Sentences of a category, and the same as token ids."""


def _by_category(frame: pl.DataFrame, encoded: Sequence[Cloze | str]) -> Mapping[int, Part]:
    """The sentences of each category that can be completed, by the number of the category."""
    found: dict[int, Part] = {}
    categories = frame["category"].to_list()
    for number, category in enumerate(dict.fromkeys(categories)):
        some = [
            (place, one)
            for place, one in enumerate(encoded)
            if categories[place] == category and isinstance(one, Cloze)
        ]
        if some:
            found[number] = (frame.select(KEY)[[place for place, _ in some]], [one for _, one in some])
    return found


def _part(job: JobDirectory, number: int) -> Path:
    return job.work / f"completions-{number}.parquet"


def _write_parts(
    job: JobDirectory,
    loaded: LoadedModel,
    spec: CompleteSpec,
    categories: Mapping[int, Part],
    options: ExecuteOptions,
    progress: Progress,
) -> None:
    """Complete the categories that have no part in ``work/`` yet."""
    left = {number: part for number, part in categories.items() if not _part(job, number).exists()}
    progress.start(sum(len(set(_sentences(clozes))) for _, clozes in left.values()), "sentence", "completing")
    texts = Texts(loaded.tokenizer, loaded.model.config.vocab_size)
    for number, (frame, clozes) in left.items():
        write_table(_part(job, number), _completions(loaded, frame, clozes, spec.top_k, texts, options, progress))
        job.log(CategoryCompleted(category=frame["category"][0], sentences=len(clozes)))


def _sentences(clozes: Sequence[Cloze]) -> list[Sentence]:
    return [cloze.sentence for cloze in clozes]


def _completions(
    loaded: LoadedModel,
    frame: pl.DataFrame,
    clozes: Sequence[Cloze],
    top_k: int,
    texts: Texts,
    options: ExecuteOptions,
    progress: Progress,
) -> pl.DataFrame:
    """Rows of :data:`COMPLETIONS` of some sentences; a sentence that is there several times is completed once."""
    different = list(dict.fromkeys(_sentences(clozes)))
    found = completing.likeliest(loaded, different, top_k, texts, options.batch_tokens, progress)
    by_sentence = dict(zip(different, found, strict=True))
    mine = [by_sentence[cloze.sentence] for cloze in clozes]
    tokens, logprobs = (np.stack(parts) for parts in zip(*mine, strict=True))
    priors = _priors(loaded, clozes, mine, options.batch_tokens)
    ranks = _typicality_ranks(tokens, logprobs - priors)
    kept = tokens.shape[1]
    rows = frame[np.repeat(np.arange(frame.height), kept)].with_columns(
        rank=pl.Series(np.tile(np.arange(1, kept + 1), frame.height)),
        attribute=pl.Series(texts(tokens.ravel())),
        token=pl.Series(tokens.ravel()),
        logprob=pl.Series(logprobs.ravel()),
        logprob_prior=pl.Series(priors.ravel()).fill_nan(None),
    )
    ranked = rows.with_columns(
        typicality_rank=pl.when(pl.col("logprob_prior").is_not_null()).then(pl.Series(ranks.ravel()))
    )
    return ranked.cast(COMPLETIONS)  # type: ignore[arg-type]


def _priors(loaded: LoadedModel, clozes: Sequence[Cloze], found: Sequence[Likeliest], batch_tokens: int) -> FloatArray:
    """Log-probabilities of what was found with the group masked, [sentences, attributes]; NaN where there is no prior.

    Each prior is asked for once.
    """
    places: dict[Sentence, list[int]] = {}
    for place, cloze in enumerate(clozes):
        if cloze.prior is not None:
            places.setdefault(cloze.prior, []).append(place)
    wanted = [np.concatenate([found[place].tokens for place in some]) for some in places.values()]
    priors = np.full((len(clozes), len(found[0].tokens)), np.nan)
    values = completing.logprobs_of(loaded, list(places), wanted, batch_tokens)
    for some, row in zip(places.values(), values, strict=True):
        priors[some] = row.reshape(len(some), -1)
    return priors


def _typicality_ranks(tokens: IntArray, typicality: FloatArray) -> IntArray:
    """Ranks from 1 of the largest in each row, [sentences, attributes]; equal ones by token."""
    order = np.lexsort((tokens, -typicality), axis=-1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(1, tokens.shape[1] + 1), order.shape), axis=-1)
    return ranks
