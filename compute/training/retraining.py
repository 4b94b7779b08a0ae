"""Training a run again without some of its examples, and asking each such model the targets.

A retraining is a unit of work: its model's answers are ``work/retraining-ID.parquet``, written aside and renamed, so
that an interrupted job resumes with the next one. Models are not kept.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl
from scipy.special import softmax

from mlv.compute.machine.options import ExecuteOptions, Progress
from mlv.compute.machine.streams import FloatArray
from mlv.compute.models import loading
from mlv.compute.training.corruption import BoolArray
from mlv.compute.training.course import retrain as train_again
from mlv.compute.training.objective import Examples, Traceable
from mlv.compute.training.objectives import traceable
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Retrained
from mlv.schema.jobs.parquet import read_table, write_table

ANSWERS: Final = {
    "id": pl.String,
    "kind": pl.String,
    "seed": pl.Int64,
    "left_out": pl.Int64,
    "question": pl.String,
    "language": pl.String,
    "answer": pl.Int64,
    "logprob": pl.Float64,
    "probability": pl.Float64,
}
"""Columns of ``outputs/retrainings.parquet``, a row for each answer: ``left_out``, how many training examples;
``answer`` from 1; ``logprob``, its log-probability, per token where it has several, in nats; ``probability``, the
softmax over the answers."""


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
"""Trains a model, with a label for the progress, and asks it the targets: log-probabilities [targets, answers], as
:meth:`mlv.compute.training.objective.Traceable.ask` has them."""


@dataclass(frozen=True)
class Retrainer:
    """Retrains a run and asks the targets, in memory."""

    job: JobDirectory
    objective: Traceable
    epochs: int
    """Epochs of the run's final checkpoint."""

    start: loading.LoadedModel
    """The model that the run started from; it is not changed."""

    splits: dict[str, Examples]
    targets: pl.DataFrame
    options: ExecuteOptions
    progress: Progress

    def __call__(self, retraining: Retraining, label: str) -> FloatArray:
        """Train and ask."""
        loaded = replace(self.start, model=copy.deepcopy(self.start.model))
        objective = traceable(self.objective.spec.model_copy(update={"seed": retraining.seed}))
        objective.begin(loaded)
        train_again(self.job, objective, loaded, self.splits, retraining.kept, self.epochs, self.progress, label)
        return objective.ask(loaded, self.targets, self.options.batch_tokens)


def retrain_all(
    job: JobDirectory, retrainings: Sequence[Retraining], targets: pl.DataFrame, retrain: Retrain
) -> pl.DataFrame:
    """Train the models that are not in ``work/`` yet; the answers of all of them, :data:`ANSWERS`.

    Rows are in the order of ``retrainings``, within each in the order of ``targets``.
    """
    for number, retraining in enumerate(retrainings, start=1):
        if not _part(job, retraining).exists():
            logprobs = retrain(retraining, f"retraining {number} of {len(retrainings)}")
            rows = _answers(retraining, logprobs, targets)
            write_table(_part(job, retraining), rows)
            job.log(Retrained(**rows.select("id", "kind", "seed", "left_out").row(0, named=True)))
    return pl.concat([read_table(_part(job, retraining), list(ANSWERS)) for retraining in retrainings])


def _part(job: JobDirectory, retraining: Retraining) -> Path:
    return job.work / f"retraining-{retraining.id}.parquet"


def _answers(retraining: Retraining, logprobs: FloatArray, targets: pl.DataFrame) -> pl.DataFrame:
    """Rows of :data:`ANSWERS` of one model; ``logprobs`` [targets, answers]."""
    answers = logprobs.shape[1]
    found = pl.DataFrame(
        {
            "target": np.repeat(np.arange(len(logprobs)), answers),
            "answer": np.tile(np.arange(1, answers + 1), len(logprobs)),
            "logprob": logprobs.ravel(),
            "probability": softmax(logprobs, axis=1).ravel(),
        }
    )
    named = targets.select("question", "language", target=pl.int_range(pl.len(), dtype=pl.Int64))
    rows = found.join(named, on="target", how="left", maintain_order="left").select(
        "question",
        "language",
        "answer",
        "logprob",
        "probability",
        id=pl.lit(retraining.id),
        kind=pl.lit(retraining.kind),
        seed=pl.lit(retraining.seed),
        left_out=pl.lit(int(np.count_nonzero(~retraining.kept))),
    )
    return rows.select(list(ANSWERS)).cast(ANSWERS)  # type: ignore[arg-type]


def logprobs_of(answers: pl.DataFrame, targets: int) -> FloatArray:
    """The log-probabilities in rows of :data:`ANSWERS`, [models, targets, answers]."""
    models, each = answers["id"].n_unique(), answers["answer"].n_unique()
    return answers["logprob"].to_numpy().reshape(models, targets, each)
