"""All kinds of job. A kind is one line here, and a file of its name in each of the rooms that have to do with it:

``schema.jobs`` its specification, ``ingest.jobs`` how it is asked for, planned and committed, ``compute.jobs`` how it
runs, ``cli.compute`` its command. Generic code finds these by name and knows no kind.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.complete import CompleteSpec
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.pca import PcaSpec
from mlv.schema.jobs.predict import PredictSpec
from mlv.schema.jobs.pretrain import PretrainSpec
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.prune import PruneSpec
from mlv.schema.jobs.respond import RespondSpec
from mlv.schema.jobs.spec import Spec
from mlv.schema.jobs.validate import ValidateSpec

KINDS: Final[Mapping[str, type[Spec]]] = {
    "pretrain": PretrainSpec,
    "finetune": FinetuneSpec,
    "classify": ClassifySpec,
    "prune": PruneSpec,
    "probe": ProbeSpec,
    "predict": PredictSpec,
    "complete": CompleteSpec,
    "respond": RespondSpec,
    "influence": InfluenceSpec,
    "validate": ValidateSpec,
    "pca": PcaSpec,
}
"""Specifications by kind."""


def parse_spec(value: Mapping[str, Any]) -> Spec:
    """The specification in a decoded ``job.json``. Raises ValueError if it is not one."""
    kind = str(value.get("kind"))
    if kind not in KINDS:
        raise ValueError(f"there is no kind of job {kind!r}")
    return KINDS[kind].model_validate(value)


def read_spec(text: str) -> Spec:
    """The specification that :func:`~mlv.schema.jobs.identity.canonical_json` wrote. Raises ValueError."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("a specification is a JSON object")
    return parse_spec(value)
