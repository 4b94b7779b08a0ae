"""What a query of the catalogue says of a run that was just committed, as far as it fits a screen."""

from collections.abc import Sequence

from mlv.cli.edge import say
from mlv.cli.work import Work


def print_summary(work: Work, query: str, run: str, columns: Sequence[str], **parameters: str) -> None:
    """Print some columns of a query over a run."""
    from dataclasses import replace

    from mlv.cli.output import put
    from mlv.queries import run as run_query
    from mlv.schema.store.opening import open_store

    with open_store(work.store) as connection:
        result = run_query(connection, query, parameters={"run": run, **parameters})
    say(f"{query} of {run} (all of it: mlv query run {query} -p run={run})")
    put(replace(result, frame=result.frame.select(columns)), "table", None, None)
