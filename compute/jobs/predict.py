"""Asking a classifier labelled texts: a language is the unit of work that an interrupted job keeps."""

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from scipy.special import log_softmax

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.models import classifiers, files
from mlv.compute.models.loading import LoadedModel
from mlv.schema.files import write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import LanguagePredicted
from mlv.schema.jobs.parquet import read_table, write_table
from mlv.schema.jobs.predict import PredictSpec

COLUMNS: Final = ("language", "position", "text", "text_pair")

SCORES: Final = {
    "language": pl.String,
    "position": pl.Int64,
    "class_number": pl.Int64,
    "logit": pl.Float64,
    "logprob": pl.Float64,
}
"""Columns of ``outputs/class_logits.parquet``, a row for each class of a text; log-probabilities in nats."""


def run(job: JobDirectory, spec: PredictSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a job to its end; languages that are finished already are not asked again.

    Raises DataError if the model is no classifier over the task's classes or a mask is of another model, JobError for
    damaged inputs.
    """
    from mlv.compute.models.heads import masked, masks_of, shape

    device = runtime.prepare(options.device, options.threads, spec.seed)
    loaded = classifiers.load_trained(files.locate(job, spec.model), spec.classes, spec.task, device)
    masks = masks_of(spec, shape(loaded.model.config))
    texts = read_table(job.inputs / "segments.parquet", COLUMNS)
    languages = texts["language"].unique(maintain_order=True).to_list()
    left = [language for language in languages if not _part(job, language).exists()]
    progress.start(texts.filter(pl.col("language").is_in(left)).height, "text", "predicting")
    for language in left:
        some = texts.filter(language=language)
        with masked(loaded.model, masks.get(language)):
            write_table(_part(job, language), _scores(loaded, some, spec, options, progress))
        job.log(LanguagePredicted(language=language, texts=some.height))
    write_json(job.outputs / "model.json", {**loaded.describe(), "model": spec.model.model_dump(mode="json")})
    parts = [read_table(_part(job, language), list(SCORES)) for language in languages]
    write_table(job.outputs / "class_logits.parquet", pl.concat(parts))


def _part(job: JobDirectory, language: str) -> Path:
    return job.work / f"class_logits-{language}.parquet"


def _scores(
    loaded: LoadedModel, texts: pl.DataFrame, spec: PredictSpec, options: ExecuteOptions, progress: Progress
) -> pl.DataFrame:
    """Rows of :data:`SCORES` of some texts."""
    encoded, _ = classifiers.encode(texts, loaded.tokenizer, spec.max_tokens)
    logits = classifiers.logits(loaded, encoded, options.batch_tokens, progress)
    classes = logits.shape[1]
    places = pl.Series(np.repeat(np.arange(texts.height), classes))
    rows = texts.select("language", "position")[places].with_columns(
        class_number=pl.Series(np.tile(np.arange(1, classes + 1), texts.height)),
        logit=pl.Series(logits.ravel()),
        logprob=pl.Series(log_softmax(logits, axis=1).ravel()),
    )
    return rows.cast(SCORES)  # type: ignore[arg-type]
