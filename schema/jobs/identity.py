"""What a job is known by: the hash of its specification, and the name that follows from it."""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from mlv.schema.jobs.spec import ModelRef, Spec, SpecPart

if TYPE_CHECKING:
    import polars


def canonical_json(spec: Spec) -> str:
    """The specification as JSON with sorted keys and no spaces: what ``job.json`` and the store keep."""
    return canonical(spec.model_dump(mode="json"))


def canonical(value: Any) -> str:
    """A value as JSON with sorted keys and no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def spec_hash(spec: Spec) -> str:
    """Identity of the job: SHA-256 of the specification, in which names do not count.

    A model from elsewhere counts by its content, a checkpoint that a job made by that job and epoch as well, and the
    specification of another job by its own hash.
    """
    absent = {name for name in spec.IF_GIVEN if getattr(spec, name) is None}
    fields = type(spec).model_fields.keys() - spec.LABELS - absent
    counting = {name: _identity(getattr(spec, name)) for name in fields}
    return hashlib.sha256(canonical(counting).encode()).hexdigest()


def _identity(value: Any) -> Any:
    if isinstance(value, Spec):
        return spec_hash(value)
    if isinstance(value, ModelRef):
        return [value.name if value.made_by else "", value.digest]
    if isinstance(value, SpecPart):
        return value.model_dump(mode="json")
    if isinstance(value, tuple):
        return [_identity(item) for item in value]
    if isinstance(value, dict):
        return {key: _identity(item) for key, item in value.items()}
    return value


def job_name(spec: Spec) -> str:
    """Name of the job directory: kind and the first 12 digits of the hash."""
    return f"{spec.kind}-{spec_hash(spec)[:12]}"


def content_digest(frame: "polars.DataFrame") -> str:
    """SHA-256 of a frame's columns and rows in order, whatever the file format or the version of its writer."""
    return hashlib.sha256(frame.write_ndjson().encode()).hexdigest()
