"""How much the checkpoints of a run count in its examples' scores, and the epochs in an example's gradient."""

from collections.abc import Sequence

from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.spec import ModelRef


def checkpoint_weights(
    training: FinetuneSpec, checkpoints: Sequence[ModelRef], attribution: Attribution
) -> list[float]:
    """Weight of each checkpoint's scores: their mean is 1 for TracIn's sum, their sum is 1 for TRAK's mean."""
    if attribution.weights == "equal":
        raw = [1.0] * len(checkpoints)
    else:
        raw = [_mean_rate(training, epoch_of(training, reference)) for reference in checkpoints]
    total = sum(raw) / (len(raw) if attribution.method == "tracin" else 1)
    return [weight / total for weight in raw]


def epoch_weights(training: FinetuneSpec, gradients: Gradients, epoch: int) -> dict[int, float]:
    """How much an example's corruption in each epoch counts in its gradient at the checkpoint of ``epoch``."""
    if gradients.corruptions == "epoch":
        return {epoch: 1.0}
    rates = {earlier: _mean_rate(training, earlier) for earlier in range(1, epoch + 1)}
    return {earlier: rate / sum(rates.values()) for earlier, rate in rates.items()}


def _mean_rate(training: FinetuneSpec, epoch: int) -> float:
    """Mean learning rate of an epoch under linear decay, in units of the highest."""
    return 1 - (epoch - 0.5) / training.epochs


def epoch_of(training: FinetuneSpec, reference: ModelRef) -> int:
    """Epoch of a checkpoint; the last for one that does not say."""
    made = reference.made_by
    return min(made.epoch, training.epochs) if made else training.epochs
