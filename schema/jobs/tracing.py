"""What the specifications of jobs have in common that trace a run's predictions back to its training examples."""

from typing import Any, Literal

from mlv.schema.jobs.attribution import Attribution, gradients_of
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import job_name, spec_hash
from mlv.schema.jobs.spec import ModelRef, Spec

Quantity = Literal["answer", "margin", "shift"]
"""What is traced of a probe, and which influence is then positive.

answer: log-probability per token of the answer given after fine-tuning; what supports it.
margin: that of the first answer minus that of the second; what supports the first.
shift: the margin, in the direction in which fine-tuning moved it; what supports the move.
"""


class TracingSpec(Spec):
    """Base of influence and validation jobs.

    They read ``inputs/targets.parquet``; ``inputs/examples.parquet``, as the traced run did; and
    ``inputs/reference.parquet``, a sample of the probe set in all languages, which principal directions are learnt
    from.
    """

    model: ModelRef
    """The checkpoint whose predictions are traced: the last of the run."""

    training: FinetuneSpec
    """The traced run."""

    checkpoints: tuple[ModelRef, ...]
    """Model states that scores are taken at, those of the traced run by epoch."""

    collection: str
    """Probe collection, e.g. arora-2023."""

    probe_set: str
    languages: tuple[str, ...]
    """Test languages."""

    quantity: Quantity
    reference_digest: str = ""
    """SHA-256 of ``inputs/reference.parquet`` by content."""

    def methods(self) -> tuple[Attribution, ...]:
        """The attributions that the job needs gradients for."""
        raise NotImplementedError

    def models(self) -> tuple[ModelRef, ...]:
        """The traced checkpoint, the model that the traced run started from, and the model states that are scored."""
        return tuple(dict.fromkeys((self.model, self.training.model, *self.checkpoints)))

    def traced_run(self) -> Spec:
        """The run whose training examples are scored."""
        return self.training

    def builds_on(self) -> frozenset[str]:
        """The traced run, and the runs behind all model states."""
        return super().builds_on() | {job_name(self.training)}

    def reads_index(self, identity: dict[str, Any]) -> bool:
        """Whether it is an index of this run's training examples with one of this job's kinds of gradients."""
        return identity.get("training") == spec_hash(self.training) and any(
            gradients_of(checkpoint, attribution.gradients, self.reference_digest).items() <= identity.items()
            for checkpoint in self.checkpoints
            for attribution in self.methods()
        )
