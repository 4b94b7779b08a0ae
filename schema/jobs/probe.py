"""The specification of a probing job."""

from typing import Literal

from mlv.schema.jobs.spec import ModelRef, Precision, Seed, Spec


class ProbeSpec(Spec):
    """Ask a model state the probes of a set (E section 3.4)."""

    kind: Literal["probe"] = "probe"
    model: ModelRef
    collection: str
    """Probe collection, e.g. arora-2023."""

    probe_set: str
    languages: tuple[str, ...]
    inputs_digest: str
    """SHA-256 of ``inputs/probes.parquet`` by content."""

    precision: Precision = "fp32"
    seed: Seed = 0
    """Probing has no randomness; the field is there because every run has a seed."""
