"""Fine-tuning by span corruption (E section 4.2, appendix B) with the transformers Trainer.

Reads ``inputs/examples.parquet``; leaves ``checkpoints/epoch-N`` for every epoch, ``outputs/checkpoints.parquet``,
``outputs/metrics.parquet`` and ``outputs/model.json``. The paper's settings are the specification's defaults;
everything else is the Trainer's default unless the specification has it: linear decay without warm-up, no weight decay,
gradients clipped at norm 1.

A training example is corrupted afresh in every epoch and can be rebuilt (:func:`corrupted_examples`); the development
examples have one corruption, that of epoch 0, so that their losses compare over epochs. The order of the training
examples is a permutation keyed by (seed, epoch). A killed job resumes from its last finished epoch, one that was told
to stop from where it was, and either ends with the weights of an unbroken run. :func:`retrain` trains as a run did
without some of its examples.

With a LoRA adapter its matrices alone are trained. The states that training resumes from have them apart; the
checkpoints have them merged, as models like any other.
"""

from typing import TYPE_CHECKING

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.models import adapters, files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.training.spans import Examples, epoch_order, make_trainer, note_cut, read_splits, steps_per_epoch
from mlv.schema.files import write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import EndedEarly
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.parquet import write_table

if TYPE_CHECKING:
    from mlv.compute.training.trainer import TrainingState


def run(job: JobDirectory, spec: FinetuneSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a fine-tuning job to its end, from where it was interrupted.

    Raises JobError for damaged inputs or a loss that became NaN or infinite, NotFoundError for a missing model,
    ModuleNotFoundError for an adapter if PEFT is not installed.
    """
    device = runtime.prepare(options.device, options.threads, spec.seed)
    loaded = loading.load(files.locate(job, spec.model), SPAN, device=device)
    found = loaded.describe()
    splits = read_splits(job, spec, loaded.tokenizer)
    sentences = sum(len(split.tokens) for split in splits.values())
    note_cut(job, sum(split.cut for split in splits.values()), sentences, spec.max_tokens)
    state = _train(job, spec, loaded, splits, progress)
    _write_outputs(job, spec, found, len(splits["train"].positions), state)


def _train(
    job: JobDirectory,
    spec: FinetuneSpec,
    loaded: loading.LoadedModel,
    splits: dict[str, Examples],
    progress: Progress,
) -> "TrainingState":
    """Train and publish a checkpoint per epoch; return what the Trainer recorded."""
    from mlv.compute.training import trainer as training

    examples = len(splits["train"].positions)
    adapter = adapters.add(loaded.model, _shape(spec, spec.lora), spec.seed) if spec.lora else None
    trainer = make_trainer(
        job,
        spec,
        loaded,
        splits,
        lambda epoch: epoch_order(spec.seed, epoch, examples),
        progress,
        lambda epoch: training.publish(job, loaded, epoch, adapter),
    )
    if spec.patience:
        trainer.add_callback(training.Patience(spec.patience))
    steps = spec.epochs * steps_per_epoch(examples, spec)
    training.train(job, trainer, progress, f"fine-tuning {spec.source} {','.join(spec.languages)}", steps)
    state: TrainingState = trainer.state
    return state


def _shape(spec: FinetuneSpec, rank: int) -> adapters.Shape:
    return adapters.Shape(rank, spec.lora_alpha or rank, spec.lora_dropout or 0.0, spec.lora_targets or ())


def _write_outputs(
    job: JobDirectory,
    spec: FinetuneSpec,
    found: dict[str, str | int],
    examples: int,
    state: "TrainingState",
) -> None:
    from mlv.compute.training import trainer as training

    steps = steps_per_epoch(examples, spec)
    last = state.global_step // steps
    final = training.best_epoch(state.log_history) if spec.patience else last
    if last < spec.epochs and not job.logged(EndedEarly):
        job.log(EndedEarly(epoch=last, best=final))
    rows = [(epoch, epoch * steps, epoch == final) for epoch in range(1, last + 1)]
    write_table(job.outputs / "metrics.parquet", training.metrics(state.log_history))
    write_table(job.outputs / "checkpoints.parquet", training.checkpoint_table(job, rows))
    write_json(job.outputs / "model.json", {**found, "model": spec.model.model_dump(mode="json")})
