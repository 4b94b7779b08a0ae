"""The specification of a job that asks a classifier."""

from typing import ClassVar, Literal

from mlv.schema.jobs.spec import CorpusRef, ModelRef, Spec
from mlv.schema.papers import sharing


class PredictSpec(Spec):
    """Score the classes of ``inputs/segments.parquet`` by a classifier, in 32 bits. The seed has no effect."""

    OUTPUTS: ClassVar = ("model.json", "class_logits.parquet")
    NOT_COMPARED: ClassVar = {
        **Spec.NOT_COMPARED,
        "model": "what is asked",
        "languages": "predictions are compared language by language",
        "corpora": "an input",
        "classes": "what the task says",
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

    def models(self) -> tuple[ModelRef, ...]:
        """The classifier."""
        return (self.model,)

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that the texts are from."""
        return self.corpora
