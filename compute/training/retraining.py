"""Training a run again without some of its examples, and scoring the targets with each such model.

A retraining is a unit of work: its model's answers are ``work/retraining-ID.parquet``, written aside and renamed, so
that an interrupted job resumes with the next one. Models are not kept.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl
from scipy.special import expit

from mlv.compute.machine.options import ExecuteOptions, Progress
from mlv.compute.models import loading, scoring
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.training import spans
from mlv.compute.training.corruption import BoolArray
from mlv.compute.training.streams import FloatArray
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Retrained
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.parquet import read_table, write_table

ANSWERS: Final = {
    "id": pl.String,
    "kind": pl.String,
    "seed": pl.Int64,
    "left_out": pl.Int64,
    "question": pl.String,
    "language": pl.String,
    "mean_first": pl.Float64,
    "mean_second": pl.Float64,
    "margin": pl.Float64,
    "p_first": pl.Float64,
}
"""Columns of ``outputs/retrainings.parquet``: ``left_out``, how many training examples; means of log-probabilities per
token of the two answers, in nats; ``margin``, first minus second; ``p_first``, their softmax."""


class Retraining(NamedTuple):
    """A model that is trained on a part of the run's training examples."""

    id: str
    """Unique in the job."""

    kind: Literal["full", "half", "language", "removal"]
    seed: int
    """Of corruption, order and dropout; the run's own, or another."""

    kept: BoolArray
    """Which training examples are kept, [training examples in the order of their positions]."""


Retrain = Callable[[Retraining, str], FloatArray]
"""Trains a model, with a label for the progress, and scores the targets: mean log-probability per token of the first
and the second answer, [targets, 2], in nats."""


@dataclass(frozen=True)
class Retrainer:
    """Retrains a run and scores the targets, in memory."""

    job: JobDirectory
    training: FinetuneSpec
    epochs: int
    """Epochs of the run's final checkpoint."""

    start: loading.LoadedModel
    """The model that the run started from; it is not changed."""

    splits: dict[str, spans.Examples]
    probes: Sequence[scoring.Probe]
    options: ExecuteOptions
    progress: Progress

    def __call__(self, retraining: Retraining, label: str) -> FloatArray:
        """Train and score."""
        loaded = loading.LoadedModel(copy.deepcopy(self.start.model), self.start.tokenizer, self.start.device)
        spec = self.training.model_copy(update={"seed": retraining.seed})
        spans.retrain(self.job, spec, loaded, self.splits, retraining.kept, self.epochs, self.progress, label)
        return mean_logprobs(loaded, self.probes, self.options.batch_tokens)


def mean_logprobs(loaded: loading.LoadedModel, probes: Sequence[scoring.Probe], batch_tokens: int) -> FloatArray:
    """Mean log-probability per token of the first and the second answer, [probes, 2], in nats."""
    scores = scoring.score(loaded, probes, batch_tokens)
    means = (scores["logprob_sum"] / scores["tokens"]).to_numpy()
    return np.asarray(means, dtype=np.float64).reshape(-1, 2)


def tokenise_targets(targets: pl.DataFrame, tokenizer: Tokenizer) -> list[scoring.Probe]:
    """The targets as probes, in their order. Raises JobError if the tokenizer makes one ambiguous."""
    probes = scoring.tokenise(targets, tokenizer)
    ambiguous = scoring.find_ambiguous(probes, tokenizer)
    if ambiguous:
        listed = "; ".join(f"{row.question} ({row.language}): {row.reason}" for row in ambiguous)
        raise JobError(
            f"Targets that are ambiguous with this tokenizer: {listed}", "Plan the job again without these probes."
        )
    return probes


def retrain_all(
    job: JobDirectory, retrainings: Sequence[Retraining], targets: pl.DataFrame, retrain: Retrain
) -> pl.DataFrame:
    """Train the models that are not in ``work/`` yet; the answers of all of them, :data:`ANSWERS`.

    Rows are in the order of ``retrainings``, within each in the order of ``targets``.
    """
    for number, retraining in enumerate(retrainings, start=1):
        if not _part(job, retraining).exists():
            means = retrain(retraining, f"retraining {number} of {len(retrainings)}")
            rows = _answers(retraining, means, targets)
            write_table(_part(job, retraining), rows)
            job.log(Retrained(**rows.select("id", "kind", "seed", "left_out").row(0, named=True)))
    return pl.concat([read_table(_part(job, retraining), list(ANSWERS)) for retraining in retrainings])


def _part(job: JobDirectory, retraining: Retraining) -> Path:
    return job.work / f"retraining-{retraining.id}.parquet"


def _answers(retraining: Retraining, means: FloatArray, targets: pl.DataFrame) -> pl.DataFrame:
    """Rows of :data:`ANSWERS` of one model; ``means`` [targets, 2]."""
    margin = means[:, 0] - means[:, 1]
    return targets.select(
        id=pl.lit(retraining.id),
        kind=pl.lit(retraining.kind),
        seed=pl.lit(retraining.seed),
        left_out=pl.lit(int(np.count_nonzero(~retraining.kept))),
        question="question",
        language="language",
        mean_first=pl.Series(means[:, 0]),
        mean_second=pl.Series(means[:, 1]),
        margin=pl.Series(margin),
        p_first=pl.Series(expit(margin)),
    ).cast(ANSWERS)  # type: ignore[arg-type]
