"""Training a classifier (Choenni, Garrette and Shutova 2023, section 4.1) with the transformers Trainer.

The head is that of transformers: the paper's hidden layer with tanh over the first token, for XLM-R. What the
specification does not say is the Trainer's default: linear decay without warm-up, no weight decay, gradients clipped at
norm 1, the model's own dropout. Checkpoints name their classes, so that a pipeline of transformers opens them.
"""

from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.training.running import train_run
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.directory import JobDirectory


def run(job: JobDirectory, spec: ClassifySpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a job to its end, from where it was interrupted; reads and leaves what all trainings do.

    Raises JobError for damaged inputs or a loss that became NaN or infinite, NotFoundError for a missing model,
    DataError for one that is no encoder, or a classifier over other classes.
    """
    train_run(job, spec, options, progress)
