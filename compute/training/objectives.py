"""The objectives that there are: a line for each."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mlv.compute.training.classes import Classes
from mlv.compute.training.objective import Objective
from mlv.compute.training.spans import Spans
from mlv.compute.training.subnetworks import Subnetworks
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.training import TrainingSpec


def _classes(spec: ClassifySpec) -> Classes:
    return Subnetworks(spec) if spec.masks else Classes(spec)


OBJECTIVES: Final[Mapping[str, Callable[[Any], Objective]]] = {"span_corruption": Spans, "classification": _classes}
"""By the name that specifications have."""


def objective_of(spec: TrainingSpec) -> Objective:
    """The objective of a training."""
    return OBJECTIVES[spec.objective](spec)
