"""Training by span corruption: how sentences are corrupted and collated, and what probes ask of the model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
import polars as pl

from mlv.compute.machine.streams import FloatArray, IntArray
from mlv.compute.models import files, loading, scoring
from mlv.compute.models.families import SPAN, sentinel_ids
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.training.corruption import Corrupted, Corruption, SpanCorruption
from mlv.compute.training.objective import IGNORED, Best, Examples, WeightedInput, cut, read_splits
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.tracing import Quantity

if TYPE_CHECKING:
    from torch import Tensor

DEVELOPMENT_EPOCH: Final = 0
"""Epoch whose corruption the development examples always have."""


class CorruptedExamples:
    """Examples that are corrupted when they are read, for the epoch that is set."""

    def __init__(
        self, tokens: Sequence[IntArray], positions: Sequence[int], corruption: Corruption, epoch: int
    ) -> None:
        self._tokens = tokens
        self._positions = positions
        self._corruption = corruption
        self.epoch = epoch

    def __len__(self) -> int:
        """How many there are."""
        return len(self._tokens)

    def __getitem__(self, index: int) -> Corrupted:
        """The example of an index."""
        return self._corruption(self._tokens[index], self.epoch, self._positions[index])


def collate(pad_id: int) -> "Callable[[list[Corrupted]], dict[str, Tensor]]":
    """A collator that pads to the longest of a batch: ``input_ids, attention_mask, labels`` [batch, tokens]."""
    from mlv.compute.models.tensors import pad

    def padded(examples: list[Corrupted]) -> "dict[str, Tensor]":
        inputs, attention = pad([example.inputs for example in examples], pad_id)
        labels, _ = pad([example.targets for example in examples], IGNORED)
        return {"input_ids": inputs, "attention_mask": attention, "labels": labels}

    return padded


def corrupted_examples(job: JobDirectory, spec: FinetuneSpec, epoch: int, split: str = "train") -> list[Corrupted]:
    """Exactly what the model was trained on in ``epoch`` (from 1), in the order of the examples' positions.

    The epoch visited them in the order of :func:`mlv.compute.training.course.epoch_order`. ``job`` is any job with the
    run's examples among its inputs. Raises NotFoundError if the start model is gone.
    """
    tokenizer = loading.load_tokenizer(files.locate(job, spec.model))
    examples = read_splits(job, Spans(spec), tokenizer)[split]
    return Spans(spec).corrupted(examples, tokenizer, epoch if split == "train" else DEVELOPMENT_EPOCH)


@dataclass(frozen=True)
class Spans:
    """The objective of a training by span corruption: targets are probes, which have two answers each."""

    spec: FinetuneSpec

    best: ClassVar = Best("eval_loss", -1)
    columns: ClassVar = (
        "position",
        "split",
        "source",
        "language",
        "edition",
        "segment_position",
        "parallel_key",
        "text",
    )
    texts: ClassVar = ("text",)
    reference_columns: ClassVar = scoring.COLUMNS
    target_columns: ClassVar = (*scoring.COLUMNS, "answer", "shift_sign")

    def load(self, folder: Path, device: str) -> loading.LoadedModel:
        """The model to start from."""
        return loading.load(folder, SPAN, device=device)

    def begin(self, loaded: loading.LoadedModel) -> None:
        """Nothing: it is all there."""

    def tokenise(self, frame: pl.DataFrame, tokenizer: Tokenizer) -> Examples:
        """Tokens of the sentences, without the end of sequence."""
        texts = frame["text"].to_list()
        ids = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        tokens = [np.asarray(row[: self.spec.max_tokens], dtype=np.int64) for row in ids]
        return Examples(frame["position"].to_list(), tokens, sum(len(row) > self.spec.max_tokens for row in ids))

    def dataset(self, examples: Examples, tokenizer: Tokenizer, split: str) -> CorruptedExamples:
        """The sentences, corrupted for each epoch; those for development always alike."""
        epoch = 1 if split == "train" else DEVELOPMENT_EPOCH
        return CorruptedExamples(examples.items, examples.positions, self._corruption(tokenizer), epoch)

    def batches(self, _: Examples, order: IntArray, __: int) -> list[IntArray]:
        """Of examples one after another."""
        return cut(order, self.spec.batch_size)

    def collate(self, loaded: loading.LoadedModel) -> "Callable[[list[Corrupted]], dict[str, Tensor]]":
        """:func:`collate`."""
        return collate(loaded.tokenizer.pad_token_id)

    def callbacks(self, _: loading.LoadedModel) -> tuple[()]:
        """Nothing."""
        return ()

    def measures(self) -> None:
        """Nothing beside the loss."""

    def corrupted(self, examples: Examples, tokenizer: Tokenizer, epoch: int) -> list[Corrupted]:
        """The examples as they are corrupted in an epoch."""
        corrupt = self._corruption(tokenizer)
        return [
            corrupt(tokens, epoch, position)
            for position, tokens in zip(examples.positions, examples.items, strict=True)
        ]

    def example_rows(
        self, examples: Examples, tokenizer: Tokenizer, weights: Mapping[int, float]
    ) -> list[list[WeightedInput]]:
        """The examples as they were corrupted in some epochs."""
        rows: list[list[WeightedInput]] = [[] for _ in examples.positions]
        for epoch, weight in weights.items():
            for place, example in enumerate(self.corrupted(examples, tokenizer, epoch)):
                rows[place].append(WeightedInput(place, example.inputs, example.targets, len(example.targets), weight))
        return rows

    def faults(self, targets: pl.DataFrame) -> list[str]:
        """What is wrong with probes."""
        found = (
            ("answers other than 1 and 2", not set(targets["answer"]) <= {1, 2}),
            ("shift signs other than 1 and -1", not set(targets["shift_sign"]) <= {1, -1}),
        )
        return [fault for fault, wrong in found if wrong]

    def check(self, targets: pl.DataFrame, tokenizer: Tokenizer) -> None:
        """Raise JobError if the tokenizer makes a probe ambiguous."""
        ambiguous = scoring.find_ambiguous(scoring.tokenise(targets, tokenizer), tokenizer)
        if ambiguous:
            listed = "; ".join(f"{row.question} ({row.language}): {row.reason}" for row in ambiguous)
            raise JobError(
                f"Targets that are ambiguous with this tokenizer: {listed}", "Plan the job again without these probes."
            )

    def signs(self, targets: pl.DataFrame, quantity: Quantity) -> FloatArray:
        """Of the two answers, [targets, 2]."""
        if quantity == "answer":
            onehot: FloatArray = np.eye(2)[targets["answer"].to_numpy() - 1]
            return onehot
        moved = targets["shift_sign"].to_numpy() if quantity == "shift" else np.ones(targets.height)
        signs: FloatArray = moved[:, None] * np.array([1.0, -1.0])
        return signs

    def target_rows(self, targets: pl.DataFrame, tokenizer: Tokenizer, quantity: Quantity) -> list[list[WeightedInput]]:
        """Both answers, or the one that is traced, given the template."""
        sentinel = sentinel_ids(tokenizer)[0]
        probes = scoring.tokenise(targets, tokenizer)
        return [
            [
                WeightedInput(number, probe.inputs, [sentinel, *answer], len(answer), sign / len(answer))
                for answer, sign in zip(probe.answers, pair, strict=True)
                if sign
            ]
            for number, (probe, pair) in enumerate(zip(probes, self.signs(targets, quantity).tolist(), strict=True))
        ]

    def reference_rows(self, reference: pl.DataFrame, tokenizer: Tokenizer) -> list[WeightedInput]:
        """Both answers of the reference probes."""
        return [row for pair in self.target_rows(reference, tokenizer, "margin") for row in pair]

    def ask(self, loaded: loading.LoadedModel, targets: pl.DataFrame, batch_tokens: int) -> FloatArray:
        """Mean log-probability per token of the first and the second answer, [targets, 2]."""
        scores = scoring.score(loaded, scoring.tokenise(targets, loaded.tokenizer), batch_tokens)
        means = (scores["logprob_sum"] / scores["tokens"]).to_numpy()
        return np.asarray(means, dtype=np.float64).reshape(-1, 2)

    def written(self, targets: pl.DataFrame, quantity: Quantity) -> list[str]:
        """Templates with the answer in the mask's place."""
        answers = self.signs(targets, quantity).argmax(axis=1)
        return [
            row["template"].replace(scoring.MASK, row[("answer_first", "answer_second")[answer]])
            for row, answer in zip(targets.iter_rows(named=True), answers, strict=True)
        ]

    def _corruption(self, tokenizer: Tokenizer) -> SpanCorruption:
        spec = self.spec
        return SpanCorruption(
            sentinel_ids(tokenizer),
            tokenizer.eos_token_id,
            spec.seed,
            spec.noise_density,
            **spec.of_spans,
        )
