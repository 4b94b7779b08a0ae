"""The objectives that there are: a line for each."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mlv.compute.training.classes import Classes
from mlv.compute.training.objective import Objective
from mlv.compute.training.spans import Spans
from mlv.schema.jobs.training import TrainingSpec

OBJECTIVES: Final[Mapping[str, Callable[[Any], Objective]]] = {"span_corruption": Spans, "classification": Classes}
"""By the name that specifications have."""


def objective_of(spec: TrainingSpec) -> Objective:
    """The objective of a training."""
    return OBJECTIVES[spec.objective](spec)
