"""`mlv reproduce`: the published numbers beside what the store has."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, Store, say
from mlv.cli.output import Format, Limit, Output, Provenance, put

if TYPE_CHECKING:
    from mlv.queries.published import Supply
    from mlv.queries.reproduction import Missing


def reproduce(
    paper: Annotated[str, typer.Option("--paper", help="The study whose paper's numbers are compared.")] = "echoes",
    score: Annotated[
        str | None, typer.Option("--score", help="How answers are scored: mean, sum or first; mean if not given.")
    ] = None,
    survey: Annotated[
        str | None, typer.Option("--survey", help="Survey of the countries; if not given the last by name.")
    ] = None,
    probe_set: Annotated[
        str | None, typer.Option("--probe-set", help="Probe set of the questions; that of the query if not given.")
    ] = None,
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    provenance: Provenance = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Line each number and claim of a paper up with what the store has, and name what the missing ones lack."""
    from mlv.queries import reproduction
    from mlv.queries.studies import find_study
    from mlv.schema.store.opening import open_store

    found = find_study(paper)
    with open_store(db) as connection:
        made = reproduction.reproduce(connection, found, {"score": score, "survey": survey, "probe_set": probe_set})
    put(made.result, output_format, output, limit, provenance)
    for line in (*reproduction.summary(made.result, found), *_steps(made.missing)):
        say(line)


def _steps(missing: "tuple[Missing, ...]") -> Iterator[str]:
    """What to do about cells that are not yet run: what is said in a line before what is listed."""
    lacking: dict[Supply, dict[str, None]] = {}
    for cell in missing:
        for supply, lacks in cell.by_supply().items():
            lacking.setdefault(supply, {}).update(dict.fromkeys(lacks))
    for supply in sorted(lacking, key=lambda supply: supply.itemised):
        names = lacking[supply]
        said = f"{len(names):,}" if supply.itemised else ", ".join(sorted(names))
        yield f"{supply.step.format(said)} {supply.command}"
        if supply.itemised:
            yield from (f"  {supply.name.format(name)}" for name in names)
