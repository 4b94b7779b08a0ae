"""What can be asked of every job that trains a model on texts: how training goes."""

from typing import Annotated, Any, Final

from pydantic import Field

from mlv.ingest.jobs.request import Count
from mlv.schema.jobs.spec import Precision, Seed
from mlv.schema.jobs.training import Course, Schedule

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


def recorded(settings: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Settings of a request as a specification has them: None for what is as usual."""
    return {name: None if value == usual.get(name) else value for name, value in settings.items()}
