"""`mlv compute convert`: safetensors of weights that are pickles."""

from typing import Annotated

import typer

from mlv.cli.edge import say


def convert(
    model: Annotated[str, typer.Argument(help="Hub name, or folder with pytorch_model.bin.")],
    revision: Annotated[str | None, typer.Option(help="Commit, branch or tag on the hub.")] = None,
) -> None:
    """Make model.safetensors beside a model's pickled weights: tensors are taken, no program in them is run."""
    from mlv.compute.models import files

    folder = files.convert(model, revision)
    say(f"model.safetensors -> {folder}")
