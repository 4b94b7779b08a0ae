"""Workers as tests run them: without the lock, the state and the log around them."""

from importlib import import_module
from typing import TypeVar

from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.training import spans
from mlv.compute.training.corruption import Corrupted
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.spec import Spec

SpecOf = TypeVar("SpecOf", bound=Spec)


def spec_of(job: JobDirectory, kind: type[SpecOf]) -> SpecOf:
    """The specification of a job of a known kind."""
    spec = job.spec()
    assert isinstance(spec, kind)
    return spec


def run_job(job: JobDirectory, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a job to its end."""
    spec = job.spec()
    import_module(f"mlv.compute.jobs.{spec.kind}").run(job, spec, options, progress)


def corrupted_examples(job: JobDirectory, epoch: int, split: str = "train") -> list[Corrupted]:
    """What the Trainer is fed in an epoch of a fine-tuning job."""
    return spans.corrupted_examples(job, spec_of(job, FinetuneSpec), epoch, split)
