"""The specification of a validation job."""

from typing import Literal

from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.influence import Attribution, Quantity
from mlv.schema.jobs.spec import ModelRef, Seed, Spec
from mlv.schema.papers import echoes


class ValidationSpec(Spec):
    """Retrain a run without parts of its examples, to see whether attributions predict what happens.

    Reads the same inputs as an influence job.
    """

    kind: Literal["validate"] = "validate"
    model: ModelRef
    """The checkpoint whose predictions are traced: the last of the run."""

    training: FinetuneSpec
    checkpoints: tuple[ModelRef, ...]
    """Model states of the run by epoch: TracIn uses all, TRAK the last."""

    attributions: tuple[Attribution, ...]
    """What is validated, beside the baselines."""

    collection: str
    probe_set: str
    languages: tuple[str, ...]
    quantity: Quantity = "margin"
    halves: int = 16
    """Retrainings on random halves with the run's own seed."""

    other_seed_halves: int = 8
    """Retrainings on random halves, each with a seed of its own."""

    removal_targets: int = 5
    """Targets of the removal test (H section 6): each costs two retrainings for every k."""

    removal_k: tuple[int, ...] = echoes.REMOVAL_K
    inputs_digest: str
    reference_digest: str = ""
    seed: Seed = 0
    """Of the halves and of the random baselines."""
