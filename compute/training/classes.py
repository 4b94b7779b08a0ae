"""Training a classifier: how labelled texts and pairs of texts are fed, and what is asked of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import polars as pl
from scipy.special import log_softmax

from mlv.compute.machine.streams import FloatArray, IntArray
from mlv.compute.models import classifiers, new_heads
from mlv.compute.models.classifiers import Encoded, encode
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.models.loading import LoadedModel
from mlv.compute.training.objective import Best, Examples, WeightedInput, cut, joint_text
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.tracing import Quantity

if TYPE_CHECKING:
    import transformers
    from torch import Tensor


class Labelled(NamedTuple):
    """An example."""

    encoded: Encoded
    number: int
    """Its class, from 0."""

    language: str


class LabelledExamples:
    """Examples that are the same in every epoch."""

    epoch = 1

    def __init__(self, examples: Sequence[Labelled]) -> None:
        self._examples = examples

    def __len__(self) -> int:
        """How many there are."""
        return len(self._examples)

    def __getitem__(self, index: int) -> Labelled:
        """The example of an index."""
        return self._examples[index]


@dataclass(frozen=True)
class Classes:
    """The objective of a classifier: targets are labelled texts, whose answers are the classes."""

    spec: ClassifySpec

    best: ClassVar = Best("eval_accuracy", 1)
    columns: ClassVar = (
        "position",
        "split",
        "source",
        "language",
        "edition",
        "segment_position",
        "parallel_key",
        "text",
        "text_pair",
        "class_number",
    )
    texts: ClassVar = ("text", "text_pair")
    reference_columns: ClassVar = ("language", "question", "text", "text_pair")
    target_columns: ClassVar = (*reference_columns, "answer")

    def load(self, folder: Path, device: str) -> LoadedModel:
        """The encoder, with a classifier over the classes if it has none yet."""
        loaded = classifiers.load(folder, self.spec.classes, self.spec.task, device)
        if "embeddings" in (self.spec.freeze or ()):
            classifiers.freeze_embeddings(loaded.model)
        return loaded

    def begin(self, loaded: LoadedModel) -> None:
        """Draw the classifier by the seed, if it is new."""
        new_heads.draw(loaded, self.spec.seed)

    def tokenise(self, frame: pl.DataFrame, tokenizer: Tokenizer) -> Examples:
        """The texts or pairs as the tokenizer puts them, with their classes."""
        encoded, cut = encode(frame, tokenizer, self.spec.max_tokens)
        numbers = (frame["class_number"] - 1).to_list()
        items = [Labelled(*row) for row in zip(encoded, numbers, frame["language"], strict=True)]
        return Examples(frame["position"].to_list(), items, cut)

    def dataset(self, examples: Examples, _: Tokenizer, __: str) -> LabelledExamples:
        """The examples."""
        return LabelledExamples(examples.items)

    def batches(self, _: Examples, order: IntArray, __: int) -> list[IntArray]:
        """Of examples one after another."""
        return cut(order, self.spec.batch_size)

    def collate(self, loaded: LoadedModel) -> "Callable[[list[Labelled]], dict[str, Tensor]]":
        """A collator that pads to the longest of a batch; ``labels`` [batch]."""
        import torch

        def padded(examples: list[Labelled]) -> "dict[str, Tensor]":
            inputs = classifiers.batch([example.encoded for example in examples], loaded.tokenizer)
            return {**inputs, "labels": torch.tensor([example.number for example in examples])}

        return padded

    def callbacks(self, _: LoadedModel) -> "Sequence[transformers.TrainerCallback]":
        """Nothing."""
        return ()

    def measures(self) -> Callable[[Any], dict[str, float]]:
        """Accuracy."""
        return lambda said: {"accuracy": float((said.predictions.argmax(-1) == said.label_ids).mean())}

    def example_rows(self, examples: Examples, _: Tokenizer, __: Mapping[int, float]) -> list[list[WeightedInput]]:
        """Each example once: it is the same in every epoch."""
        return [[_row(place, item.encoded, item.number)] for place, item in enumerate(examples.items)]

    def faults(self, targets: pl.DataFrame) -> list[str]:
        """What is wrong with labelled texts."""
        known = targets["answer"].is_between(1, len(self.spec.classes)).all()
        return [] if known else [f"classes other than 1 to {len(self.spec.classes)}"]

    def check(self, targets: pl.DataFrame, _: Tokenizer) -> None:
        """Nothing: classes are told apart whatever the tokenizer."""

    def signs(self, targets: pl.DataFrame, _: Quantity) -> FloatArray:
        """Of the classes, [targets, classes]: the label's counts."""
        onehot: FloatArray = np.eye(len(self.spec.classes))[targets["answer"].to_numpy() - 1]
        return onehot

    def target_rows(self, targets: pl.DataFrame, tokenizer: Tokenizer, quantity: Quantity) -> list[list[WeightedInput]]:
        """Each target with its class."""
        answers = self.signs(targets, quantity).argmax(axis=1).tolist()
        return [
            [_row(number, text, answer)]
            for number, (text, answer) in enumerate(zip(self._encoded(targets, tokenizer), answers, strict=True))
        ]

    def reference_rows(self, reference: pl.DataFrame, tokenizer: Tokenizer) -> list[WeightedInput]:
        """Every class of every text."""
        return list(self._every_class(self._encoded(reference, tokenizer)))

    def ask(self, loaded: LoadedModel, targets: pl.DataFrame, batch_tokens: int) -> FloatArray:
        """Log-probabilities of the classes, [targets, classes]."""
        logits = classifiers.logits(loaded, self._encoded(targets, loaded.tokenizer), batch_tokens)
        logprobs: FloatArray = log_softmax(logits, axis=1)
        return logprobs

    def written(self, targets: pl.DataFrame, _: Quantity) -> list[str]:
        """The texts: a class has no words."""
        return targets.select(joint_text(self.texts)).to_series().to_list()

    def _encoded(self, frame: pl.DataFrame, tokenizer: Tokenizer) -> list[Encoded]:
        return encode(frame, tokenizer, self.spec.max_tokens)[0]

    def _every_class(self, texts: Sequence[Encoded]) -> Iterator[WeightedInput]:
        for place, text in enumerate(texts):
            for number in range(len(self.spec.classes)):
                yield _row(place * len(self.spec.classes) + number, text, number)


def _row(place: int, text: Encoded, number: int) -> WeightedInput:
    return WeightedInput(place, text.tokens, [], number, types=text.types)
