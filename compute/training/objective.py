"""What a kind of training makes of its examples and of what is asked of its models: all that kinds differ in.

How a training goes is the same for all of them (:mod:`mlv.compute.training.course`), and so is what is made of
gradients and of retrained models. :func:`mlv.compute.training.objectives.objective_of` has the objective of a
specification.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import polars as pl

from mlv.compute.machine.streams import FloatArray, IntArray
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.models.loading import LoadedModel
from mlv.compute.training.corruption import BoolArray
from mlv.schema.errors import PLAN_AGAIN, JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.masks import Mask
from mlv.schema.jobs.parquet import read_table
from mlv.schema.jobs.tracing import Quantity
from mlv.schema.jobs.training import TrainingSpec

if TYPE_CHECKING:
    import transformers
    from torch import Tensor

    from mlv.compute.models.tensors import Tokens

IGNORED: Final = -100
"""Label that a loss leaves out."""


class WeightedInput(NamedTuple):
    """One pass of an example through the model, a row of a batch; the rows of an example add up."""

    example: int
    """Index of the example."""

    inputs: "Tokens"
    """Encoder tokens."""

    decoder: "Tokens"
    """Decoder tokens, without the start token; empty for a classifier."""

    scored: int
    """How many of the decoder's tokens, from the end, are scored; for a classifier, the class, from 0."""

    weight: float = 1.0
    """Factor of the row's objective."""

    types: "Tokens" = ()
    """Which of two texts each encoder token is of, for a model that is told; empty if it is not."""

    mask: Mask | None = None
    """Which attention heads it is put through; None: all."""


class Examples(NamedTuple):
    """One split, tokenised."""

    positions: list[int]
    items: list[Any]
    """As the objective has them."""

    cut: int = 0
    """How many of them were longer, and cut off."""

    def kept(self, mask: BoolArray) -> "Examples":
        """Those that are kept, [examples]."""
        return Examples(list(compress(self.positions, mask)), list(compress(self.items, mask)))


class EpochExamples(Protocol):
    """Examples that may differ from epoch to epoch; the Trainer reads them by index and collates them."""

    epoch: int
    """The epoch that they are read for."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Any:
        """The example of an index."""


class Best(NamedTuple):
    """What is watched of the development examples."""

    metric: str
    """Name in the Trainer's log."""

    sign: int
    """1 where more is better, -1 where less is."""


class Objective(Protocol):
    """The objective of a training."""

    @property
    def spec(self) -> TrainingSpec:
        """The training."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of ``inputs/examples.parquet``."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of the columns that are its text."""

    @property
    def best(self) -> Best:
        """What patience watches."""

    def load(self, folder: Path, device: str, /) -> LoadedModel:
        """The model to start from, with all that training adds to it. Raises DataError as all loading does."""

    def begin(self, loaded: LoadedModel, /) -> None:
        """Draw what the model to start from does not bring along, by the training's seed."""

    def tokenise(self, frame: pl.DataFrame, tokenizer: Tokenizer, /) -> Examples:
        """The examples of one split."""

    def dataset(self, examples: Examples, tokenizer: Tokenizer, split: str, /) -> EpochExamples:
        """The examples as they are fed."""

    def batches(self, examples: Examples, order: IntArray, epoch: int, /) -> Sequence[IntArray]:
        """The training examples of an epoch (from 1) in batches, as indices into them; ``order`` [examples] is the
        epoch's own."""

    def collate(self, loaded: LoadedModel, /) -> "Callable[[list[Any]], dict[str, Tensor]]":
        """A collator of what is fed."""

    def callbacks(self, loaded: LoadedModel, /) -> "Sequence[transformers.TrainerCallback]":
        """What takes part in the Trainer's steps. Raises DataError if the model does not fit."""

    def measures(self) -> Callable[[Any], dict[str, float]] | None:
        """What the Trainer measures on the development examples beside their loss."""


class Traceable(Objective, Protocol):
    """An objective whose trainings can be traced. Targets are rows of ``inputs/targets.parquet``, answers what a model
    may say."""

    def example_rows(
        self, examples: Examples, tokenizer: Tokenizer, weights: Mapping[int, float], /
    ) -> list[list[WeightedInput]]:
        """The examples as they were fed in some epochs, which count by their weights, in the order of ``examples``."""

    @property
    def target_columns(self) -> tuple[str, ...]:
        """Columns of targets, beside their numbers."""

    @property
    def reference_columns(self) -> tuple[str, ...]:
        """Columns of ``inputs/reference.parquet``."""

    def faults(self, targets: pl.DataFrame, /) -> Sequence[str]:
        """What is wrong with targets."""

    def check(self, targets: pl.DataFrame, tokenizer: Tokenizer, /) -> None:
        """Raise JobError if a tokenizer cannot tell the answers of a target apart."""

    def signs(self, targets: pl.DataFrame, quantity: Quantity, /) -> FloatArray:
        """How the log-probability of each answer counts in the traced quantity, [targets, answers]: the answer that
        positive influence supports by 1."""

    def target_rows(
        self, targets: pl.DataFrame, tokenizer: Tokenizer, quantity: Quantity, /
    ) -> list[list[WeightedInput]]:
        """The traced quantity of every target as passes through the model, with the weights that make it up."""

    def reference_rows(self, reference: pl.DataFrame, tokenizer: Tokenizer, /) -> list[WeightedInput]:
        """What principal directions are learnt from: every answer of every row, an example each."""

    def ask(self, loaded: LoadedModel, targets: pl.DataFrame, batch_tokens: int, /) -> FloatArray:
        """Log-probability of each answer, per token where it has several, [targets, answers], in nats."""

    def written(self, targets: pl.DataFrame, quantity: Quantity, /) -> list[str]:
        """The targets as texts that are compared with examples, with the answer that positive influence supports."""


def cut(order: IntArray, batch_size: int) -> list[IntArray]:
    """Examples in an order, one batch after another; the last may be short."""
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def joint_text(columns: Sequence[str]) -> pl.Expr:
    """Several texts as one, ``text``."""
    return pl.concat_str(*columns, separator=" ", ignore_nulls=True).alias("text")


def read_targets(job: JobDirectory, objective: Traceable) -> pl.DataFrame:
    """The targets of a job, in the order of their numbers. Raises JobError where they are damaged."""
    targets = read_table(job.inputs / "targets.parquet", ["target", *objective.target_columns]).sort("target")
    wrong = [
        *(["numbers that do not count from 0"] if targets["target"].to_list() != list(range(targets.height)) else []),
        *objective.faults(targets),
        *(["one target twice"] if targets.select("question", "language").is_duplicated().any() else []),
    ]
    if wrong:
        raise JobError(f"{job.inputs / 'targets.parquet'} has {' and '.join(wrong)}", PLAN_AGAIN)
    return targets


def read_splits(job: JobDirectory, objective: Objective, tokenizer: Tokenizer) -> dict[str, Examples]:
    """Training and development examples in the order of their positions.

    Raises JobError if none are for training, or none for development where these are watched.
    ``job`` is any job with the run's examples among its inputs.
    """
    frame = read_table(job.inputs / "examples.parquet", objective.columns).sort("position")
    splits = {
        split: objective.tokenise(frame.filter(pl.col("split") == split), tokenizer)
        for split in ("train", "development")
    }
    if not splits["train"].positions:
        raise JobError(f"{job.path.name} has no training examples", "Plan the job again with more of them.")
    if objective.spec.patience and not splits["development"].positions:
        raise JobError(f"{job.path.name} has no development examples to watch", "Plan it again without patience.")
    return splits
