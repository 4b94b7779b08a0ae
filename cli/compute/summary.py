"""What is printed of a run that was just committed, as far as it fits a screen."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlv.cli.edge import say
from mlv.cli.work import Work

if TYPE_CHECKING:
    import polars


def print_summary(work: Work, query: str, run: str, columns: Sequence[str], **parameters: str) -> "polars.DataFrame":
    """Print some columns of a query over a run, if it has rows of it; return these."""
    from dataclasses import replace

    from mlv.cli.output import put
    from mlv.queries import run as run_query
    from mlv.schema.store.opening import open_store

    with open_store(work.store) as connection:
        result = run_query(connection, query, parameters={"run": run, **parameters})
    shown = result.frame.select(columns)
    if not shown.is_empty():
        say(f"{query} of {run} (all of it: mlv query run {query} -p run={run})")
        put(replace(result, frame=shown), "table", None, None)
    return shown
