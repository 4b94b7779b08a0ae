"""A run in Weights & Biases (extra ``wandb``). Its name there is its name here: published again, it is completed."""

import os
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from mlv.queries.publishing.card import files
from mlv.queries.publishing.record import Record
from mlv.schema.errors import DownloadError, UsageError

if TYPE_CHECKING:
    import wandb


def publish(record: Record, project: str, study: str = "") -> str:
    """Enter a run in a project; return its address, or its folder where ``WANDB_MODE=offline``.

    Nothing of the machine that publishes goes along. Raises DownloadError if it is not taken, UsageError if a folder
    has the run already.
    """
    import wandb

    _refuse_second(record.run)
    quiet = wandb.Settings(
        console="off",
        silent=True,
        disable_code=True,
        disable_git=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    try:
        with wandb.init(
            project=project,
            id=record.run,
            name=record.run,
            group=study or None,
            job_type=record.kind,
            config={**record.spec, **record.tags(study)},
            resume="allow",
            settings=quiet,
        ) as run:
            _fill(run, record)
            return str(Path(run.dir).parent if run.offline else run.url)
    except wandb.errors.Error as error:
        reason = str(error).splitlines()[0]
        hint = "Log in (wandb login), or write it to a folder: WANDB_MODE=offline"
        raise DownloadError(f"Weights & Biases does not take it: {reason}", hint) from error


def _refuse_second(name: str) -> None:
    """Raise UsageError if a folder that was not uploaded has the run: uploaded, it would come twice."""
    folder = Path(os.environ.get("WANDB_DIR", ".")) / "wandb"
    if there := sorted(folder.glob(f"offline-run-*-{name}")):
        raise UsageError(
            f"{there[0]} has the run.", f"Upload it (wandb sync {there[0]}), or delete it and publish again."
        )


def _fill(run: "wandb.Run", record: Record) -> None:
    import wandb

    first = run.step  # what is below is there from a former publication, and takes no more points
    for step, group in groupby(record.measured(), key=lambda one: one.step):
        values = {name: value for one in group for name, value in (("epoch", one.epoch), (one.name, one.value))}
        if step >= first:
            run.log(values, step=step)
        else:
            run.summary.update(values)
    artifact = wandb.Artifact(record.run, type=record.kind)
    for name, text in files(record).items():
        with artifact.new_file(name, encoding="utf-8") as file:
            file.write(text)
    run.log_artifact(artifact)
