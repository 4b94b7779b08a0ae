"""`mlv reproduce`: the published tables beside what the store has."""

from typing import Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, Store, say
from mlv.cli.output import Format, Limit, Output, Provenance, put


def reproduce(
    paper: Annotated[str, typer.Option("--paper", help="The paper: echoes.")] = "echoes",
    output_format: Format = None,
    output: Output = None,
    limit: Limit = None,
    provenance: Provenance = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Line each cell of a paper's tables up with the store's number, and name what would fill the missing ones."""
    from mlv.queries.reproduction import report
    from mlv.queries.reproduction import reproduce as compared
    from mlv.schema.store.opening import open_store

    with open_store(db) as connection:
        result = compared(connection, paper)
    put(result, output_format, output, limit, provenance)
    for line in report(result, paper):
        say(line)
