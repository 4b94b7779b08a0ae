"""Results as bytes, in every format: the same bytes whether they go to a terminal, a pipe or a file.

csv, json, jsonl and parquet are for machines: every digit is kept. table, markdown and latex are for people: real
numbers have three decimals, or an exponent if they would round to zero. A missing value is

    csv       an empty field (an empty text is a quoted one, ``""``)
    json(l)   null, which also stands for numbers that are not finite
    parquet   null
    table     NULL, as in markdown
    latex     --

Times are ISO 8601, binary is hexadecimal, lists and structures are JSON. A result without rows keeps its header.

A result of a store carries its provenance: parquet in its metadata under the key ``mlv``, all of
:func:`provenance`; markdown and latex in comments, in short. csv, json and jsonl hold nothing but rows, as their
readers expect.
"""

import io
import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, get_args

import polars as pl

from mlv.queries.engine.catalogue import near
from mlv.queries.engine.provenance import provenance_json
from mlv.queries.engine.result import QueryResult
from mlv.schema.errors import UsageError

Format = Literal["table", "csv", "json", "jsonl", "parquet", "markdown", "latex"]
FORMATS: tuple[Format, ...] = get_args(Format)

DECIMALS = 3
"""Decimals of real numbers in the formats for people."""

_CONTROL = (*range(32), *range(127, 160))
"""Characters that would move a terminal's cursor, or stop LaTeX."""

# A bracket or an asterisk at the start of a row would be an argument of the line end before it.
_LATEX = dict.fromkeys(_CONTROL, " ") | str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "[": "{[}",
        "*": "{*}",
    }
)
_MARKDOWN = str.maketrans({"|": r"\|", "\\": r"\\", "\n": "<br>", "\r": "", "\t": " "})
_TABLE = {code: f"\\x{code:02x}" for code in _CONTROL} | str.maketrans({"\n": r"\n", "\r": r"\r", "\t": r"\t"})

Grid = tuple[list[list[str]], list[bool]]
"""Cells by row, the header first; and for every column whether it holds numbers."""


def render(result: QueryResult, format_name: str, limit: int | None = None) -> bytes:
    """A result in one of ``FORMATS``, text in UTF-8 with ``\\n`` as line end.

    ``limit`` is the most rows that a table shows; every other format has all rows. See :func:`truncation_note`.
    Raises UsageError if there is no such format.
    """
    writers: dict[str, Callable[[pl.DataFrame], bytes]] = {
        "table": lambda frame: _table(frame if limit is None else frame.head(limit)),
        "csv": _csv,
        "json": _json,
        "jsonl": _jsonl,
        "parquet": lambda frame: _parquet(frame, {"mlv": provenance_json(result)}),
        "markdown": partial(_markdown, comments=_comments(result) if result.store else []),
        "latex": partial(_latex, comments=_comments(result)),
    }
    if format_name not in writers:
        hint = f"There are: {', '.join(FORMATS)}."
        raise UsageError(f"There is no format {format_name!r}.", near(format_name, list(FORMATS), hint))
    try:
        return writers[format_name](result.frame)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise UsageError(
            f"The result cannot be written as {format_name}: {str(error).splitlines()[0]}",
            "Cast columns of lists and structures in the query: CAST(COLUMN AS VARCHAR)",
        ) from error


def truncation_note(result: QueryResult, limit: int | None) -> str | None:
    """What to say on stderr when a table shows ``limit`` rows; None if that is all of them."""
    rows = result.frame.height
    if limit is None or rows <= limit:
        return None
    return f"{limit} of {rows} rows shown; --limit 0 shows all, --format csv -o PATH keeps them."


def _csv(frame: pl.DataFrame) -> bytes:
    return _written(_flat(_plain(frame)).write_csv)


def _jsonl(frame: pl.DataFrame) -> bytes:
    if frame.is_empty():
        return b""
    return _written(_numeric(_plain(frame)).write_ndjson)


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


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Times, binary and enumerations as text; whole decimals, such as DuckDB's sum of integers, as integers."""
    columns = (_plain_column(pl.col(name), dtype) for name, dtype in frame.schema.items())
    return frame.with_columns(column for column in columns if column is not None)


def _plain_column(column: pl.Expr, dtype: pl.DataType) -> pl.Expr | None:
    """How a column becomes one of a plain type; None if it is of one."""
    if isinstance(dtype, pl.Datetime):
        return column.dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("%:z" if dtype.time_zone else ""))
    if isinstance(dtype, pl.Time):
        return column.dt.strftime("%H:%M:%S%.f")
    if isinstance(dtype, pl.Binary):
        return column.bin.encode("hex")
    if isinstance(dtype, pl.Date | pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if isinstance(dtype, pl.Decimal) and dtype.scale == 0:
        return column.cast(pl.Int128)
    return None


def _numeric(frame: pl.DataFrame) -> pl.DataFrame:
    """Decimals as numbers, which JSON would hold as text."""
    return frame.with_columns(pl.col(pl.Decimal).cast(pl.Float64))


def _flat(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists and structures as JSON texts."""
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    return frame.with_columns(
        pl.Series(name, [_json_text(value) for value in frame[name].to_list()], dtype=pl.String) for name in nested
    )


def _json_text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)


def cells(frame: pl.DataFrame, missing: str, escapes: dict[int, str]) -> Grid:
    """Cells as people read them, escaped."""
    plain = _flat(_plain(frame))
    numbers = [dtype.is_numeric() for dtype in plain.schema.values()]
    rows = [[missing if value is None else _cell(value).translate(escapes) for value in row] for row in plain.rows()]
    return [[name.translate(escapes) for name in plain.columns], *rows], numbers


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _real(value)
    return str(value)


def _real(value: float) -> str:
    if value != 0 and abs(value) < 0.5 * 10**-DECIMALS:
        return f"{value:.1e}"
    text = f"{value:.{DECIMALS}f}"
    return text if len(text) < 16 else f"{value:.{DECIMALS}e}"


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


def _table(frame: pl.DataFrame) -> bytes:
    (header, *body), widths = _padded(cells(frame, "NULL", _TABLE))
    rule = ["-" * width for width in widths]
    return _lines("  ".join(row).rstrip() for row in [header, rule, *body])


def _markdown(frame: pl.DataFrame, comments: list[str]) -> bytes:
    grid = cells(frame, "NULL", _MARKDOWN)
    (header, *body), widths = _padded(grid)
    rule = ["-" * max(1, width - 1) + (":" if number else "-") for width, number in zip(widths, grid[1], strict=True)]
    # after an empty line, else it would be a row; two hyphens and a bracket would end it
    ends = ["", *(f"<!-- {comment.replace('-->', '-- >')} -->" for comment in comments)] if comments else []
    return _lines([*(f"| {' | '.join(row)} |" for row in [header, rule, *body]), *ends])


def _latex(frame: pl.DataFrame, comments: list[str]) -> bytes:
    (header, *body), numbers = cells(frame, "--", _LATEX)
    columns = "".join("r" if number else "l" for number in numbers)
    return _lines(
        [
            *(f"% {comment}" for comment in comments),
            r"% Needs \usepackage{booktabs}.",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            f"{' & '.join(header)} \\\\",
            r"\midrule",
            *(f"{' & '.join(row)} \\\\" for row in body),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )
