"""What a finished job left in its directory, for committing it."""

from math import inf
from pathlib import Path

from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.parquet import check_decompressed_size

ROUNDING = 1e-9
"""By which a share may exceed the whole."""


def output(job: JobDirectory, name: str) -> Path:
    """Path of a file in ``outputs/``. Raises JobError where it is missing, or a table that is damaged or a bomb."""
    path = job.outputs / name
    if not path.exists():
        raise JobError(
            f"{path} is missing although the job is finished.",
            f"Make it again: mlv runs resume {job.path.name}",
        )
    if path.suffix == ".parquet":
        check_decompressed_size(path, f"The store is unchanged. {again(job)}")
    return path


def count_in(job: JobDirectory, name: str, key: str) -> int:
    """A count that a JSON file in ``outputs/`` states; 0 where it does not. Raises JobError where that is no count."""
    value = job.read_json(f"outputs/{name}").get(key, 0)
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise _invalid(job, name, key, "count", value)
    return value


def share_in(job: JobDirectory, name: str, key: str) -> float:
    """A share that a JSON file in ``outputs/`` states. Raises JobError where that is none, or it states none."""
    value = job.read_json(f"outputs/{name}").get(key)
    if not isinstance(value, int | float) or not 0 <= value <= 1 + ROUNDING:
        raise _invalid(job, name, key, "share", value)
    return value


def width_in(job: JobDirectory, name: str, key: str) -> float:
    """A width that a JSON file in ``outputs/`` states. Raises JobError where that is none, or it states none."""
    value = job.read_json(f"outputs/{name}").get(key)
    if not isinstance(value, int | float) or not 0 < value < inf:
        raise _invalid(job, name, key, "width", value)
    return value


def _invalid(job: JobDirectory, name: str, key: str, what: str, value: object) -> JobError:
    return JobError(
        f"{job.outputs / name} says that {key} is {str(value)[:100]!r}, which is not a {what}.",
        again(job),
    )


def again(job: JobDirectory) -> str:
    """How a job's results are made again."""
    return f"Delete {job.outputs}, then: mlv runs resume {job.path.name}"
