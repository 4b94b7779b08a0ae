"""Results as bytes, in every format: the same bytes whether they go to a terminal, a pipe or a file.

csv, json, jsonl and parquet are for machines: every digit is kept. table, markdown, html and latex are for people: real
numbers have three decimals, or as many as asked for, or an exponent if they would round to zero. markdown, html and
latex are for texts: a caption says the question and what all rows have alike (``mlv.queries.engine.shaping``), and
intervals stand in brackets behind their values. A missing value is

    csv       an empty field (an empty text is a quoted one, ``""``)
    json(l)   null, which also stands for numbers that are not finite
    parquet   null
    table     NULL, as in markdown
    html      an en dash, as in latex

Times are ISO 8601, binary is hexadecimal, lists and structures are JSON. A result without rows keeps its header.

A result of a store carries its provenance: parquet in its metadata under the key ``mlv``, all of
:func:`provenance`; markdown, html and latex in comments, in short. csv, json and jsonl hold nothing but rows, as their
readers expect.
"""

import io
from collections.abc import Callable, Iterable
from functools import partial
from html import escape
from typing import Any, Final, Literal, get_args

import polars as pl

from mlv.queries.engine.catalogue import near
from mlv.queries.engine.grid import CONTROL, DECIMALS, Grid, cells, flat, numeric, plain, with_brackets
from mlv.queries.engine.latex import latex
from mlv.queries.engine.provenance import provenance_json
from mlv.queries.engine.result import QueryResult
from mlv.queries.engine.shaping import Sheet, sheet
from mlv.schema.errors import UsageError

Format = Literal["table", "csv", "json", "jsonl", "parquet", "markdown", "html", "latex"]
FORMATS: tuple[Format, ...] = get_args(Format)

FOR_PEOPLE: Final = ("table", "markdown", "html", "latex")
"""Formats whose real numbers are rounded."""

_MARKDOWN = str.maketrans({"|": r"\|", "\\": r"\\", "\n": "<br>", "\r": "", "\t": " "})
_HTML = dict.fromkeys(CONTROL, " ") | {ord(mark): escape(mark) for mark in "&<>\"'"}
_TABLE = {code: f"\\x{code:02x}" for code in CONTROL} | str.maketrans({"\n": r"\n", "\r": r"\r", "\t": r"\t"})


def render(result: QueryResult, format_name: str, limit: int | None = None, digits: int | None = None) -> bytes:
    """A result in one of ``FORMATS``, text in UTF-8 with ``\\n`` as line end.

    ``limit`` is the most rows that a table shows; every other format has all rows. ``digits`` are the decimals of
    those for people. See :func:`notes`.
    Raises UsageError if there is no such format, or if digits are given for one that keeps all.
    """
    decimals = DECIMALS if digits is None else digits
    short = _comments(result) if result.store else []
    writers: dict[str, Callable[[pl.DataFrame], bytes]] = {
        "table": lambda frame: _table(frame if limit is None else frame.head(limit), decimals),
        "csv": _csv,
        "json": _json,
        "jsonl": _jsonl,
        "parquet": lambda frame: _parquet(frame, {"mlv": provenance_json(result)}),
        "markdown": lambda _: _markdown(sheet(result), decimals, short),
        "html": lambda _: _html(sheet(result), result.name, decimals, short),
        "latex": lambda _: _latex(sheet(result), result.name, decimals, _comments(result)),
    }
    if format_name not in writers:
        hint = f"There are: {', '.join(FORMATS)}."
        raise UsageError(f"There is no format {format_name!r}.", near(format_name, list(FORMATS), hint))
    if digits is not None and format_name not in FOR_PEOPLE:
        raise UsageError(f"{format_name} keeps every digit.", f"--digits is for {', '.join(FOR_PEOPLE)}.")
    try:
        return writers[format_name](result.frame)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UsageError(
            f"The result cannot be written as {format_name}: {str(error).splitlines()[0]}",
            "Cast columns of lists and structures in the query: CAST(COLUMN AS VARCHAR)",
        ) from error


def notes(result: QueryResult, format_name: str, limit: int | None, rendered: bytes) -> list[str]:
    """What to say on stderr: that a table leaves rows out, and what a document needs that has a file of LaTeX."""
    rows = result.frame.height
    if format_name == "table" and limit is not None and rows > limit:
        return [f"{limit} of {rows} rows shown; --limit 0 shows all, --format csv -o PATH keeps them."]
    lines = rendered.decode().splitlines() if format_name == "latex" else []
    return [line.replace("% Needs", "The table needs") for line in lines if line.startswith("% Needs")]


def _csv(frame: pl.DataFrame) -> bytes:
    return _written(flat(plain(frame)).write_csv)


def _jsonl(frame: pl.DataFrame) -> bytes:
    if frame.is_empty():
        return b""
    return _written(numeric(plain(frame)).write_ndjson)


def _json(frame: pl.DataFrame) -> bytes:
    lines = _jsonl(frame).splitlines()
    return b"[\n" + b",\n".join(lines) + b"\n]\n" if lines else b"[]\n"


def _comments(result: QueryResult) -> list[str]:
    """How to get a result again, and of which store."""
    return [result.title, *([str(result.store)] if result.store else [])]


def _parquet(frame: pl.DataFrame, metadata: dict[str, str]) -> bytes:
    return _written(partial(frame.write_parquet, metadata=metadata))


def _written(write: Callable[[io.BytesIO], Any]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def _padded(grid: Grid) -> tuple[list[list[str]], list[int]]:
    """Cells filled up to the width that their column takes on a screen, numbers on the left; and the widths."""
    from rich.cells import cell_len

    rows, numbers = grid
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]

    def fill(cell: str, width: int, number: bool) -> str:
        space = " " * (width - cell_len(cell))
        return space + cell if number else cell + space

    return [[fill(*parts) for parts in zip(row, widths, numbers, strict=True)] for row in rows], widths


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _table(frame: pl.DataFrame, digits: int) -> bytes:
    (header, *body), widths = _padded(cells(frame, "NULL", _TABLE, digits))
    rule = ["-" * width for width in widths]
    return _lines("  ".join(row).rstrip() for row in [header, rule, *body])


def _markdown(sheet: Sheet, digits: int, comments: list[str]) -> bytes:
    grid = with_brackets(cells(sheet.frame, "NULL", _MARKDOWN, digits), "NULL")
    (header, *body), widths = _padded(grid)
    rule = ["-" * max(1, width - 1) + (":" if number else "-") for width, number in zip(widths, grid[1], strict=True)]
    said = [" ".join(sheet.caption.translate(_MARKDOWN).split()), ""] if sheet.caption else []
    # after an empty line, else it would be a row; two hyphens and a bracket would end it
    ends = ["", *(f"<!-- {comment.replace('-->', '-- >')} -->" for comment in comments)] if comments else []
    return _lines([*said, *(f"| {' | '.join(row)} |" for row in [header, rule, *body]), *ends])


def _html(sheet: Sheet, title: str, digits: int, comments: list[str]) -> bytes:
    (header, *body), numbers = with_brackets(cells(sheet.frame, "\N{EN DASH}", _HTML, digits), "\N{EN DASH}")
    sides = [' style="text-align: right"' if number else "" for number in numbers]

    def row(tag: str, texts: list[str]) -> str:
        inner = "".join(f"<{tag}{side}>{text}</{tag}>" for text, side in zip(texts, sides, strict=True))
        return f"<tr>{inner}</tr>"

    return _lines(
        [
            "<!doctype html>",
            '<meta charset="utf-8">',
            f"<title>{title.translate(_HTML)}</title>",
            *(f"<!-- {comment.replace('-->', '-- >')} -->" for comment in comments),
            "<table>",
            *([f"<caption>{sheet.caption.translate(_HTML)}</caption>"] if sheet.caption else []),
            f"<thead>{row('th', header)}</thead>",
            "<tbody>",
            *(row("td", texts) for texts in body),
            "</tbody>",
            "</table>",
        ]
    )


def _latex(sheet: Sheet, label: str, digits: int, comments: list[str]) -> bytes:
    grid = with_brackets(cells(sheet.frame, "--", {}, digits), "--")
    return _lines(latex(grid, sheet.caption, comments, label))
