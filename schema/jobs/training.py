"""What the specifications of jobs have in common that train a model on the texts of a run: how training goes."""

from collections.abc import Mapping
from typing import ClassVar, Final, Literal, NamedTuple

from mlv.schema.jobs.spec import CorpusRef, ModelRef, Objective, Precision, Seed, Spec

Schedule = Literal["linear", "constant", "cosine"]
"""How the learning rate goes on after the warm-up: down to 0 at the end of the last planned epoch in a line or in half
a cosine wave, or not at all. What transformers calls ``constant_with_warmup`` is constant."""


class Course(NamedTuple):
    """How a training goes, as it usually goes. A specification has None for what is as usual, so that a run is the same
    whether it was said or not."""

    gradient_accumulation: int = 1
    schedule: Schedule = "linear"
    warmup: float = 0.0
    weight_decay: float = 0.0


IN_ARTICLE: Final = r":\d+$"
"""What the key of a sentence has after that of its article: ``9f86d081884c:3`` is the third sentence of an article. A
key without it is of a text that is an article of its own, and so is ``train:17`` in the edition train."""

ParameterGroup = Literal["embeddings"]
"""Parameters that can be kept as they are: those of the input embeddings and their norm."""

COURSE: Final = frozenset({*Course._fields, "patience"})
"""Settings of a training's course that the papers do without."""


class TrainingSpec(Spec):
    """Base of jobs that train a model on ``inputs/examples.parquet`` and leave a checkpoint for each epoch."""

    OUTPUTS: ClassVar = ("model.json", "checkpoints.parquet", "metrics.parquet")
    MAKES_CHECKPOINTS: ClassVar = True
    NOT_COMPARED: ClassVar[Mapping[str, str]] = {
        **Spec.NOT_COMPARED,
        "model": "compared as the pretrained model, and as what continues from a fine-tuned one",
        "source": "compared by itself: a column of every table",
        "languages": "compared by themselves, as the source is",
        "corpora": "an input",
    }

    objective: Objective
    model: ModelRef
    source: str
    languages: tuple[str, ...]
    """Languages that it is trained on."""

    corpora: tuple[CorpusRef, ...]
    """What the examples are taken from that it is trained on."""

    epochs: int
    batch_size: int
    learning_rate: float
    """Of AdamW, at its highest."""

    gradient_accumulation: int | None = None
    """Batches whose gradients are added up for a step, as if they were one batch; None: 1."""

    schedule: Schedule | None = None
    """None: linear."""

    warmup: float | None = None
    """Share of the steps of all planned epochs in which the learning rate rises from 0 in a line; None: 0."""

    weight_decay: float | None = None
    """Of AdamW, for all weights but those of norms and biases; None: 0."""

    patience: int | None = None
    """Epochs in a row without a better result on the development examples, after which training ends; None: it goes on
    to the last epoch. Where it is given the run's final checkpoint is that of the best epoch, the earliest of equals,
    whether or not training ended early; otherwise that of the last epoch."""

    max_tokens: int
    """Length at which an example is cut off, in tokens."""

    seed: Seed = 1
    precision: Precision = "fp32"

    @property
    def course(self) -> Course:
        """How training goes."""
        given = {name: getattr(self, name) for name in Course._fields}
        return Course(**{name: value for name, value in given.items() if value is not None})

    def models(self) -> tuple[ModelRef, ...]:
        """The model that training starts from."""
        return (self.model,)

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that examples are taken from."""
        return self.corpora
