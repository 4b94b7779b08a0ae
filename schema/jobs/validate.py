"""The specification of a validation job."""

from typing import ClassVar, Final, Literal

from mlv.schema.jobs.attribution import TRACIN_DAMPING, Attribution, attribution_name
from mlv.schema.jobs.spec import Precision
from mlv.schema.jobs.tracing import Quantity, TracingSpec
from mlv.schema.papers import echoes

SMOKE_TEST: Final = 16
"""Retrained models up to which an LDS is a smoke test: over 16 halves its standard deviation is 0.07, over 64 0.04."""

REMOVAL_DRAWS: Final = 10
"""Draws of k random examples in the removal test: each costs a retraining for every k and seed."""

REMOVAL_K: Final = echoes.REMOVAL_K[:1]
"""How many examples the removal test leaves out if nothing is said: H's smallest number, since each costs as much as
the test of another 30 targets does."""


class ValidateSpec(TracingSpec):
    """Retrain a run without parts of its examples, to see whether attributions predict what happens.

    TracIn's scores are taken at all checkpoints, TRAK's at the last. The seed is that of the halves, of the random
    baselines and of the resamples.
    """

    OUTPUTS: ClassVar = ("model.json", "run.json", "lds.parquet", "validation.parquet")

    kind: Literal["validate"] = "validate"
    attributions: tuple[Attribution, ...]
    """What is validated, beside the baselines."""

    quantities: tuple[Quantity, ...] = ("shift", "answer")
    """What is traced, each by scores of its own and all by the same retrained models. The removal test takes the first.

    Of a gradient's scores margin and shift have the same LDS, since they differ in sign alone."""

    halves: int = 64
    """Retrainings on random halves with the run's own seed."""

    other_seed_halves: int = 64
    """Retrainings on random halves, each with a seed of its own."""

    without_language: int = 8
    """Retrainings without each of the run's languages, if it has several, each with a seed of its own: whether what is
    said of languages (E Figure 6) is so."""

    resamples: int = 2_000
    """Of halves and targets, for intervals."""

    removal_targets: int = 30
    """Targets of the removal test (H section 6): each costs two retrainings for every k and seed."""

    removal_seeds: int = 1
    """Seeds of the removal test's models, the run's own among them."""

    removal_k: tuple[int, ...] = REMOVAL_K

    def computes_in(self) -> Precision:
        """That of the trainings."""
        return self.training.precision

    def plain_gradients(self) -> dict[str, Attribution]:
        """Baselines by name, as ``gradient-cosine-exact``: the gradients of the attributions, compared plainly."""
        found: dict[str, Attribution] = {}
        for gradients in dict.fromkeys(attribution.gradients for attribution in self.attributions):
            plain = Attribution(method="tracin", similarity="dot", damping=TRACIN_DAMPING, gradients=gradients)
            directions = attribution_name(plain).removeprefix("tracin")
            found[f"gradient-dot{directions}"] = plain
            found[f"gradient-cosine{directions}"] = plain.model_copy(update={"similarity": "cosine"})
        return found

    def methods(self) -> tuple[Attribution, ...]:
        """All that is validated, and the baselines that are made of gradients."""
        return (*self.attributions, *self.plain_gradients().values()) if self.attributions else ()
