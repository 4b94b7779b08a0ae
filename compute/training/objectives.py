"""The objectives that there are: a line for each."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mlv.compute.training.classes import Classes
from mlv.compute.training.objective import Objective, Traceable
from mlv.compute.training.spans import Spans
from mlv.compute.training.subnetworks import Subnetworks
from mlv.compute.training.words import Words
from mlv.schema.errors import JobError
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.training import TrainingSpec


def _classes(spec: ClassifySpec) -> Classes:
    return Subnetworks(spec) if spec.masks else Classes(spec)


TRACEABLE: Final[Mapping[str, Callable[[Any], Traceable]]] = {"span_corruption": Spans, "classification": _classes}
"""Those whose trainings can be traced, by the name that specifications have."""

OBJECTIVES: Final[Mapping[str, Callable[[Any], Objective]]] = {**TRACEABLE, "masked_words": Words}
"""All, likewise."""


def objective_of(spec: TrainingSpec) -> Objective:
    """The objective of a training."""
    return OBJECTIVES[spec.objective](spec)


def traceable(spec: TrainingSpec) -> Traceable:
    """The objective of a training that is traced. Raises JobError if such trainings cannot be."""
    if spec.objective not in TRACEABLE:
        raise JobError(f"A training by {spec.objective} cannot be traced.", f"What can be: {', '.join(TRACEABLE)}")
    return TRACEABLE[spec.objective](spec)
