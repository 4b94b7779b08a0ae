"""`mlv runs publish`: a run in a tracker, or as a model card."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mlv.cli import jobs
from mlv.cli.edge import DEFAULT_STORE, Store, say
from mlv.cli.jobs import Name
from mlv.cli.output import Output, write
from mlv.schema.errors import UsageError

if TYPE_CHECKING:
    from mlv.queries.publishing.record import Record

PROJECT: Final = "mlv"
"""Experiment or project that runs are entered in if none is named."""


class Target(StrEnum):
    """Where a run is published."""

    MLFLOW = "mlflow"
    WANDB = "wandb"
    CARD = "card"


def publish(
    name: Name,
    to: Annotated[
        Target, typer.Option("--to", help="MLflow, Weights & Biases, or a model card for the Hugging Face hub.")
    ],
    uri: Annotated[
        str | None,
        typer.Option(help="mlflow: server or store, e.g. sqlite:///mlflow.db; MLFLOW_TRACKING_URI if not given."),
    ] = None,
    project: Annotated[
        str | None, typer.Option(help=f"mlflow: experiment; wandb: project. {PROJECT} if not given.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="mlflow, wandb: tag the run with the study that it is of, in any words.")
    ] = None,
    output: Output = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Publish a run that made a model in MLflow or Weights & Biases, or as a model card for the hub.

    What goes there is in the store: settings, losses, training data by name, and which share of its answers stayed as
    they were; no text of a corpus or probe. Published again, a run is completed, not doubled. A card is printed, unless
    -o names a file: README.md in the folder of the checkpoint.
    """
    from mlv.queries.publishing.record import record
    from mlv.schema.store.opening import open_store

    _refuse_unfit(to, {"--uri": uri, "--project": project, "--study": study, "--output": output})
    run = jobs.find(db, name).name
    with open_store(db) as connection:
        published = record(connection, run)
    if to is Target.CARD:
        _put_card(published, output)
    elif to is Target.MLFLOW:
        _to_mlflow(published, uri or os.environ.get("MLFLOW_TRACKING_URI"), project or PROJECT, study or "")
    else:
        _to_wandb(published, project or PROJECT, study or "")


def _refuse_unfit(to: Target, given: dict[str, str | Path | None]) -> None:
    """Raise UsageError if an option is given that the target has no use for."""
    known = {
        Target.MLFLOW: {"--uri", "--project", "--study"},
        Target.WANDB: {"--project", "--study"},
        Target.CARD: {"--output"},
    }[to]
    if unfit := [option for option, value in given.items() if value is not None and option not in known]:
        raise UsageError(f"{unfit[0]} is not for --to {to}.", f"It takes {', '.join(sorted(known))}.")


def _put_card(published: "Record", output: Path | None) -> None:
    from mlv.queries.publishing.card import card

    text = card(published)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write(output, text.encode())
        say(f"the card of {published.run} -> {output}")


def _to_mlflow(published: "Record", uri: str | None, project: str, study: str) -> None:
    from mlv.queries.publishing import mlflow

    if not uri:
        raise UsageError("It is not said where MLflow is.", "Name a server or a store: --uri sqlite:///mlflow.db")
    there = mlflow.publish(published, uri, project, study)
    say(f"{published.run} -> MLflow's experiment {project} at {uri}")
    typer.echo(there)


def _to_wandb(published: "Record", project: str, study: str) -> None:
    from mlv.queries.publishing import wandb

    there = wandb.publish(published, project, study)
    say(f"{published.run} -> project {project} of Weights & Biases")
    typer.echo(there)
