"""What can be asked of every job that trains a model on texts: how training goes."""

from collections.abc import Callable, Mapping, Set
from typing import Annotated, Any, Final, Protocol, runtime_checkable

from pydantic import Field

from mlv.ingest.jobs.cost import Cost
from mlv.ingest.jobs.request import Count
from mlv.schema.jobs.spec import Precision, Seed, Spec
from mlv.schema.jobs.training import COURSE, Course, Schedule, TrainingSpec

USUAL: Final = Course()

TrainingSeed = Annotated[Seed, Field(description="Seed of everything random.")]
GradientAccumulation = Annotated[
    Count, Field(description="Batches that make one step: for steps of more examples than fit into memory.")
]
CourseOfRate = Annotated[
    Schedule, Field(description="linear or cosine: the learning rate falls to 0 over all epochs; constant: it stays.")
]
Warmup = Annotated[
    float, Field(ge=0, lt=1, description="Share of all steps in which the learning rate first rises from 0.")
]
WeightDecay = Annotated[float, Field(ge=0, description="Of AdamW, for all weights but norms and position biases.")]
TrainingPrecision = Annotated[Precision, Field(description="fp32, or bf16 on a GPU that computes in it.")]


@runtime_checkable
class Training(Protocol):
    """A training, planned or done, as far as what it takes to trace or to repeat it depends on it."""

    @property
    def epochs(self) -> int:
        """Passes over the examples."""

    @property
    def training_examples(self) -> int:
        """Examples that it trains on; about, where it is planned."""

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Their languages."""


def recorded(settings: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a request as a specification has them: None for what is as usual."""
    return {name: None if value == usual.get(name) else value for name, value in settings.items()}


def training_cost(
    kind: type[TrainingSpec],
    settings: Callable[[Any], Mapping[str, Any]],
    timeless: Set[str],
) -> Cost:
    """What the jobs of a kind of training take.

    Args:
        kind: Their specifications.
        settings: Settings of a request as a specification has them, in the types of JSON.
        timeless: Those that the time for an example and epoch does not depend on, beside the course of the training.
    """
    ignored = {"epochs", "learning_rate", *timeless, *COURSE} - {"gradient_accumulation"}

    def alike(spec: Spec, request: Any) -> bool:
        there = spec.settings()
        asked = {name: value for name, value in settings(request).items() if name in there}
        wanted = kind.default_settings() | asked
        return all(there[name] == value for name, value in wanted.items() if name not in ignored)

    return Cost(
        unit="training examples x epochs",
        units=lambda _, request, __: request.training_examples * request.epochs,
        measured="""
            SELECT run_id, count(*) * any_value(epochs) AS units
            FROM training_example
            JOIN (SELECT run_id, max(epoch) AS epochs FROM checkpoint GROUP BY run_id) USING (run_id)
            WHERE split = 'train' GROUP BY run_id
        """,
        checkpoints=lambda request: request.epochs,
        alike=alike,
    )
