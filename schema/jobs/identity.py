"""What a job is known by: the hash of its specification, and the names that follow from it."""

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.kinds import JobSpec
from mlv.schema.jobs.pca import ProjectSpec
from mlv.schema.jobs.pretrain import PretrainSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.validate import ValidationSpec

CHECKPOINT_NAME = re.compile(r"((?:pretrain|finetune)-[0-9a-f]{12})/epoch-(\d+)")
"""Name of a checkpoint that a job made: job and epoch."""


def canonical_json(spec: JobSpec) -> str:
    """The specification as JSON with sorted keys and no spaces: what ``job.json`` and the store keep."""
    return _canonical(spec.model_dump(mode="json"))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def spec_hash(spec: JobSpec) -> str:
    """Identity of the job: SHA-256 of the specification, in which names do not count.

    A model from elsewhere counts by its content, a checkpoint that a job made by that job and epoch, and a model that
    is pretrained here by how it is made.
    """
    identity = spec.model_dump(mode="json")
    if isinstance(spec, PretrainSpec):
        del identity["name"]
    elif not isinstance(spec, ProjectSpec) and not CHECKPOINT_NAME.fullmatch(spec.model.name):
        del identity["model"]["name"], identity["model"]["revision"]
    if isinstance(spec, InfluenceSpec | ValidationSpec):
        identity["training"] = spec_hash(spec.training)
    return hashlib.sha256(_canonical(identity).encode()).hexdigest()


def checkpoint_key(model: ModelRef) -> str:
    """What a model state counts by where it is one of several: job and epoch where a job made it, else its content."""
    return model.name if CHECKPOINT_NAME.fullmatch(model.name) else model.digest


def job_name(spec: JobSpec) -> str:
    """Name of the job directory: kind and the first 12 digits of the hash."""
    return f"{spec.kind}-{spec_hash(spec)[:12]}"


def content_digest(frame: "polars.DataFrame") -> str:
    """SHA-256 of a frame's columns and rows in order, whatever the file format or the version of its writer."""
    return hashlib.sha256(frame.write_ndjson().encode()).hexdigest()
