"""The specification of a fine-tuning job."""

from typing import ClassVar, Final, Literal

from mlv.schema.jobs.spec import Mask
from mlv.schema.jobs.training import COURSE, TrainingSpec
from mlv.schema.papers import echoes

ADAPTER: Final = frozenset({"lora", "lora_alpha", "lora_dropout", "lora_targets"})
"""Settings of an adapter."""


class FinetuneSpec(TrainingSpec):
    """Fine-tune a model on ``inputs/examples.parquet`` (E section 4.2, appendix B). With patience the best epoch is
    that of the lowest development loss."""

    NEXT: ClassVar = "probe it: mlv compute probe --model {run}"
    IF_GIVEN: ClassVar = ADAPTER | COURSE
    NOT_COMPARED: ClassVar = {**TrainingSpec.NOT_COMPARED, "sentences": "compared by themselves, as the source is"}

    kind: Literal["finetune"] = "finetune"
    sentences: int
    """Sentences in all languages together, training and development together."""

    parallel_with: tuple[str, ...] | None = None
    """Languages that all have the sentences, those of the run included; None: the first of the one language's text."""

    objective: Literal["span_corruption"] = "span_corruption"
    epochs: int = echoes.EPOCHS
    batch_size: int = echoes.BATCH_SIZE
    learning_rate: float = echoes.LEARNING_RATE
    development_share: float = echoes.DEVELOPMENT_SHARE
    mask: Mask = "anywhere"
    noise_density: float = echoes.NOISE_DENSITY
    mean_span_length: float = echoes.MEAN_SPAN_LENGTH
    max_tokens: int = 256
    lora: int | None = None
    """Rank of the LoRA adapter that is trained (Hu et al. 2021); None: all weights are. Checkpoints have it merged."""

    lora_alpha: float | None = None
    """Its matrices' product counts alpha / rank times."""

    lora_dropout: float | None = None
    lora_targets: tuple[str, ...] | None = None
    """Names of the modules that it is added to, in all layers."""
