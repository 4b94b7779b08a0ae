"""The specification of a job that asks a classifier."""

from typing import ClassVar, Literal

from mlv.schema.jobs.masks import Subnetwork
from mlv.schema.jobs.spec import CorpusRef, ModelRef, Spec
from mlv.schema.papers import sharing


class PredictSpec(Spec):
    """Score the classes of ``inputs/segments.parquet`` by a classifier, in 32 bits. The seed has no effect."""

    OUTPUTS: ClassVar = ("model.json", "class_logits.parquet")
    IF_GIVEN: ClassVar = frozenset({"masks", "subnetworks"})
    NOT_COMPARED: ClassVar = {
        **Spec.NOT_COMPARED,
        "model": "what is asked",
        "languages": "predictions are compared language by language",
        "corpora": "an input",
        "classes": "what the task says",
        "subnetworks": "what the names in masks stand for",
    }

    kind: Literal["predict"] = "predict"
    model: ModelRef
    task: str
    """Code of the task: what is told apart."""

    classes: tuple[str, ...]
    """Names of the classes, in the order of the outputs."""

    source: str
    split: str
    """Edition of the texts."""

    languages: tuple[str, ...]
    corpora: tuple[CorpusRef, ...]
    max_tokens: int = sharing.MAX_TOKENS
    """Length at which a text or pair is cut off, in tokens."""

    masks: dict[str, str] | None = None
    """Name of the subnetwork that texts in each language are put through; None: the whole model."""

    subnetworks: tuple[Subnetwork, ...] | None = None
    """These, and those that they are derived from, each before what is derived from it."""

    def models(self) -> tuple[ModelRef, ...]:
        """The classifier."""
        return (self.model,)

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that the texts are from."""
        return self.corpora
