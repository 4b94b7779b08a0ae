"""What all specifications of jobs have in common."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Precision = Literal["fp32", "bf16"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Spec(BaseModel):
    """Base of all specifications: immutable, and refusing fields it does not know and numbers that are none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelRef(Spec):
    """A model state by content. Where it lies on disk does not enter the job's identity."""

    name: str
    """Hub name, name of a local folder, or ``finetune-0123456789ab/epoch-5`` for a checkpoint that a job made."""

    revision: str = ""
    """Commit on the hub; empty for a local model."""

    digest: str
    """SHA-256 over configuration, weights and tokenizer."""

    path: str = Field(default="", exclude=True)
    """Folder to load from; kept in ``provenance.json``, not in the specification."""


class CorpusRef(Spec):
    """A corpus that a job reads, by natural key and content."""

    source: str
    language: str
    edition: str
    sha256: str
    """SHA-256 of the corpus's content."""

    segments: int
    """Segments taken from it."""
