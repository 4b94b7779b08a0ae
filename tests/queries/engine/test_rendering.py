"""Every format, to the byte, on a result that holds every type that is hard.

What changes in a golden file is a change of the output that people's scripts rely on. Write them anew with
MLV_UPDATE_GOLDEN=1 and read the difference.
"""

import csv
import io
import json
import os
import re
from pathlib import Path

import duckdb
import polars as pl
import pytest

from mlv.queries import FORMATS, QueryResult, notes, render
from mlv.schema.errors import UsageError
from mlv.schema.fetching import frame_of

GOLDEN = Path(__file__).parent / "golden" / "formats"
ENDINGS = {
    "table": "txt",
    "csv": "csv",
    "json": "json",
    "jsonl": "jsonl",
    "markdown": "md",
    "html": "html",
    "latex": "tex",
}

SQL = """
SELECT * FROM (VALUES
    (1, 'plain', 1 / 3, 0.1::REAL, 12.50::DECIMAL(10, 2), 3::HUGEINT, TRUE, DATE '2024-02-29',
     TIMESTAMP '2024-02-29 13:04:05.6', TIMESTAMPTZ '2024-02-29 13:04:05+00', TIME '01:02:03', '\\xAB\\x00'::BLOB,
     [1, NULL, 3], {'a': 1, 'b': 'x"y'}, 'left'::ENUM('left', 'right'), ''),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (30, 'comma, "quote" | pipe', 1e-20, -0.0004, -1, -12345678901234567890, FALSE, DATE '0099-01-01',
     TIMESTAMP '1969-12-31 23:59:59', TIMESTAMPTZ '2024-02-29 13:04:05.000001+02', TIME '23:59:59.999999', ''::BLOB,
     [], {'a': NULL, 'b': ''}, 'right', ' '),
    (-4, E'two\\nlines\\tand a tab', 1e22, 'nan', 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, [7], NULL, NULL, 'NULL'),
    (5, 'فارسی \u200fשל 한국어 naïve é', 123456.7895, 'inf', 0.005, 12345678901234567890123, NULL, NULL, NULL,
     NULL, NULL, NULL, NULL, NULL, NULL, '&%$#_{}~^\\<>'),
    (6, E'[\x1b*', 100, '-inf', 1, 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '\\N')
) AS t (id, label_name, share, small, amount, total, flag, day, moment, moment_utc, clock, payload, items, record,
        side, empty)
"""


@pytest.fixture(scope="module")
def result() -> QueryResult:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return QueryResult(frame_of(connection, SQL), "types", 1, "0123456789abcdef", {"text": "a b", "list": ["c"]})


@pytest.mark.parametrize("format_name", ENDINGS)
def test_golden(result: QueryResult, format_name: str) -> None:
    path = GOLDEN / f"types.{ENDINGS[format_name]}"
    if os.environ.get("MLV_UPDATE_GOLDEN"):
        path.write_bytes(render(result, format_name))
    assert b"\r\n" not in path.read_bytes(), "checked out with other line ends"
    assert render(result, format_name).decode() == path.read_bytes().decode()


def test_parquet_keeps_the_frame_and_is_the_same_every_time(result: QueryResult) -> None:
    """Its bytes name the version of polars, so the frame is compared and not a file."""
    rendered = render(result, "parquet")
    assert pl.read_parquet(io.BytesIO(rendered)).equals(result.frame)
    assert render(result, "parquet") == rendered


def test_every_format_is_tested() -> None:
    assert {*ENDINGS, "parquet"} == set(FORMATS)


def test_csv_tells_a_missing_text_from_an_empty_one(result: QueryResult) -> None:
    lines = render(result, "csv").decode().splitlines()
    assert lines[1].endswith(',""')
    assert lines[2] == "," * 15


def test_csv_and_json_keep_every_digit(result: QueryResult) -> None:
    share = result.frame["share"].to_list()
    rows = csv.DictReader(io.StringIO(render(result, "csv").decode()))
    from_csv = [float(row["share"]) if row["share"] else None for row in rows]
    from_json = [row["share"] for row in json.loads(render(result, "json"))]
    assert from_csv == from_json == share


def test_json_and_jsonl_hold_the_same_rows(result: QueryResult) -> None:
    lines = render(result, "jsonl").decode().splitlines()
    assert [json.loads(line) for line in lines] == json.loads(render(result, "json"))


def test_tables_agree_with_csv_in_every_text(result: QueryResult) -> None:
    rows = list(csv.reader(io.StringIO(render(result, "csv").decode())))
    table = render(result, "table").decode()
    for text in [*rows[1][6:15], *rows[3][6:14]]:
        assert text in table


@pytest.mark.parametrize(
    ("format_name", "rendered"),
    [
        ("csv", "name,share\n"),
        ("json", "[]\n"),
        ("jsonl", ""),
        ("table", "name  share\n----  -----\n"),
        ("markdown", "| name | share |\n| ---- | ----: |\n"),
        (
            "latex",
            "% none@1 (SHA-256 00)\n% Needs \\usepackage{booktabs}.\n\\begin{table}\n\\centering\n"
            "\\begin{tabular}{@{}lr@{}}\n\\toprule\nname & share \\\\\n\\midrule\n\\bottomrule\n\\end{tabular}\n"
            "\\end{table}\n",
        ),
        (
            "html",
            '<!doctype html>\n<meta charset="utf-8">\n<title>none</title>\n<table>\n<thead><tr><th>name</th>'
            '<th style="text-align: right">share</th></tr></thead>\n<tbody>\n</tbody>\n</table>\n',
        ),
    ],
)
def test_result_without_rows_keeps_its_header(format_name: str, rendered: str) -> None:
    empty = QueryResult(pl.DataFrame(schema={"name": pl.String, "share": pl.Float64}), "none", 1, "00")
    assert render(empty, format_name).decode() == rendered
    assert pl.read_parquet(io.BytesIO(render(empty, "parquet"))).equals(empty.frame)


def test_a_column_of_single_digits_is_still_a_column_in_markdown() -> None:
    rendered = render(QueryResult(pl.DataFrame({"n": [1]}), "none", 1, "00"), "markdown").decode()
    assert rendered == "| n |\n| -: |\n| 1 |\n"


@pytest.mark.parametrize("format_name", FORMATS)
def test_result_without_columns_can_be_written(format_name: str) -> None:
    """As a statement gives that only does something."""
    assert isinstance(render(QueryResult(pl.DataFrame(), "sql", None, "00"), format_name), bytes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000"),
        (71.66666666666667, "71.667"),
        (-0.7071, "-0.707"),
        (0.0004, "4.0e-04"),
        (0.0005, "0.001"),
        (-1e-7, "-1.0e-07"),
        (1e22, "1.000e+22"),
        (float("nan"), "nan"),
    ],
)
def test_people_read_three_decimals(value: float, text: str) -> None:
    table = render(QueryResult(pl.DataFrame({"x": [value]}), "sql", None, "00"), "table").decode()
    assert table.splitlines()[-1].strip() == text


def test_only_a_table_is_cut_off_and_says_so() -> None:
    result = QueryResult(pl.DataFrame({"n": range(5)}), "sql", None, "00")
    assert render(result, "table", limit=2).decode() == "n\n-\n0\n1\n"
    assert render(result, "csv", limit=2) == render(result, "csv")
    assert notes(result, "table", 5, b"") == []
    assert notes(result, "table", None, b"") == []
    assert notes(result, "csv", 2, b"") == []
    (note,) = notes(result, "table", 2, b"")
    assert "2 of 5 rows" in note
    assert "--limit 0" in note


@pytest.mark.parametrize(("digits", "text"), [(0, "72"), (1, "71.7"), (5, "71.66667")])
@pytest.mark.parametrize("format_name", ["table", "markdown", "html", "latex"])
def test_people_read_as_many_decimals_as_they_ask_for(format_name: str, digits: int, text: str) -> None:
    result = QueryResult(pl.DataFrame({"x": [71.66666666666667, 1.0]}), "sql", None, "00")
    assert re.search(rf"(?<![\d.]){text}(?![\d.])", render(result, format_name, digits=digits).decode())


@pytest.mark.parametrize("format_name", ["csv", "json", "jsonl", "parquet"])
def test_formats_for_machines_take_no_digits(format_name: str) -> None:
    with pytest.raises(UsageError, match=f"{format_name} keeps every digit"):
        render(QueryResult(pl.DataFrame({"x": [1.0]}), "sql", None, "00"), format_name, digits=2)


def test_wide_letters_keep_columns_aligned() -> None:
    frame = pl.DataFrame({"a": ["한국어", "abc"], "b": ["x", "y"]})
    table = render(QueryResult(frame, "sql", None, "00"), "table").decode()
    assert table == "a       b\n------  -\n한국어  x\nabc     y\n"


def test_unknown_format_names_near_ones() -> None:
    with pytest.raises(UsageError, match="no format 'tabel'") as caught:
        render(QueryResult(pl.DataFrame(), "sql", None, "00"), "tabel")
    assert "Did you mean table" in caught.value.hint
