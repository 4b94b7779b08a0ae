"""What a finished job left in its directory, for committing it."""

from pathlib import Path

from mlv.schema.errors import JobError
from mlv.schema.jobs import JobDirectory


def output(job: JobDirectory, name: str) -> Path:
    """Path of a file in ``outputs/``. Raises JobError where it is missing."""
    path = job.outputs / name
    if not path.exists():
        raise JobError(
            f"{path} is missing although the job is done.",
            f"Make it again: mlv runs resume {job.path.name}",
        )
    return path


def count_in(job: JobDirectory, name: str, key: str) -> int:
    """A count that a JSON file in ``outputs/`` states; 0 where it does not. Raises JobError where that is no count."""
    value = job.read_json(f"outputs/{name}").get(key, 0)
    if not isinstance(value, int) or not 0 <= value < 2**63:
        raise JobError(
            f"{job.outputs / name} says that {key} is {str(value)[:100]!r}, which is no count.",
            f"Delete {job.outputs}, then: mlv runs resume {job.path.name}",
        )
    return value
