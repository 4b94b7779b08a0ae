"""The specification of a fine-tuning job."""

from typing import ClassVar, Final, Literal, NamedTuple

from mlv.schema.jobs.spec import CorpusRef, Mask, ModelRef, Objective, Precision, Seed, Spec
from mlv.schema.papers import echoes

Schedule = Literal["linear", "constant", "cosine"]
"""How the learning rate goes on after the warm-up: down to 0 at the end of the last planned epoch in a line or in half
a cosine wave, or not at all. What transformers calls ``constant_with_warmup`` is constant."""

ADAPTER: Final = frozenset({"lora", "lora_alpha", "lora_dropout", "lora_targets"})
"""Settings of an adapter."""


class Course(NamedTuple):
    """How a training goes, as it usually goes. A specification has None for what is as usual, so that a run is the same
    whether it was said or not."""

    gradient_accumulation: int = 1
    schedule: Schedule = "linear"
    warmup: float = 0.0
    weight_decay: float = 0.0


COURSE: Final = frozenset({*Course._fields, "patience"})
"""Settings of a training's course that the papers do without."""


class FinetuneSpec(Spec):
    """Fine-tune a model on ``inputs/examples.parquet`` (E section 4.2, appendix B)."""

    OUTPUTS: ClassVar = ("model.json", "checkpoints.parquet", "metrics.parquet")
    MAKES_CHECKPOINTS: ClassVar = True
    IF_GIVEN: ClassVar = ADAPTER | COURSE
    NOT_COMPARED: ClassVar = {
        **Spec.NOT_COMPARED,
        "model": "compared as the pretrained model, and as what continues from a fine-tuned one",
        "source": "compared by itself: a column of every table",
        "languages": "compared by themselves, as the source is",
        "sentences": "compared by themselves, as the source is",
        "corpora": "an input",
    }

    kind: Literal["finetune"] = "finetune"
    model: ModelRef
    source: str
    languages: tuple[str, ...]
    sentences: int
    """Sentences in all languages together, training and development together."""

    parallel_with: tuple[str, ...] | None = None
    """Languages that all have the sentences, those of the run included; None: the first of the one language's text."""

    corpora: tuple[CorpusRef, ...]
    objective: Objective = "span_corruption"
    epochs: int = echoes.EPOCHS
    batch_size: int = echoes.BATCH_SIZE
    learning_rate: float = echoes.LEARNING_RATE
    """Of AdamW, at its highest."""

    gradient_accumulation: int | None = None
    """Batches whose gradients are added up for a step, as if they were one batch; None: 1."""

    schedule: Schedule | None = None
    """None: linear."""

    warmup: float | None = None
    """Share of the steps of all planned epochs in which the learning rate rises from 0 in a line; None: 0."""

    weight_decay: float | None = None
    """Of AdamW, for all weights but those of norms and position biases; None: 0."""

    patience: int | None = None
    """Epochs in a row without a development loss below the lowest before, after which training ends; None: it goes on
    to the last epoch. Where it is given the run's final checkpoint is that of the epoch with the lowest loss, the
    earliest of equals, whether or not training ended early; otherwise that of the last epoch."""

    development_share: float = echoes.DEVELOPMENT_SHARE
    mask: Mask = "anywhere"
    noise_density: float = echoes.NOISE_DENSITY
    mean_span_length: float = echoes.MEAN_SPAN_LENGTH
    max_tokens: int = 256
    """Length at which a sentence is cut off, in tokens."""

    seed: Seed = 1
    precision: Precision = "fp32"
    lora: int | None = None
    """Rank of the LoRA adapter that is trained (Hu et al. 2021); None: all weights are. Checkpoints have it merged."""

    lora_alpha: float | None = None
    """Its matrices' product counts alpha / rank times."""

    lora_dropout: float | None = None
    lora_targets: tuple[str, ...] | None = None
    """Names of the modules that it is added to, in all layers."""

    @property
    def course(self) -> Course:
        """How training goes."""
        given = {name: getattr(self, name) for name in Course._fields}
        return Course(**{name: value for name, value in given.items() if value is not None})

    def models(self) -> tuple[ModelRef, ...]:
        """The model that training starts from."""
        return (self.model,)

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that sentences are taken from."""
        return self.corpora
