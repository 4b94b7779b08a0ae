"""Asking a chat model: a prompt is the unit of work that an interrupted job keeps."""

from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.respond import RespondSpec


def run(job: JobDirectory, spec: RespondSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a job to its end; prompts that were answered already are not asked again."""
    raise NotImplementedError
