"""`mlv compute prefetch` and `mlv compute convert`: models, before jobs use them."""

from typing import Annotated

import typer

from mlv.cli.edge import megabytes, say
from mlv.cli.work import split_revision


def prefetch(
    models: Annotated[list[str], typer.Argument(metavar="MODEL[@REVISION]...", help="Names on the hub.")],
) -> None:
    """Fetch models to HF_HOME, where there is network: for jobs that run where there is none, with HF_HUB_OFFLINE=1.

    Prints each with the commit that was fetched: NAME@REVISION, as a study file may name it.
    """
    for model in models:
        fetch_model(*split_revision(model))


def fetch_model(name: str, revision: str | None) -> None:
    """Fetch a model of the hub, and print its name with its commit."""
    from mlv.compute.models.prefetch import prefetch

    fetched = prefetch(name, revision)
    say(f"{name}: {megabytes(fetched.size)} in {fetched.model.path}")
    typer.echo(f"{name}@{fetched.model.revision}")


def convert(
    model: Annotated[
        str, typer.Argument(metavar="MODEL[@REVISION]", help="Hub name, or folder with pytorch_model.bin.")
    ],
) -> None:
    """Make model.safetensors beside a model's pickled weights: tensors are taken, no program in them is run."""
    from mlv.compute.models import files

    folder = files.convert(*split_revision(model))
    say(f"model.safetensors -> {folder}")
