"""`mlv query`: the catalogue of versioned analyses."""

from typing import Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, Store
from mlv.cli.output import Format, Limit, Output, put

app = typer.Typer(help="Run the versioned analyses of the catalogue.", no_args_is_help=True)


@app.command(name="list")
def list_queries() -> None:
    """Print every query with its newest version and the question it answers."""
    from mlv.queries import catalogue

    for query in catalogue():
        typer.echo(f"{query.name}@{query.version}  {query.question}")


@app.command()
def show(name: Annotated[str, typer.Argument(help="NAME or NAME@VERSION.")]) -> None:
    """Print a query's SQL, with its header: question, parameters, columns, grain, paper."""
    from mlv.queries import find

    typer.echo(find(name).text)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="NAME or NAME@VERSION.")],
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="k=v; see `mlv query show NAME`.")] = None,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Run a query and print its result."""
    from mlv.queries import run as run_query
    from mlv.queries.parameters import parse_assignments
    from mlv.schema.store import open_store

    with open_store(db) as connection:
        result = run_query(connection, name, parameters=parse_assignments(param or []))
    put(result, output_format, output, limit)
