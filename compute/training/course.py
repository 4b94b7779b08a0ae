"""How a training goes, whatever its objective: the order of the examples, steps, settings of the Trainer; and a run's
training again without some of its examples."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from mlv.compute.machine.options import Progress
from mlv.compute.machine.streams import IntArray, Purpose, Stream
from mlv.compute.models.loading import LoadedModel
from mlv.compute.training.corruption import BoolArray
from mlv.compute.training.objective import Examples, Objective
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import SentencesCut
from mlv.schema.jobs.training import Schedule, TrainingSpec

if TYPE_CHECKING:
    import transformers

    from mlv.compute.training.trainer import OrderedTrainer

SCHEDULERS: Final[dict[Schedule, str]] = {
    "linear": "linear",
    # what is called constant has no warm-up
    "constant": "constant_with_warmup",
    "cosine": "cosine",
}
"""What transformers calls a schedule."""


def epoch_order(seed: int, epoch: int, examples: int) -> IntArray:
    """Order in which ``epoch`` (from 1) visits the training examples, as indices into them, [examples]."""
    return Stream(seed, Purpose.ORDER, epoch).permutation(examples)


def kept_order(seed: int, epoch: int, kept: BoolArray) -> IntArray:
    """:func:`epoch_order` without the examples that are not ``kept`` [examples], as indices into those that are."""
    order = epoch_order(seed, epoch, len(kept))
    return (np.cumsum(kept) - 1)[order[kept[order]]]


def steps_per_epoch(objective: Objective, examples: Examples) -> int:
    """Optimizer steps of an epoch; the last may be of fewer batches."""
    batches = objective.batches(examples, np.arange(len(examples.positions)), 1)
    return math.ceil(len(batches) / objective.spec.course.gradient_accumulation)


def note_cut(job: JobDirectory, cut: int, examples: int, max_tokens: int) -> None:
    """Say in the job's log, once, how many of its examples were cut off, if any were."""
    if cut and not job.logged(SentencesCut):
        job.log(SentencesCut(sentences=cut, of=examples, max_tokens=max_tokens))


def retrain(
    job: JobDirectory,
    objective: Objective,
    loaded: LoadedModel,
    splits: dict[str, Examples],
    kept: BoolArray,
    epochs: int,
    progress: Progress,
    label: str,
) -> None:
    """Train ``loaded`` as the run of ``objective``, but only on the training examples that are ``kept`` [examples];
    save nothing.

    All else is the run's: how an example is fed in an epoch, the order (:func:`kept_order`), the settings.
    Training ends after ``epochs``, as many as the run's final checkpoint has, whatever the development examples say;
    the learning rate goes on as planned for all of them. With every example kept the weights are bit for bit those of
    the final checkpoint, on the same machine with as many threads.
    """
    from mlv.compute.training import trainer as training

    spec, development = objective.spec, splits["development"]
    chosen = {
        "train": splits["train"].kept(kept),
        # an evaluation draws a random number, however small it is: without one, dropout would draw others
        "development": Examples(development.positions[:1], development.items[:1]),
    }
    trainer = make_trainer(
        job, objective, loaded, chosen, lambda epoch: kept_order(spec.seed, epoch, kept), progress, None
    )
    trainer.add_callback(training.EndsAfter(epochs))
    steps = epochs * steps_per_epoch(objective, chosen["train"])
    training.train(job, trainer, progress, label, steps)
    # bf16 is for training; what a model says is scored in 32 bits
    trainer.accelerator.unwrap_model(loaded.model, keep_fp32_wrapper=False).eval()


def make_trainer(
    job: JobDirectory,
    objective: Objective,
    loaded: LoadedModel,
    splits: dict[str, Examples],
    order: Callable[[int], IntArray],
    progress: Progress,
    publish: Callable[[int], None] | None,
) -> "OrderedTrainer":
    """The Trainer of ``splits`` in ``order`` (by epoch); without ``publish`` it saves nothing."""
    from mlv.compute.training import trainer as training

    spec, tokenizer = objective.spec, loaded.tokenizer
    examples, development = (objective.dataset(splits[split], tokenizer, split) for split in ("train", "development"))
    steps = steps_per_epoch(objective, splits["train"])
    recorder = training.Recorder(job, examples, steps, progress, publish)
    return training.OrderedTrainer(
        batches=training.EpochBatches(examples, lambda epoch: objective.batches(splits["train"], order(epoch), epoch)),
        model=loaded.model,
        args=_arguments(job, spec, loaded.device, steps, evaluate=len(development) > 0, save=publish is not None),
        train_dataset=examples,
        eval_dataset=development if len(development) else None,
        data_collator=objective.collate(loaded),
        compute_metrics=objective.measures(),
        callbacks=[*objective.callbacks(loaded), recorder],
    )


def _arguments(
    job: JobDirectory, spec: TrainingSpec, device: str, steps: int, *, evaluate: bool, save: bool
) -> "transformers.TrainingArguments":
    """The Trainer's arguments: the specification's, the library's defaults otherwise."""
    from mlv.compute.training import trainer as training

    return training.single_device_arguments(
        job.work,
        device,
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.batch_size,
        per_device_eval_batch_size=spec.batch_size,
        gradient_accumulation_steps=spec.course.gradient_accumulation,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=SCHEDULERS[spec.course.schedule],
        warmup_steps=spec.course.warmup,
        weight_decay=spec.course.weight_decay,
        bf16=spec.precision == "bf16",
        seed=spec.seed,
        eval_strategy="epoch" if evaluate else "no",
        save_strategy="epoch" if save else "no",
        logging_strategy="steps",
        logging_steps=max(1, steps // training.LOGS_PER_EPOCH),
    )
