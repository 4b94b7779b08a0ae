"""The specification of a pretraining job."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, model_validator

from mlv.schema.jobs.spec import CorpusRef, Mask, Objective, Precision, Seed, Spec
from mlv.schema.papers import echoes


@dataclass(frozen=True)
class Preset:
    """A size, and the training that makes a model of it usable."""

    width: int
    """d_model."""

    feed_forward: int
    """d_ff."""

    layers: int
    """Layers; of an encoder-decoder so many of each."""

    heads: int
    head_width: int
    """d_kv; width / heads but in an encoder-decoder."""

    vocabulary: int
    """Entries of the vocabulary by default."""

    steps: int
    """Optimizer steps by default."""

    batch_size: int
    """Examples a step by default."""

    learning_rate: float
    """Highest learning rate of AdamW by default."""

    objective: Objective = "span_corruption"
    """What it is trained on: a T5's spans, an encoder's words, or what comes next in a decoder."""

    max_tokens: int = 64
    """Length at which a segment is cut off, in tokens."""


PRESETS: Final = {
    "nano": Preset(128, 256, 3, 4, 32, 6_000, 4_500, 32, 3e-3),
    "tiny": Preset(256, 512, 4, 4, 64, 12_000, 20_000, 64, 2e-3),
    "small": Preset(512, 1024, 8, 6, 64, 32_000, 100_000, 128, 1e-3),
    "nano-encoder": Preset(128, 256, 3, 4, 32, 6_000, 4_500, 32, 1e-3, "masked_words", 126),
    "tiny-encoder": Preset(256, 512, 4, 4, 64, 12_000, 20_000, 64, 5e-4, "masked_words", 126),
    "nano-decoder": Preset(128, 256, 3, 4, 32, 6_000, 4_500, 32, 1e-3, "next_token", 126),
}
"""nano: 2.7 million parameters, minutes on 2 cores. tiny: 12 million. small: mT5-small but for its vocabulary.
nano-encoder: 1.3 million. tiny-encoder: 5.4 million. Theirs are 126 tokens, as long as the 128 of a pair of sentences
with what marks them. nano-decoder: 2.0 million."""

_USUAL: Final[Mapping[Objective, Mapping[str, Any]]] = {
    "span_corruption": {
        "noise_density": echoes.NOISE_DENSITY,
        "mask": "anywhere",
        "mean_span_length": echoes.MEAN_SPAN_LENGTH,
    },
    "masked_words": {"noise_density": echoes.NOISE_DENSITY},
    "next_token": {},
}
"""Settings that not all objectives have, as they usually are."""


def objective_of(preset: str) -> Objective:
    """What models of a preset are trained on; of an unknown one span corruption."""
    return PRESETS[preset].objective if preset in PRESETS else "span_corruption"


def check_settings(given: BaseModel, preset: str) -> None:
    """Raise ValueError if settings are given that only other objectives than the preset's have."""
    own = _USUAL[objective_of(preset)]
    others = {name: other for other, usual in _USUAL.items() for name in usual if name not in own}
    for name, other in others.items():
        if getattr(given, name, None) is not None:
            raise ValueError(f"{name}: a setting of {other}, and {preset} learns by {objective_of(preset)}")


class PretrainSpec(Spec):
    """Train a tokenizer and a small model from scratch on ``inputs/segments.parquet``."""

    OUTPUTS: ClassVar = ("model.json", "checkpoints.parquet", "metrics.parquet")
    MAKES_CHECKPOINTS: ClassVar = True
    LABELS: ClassVar = frozenset({"name"})
    IF_GIVEN: ClassVar = frozenset({"noise_density", "mask", "mean_span_length"})
    NOT_COMPARED: ClassVar = {**Spec.NOT_COMPARED, "name": "what the model is called", "corpora": "an input"}

    kind: Literal["pretrain"] = "pretrain"
    name: str
    """What the model is called in the store."""

    preset: str
    """Which of :data:`PRESETS`: the architecture."""

    corpora: tuple[CorpusRef, ...]
    vocabulary: int
    """Entries of the Unigram vocabulary, special tokens and bytes included."""

    steps: int
    """Optimizer steps."""

    batch_size: int
    learning_rate: float
    max_tokens: int = 64
    """Length at which a segment is cut off, in tokens."""

    objective: Objective = "span_corruption"
    """The preset's."""

    noise_density: float | None = None
    """Share of the tokens that are removed or hidden, where some are."""

    mask: Mask | None = None
    """Of span corruption alone, as the mean length of spans."""

    mean_span_length: float | None = None
    seed: Seed = 1
    precision: Precision = "fp32"

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        """The preset's objective, and its settings as they usually are where they are not given."""
        if not isinstance(given, Mapping):
            return given
        chosen = {name: value for name, value in given.items() if value is not None}
        objective = objective_of(str(chosen.get("preset")))
        return {"objective": objective, **_USUAL[objective], **chosen}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_settings(self, self.preset)
        if self.objective != objective_of(self.preset):
            raise ValueError(f"objective: {self.preset} learns by {objective_of(self.preset)}")
        return self

    def of_objective(self) -> dict[str, Any]:
        """The settings that not all objectives have, but its own."""
        return {name: getattr(self, name) for name in _USUAL[self.objective]}

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that sentences are taken from."""
        return self.corpora
