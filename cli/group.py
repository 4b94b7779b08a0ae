"""Groups of commands whose help says every command's whole first sentence, in the order in which they are declared."""

from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """A group that cuts no sentence off."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the names of the commands, and what each does."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, _first_sentence(command.help or "")) for name, command in commands if command]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _first_sentence(text: str) -> str:
    """The first paragraph in one line."""
    return " ".join(text.strip().partition("\n\n")[0].split())
