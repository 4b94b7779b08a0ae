"""The specification of a probing job."""

from typing import ClassVar, Literal

from mlv.schema.jobs.spec import ModelRef, Precision, Spec


class ProbeSpec(Spec):
    """Score the answers of a model state to ``inputs/probes.parquet`` (E section 3.4). The seed has no effect."""

    OUTPUTS: ClassVar = ("model.json", "probe_logits.parquet")
    NOT_COMPARED: ClassVar = {
        **Spec.NOT_COMPARED,
        "model": "what is probed",
        "languages": "answers are compared language by language",
    }

    kind: Literal["probe"] = "probe"
    model: ModelRef
    collection: str
    """Probe collection, e.g. arora-2023."""

    probe_set: str
    languages: tuple[str, ...]
    precision: Precision = "fp32"

    def probe_inputs(self) -> tuple[str, ...]:
        """The probes."""
        return ("probes.parquet",)

    def models(self) -> tuple[ModelRef, ...]:
        """The model state that is probed."""
        return (self.model,)
