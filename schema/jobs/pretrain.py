"""The specification of a pretraining job."""

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from mlv.schema.jobs.spec import CorpusRef, Mask, Objective, Precision, Seed, Spec
from mlv.schema.papers import echoes


@dataclass(frozen=True)
class Preset:
    """An architecture, and the training that makes it usable."""

    width: int
    """d_model."""

    feed_forward: int
    """d_ff."""

    layers: int
    """Layers of the encoder, and as many of the decoder."""

    heads: int
    head_width: int
    """d_kv."""

    vocabulary: int
    """Entries of the vocabulary by default."""

    steps: int
    """Optimizer steps by default."""

    batch_size: int
    """Examples a step by default."""

    learning_rate: float
    """Highest learning rate of AdamW by default."""


PRESETS: Final = {
    "nano": Preset(128, 256, 3, 4, 32, 6_000, 4_500, 32, 3e-3),
    "tiny": Preset(256, 512, 4, 4, 64, 12_000, 20_000, 64, 2e-3),
    "small": Preset(512, 1024, 8, 6, 64, 32_000, 100_000, 128, 1e-3),
}
"""nano: 2.7 million parameters, minutes on 2 cores. tiny: 12 million. small: mT5-small but for its vocabulary."""


class PretrainSpec(Spec):
    """Train a tokenizer and a small mT5 from scratch on ``inputs/segments.parquet``."""

    OUTPUTS: ClassVar = ("model.json", "checkpoints.parquet", "metrics.parquet")
    MAKES_CHECKPOINTS: ClassVar = True
    LABELS: ClassVar = frozenset({"name"})
    NOT_COMPARED: ClassVar = {**Spec.NOT_COMPARED, "name": "what the model is called", "corpora": "an input"}

    kind: Literal["pretrain"] = "pretrain"
    name: str
    """What the model is called in the store."""

    preset: str
    """nano, tiny or small: the architecture, see :data:`PRESETS`."""

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
    mask: Mask = "anywhere"
    noise_density: float = echoes.NOISE_DENSITY
    mean_span_length: float = echoes.MEAN_SPAN_LENGTH
    seed: Seed = 1
    precision: Precision = "fp32"

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that sentences are taken from."""
        return self.corpora
