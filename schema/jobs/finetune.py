"""The specification of a fine-tuning job."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from mlv.schema.jobs.spec import Mask
from mlv.schema.jobs.training import COURSE, ParameterGroup, TrainingSpec
from mlv.schema.papers import echoes

ADAPTER: Final = frozenset({"lora", "lora_alpha", "lora_dropout", "lora_targets"})
"""Settings of an adapter."""

SPANS: Final = frozenset({"mask", "mean_span_length"})
"""Settings of span corruption alone."""

ARTICLES: Final = frozenset({"articles", "share"})
"""Settings of runs that are given whole articles."""


class FinetuneSpec(TrainingSpec):
    """Fine-tune a model on ``inputs/examples.parquet`` by span corruption (E section 4.2, appendix B) or on masked
    words (D6 section 6.6). With patience the best epoch is that of the lowest development loss.

    An example is a sentence. Of whole articles the sentences are joined in order, the end of sequence after each
    article, and cut to blocks of ``max_tokens``, special tokens included, each of which is an example.
    """

    NEXT: ClassVar = "probe it: mlv compute probe --model {run}"
    IF_GIVEN: ClassVar = ADAPTER | COURSE | ARTICLES | {"freeze"}
    NOT_COMPARED: ClassVar = {
        **TrainingSpec.NOT_COMPARED,
        "sentences": "compared by themselves, as the source is",
        "share": "a column of its own",
    }

    kind: Literal["finetune"] = "finetune"
    sentences: int
    """Sentences in all languages together, training and development together."""

    parallel_with: tuple[str, ...] | None = None
    """Languages that all have the sentences, those of the run included; None: the first of the one language's text."""

    articles: int | None = None
    """Whole articles of each language, the first of the source, of which :attr:`share` is given; None: sentences."""

    share: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the articles that is given, the first; None: all of them."""

    objective: Literal["span_corruption", "masked_words"] = "span_corruption"
    epochs: int = echoes.EPOCHS
    batch_size: int = echoes.BATCH_SIZE
    learning_rate: float = echoes.LEARNING_RATE
    development_share: float = echoes.DEVELOPMENT_SHARE
    mask: Mask | None = "anywhere"
    """Of span corruption alone, as the mean length of spans."""

    noise_density: float = echoes.NOISE_DENSITY
    mean_span_length: float | None = echoes.MEAN_SPAN_LENGTH
    max_tokens: int = 256
    freeze: tuple[ParameterGroup, ...] | None = None
    """Parameters that keep their values; None: all are trained."""

    lora: int | None = None
    """Rank of the LoRA adapter that is trained (Hu et al. 2021); None: all weights are. Checkpoints have it merged."""

    lora_alpha: float | None = None
    """Its matrices' product counts alpha / rank times."""

    lora_dropout: float | None = None
    lora_targets: tuple[str, ...] | None = None
    """Names of the modules that it is added to, in all layers."""

    @model_validator(mode="before")
    @classmethod
    def _without_spans(cls, given: Any) -> Any:
        """No settings of spans where there are none."""
        if isinstance(given, Mapping) and given.get("objective") == "masked_words":
            return {**dict.fromkeys(SPANS), **given}
        return given

    @model_validator(mode="after")
    def _fits(self) -> Self:
        spans = self.objective == "span_corruption"
        if any((getattr(self, name) is None) == spans for name in SPANS):
            raise ValueError(f"{' and '.join(sorted(SPANS))} are settings of span corruption, and of nothing else")
        if self.articles is None and self.share is not None:
            raise ValueError("share: of articles, and there are none")
        return self

    def next_step(self) -> str:
        """A model of masked words has no answers to probes."""
        if self.objective == "masked_words":
            return "what it says of social groups: mlv compute complete --model {run} --groups LIST"
        return super().next_step()

    @property
    def of_spans(self) -> dict[str, Any]:
        """The settings of span corruption."""
        return {name: getattr(self, name) for name in sorted(SPANS)}
