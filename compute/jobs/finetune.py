"""Fine-tuning by span corruption (E section 4.2, appendix B) with the transformers Trainer.

The paper's settings are the specification's defaults; everything else is the Trainer's default unless the specification
has it: linear decay without warm-up, no weight decay, gradients clipped at norm 1.

A training example is corrupted afresh in every epoch and can be rebuilt
(:func:`mlv.compute.training.spans.corrupted_examples`); the development examples have one corruption, that of epoch 0,
so that their losses compare over epochs.

With a LoRA adapter its matrices alone are trained. The states that training resumes from have them apart; the
checkpoints have them merged, as models like any other.
"""

from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.models import adapters
from mlv.compute.models.interfaces import Model
from mlv.compute.training.running import train_run
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec


def run(job: JobDirectory, spec: FinetuneSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a fine-tuning job to its end, from where it was interrupted; reads and leaves what all trainings do.

    Raises JobError for damaged inputs or a loss that became NaN or infinite, NotFoundError for a missing model,
    ModuleNotFoundError for an adapter if PEFT is not installed.
    """
    train_run(job, spec, options, progress, lambda model: _adapter(spec, model))


def _adapter(spec: FinetuneSpec, model: Model) -> adapters.Tuner | None:
    return adapters.add(model, _shape(spec, spec.lora), spec.seed) if spec.lora else None


def _shape(spec: FinetuneSpec, rank: int) -> adapters.Shape:
    return adapters.Shape(rank, spec.lora_alpha or rank, spec.lora_dropout or 0.0, spec.lora_targets or ())
