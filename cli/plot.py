"""`mlv plot`: figures of the versioned analyses."""

from pathlib import Path
from typing import Annotated

import typer

from mlv.cli import completion
from mlv.cli.edge import DEFAULT_STORE, Store, say
from mlv.cli.output import Intervals, write
from mlv.schema.errors import UsageError


def plot(
    name: Annotated[
        str | None, typer.Argument(help="NAME or NAME@VERSION of a query.", autocompletion=completion.queries)
    ] = None,
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="k=v; see `mlv query show NAME`.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file that ends in .png, .svg or .pdf.")
    ] = None,
    ci: Intervals = None,
    list_: Annotated[bool, typer.Option("--list", help="Print the queries that have a figure, and stop.")] = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Draw the figure of a query: PNG with 300 dots an inch, SVG or PDF."""
    from mlv.queries import run
    from mlv.queries.engine.parameters import parse_assignments
    from mlv.queries.figures import drawing
    from mlv.queries.studies import draw, drawn_queries
    from mlv.schema.store.opening import open_store

    if list_:
        for known in sorted(drawn_queries()):
            typer.echo(known)
        return
    if name is None or output is None:
        raise UsageError(
            "Name a query and a file.", "mlv plot unchanged -o unchanged.pdf; all figures: mlv plot --list"
        )
    ending = _ending(output)
    with open_store(db) as connection:
        assignments = [*(param or []), *([f"ci={ci}"] if ci else [])]
        result = run(connection, name, parameters=parse_assignments(assignments))
    write(output, drawing.write(draw(result), ending))
    say(f"{result.frame.height:,} rows -> {output}")


def _ending(output: Path) -> str:
    """Format by a file's ending, in any case. Raises UsageError if there is no such format."""
    from mlv.queries.figures.drawing import ENDINGS

    ending = output.suffix.lower().removeprefix(".")
    if ending not in ENDINGS:
        endings = ", ".join(f".{known}" for known in ENDINGS)
        raise UsageError(f"No figure goes with the ending of {output}.", f"End the name in {endings}.")
    return ending
