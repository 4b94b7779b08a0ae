"""The specification of a job that trains a classifier."""

from typing import ClassVar, Final, Literal, NamedTuple

from mlv.schema.jobs.masks import Subnetwork, Updates
from mlv.schema.jobs.spec import CorpusRef, Seed
from mlv.schema.jobs.training import COURSE, ParameterGroup, TrainingSpec
from mlv.schema.papers import sharing


class Draw(NamedTuple):
    """Which examples are taken, as they usually are. A specification has None for what is as usual."""

    draw: Literal["random", "first"] = "random"
    balanced: bool = False


COMPOSITION: Final = frozenset({*Draw._fields, "left_out", "added_language", "added_percent", "freeze"})
"""Settings that most runs do without."""

MASKS: Final = frozenset({"masks", "subnetworks", "updates"})
"""Settings of runs that train subnetworks."""


class ClassifySpec(TrainingSpec):
    """Train an encoder with a classifier on ``inputs/examples.parquet`` (H sections 3 and 4.1). With patience the best
    epoch is that of the highest accuracy on the development examples of all languages together."""

    NEXT: ClassVar = "what it predicts of other texts: mlv compute predict {run} --split test"
    IF_GIVEN: ClassVar = COURSE | COMPOSITION | MASKS
    NOT_COMPARED: ClassVar = {
        **TrainingSpec.NOT_COMPARED,
        "development": "an input",
        "classes": "what the task says",
        "examples": "what the corpora say: a column of every table counts them",
        "subnetworks": "what the names in masks stand for",
    }

    kind: Literal["classify"] = "classify"
    objective: Literal["classification"] = "classification"
    task: str
    """Code of the task: what is told apart."""

    classes: tuple[str, ...]
    """Names of the classes, in the order of the outputs."""

    examples: int
    """Training examples of each language."""

    left_out: tuple[str, ...] | None = None
    """Languages that the others have every example of, and that are not trained on (H section 8.3)."""

    added_language: str | None = None
    """Language of which there are more examples than of the others (H section 8.4)."""

    added_percent: int | None = None
    """How many more, in percent of the examples of a language."""

    draw: Literal["random", "first"] | None = None
    """None: random, by the seed."""

    balanced: bool | None = None
    """Whether each class has as many examples of a language; None: as the source has them."""

    draw_seed: Seed = 1
    """Of the examples that are drawn."""

    development: tuple[CorpusRef, ...]
    """What the development examples are taken from."""

    freeze: tuple[ParameterGroup, ...] | None = None
    """Parameters that keep their pretrained values."""

    masks: dict[str, str] | None = None
    """Name of the subnetwork that each language trains, for each that has one (D5 section 5.4.2). Batches are then of
    one language each, languages in random order and equally often. None: every language trains all heads."""

    subnetworks: tuple[Subnetwork, ...] | None = None
    """These, and those that they are derived from, each before what is derived from it."""

    updates: Updates | None = None
    """Where there are masks, what a batch may change."""

    epochs: int = sharing.EPOCHS
    batch_size: int = sharing.BATCH_SIZE
    learning_rate: float = sharing.LEARNING_RATE
    max_tokens: int = sharing.MAX_TOKENS

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that examples are taken from."""
        return (*self.corpora, *self.development)
