"""Where results go: standard output or a file, in one of the formats, the same bytes either way."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.edge import say
from mlv.cli.streams import ReaderGoneError
from mlv.compute.machine.options import MOST
from mlv.schema.errors import DataError, UsageError

if TYPE_CHECKING:
    from mlv.queries import QueryResult


class Varied(StrEnum):
    """What an interval is over: what else could have been asked or drawn."""

    QUESTIONS = "questions"
    SEEDS = "seeds"
    BOTH = "both"
    GROUPS = "groups"


Intervals = Annotated[
    Varied | None,
    typer.Option(
        "--ci", help="Add 95% intervals over questions (by battery), seeds of fine-tuning, both, or social groups."
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="table, csv, json, jsonl, parquet, markdown, html, latex; if not given, by the ending of -o, else table.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file instead of standard output.")]
Provenance = Annotated[
    bool,
    typer.Option(
        "--provenance",
        help="With -o PATH, also write PATH.provenance.json: query, hash, parameters, runs and state of the store.",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", help="Columns to keep, comma-separated, in this order, each with its interval."),
]
Pivot = Annotated[
    str | None,
    typer.Option(
        "--pivot", help="Column whose values become columns, such as language; --values says what fills them."
    ),
]
Values = Annotated[
    str | None,
    typer.Option("--values", help="Column that fills those of --pivot; the first of real numbers if not given."),
]
Digits = Annotated[
    int | None,
    typer.Option("--digits", min=0, max=15, help="Decimals in table, markdown, html and latex; 3 if not given."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=0, max=MOST, help="Most rows that a table prints; 0 for all.")
]

ENDINGS = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".md": "markdown",
    ".html": "html",
    ".tex": "latex",
    ".txt": "table",
    "": "table",
}
"""Format by the ending of a file's name, in lower case."""

TERMINAL_ROWS = 100
"""Rows of a table that are printed to a terminal if no limit is given."""


def chosen_format(output_format: str | None, output: Path | None) -> str:
    """The format of the option, else of the file's ending. Raises UsageError if that is of no format."""
    if output_format is not None:
        return output_format
    ending = output.suffix.lower() if output else ""
    if ending not in ENDINGS:
        raise UsageError(
            f"No format goes with the ending of {output}.",
            f"Give one with --format, or end the name in {', '.join(filter(None, ENDINGS))}.",
        )
    return ENDINGS[ending]


def put_rows(
    store: Path,
    statement: str,
    output_format: str | None = None,
    output: Path | None = None,
    limit: int | None = None,
    **parameters: object,
) -> None:
    """Write the rows that a statement finds in a store, as :func:`put` does."""
    from mlv.queries import execute_sql
    from mlv.schema.store.opening import open_store

    with open_store(store) as connection:
        result = execute_sql(connection, statement, parameters, sealed=True)
    put(result, output_format, output, limit)


def put(
    result: "QueryResult",
    output_format: str | None,
    output: Path | None,
    limit: int | None,
    provenance: bool = False,
    digits: int | None = None,
) -> None:
    """Render a result and write it, and its provenance if asked; note what a reader of it has to know."""
    from mlv.queries.engine.rendering import notes, render

    if provenance and output is None:
        raise UsageError("--provenance writes beside a file.", "Name the file with -o PATH.")

    chosen = chosen_format(output_format, output)
    if limit is None and output is None and sys.stdout.isatty():
        limit = TERMINAL_ROWS
    limit = limit or None
    rendered = render(result, chosen, limit, digits)
    if output is None:
        sys.stdout.buffer.write(rendered)
        sys.stdout.buffer.flush()
    else:
        write(output, rendered)
        say(f"{result.frame.height:,} rows -> {output}")
        if provenance:
            _put_provenance(result, output)
    for note in notes(result, chosen, limit, rendered):
        say(note)


def _put_provenance(result: "QueryResult", output: Path) -> None:
    from mlv.queries.engine.provenance import provenance_json

    beside = output.with_name(f"{output.name}.provenance.json")
    write(beside, provenance_json(result).encode())
    say(f"what made them -> {beside}")


def write(output: Path, rendered: bytes) -> None:
    """Write a file, whole or not at all, or into a pipe or device. Raises DataError if it cannot be written."""
    from mlv.schema.files import written_aside

    try:
        with written_aside(output) as aside:
            aside.write_bytes(rendered)
    except BrokenPipeError:
        raise ReaderGoneError from None
    except OSError as error:
        raise DataError(f"{output} cannot be written: {error.strerror}.", "Name another file with -o.") from error
