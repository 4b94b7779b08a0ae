"""The specification of a validation job."""

from typing import ClassVar, Final, Literal

from mlv.schema.jobs.attribution import Attribution
from mlv.schema.jobs.tracing import Quantity, TracingSpec
from mlv.schema.papers import echoes

REMOVAL_DRAWS: Final = 3
"""Draws of k random examples in the removal test: each costs a retraining for every k."""


class ValidateSpec(TracingSpec):
    """Retrain a run without parts of its examples, to see whether attributions predict what happens.

    TracIn's scores are taken at all checkpoints, TRAK's at the last. The seed is that of the halves and of the random
    baselines.
    """

    OUTPUTS: ClassVar = ("model.json", "run.json", "validation.parquet")

    kind: Literal["validate"] = "validate"
    attributions: tuple[Attribution, ...]
    """What is validated, beside the baselines."""

    quantity: Quantity = "margin"
    halves: int = 16
    """Retrainings on random halves with the run's own seed."""

    other_seed_halves: int = 8
    """Retrainings on random halves, each with a seed of its own."""

    removal_targets: int = 5
    """Targets of the removal test (H section 6): each costs two retrainings for every k."""

    removal_k: tuple[int, ...] = echoes.REMOVAL_K

    def plain_gradients(self) -> dict[str, Attribution]:
        """Baselines by name: gradients of the loss, those of the first attribution otherwise, compared plainly."""
        gradients = self.attributions[0].gradients.model_copy(update={"output": "loss"})
        return {
            "gradient-dot": Attribution(method="tracin", similarity="dot", gradients=gradients),
            "gradient-cosine": Attribution(method="tracin", similarity="cosine", gradients=gradients),
        }

    def methods(self) -> tuple[Attribution, ...]:
        """All that is validated, and the baselines that are made of gradients."""
        return (*self.attributions, *self.plain_gradients().values()) if self.attributions else ()
