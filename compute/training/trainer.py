"""Training with the transformers Trainer, whatever the objective: order, states, checkpoints and the record of a run.

The examples, a collator that makes batches of them, and how they change with the epoch are the objective's, e.g.
:mod:`mlv.compute.training.spans` (:mod:`mlv.compute.training.objective`).

Imports torch and transformers at its top: import this module inside functions.

Two kinds of state are written. A *checkpoint* (``checkpoints/epoch-N``) is a result: model and tokenizer, written
aside and renamed. A *training state* (``work/checkpoint-STEP``) is the Trainer's own, with optimizer, schedule and
random states, and only the newest is kept. A state counts as finished once :class:`Recorder` has renamed it to
``work/state-STEP``, so that a job killed while saving resumes from the state before.

When training is to stop it continues to the next step at which the loss is recorded, a twentieth of an epoch at most,
saves its state there and ends: what is recorded after resuming is then what an uninterrupted run records.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import polars as pl
import torch
import transformers

from mlv.compute.machine.options import Progress
from mlv.compute.machine.stopping import StoppedError
from mlv.compute.machine.streams import IntArray
from mlv.compute.models.adapters import Tuner, merged
from mlv.compute.models.files import digest
from mlv.compute.models.loading import LoadedModel
from mlv.compute.training.objective import IGNORED, Best, EpochExamples
from mlv.schema.errors import JobError
from mlv.schema.files import folder_aside
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import CheckpointWritten, Continued

LogEntry = dict[str, float]
"""Numbers of the Trainer's log by name, with their ``epoch`` and ``step``."""

METRICS: Final = ("loss", "eval_loss", "eval_accuracy", "examples_per_second", "leak")
"""Names whose numbers are kept of the Trainer's log."""

LOGS_PER_EPOCH: Final = 20
"""How often the training loss is recorded in an epoch."""


class TrainingState(Protocol):
    """What is used of transformers' TrainerState."""

    global_step: int
    max_steps: int
    epoch: float
    log_history: list[LogEntry]


class TrainingControl(Protocol):
    """What is used of transformers' TrainerControl."""

    should_save: bool
    should_log: bool
    should_training_stop: bool


class EpochBatches(torch.utils.data.Sampler[list[int]]):
    """The batches of the present epoch, as indices into its examples; every epoch has as many."""

    def __init__(self, examples: EpochExamples, batches: Callable[[int], Sequence[IntArray]]) -> None:
        self._examples = examples
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches(self._examples.epoch))

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.tolist() for batch in self._batches(self._examples.epoch))


def single_device_arguments(folder: Path, device: str, **settings: object) -> transformers.TrainingArguments:
    """The Trainer's defaults for one device, without output of its own."""
    arguments = transformers.TrainingArguments(
        output_dir=str(folder),
        use_cpu=device == "cpu",
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        logging_nan_inf_filter=False,
        save_total_limit=None,
        **settings,
    )
    # the Trainer would spread batches over all visible GPUs; several GPUs are for several jobs
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


class OrderedTrainer(transformers.Trainer):  # type: ignore[misc]
    """The transformers Trainer with given batches of the training examples, and steps whose batches count as one."""

    # by compute_loss, below
    loss_is_scaled_for_ga = True

    def __init__(self, *, batches: EpochBatches, **settings: object) -> None:
        super().__init__(**settings)
        # it prints the log to stdout, which is for data
        self.remove_callback(transformers.PrinterCallback)
        self._batches = batches

    def get_train_dataloader(self) -> Any:
        """The batches, collated."""
        loader = torch.utils.data.DataLoader(
            self.train_dataset,
            batch_sampler=self._batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        return self.accelerator.prepare(loader)

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: dict[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> Any:
        """The batch's part in the mean loss over the target tokens of a step, ``num_items_in_batch`` of them.

        The Trainer leaves it to the models to divide by that number, and T5 does not: the gradients of accumulated
        batches would be a sum of means.
        """
        found = super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        if return_outputs or num_items_in_batch is None:
            return found
        return found * ((inputs["labels"] != IGNORED).sum() / num_items_in_batch)


class EndsAfter(transformers.TrainerCallback):  # type: ignore[misc]
    """Ends training after an epoch, whatever the schedule was planned for."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch

    def on_epoch_end(
        self, args: transformers.TrainingArguments, state: TrainingState, control: TrainingControl, **_: object
    ) -> None:
        """End it if this was the epoch."""
        control.should_training_stop = control.should_training_stop or round(state.epoch) >= self._epoch


class Patience(transformers.TrainerCallback):  # type: ignore[misc]
    """Ends training when the development examples have shown nothing better for some epochs.

    It is counted in the Trainer's log, which is part of the states that training resumes from.
    """

    def __init__(self, epochs: int, best: Best) -> None:
        self._epochs = epochs
        self._best = best

    def on_evaluate(
        self, args: transformers.TrainingArguments, state: TrainingState, control: TrainingControl, **_: object
    ) -> None:
        """End it if the best epoch is so many epochs ago."""
        if round(state.epoch) - best_epoch(state.log_history, self._best) >= self._epochs:
            control.should_training_stop = True


class Recorder(transformers.TrainerCallback):  # type: ignore[misc]
    """Sets the epoch of the examples, publishes checkpoints, checks the loss and reports the progress.

    ``publish`` is called with the number of an epoch whose end was saved. Without it nothing is saved, and training
    that is to stop does so at once.
    """

    def __init__(
        self,
        job: JobDirectory,
        examples: EpochExamples,
        steps_per_epoch: int,
        progress: Progress,
        publish: Callable[[int], None] | None,
    ) -> None:
        self._job = job
        self._examples = examples
        self._steps_per_epoch = steps_per_epoch
        self._progress = progress
        self._publish = publish
        self._epoch_started = 0.0
        self._epoch_started_step = 0
        self._loss = math.nan
        self._stopped: StoppedError | None = None

    def on_epoch_begin(
        self, args: transformers.TrainingArguments, state: TrainingState, control: TrainingControl, **_: object
    ) -> None:
        """Have the examples read for the epoch that begins."""
        self._examples.epoch = state.global_step // self._steps_per_epoch + 1
        self._epoch_started, self._epoch_started_step = time.monotonic(), state.global_step

    def on_step_end(
        self, args: transformers.TrainingArguments, state: TrainingState, control: TrainingControl, **_: object
    ) -> None:
        """Report the progress, and have the state saved if the work is to stop here."""
        try:
            self._progress.advance(1, loss=self._loss)
        except StoppedError as stopped:
            if self._publish is None:
                raise
            self._stopped = stopped
            # at the end of an epoch it is saved anyway, after the evaluation
            within = state.global_step % self._steps_per_epoch > 0
            control.should_save = control.should_save or (control.should_log and within)

    def on_epoch_end(
        self, args: transformers.TrainingArguments, state: TrainingState, control: TrainingControl, **_: object
    ) -> None:
        """Record the speed, and end the mean of the loss, so that none is over two epochs."""
        batches = (state.global_step - self._epoch_started_step) * args.gradient_accumulation_steps
        speed = batches * args.per_device_train_batch_size / max(time.monotonic() - self._epoch_started, 1e-9)
        state.log_history.append({"examples_per_second": speed, "epoch": state.epoch, "step": state.global_step})
        control.should_log = True

    def on_log(
        self,
        args: transformers.TrainingArguments,
        state: TrainingState,
        control: TrainingControl,
        logs: LogEntry,
        **_: object,
    ) -> None:
        """Raise JobError if the loss became NaN or infinite: before such weights are saved."""
        self._loss = logs.get("loss", self._loss)
        if not math.isfinite(logs.get("loss", 0.0)):
            raise JobError(
                f"The training loss of {self._job.path.name} became {logs['loss']} at step {state.global_step}",
                "Plan the job with a smaller learning rate or with `--precision fp32`.",
            )

    def on_save(
        self, args: transformers.TrainingArguments, state: TrainingState, control: TrainingControl, **_: object
    ) -> None:
        """Mark the newest training state as finished, publish an epoch's checkpoint and delete the states before it.

        Raises StoppedError if the work is to stop, unless training ends here.
        """
        saved = self._job.work / f"checkpoint-{state.global_step}"
        finished = self._job.work / f"state-{state.global_step}"
        epoch, rest = divmod(state.global_step, self._steps_per_epoch)
        if self._publish is not None and not rest:
            self._publish(epoch)
        shutil.rmtree(finished, ignore_errors=True)
        saved.rename(finished)
        for other in self._job.work.glob("*-*"):
            if other != finished:
                shutil.rmtree(other)
        if self._stopped is not None and not control.should_training_stop:
            raise self._stopped


def last_state(job: JobDirectory) -> Path | None:
    """The newest finished training state of an interrupted job."""
    states = list(job.work.glob("state-*"))
    return max(states, key=lambda state: int(state.name.partition("-")[2]), default=None)


def publish(job: JobDirectory, loaded: LoadedModel, epoch: int, adapter: Tuner | None = None) -> None:
    """Write ``checkpoints/epoch-N`` with model and tokenizer; an adapter that is trained is merged."""
    model = merged(adapter) if adapter else loaded.model
    with folder_aside(job.checkpoints / f"epoch-{epoch}") as aside:
        model.save_pretrained(aside)
        loaded.tokenizer.save_pretrained(aside)
    job.log(CheckpointWritten(epoch=epoch, merged=adapter is not None))


def train(job: JobDirectory, trainer: transformers.Trainer, progress: Progress, label: str, steps: int) -> None:
    """Train to the end, ``steps`` steps at most, from the last finished state if there is one."""
    if trainer.args.device.type == "cuda":
        # the backward pass of fused attention is not deterministic on a GPU
        trainer.model.set_attn_implementation("eager")
    state = last_state(job)
    done = int(state.name.partition("-")[2]) if state else 0
    if state:
        job.log(Continued(step=done))
        before = transformers.TrainerState.load_from_json(str(state / "trainer_state.json"))
        if done < steps and before.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"]:
            # it ended early; the Trainer would go on
            trainer.state = before
            return
    progress.start(steps - done, "step", label)
    trainer.train(resume_from_checkpoint=str(state) if state else None)


def best_epoch(history: list[LogEntry], best: Best) -> int:
    """The best epoch, the earliest of equals. Every epoch has been measured."""
    found = [best.sign * entry[best.metric] for entry in history if best.metric in entry]
    return found.index(max(found)) + 1


def metrics(history: list[LogEntry]) -> pl.DataFrame:
    """The Trainer's log as rows of (name, epoch, step, value)."""
    rows = [
        (name, float(entry["epoch"]), int(entry["step"]), float(entry[name]))
        for entry in history
        for name in METRICS
        if name in entry
    ]
    schema = {"name": pl.String, "epoch": pl.Float64, "step": pl.Int64, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def checkpoint_table(job: JobDirectory, rows: list[tuple[int, int, bool]]) -> pl.DataFrame:
    """Checkpoints of a job: epoch, step, is_final, path relative to the job directory, digest."""
    return pl.DataFrame(
        [
            (epoch, step, is_final, f"checkpoints/epoch-{epoch}", digest(job.checkpoints / f"epoch-{epoch}"))
            for epoch, step, is_final in rows
        ],
        schema=["epoch", "step", "is_final", "path", "digest"],
        orient="row",
    )
