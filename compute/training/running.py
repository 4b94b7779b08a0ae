"""Running a training job, whatever its objective.

Reads ``inputs/examples.parquet``; leaves ``checkpoints/epoch-N`` for every epoch, ``outputs/checkpoints.parquet``,
``outputs/metrics.parquet`` and ``outputs/model.json``.

The order of the training examples is a permutation keyed by (seed, epoch). A killed job resumes from its last finished
epoch, one that was told to stop from where it was, and either ends with the weights of an unbroken run.
:func:`mlv.compute.training.course.retrain` trains as a run did without some of its examples.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlv.compute.machine import runtime
from mlv.compute.machine.options import ExecuteOptions, Progress
from mlv.compute.models import files
from mlv.compute.models.adapters import Tuner
from mlv.compute.models.interfaces import Model
from mlv.compute.models.loading import LoadedModel
from mlv.compute.training.course import epoch_order, make_trainer, note_cut, steps_per_epoch
from mlv.compute.training.objective import Examples, Objective, read_splits
from mlv.compute.training.objectives import objective_of
from mlv.schema.files import write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import EndedEarly
from mlv.schema.jobs.parquet import write_table
from mlv.schema.jobs.training import TrainingSpec

if TYPE_CHECKING:
    from mlv.compute.training.trainer import TrainingState

Adapt = Callable[[Model], Tuner | None]
"""Puts an adapter into a model, if one is to be trained."""


def train_run(
    job: JobDirectory, spec: TrainingSpec, options: ExecuteOptions, progress: Progress, adapt: Adapt = lambda _: None
) -> None:
    """Run a training job to its end, from where it was interrupted.

    Raises JobError for damaged inputs or a loss that became NaN or infinite, NotFoundError for a missing model.
    """
    device = runtime.prepare(options.device, options.threads, spec.seed)
    objective = objective_of(spec)
    loaded = objective.load(files.locate(job, spec.model), device)
    objective.begin(loaded)
    found = loaded.describe()
    splits = read_splits(job, objective, loaded.tokenizer)
    examples = sum(len(split.items) for split in splits.values())
    note_cut(job, sum(split.cut for split in splits.values()), examples, spec.max_tokens)
    state = _train(job, objective, loaded, splits, progress, adapt(loaded.model))
    _write_outputs(job, objective, found, splits["train"], state)


def _train(
    job: JobDirectory,
    objective: Objective,
    loaded: LoadedModel,
    splits: dict[str, Examples],
    progress: Progress,
    adapter: Tuner | None,
) -> "TrainingState":
    """Train and publish a checkpoint per epoch; return what the Trainer recorded."""
    from mlv.compute.training import trainer as training

    spec, examples = objective.spec, len(splits["train"].positions)
    trainer = make_trainer(
        job,
        objective,
        loaded,
        splits,
        lambda epoch: epoch_order(spec.seed, epoch, examples),
        progress,
        lambda epoch: training.publish(job, loaded, epoch, adapter),
    )
    if spec.patience:
        trainer.add_callback(training.Patience(spec.patience, objective.best))
    steps = spec.epochs * steps_per_epoch(objective, splits["train"])
    training.train(job, trainer, progress, f"fine-tuning {spec.source} {','.join(spec.languages)}", steps)
    state: TrainingState = trainer.state
    return state


def _write_outputs(
    job: JobDirectory, objective: Objective, found: dict[str, str | int], examples: Examples, state: "TrainingState"
) -> None:
    from mlv.compute.training import trainer as training

    spec = objective.spec
    steps = steps_per_epoch(objective, examples)
    last = state.global_step // steps
    final = training.best_epoch(state.log_history, objective.best) if spec.patience else last
    if last < spec.epochs and not job.logged(EndedEarly):
        job.log(EndedEarly(epoch=last, best=final))
    rows = [(epoch, epoch * steps, epoch == final) for epoch in range(1, last + 1)]
    write_table(job.outputs / "metrics.parquet", training.metrics(state.log_history))
    write_table(job.outputs / "checkpoints.parquet", training.checkpoint_table(job, rows))
    write_json(job.outputs / "model.json", {**found, "model": spec.model.model_dump(mode="json")})
