"""How much the checkpoints of a run count in its examples' scores, and the epochs in an example's gradient."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from mlv.compute.machine.streams import FloatArray
from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.training import TrainingSpec

MOMENTS: Final = 1000
"""Moments of an epoch that its mean learning rate is taken over."""


def checkpoint_weights(
    training: TrainingSpec, checkpoints: Sequence[ModelRef], attribution: Attribution
) -> list[float]:
    """Weight of each checkpoint's scores: their mean is 1 for TracIn's sum, their sum is 1 for TRAK's mean."""
    if attribution.weights == "equal":
        raw = [1.0] * len(checkpoints)
    else:
        raw = [_mean_rate(training, epoch_of(training, reference)) for reference in checkpoints]
    total = sum(raw) / (len(raw) if attribution.method == "tracin" else 1)
    return [weight / total for weight in raw]


def epoch_weights(training: TrainingSpec, gradients: Gradients, epoch: int) -> dict[int, float]:
    """How much an example's corruption in each epoch counts in its gradient at the checkpoint of ``epoch``."""
    if gradients.corruptions == "epoch":
        return {epoch: 1.0}
    rates = {earlier: _mean_rate(training, earlier) for earlier in range(1, epoch + 1)}
    return {earlier: rate / sum(rates.values()) for earlier, rate in rates.items()}


def _mean_rate(training: TrainingSpec, epoch: int) -> float:
    """Mean learning rate of an epoch over time, in units of the highest."""
    if training.schedule is None and training.warmup is None:
        return 1 - (epoch - 0.5) / training.epochs
    moments = (epoch - 1 + (np.arange(MOMENTS) + 0.5) / MOMENTS) / training.epochs
    return float(_rates(training, moments).mean())


def _rates(training: TrainingSpec, moments: FloatArray) -> FloatArray:
    """Learning rates at shares of the planned training, in units of the highest, [moments]."""
    warmup = training.course.warmup
    left = (1 - moments) / (1 - warmup)
    after = {"linear": left, "constant": np.ones_like(left), "cosine": (1 - np.cos(np.pi * left)) / 2}
    return np.where(moments < warmup, moments / (warmup or 1), after[training.course.schedule])


def epoch_of(training: TrainingSpec, reference: ModelRef) -> int:
    """Epoch of a checkpoint; the last for one that does not say."""
    made = reference.made_by
    return min(made.epoch, training.epochs) if made else training.epochs
