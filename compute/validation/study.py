"""What a validation is about: its targets, its training examples, and what is traced of a target."""

from typing import Final, Literal, NamedTuple

import numpy as np
import polars as pl
from scipy.special import softmax

from mlv.compute.machine.streams import FloatArray, IntArray
from mlv.compute.training.corruption import BoolArray
from mlv.compute.training.objective import Traceable, joint_text, read_targets
from mlv.compute.training.objectives import traceable
from mlv.schema.errors import PLAN_AGAIN, JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import read_table
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
    "reference": pl.Float64,
}
"""Columns of ``outputs/validation.parquet``; ``seed`` is that of the retrained models of a removal, ``reference`` the
probability that its value is a change of. A rho that is undefined has no row."""

Seeds = Literal["same", "other"]


class Study(NamedTuple):
    """What is to be predicted, and from what."""

    spec: ValidateSpec
    objective: Traceable
    targets: pl.DataFrame
    """In the order of their numbers."""

    examples: pl.DataFrame
    """position, language and text of the training examples, in the order of their positions."""


def read_study(job: JobDirectory, spec: ValidateSpec) -> Study:
    """The inputs of a job. Raises JobError where they are damaged."""
    objective = traceable(spec.training)
    targets = read_targets(job, objective)
    examples = read_table(job.inputs / "examples.parquet", ("position", "split", "language", *objective.texts))
    training = examples.filter(pl.col("split") == "train").sort("position")
    training = training.select("position", "language", joint_text(objective.texts))
    if training.height < 2:
        raise JobError(f"{job.path.name} has too few training examples to take half of them", PLAN_AGAIN)
    return Study(spec, objective, targets, training)


def traced_values(logprobs: FloatArray, signs: FloatArray) -> FloatArray:
    """The traced quantity, [..., targets], of log-probabilities [..., targets, answers]; ``signs`` [targets, answers]
    as :meth:`mlv.compute.training.objective.Objective.signs` has them."""
    values: FloatArray = np.where(signs == 0, 0, logprobs * signs).sum(axis=-1)
    return values


def traced_probabilities(logprobs: FloatArray, signs: FloatArray) -> FloatArray:
    """Of each target the probability, among its answers, of the one that positive influence supports, [..., targets],
    of log-probabilities [..., targets, answers]."""
    probabilities: FloatArray = np.where(signs > 0, softmax(logprobs, axis=-1), 0).sum(axis=-1)
    return probabilities


def mask(indices: IntArray, count: int) -> BoolArray:
    """Which of ``count`` examples are among ``indices``, [count]."""
    chosen = np.zeros(count, dtype=bool)
    chosen[indices] = True
    return chosen


def results(
    targets: pl.DataFrame, values: FloatArray, reference: FloatArray | None = None, **fixed: object
) -> pl.DataFrame:
    """Rows of :data:`RESULTS` of some targets; no examples are left out of them unless ``fixed`` says so."""
    kept = {"seed": None, "direction": None, "k": None, "draw": 0}
    literals: dict[str, pl.Expr | pl.Series] = {name: pl.lit(value) for name, value in (kept | fixed).items()}
    literals["reference"] = pl.lit(None) if reference is None else pl.Series(reference)
    rows = targets.select("language", "question", value=pl.Series(values)).with_columns(**literals)
    return rows.select(list(RESULTS)).cast(RESULTS)  # type: ignore[arg-type]
