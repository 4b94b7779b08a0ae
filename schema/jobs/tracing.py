"""What the specifications of jobs have in common that trace a run's predictions back to its training examples."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from mlv.schema.jobs.attribution import Attribution, gradients_of
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import job_name, spec_hash
from mlv.schema.jobs.masks import Mask, Masking
from mlv.schema.jobs.spec import CorpusRef, ModelRef, Spec

Quantity = Literal["answer", "margin", "shift", "label"]
"""What is traced of a target, and which influence is then positive.

answer: log-probability per token of the answer given after fine-tuning; what supports it.
margin: that of the first answer minus that of the second; what supports the first.
shift: the margin, in the direction in which fine-tuning moved it; what supports the move.
label: of a labelled text, log-probability of the class of its label; what supports that.
"""


class TracingSpec(Spec):
    """Base of influence and validation jobs.

    They read ``inputs/targets.parquet``; ``inputs/examples.parquet``, as the traced run did; and
    ``inputs/reference.parquet``, a sample of the probe set, or of the labelled texts, in all languages, which principal
    directions are learnt from.
    """

    IF_GIVEN: ClassVar = frozenset({"corpora"})

    NOT_COMPARED: ClassVar[Mapping[str, str]] = {
        **Spec.NOT_COMPARED,
        "model": "the checkpoint that is traced belongs to the traced run",
        "training": "the traced run has settings of its own, which are compared as such",
        "languages": "targets are compared language by language",
        "reference_digest": "an input, as the training examples are",
        "corpora": "an input",
    }

    model: ModelRef
    """The checkpoint whose predictions are traced: the last of the run."""

    training: Annotated[FinetuneSpec | ClassifySpec, Field(discriminator="kind")]
    """The traced run."""

    checkpoints: tuple[ModelRef, ...]
    """Model states that scores are taken at, those of the traced run by epoch."""

    collection: str
    """Probe collection, e.g. arora-2023; of labelled texts their source."""

    probe_set: str
    """Of labelled texts their edition: the split of the data set."""

    corpora: tuple[CorpusRef, ...] | None = None
    """What labelled texts are from; None for probes."""

    languages: tuple[str, ...]
    """Test languages."""

    reference_digest: str = ""
    """SHA-256 of ``inputs/reference.parquet`` by content."""

    def methods(self) -> tuple[Attribution, ...]:
        """The attributions that the job needs gradients for."""
        raise NotImplementedError

    def masks_of_targets(self) -> Mapping[str, Mask]:
        """By language, the masks that targets are traced under."""
        return {}

    def masking_of_examples(self, language: str) -> Masking:  # noqa: ARG002 validation has no masks
        """Under which masks the gradients of training examples are taken that targets in a language meet."""
        return None

    def models(self) -> tuple[ModelRef, ...]:
        """The traced checkpoint, the model that the traced run started from, and the model states that are scored."""
        return tuple(dict.fromkeys((self.model, self.training.model, *self.checkpoints)))

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that labelled texts are from."""
        return self.corpora or ()

    def probe_inputs(self) -> tuple[str, ...]:
        """Targets and reference, where these are probes."""
        return () if self.corpora else ("targets.parquet", "reference.parquet")

    def traced_run(self) -> Spec:
        """The run whose training examples are scored."""
        return self.training

    @classmethod
    def settings_in(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        """As of all jobs; checkpoints by epoch, whatever run is traced: ``epoch-5``, or ``other/epoch-5``."""
        run = document["model"]["name"].rpartition("/")[0]
        places = [_place(model["name"], run) for model in document["checkpoints"]]
        return super().settings_in(document) | {"checkpoints": places}

    def builds_on(self) -> frozenset[str]:
        """The traced run, and the runs behind all model states."""
        return super().builds_on() | {job_name(self.training)}

    def reads_index(self, identity: dict[str, Any]) -> bool:
        """Whether it is an index of this run's training examples with one of this job's kinds of gradients."""
        return identity.get("training") == spec_hash(self.training) and any(
            gradients_of(checkpoint, attribution.gradients, self.reference_digest, masking).items() <= identity.items()
            for checkpoint in self.checkpoints
            for attribution in self.methods()
            for masking in map(self.masking_of_examples, self.languages)
        )


def _place(checkpoint: str, run: str) -> str:
    """Epoch of a checkpoint by its name, and whether ``run`` made it."""
    made_by, _, epoch = checkpoint.rpartition("/")
    return epoch if made_by == run else f"other/{epoch}"
