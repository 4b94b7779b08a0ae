"""Where results go: standard output or a file, in one of the formats, the same bytes either way."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlv.cli.edge import say

if TYPE_CHECKING:
    from mlv.queries import QueryResult

Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="table, csv, json, jsonl, parquet, markdown or latex; from the ending of -o, else table, if not given.",
    ),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file instead of standard output.")]
Limit = Annotated[int | None, typer.Option("--limit", help="Print at most this many rows.")]

TERMINAL_ROWS = 100
"""Rows of a table that are printed to a terminal where no limit is given."""


def put(result: "QueryResult", output_format: str | None, output: Path | None, limit: int | None) -> None:
    """Render a result and write it; say so where rows are left out."""
    from mlv.queries.rendering import ENDINGS, render

    chosen = output_format or (ENDINGS.get(output.suffix, "table") if output else "table")
    if limit is None and output is None and chosen == "table" and sys.stdout.isatty():
        limit = TERMINAL_ROWS
    rendered = render(result, chosen, limit=limit)
    if output is None:
        sys.stdout.buffer.write(rendered)
        sys.stdout.buffer.flush()
    else:
        from mlv.schema.jobs import written_aside

        with written_aside(output) as aside:
            aside.write_bytes(rendered)
        say(f"{result.frame.height:,} rows -> {output}")
    if limit is not None and result.frame.height > limit:
        say(f"{result.frame.height - limit:,} more rows: --limit {result.frame.height} prints all")
