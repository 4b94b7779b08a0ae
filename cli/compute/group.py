"""`mlv compute`: a command for each kind of job, in the file of its name, and a few beside them."""

from functools import cache
from importlib import import_module
from typing import Any

import typer

from mlv.cli.compute.models import convert, prefetch
from mlv.cli.compute.run import run
from mlv.cli.group import Group


class _Commands(Group):
    """Commands of kinds are imported when they are wanted, with the libraries that they need."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands: those of the kinds first."""
        return [*_kind_commands(), *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None if there is none."""
        return super().get_command(ctx, cmd_name) or _kind_commands().get(cmd_name)


@cache
def _kind_commands() -> dict[str, Any]:
    """The commands of all kinds by name."""
    from mlv.schema.jobs.kinds import KINDS

    functions = [import_module(f"mlv.cli.compute.{kind}").COMMAND for kind in KINDS]
    return {command.name: command for command in map(_command, functions)}


def _command(function: Any) -> Any:
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    alone.command(name=function.__name__.replace("_", "-"))(function)
    return typer.main.get_command(alone)


app = typer.Typer(help="Fine-tune, probe, trace and pretrain models.", no_args_is_help=True, cls=_Commands)
app.command()(run)
app.command()(prefetch)
app.command()(convert)
