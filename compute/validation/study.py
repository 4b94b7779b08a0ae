"""What a validation is about: its targets, its training examples, and what is traced of a target."""

from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl
from scipy.special import expit

from mlv.compute.models.scoring import COLUMNS
from mlv.compute.training.corruption import BoolArray
from mlv.compute.training.streams import FloatArray, IntArray
from mlv.schema.errors import PLAN_AGAIN, JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import read_table
from mlv.schema.jobs.tracing import Quantity
from mlv.schema.jobs.validate import ValidateSpec

RESULTS: Final = {
    "test": pl.String,
    "quantity": pl.String,
    "scores": pl.String,
    "language": pl.String,
    "question": pl.String,
    "seeds": pl.String,
    "seed": pl.Int32,
    "direction": pl.String,
    "k": pl.Int32,
    "draw": pl.Int32,
    "n": pl.Int32,
    "value": pl.Float64,
}
"""Columns of ``outputs/validation.parquet``; ``seed`` is that of the retrained models of a removal. A rho that is
undefined has no row."""

Seeds = Literal["same", "other"]


class Study(NamedTuple):
    """What is to be predicted, and from what."""

    spec: ValidateSpec
    targets: pl.DataFrame
    """In the order of their numbers."""

    examples: pl.DataFrame
    """position, language and text of the training examples, in the order of their positions."""


def read_study(job: JobDirectory, spec: ValidateSpec) -> Study:
    """The inputs of a job. Raises JobError where they are damaged."""
    targets = read_table(job.inputs / "targets.parquet", ["target", *COLUMNS, "answer", "shift_sign"]).sort("target")
    examples = read_table(job.inputs / "examples.parquet", ["position", "split", "language", "text"])
    wrong = [
        fault
        for fault, found in (
            ("numbers that do not count from 0", targets["target"].to_list() != list(range(targets.height))),
            ("answers other than 1 and 2", not set(targets["answer"]) <= {1, 2}),
            ("shift signs other than 1 and -1", not set(targets["shift_sign"]) <= {1, -1}),
            ("a probe twice", targets.select("question", "language").is_duplicated().any()),
        )
        if found
    ]
    if wrong:
        raise JobError(f"{job.inputs / 'targets.parquet'} has {' and '.join(wrong)}", PLAN_AGAIN)
    training = examples.filter(pl.col("split") == "train").sort("position").drop("split")
    if training.height < 2:
        raise JobError(f"{job.path.name} has too few training examples to take half of them", PLAN_AGAIN)
    return Study(spec, targets, training)


def traced_answers(targets: pl.DataFrame, quantity: Quantity) -> IntArray:
    """The answer of each target that positive influence raises, 1 or 2, [targets]."""
    if quantity == "answer":
        return targets["answer"].cast(pl.Int64).to_numpy()
    if quantity == "margin":
        return np.ones(targets.height, dtype=np.int64)
    return np.where(targets["shift_sign"].to_numpy() > 0, 1, 2)


def traced_values(means: FloatArray, targets: pl.DataFrame, quantity: Quantity) -> FloatArray:
    """The traced quantity, [..., targets], of mean log-probabilities per token ``means`` [..., targets, 2]."""
    traced, other = _traced_and_other(means, targets, quantity)
    return traced if quantity == "answer" else traced - other


def traced_probabilities(means: FloatArray, targets: pl.DataFrame, quantity: Quantity) -> FloatArray:
    """Softmax of ``means`` [..., targets, 2] over both answers, that of the traced one, [..., targets]."""
    traced, other = _traced_and_other(means, targets, quantity)
    probabilities: FloatArray = expit(traced - other)
    return probabilities


def _traced_and_other(means: FloatArray, targets: pl.DataFrame, quantity: Quantity) -> tuple[FloatArray, FloatArray]:
    """The parts of ``means`` [..., targets, 2] that belong to the traced answer and to the other, [..., targets]."""
    first = traced_answers(targets, quantity) == 1
    return np.where(first, means[..., 0], means[..., 1]), np.where(first, means[..., 1], means[..., 0])


def mask(indices: IntArray, count: int) -> BoolArray:
    """Which of ``count`` examples are among ``indices``, [count]."""
    chosen = np.zeros(count, dtype=bool)
    chosen[indices] = True
    return chosen


def results(targets: pl.DataFrame, values: FloatArray, **fixed: object) -> pl.DataFrame:
    """Rows of :data:`RESULTS` of some targets; no examples are left out of them unless ``fixed`` says so."""
    kept = {"seed": None, "direction": None, "k": None, "draw": 0}
    literals = {name: pl.lit(value) for name, value in (kept | fixed).items()}
    rows = targets.select("language", "question", value=pl.Series(values)).with_columns(**literals)
    return rows.select(list(RESULTS)).cast(RESULTS)  # type: ignore[arg-type]
