"""`mlv report`: every table and figure of the study as one page."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from mlv.cli.edge import DEFAULT_STORE, Store, say
from mlv.schema.errors import DataError


def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="An empty folder, or one with a former report.")],
    ci: Annotated[bool, typer.Option("--ci/--no-ci", help="With 95% intervals, by resampling the questions.")] = True,
    db: Store = DEFAULT_STORE,
) -> None:
    """Write every table and figure of the study as a page that needs no network, with CSV, LaTeX, SVG, PNG and PDF."""
    from mlv.queries.report import build as reports
    from mlv.schema.store.opening import open_store

    reports.check_folder(output)
    with open_store(db) as connection:
        command = f"mlv report -o {shlex.quote(str(output))}{'' if ci else ' --no-ci'}"
        made = reports.build(connection, command, ci, say)
    try:
        count = reports.write(output, made)
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error.strerror}", "Name another folder with -o.") from error
    say(f"{count:,} files -> {output}; open {output / 'index.html'}")
