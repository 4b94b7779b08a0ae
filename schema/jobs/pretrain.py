"""The specification of a pretraining job."""

from typing import ClassVar, Literal

from mlv.schema.jobs.spec import CorpusRef, Objective, Precision, Seed, Spec
from mlv.schema.papers import echoes


class PretrainSpec(Spec):
    """Train a tokenizer and a small mT5 from scratch on ``inputs/segments.parquet``."""

    OUTPUTS: ClassVar = ("model.json", "checkpoints.parquet", "metrics.parquet")
    MAKES_CHECKPOINTS: ClassVar = True
    LABELS: ClassVar = frozenset({"name"})

    kind: Literal["pretrain"] = "pretrain"
    name: str
    """What the model is called in the store."""

    preset: str
    """nano, tiny or small: the architecture, see ``mlv.compute.jobs.pretrain.PRESETS``."""

    corpora: tuple[CorpusRef, ...]
    vocabulary: int
    """Entries of the Unigram vocabulary, the 100 sentinels included."""

    steps: int
    """Optimizer steps."""

    batch_size: int
    learning_rate: float
    max_tokens: int = 64
    """Length at which a segment is cut off, in tokens."""

    objective: Objective = "span_corruption"
    noise_density: float = echoes.NOISE_DENSITY
    mean_span_length: float = echoes.MEAN_SPAN_LENGTH
    seed: Seed = 1
    precision: Precision = "fp32"
