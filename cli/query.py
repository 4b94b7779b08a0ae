"""`mlv query`: the catalogue of versioned analyses."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mlv.cli import completion
from mlv.cli.edge import DEFAULT_STORE, ExitCode, Store, say, split_list
from mlv.cli.group import Group
from mlv.cli.output import Columns, Digits, Format, Intervals, Limit, Output, Pivot, Provenance, Values, put
from mlv.schema.errors import UsageError

app = typer.Typer(help="Run the versioned analyses of the catalogue.", no_args_is_help=True, cls=Group)


@app.command(name="list")
def list_queries(
    study: Annotated[str | None, typer.Option("--study", help="Only those of this study.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON: name, version, study and question.")] = False,
) -> None:
    """Print every query with its newest version and the question it answers."""
    from mlv.queries import catalogue
    from mlv.queries.engine.catalogue import near

    known = sorted({query.study for query in catalogue()})
    if study is not None and study not in known:
        raise UsageError(f"There is no study {study!r}.", near(study, known, f"There are: {', '.join(known)}."))
    chosen = [query for query in catalogue() if study in (None, query.study)]
    if as_json:
        fields = {"name", "version", "study", "question"}
        typer.echo(json.dumps([query.model_dump(include=fields) for query in chosen], ensure_ascii=False, indent=1))
        return
    for query in chosen:
        typer.echo(f"{query.name}@{query.version}  {query.question}")


@app.command()
def macros() -> None:
    """Print the SQL of the macros that queries use, for another program: duckdb -init FILE."""
    from mlv.queries.engine.macros import macros_sql

    typer.echo(macros_sql(), nl=False)


@app.command()
def show(name: Annotated[str, typer.Argument(help="NAME or NAME@VERSION.", autocompletion=completion.queries)]) -> None:
    """Print a query's SQL, with its header: question, parameters, columns, grain, paper."""
    from mlv.queries import find

    typer.echo(find(name).text)


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="NAME or NAME@VERSION.", autocompletion=completion.queries)],
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="k=v; see `mlv query show NAME`.")] = None,
    ci: Intervals = None,
    columns: Columns = None,
    pivot: Pivot = None,
    values: Values = None,
    digits: Digits = None,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    provenance: Provenance = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Run a query and print its result, or write it for a paper: -o table.tex, .md or .html."""
    from mlv.queries import run as run_query
    from mlv.queries.engine.parameters import parse_assignments
    from mlv.queries.engine.shaping import Shape, shaped
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        assignments = [*(param or []), *([f"ci={ci}"] if ci else [])]
        result = run_query(connection, name, parameters=parse_assignments(assignments))
    shape = Shape(split_list(columns), pivot, values)
    put(shaped(result, shape), output_format, output, limit, provenance, digits)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(help="NAME or NAME@VERSION.", autocompletion=completion.queries)],
    second: Annotated[
        str | None, typer.Argument(help="NAME@VERSION to compare it with.", autocompletion=completion.queries)
    ] = None,
    against: Annotated[Path | None, typer.Option("--against", help="Another store to ask the same query of.")] = None,
    param: Annotated[list[str] | None, typer.Option("--param", "-p", help="k=v, for both sides.")] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Columns to match rows by; those before the first measure if not given.")
    ] = None,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    db: Store = DEFAULT_STORE,
) -> None:
    """Print how two versions of a query, or one query on two stores, differ: exit code 9 if they do, else 0."""
    from mlv.queries import find, run_query
    from mlv.queries.engine.differences import compare, summary
    from mlv.queries.engine.parameters import parse_assignments
    from mlv.schema.store.opening import open_store

    if (second is None) == (against is None):
        raise UsageError(
            "Two versions are compared, or two stores.",
            f"mlv query diff {first} NAME@VERSION, or mlv query diff {first} --against OTHER.duckdb",
        )
    queries = find(first), find(second or first)
    if queries[0].name != queries[1].name:
        raise UsageError(
            f"{queries[0].name} and {queries[1].name} are two queries: versions of one are compared.",
            f"mlv query diff {queries[0].name}@1 {queries[0].name}@2",
        )
    results = []
    for query, path in zip(queries, (db, against or db), strict=True):
        with open_store(path) as connection:
            results.append(run_query(connection, query, parse_assignments(param or [])))
        say(f"{path}: {results[-1].title}")
    stores = (str(db), str(against)) if against else None
    compared = compare(results[0], results[1], stores, split_list(key))
    put(compared, output_format, output, limit)
    if second is not None:
        newer = max(queries, key=lambda query: query.version)
        say(f"reason of {newer.reference}: {newer.reason}")
    say(summary(compared.frame))
    if not compared.frame.is_empty():
        raise typer.Exit(ExitCode.DIFFERENT)
