"""The specification of a job that finds a subnetwork by pruning."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.identity import job_name
from mlv.schema.jobs.spec import CorpusRef, ModelRef, Spec
from mlv.schema.papers import modularity

Importance = Literal["example", "batch"]
"""What the importance of a head is the mean of: the absolute derivative of each example's loss, as equation 4.3 has it,
or that of a batch's."""

Normalise = Literal["none", "layer"]
"""Whether the importances of a layer are divided by their root sum of squares, as Michel et al. (2019) do."""


class PruneSpec(Spec):
    """Find the attention heads of a checkpoint that a language's examples need (D5 sections 5.3.1 and 4.4.3.1).

    ``inputs/examples.parquet`` has the training run's examples of the language, with their splits. A share of all heads
    is disabled at a time, the least important of those enabled first, while the accuracy on the development examples
    stays at or above the threshold and more than one step's heads are left; the last mask that did is the subnetwork:
    all heads, if none did. Ties of importance go by layer and head. The seed has no effect.
    """

    OUTPUTS: ClassVar = ("model.json", "run.json", "masks.parquet", "steps.parquet", "importance.parquet")
    IF_GIVEN: ClassVar = frozenset({"anyway"})
    NEXT: ClassVar = "what a model predicts under it: mlv compute predict RUN --mask LANGUAGE={run}"
    NOT_COMPARED: ClassVar = {
        **Spec.NOT_COMPARED,
        "model": "what is pruned",
        "training": "the run behind it has settings of its own, which are compared as such",
        "language": "compared by itself: a column of every table",
        "development": "an input",
        "anyway": "whether it is an error, not what is found",
    }

    kind: Literal["prune"] = "prune"
    model: ModelRef
    """The checkpoint."""

    training: ClassifySpec
    """The run that made it: its task, classes and examples."""

    language: str
    development: tuple[CorpusRef, ...]
    """What the development examples in the language are from."""

    step: Annotated[float, Field(gt=0, lt=1)] = modularity.STEP
    """Share of all heads that an iteration disables, rounded down to whole heads, at least one."""

    threshold: Annotated[float, Field(gt=0, le=1)] = modularity.THRESHOLD
    """Share of the accuracy before pruning that a subnetwork has to keep."""

    importance: Importance = "example"
    normalise: Normalise = "none"
    max_examples: int | None = None
    """Training examples that importance is estimated on, the first; None: all."""

    anyway: bool | None = None
    """Whether a model is pruned all the same that is no better than always naming the commonest class of the
    development examples would be, within the threshold; None: it is an error."""

    def models(self) -> tuple[ModelRef, ...]:
        """The checkpoint."""
        return (self.model,)

    def texts(self) -> tuple[CorpusRef, ...]:
        """The corpora that the examples are from."""
        return (*(corpus for corpus in self.training.corpora if corpus.language == self.language), *self.development)

    def builds_on(self) -> frozenset[str]:
        """The training run."""
        return super().builds_on() | {job_name(self.training)}
