"""The specification of a fine-tuning job."""

from typing import Literal

from mlv.schema.jobs.spec import CorpusRef, ModelRef, Precision, Seed, Spec
from mlv.schema.papers import echoes


class FinetuneSpec(Spec):
    """Fine-tune a model by span corruption (E section 4.2, appendix B)."""

    kind: Literal["finetune"] = "finetune"
    model: ModelRef
    source: str
    languages: tuple[str, ...]
    sentences: int
    """Sentences in all languages together, training and development together."""

    corpora: tuple[CorpusRef, ...]
    inputs_digest: str
    """SHA-256 of ``inputs/examples.parquet`` by content."""

    epochs: int = echoes.EPOCHS
    batch_size: int = echoes.BATCH_SIZE
    learning_rate: float = echoes.LEARNING_RATE
    development_share: float = echoes.DEVELOPMENT_SHARE
    noise_density: float = echoes.NOISE_DENSITY
    mean_span_length: float = echoes.MEAN_SPAN_LENGTH
    max_tokens: int = 256
    """Length at which a sentence is cut off, in tokens."""

    seed: Seed = 1
    precision: Precision = "fp32"
