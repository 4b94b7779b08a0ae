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
