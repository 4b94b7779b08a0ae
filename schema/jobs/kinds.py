"""All kinds of job."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.pca import ProjectSpec
from mlv.schema.jobs.pretrain import PretrainSpec
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.validate import ValidationSpec

OUTPUTS = {
    "pretrain": ("checkpoints.parquet", "metrics.parquet"),
    "finetune": ("checkpoints.parquet", "metrics.parquet"),
    "probe": ("probe_logits.parquet",),
    "influence": ("run.json", "targets.parquet", "rankings.parquet", "summaries.parquet"),
    "validate": ("run.json", "validation.parquet"),
    "project": ("run.json", "points.parquet"),
}
"""Files in ``outputs/`` that are committed, by kind of job. All but ``project`` have a ``model.json`` beside them."""

JobSpec = PretrainSpec | FinetuneSpec | ProbeSpec | InfluenceSpec | ValidationSpec | ProjectSpec

SPEC: TypeAdapter[JobSpec] = TypeAdapter(Annotated[JobSpec, Field(discriminator="kind")])


def read_spec(text: str) -> JobSpec:
    """The specification that :func:`canonical_json` wrote. Raises ValueError where it is none."""
    return SPEC.validate_json(text)
