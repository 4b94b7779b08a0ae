"""Training by span corruption: a run's examples, how they are corrupted and collated, and in which order they come."""

import math
from collections.abc import Callable, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from mlv.compute.machine.options import Progress
from mlv.compute.models import files, loading
from mlv.compute.models.families import sentinel_ids
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.training.corruption import BoolArray, Corrupted, Corruption, SpanCorruption
from mlv.compute.training.streams import IntArray, Purpose, Stream
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import SentencesCut
from mlv.schema.jobs.finetune import FinetuneSpec, Schedule
from mlv.schema.jobs.parquet import read_table

if TYPE_CHECKING:
    import transformers
    from torch import Tensor

    from mlv.compute.training.trainer import OrderedTrainer

COLUMNS: Final = (
    "position",
    "split",
    "source",
    "language",
    "edition",
    "segment_position",
    "parallel_key",
    "text",
)

DEVELOPMENT_EPOCH: Final = 0
"""Epoch whose corruption the development examples always have."""

SCHEDULERS: Final[dict[Schedule, str]] = {
    "linear": "linear",
    # what is called constant has no warm-up
    "constant": "constant_with_warmup",
    "cosine": "cosine",
}
"""What transformers calls a schedule."""

IGNORED: Final = -100
"""Label that the loss leaves out."""


class Examples(NamedTuple):
    """One split, tokenised."""

    positions: list[int]
    tokens: list[IntArray]
    cut: int = 0
    """How many of them were longer, and cut off."""


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

    The epoch visited them in the order of :func:`epoch_order`. Raises NotFoundError if the start model is gone.
    """
    return corrupted(job, spec, loading.load_tokenizer(files.locate(job, spec.model)), epoch, split)


def corrupted(
    job: JobDirectory, spec: FinetuneSpec, tokenizer: Tokenizer, epoch: int, split: str = "train"
) -> list[Corrupted]:
    """:func:`corrupted_examples` of the run ``spec``, for any job with the run's examples among its inputs."""
    examples = read_splits(job, spec, tokenizer)[split]
    corrupt = _corruption(spec, tokenizer)
    epoch = epoch if split == "train" else DEVELOPMENT_EPOCH
    return [
        corrupt(tokens, epoch, position) for position, tokens in zip(examples.positions, examples.tokens, strict=True)
    ]


def read_splits(job: JobDirectory, spec: FinetuneSpec, tokenizer: Tokenizer) -> dict[str, Examples]:
    """Training and development examples in the order of their positions.

    Raises JobError if none are for training, or none for development where their loss is watched.
    ``job`` is any job with the examples of the run ``spec`` among its inputs.
    """
    frame = read_table(job.inputs / "examples.parquet", COLUMNS).sort("position")
    splits = {
        split: _tokenise(frame.filter(pl.col("split") == split), spec.max_tokens, tokenizer)
        for split in ("train", "development")
    }
    if not splits["train"].positions:
        raise JobError(f"{job.path.name} has no training examples", "Plan the job again with more sentences.")
    if spec.patience and not splits["development"].positions:
        raise JobError(f"{job.path.name} has no development examples to watch", "Plan it again without patience.")
    return splits


def epoch_order(seed: int, epoch: int, examples: int) -> IntArray:
    """Order in which ``epoch`` (from 1) visits the training examples, as indices into them, [examples]."""
    return Stream(seed, Purpose.ORDER, epoch).permutation(examples)


def retrain(
    job: JobDirectory,
    spec: FinetuneSpec,
    loaded: loading.LoadedModel,
    splits: dict[str, Examples],
    kept: BoolArray,
    epochs: int,
    progress: Progress,
    label: str,
) -> None:
    """Train ``loaded`` by ``spec``, but only on the training examples that are ``kept`` [examples]; save nothing.

    All else is the run's: how an example is corrupted in an epoch, the order (:func:`kept_order`), the settings.
    Training ends after ``epochs``, as many as the run's final checkpoint has, whatever the development loss; the
    learning rate goes on as planned for all of them. With every example kept the weights are bit for bit those of the
    final checkpoint, on the same machine with as many threads.
    """
    from mlv.compute.training import trainer as training

    train, development = splits["train"], splits["development"]
    chosen = {
        "train": Examples(list(compress(train.positions, kept)), list(compress(train.tokens, kept))),
        # an evaluation draws a random number, however small it is: without one, dropout would draw others
        "development": Examples(development.positions[:1], development.tokens[:1]),
    }
    trainer = make_trainer(job, spec, loaded, chosen, lambda epoch: kept_order(spec.seed, epoch, kept), progress, None)
    trainer.add_callback(training.EndsAfter(epochs))
    steps = epochs * steps_per_epoch(len(chosen["train"].positions), spec)
    training.train(job, trainer, progress, label, steps)
    # bf16 is for training; probes are scored in 32 bits
    trainer.accelerator.unwrap_model(loaded.model, keep_fp32_wrapper=False).eval()


def kept_order(seed: int, epoch: int, kept: BoolArray) -> IntArray:
    """:func:`epoch_order` without the examples that are not ``kept`` [examples], as indices into those that are."""
    order = epoch_order(seed, epoch, len(kept))
    return (np.cumsum(kept) - 1)[order[kept[order]]]


def steps_per_epoch(examples: int, spec: FinetuneSpec) -> int:
    """Optimizer steps of an epoch; the last may be of fewer batches, and its last batch short."""
    return math.ceil(examples / spec.batch_size / spec.course.gradient_accumulation)


def _corruption(spec: FinetuneSpec, tokenizer: Tokenizer) -> SpanCorruption:
    return SpanCorruption(
        sentinel_ids(tokenizer),
        tokenizer.eos_token_id,
        spec.seed,
        spec.noise_density,
        spec.mean_span_length,
        spec.mask,
    )


def _tokenise(frame: pl.DataFrame, max_tokens: int, tokenizer: Tokenizer) -> Examples:
    texts = frame["text"].to_list()
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
    tokens = [np.asarray(row[:max_tokens], dtype=np.int64) for row in ids]
    return Examples(frame["position"].to_list(), tokens, sum(len(row) > max_tokens for row in ids))


def note_cut(job: JobDirectory, cut: int, sentences: int, max_tokens: int) -> None:
    """Say in the job's log, once, how many of its sentences were cut off, if any were."""
    if cut and not job.logged(SentencesCut):
        job.log(SentencesCut(sentences=cut, of=sentences, max_tokens=max_tokens))


def make_trainer(
    job: JobDirectory,
    spec: FinetuneSpec,
    loaded: loading.LoadedModel,
    splits: dict[str, Examples],
    order: Callable[[int], IntArray],
    progress: Progress,
    publish: Callable[[int], None] | None,
) -> "OrderedTrainer":
    """The Trainer of ``splits`` in ``order`` (by epoch); without ``publish`` it saves nothing."""
    from mlv.compute.training import trainer as training

    corrupt = _corruption(spec, loaded.tokenizer)
    examples, development = (
        CorruptedExamples(splits[split].tokens, splits[split].positions, corrupt, epoch)
        for split, epoch in (("train", 1), ("development", DEVELOPMENT_EPOCH))
    )
    steps = steps_per_epoch(len(examples), spec)
    recorder = training.Recorder(job, examples, steps, progress, publish)
    return training.OrderedTrainer(
        order=training.EpochOrder(examples, order),
        model=loaded.model,
        args=_arguments(job, spec, loaded.device, steps, evaluate=len(development) > 0, save=publish is not None),
        train_dataset=examples,
        eval_dataset=development if len(development) else None,
        data_collator=collate(loaded.tokenizer.pad_token_id),
        callbacks=[recorder],
    )


def _arguments(
    job: JobDirectory, spec: FinetuneSpec, device: str, steps: int, *, evaluate: bool, save: bool
) -> "transformers.TrainingArguments":
    """The Trainer's arguments: the paper's settings (E appendix B), the library's defaults otherwise."""
    from mlv.compute.training import trainer as training

    return training.single_device_arguments(
        job.work,
        device,
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.batch_size,
        per_device_eval_batch_size=spec.batch_size,
        gradient_accumulation_steps=spec.course.gradient_accumulation,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=SCHEDULERS[spec.course.schedule],
        warmup_steps=spec.course.warmup,
        weight_decay=spec.course.weight_decay,
        bf16=spec.precision == "bf16",
        seed=spec.seed,
        eval_strategy="epoch" if evaluate else "no",
        save_strategy="epoch" if save else "no",
        logging_strategy="steps",
        logging_steps=max(1, steps // training.LOGS_PER_EPOCH),
    )
