"""Reading surveys: shares of people by country, variable and response code, from either of two layouts.

- *Respondents*: the official cross-national CSV of World Values Survey wave 7, one interviewee a row, several hundred
  columns. It is streamed, so memory does not grow with the file.
- *Shares*: a table of percentages with the columns ``question`` (or ``question_id``), ``country`` (or
  ``country_alpha3``), ``response_code``, ``percent`` and, where there are any, ``weighted_percent`` and ``n``. Lines
  that begin with ``#`` are comments.

Both may be plain, gzipped or zipped. The "Inverted" release of the official file, in which many scales run the other
way, is refused: the packaged mapping speaks of the scales as they were asked. Variables are those that a probe asks
about; negative codes are missing answers. No store is needed.
"""

import contextlib
import csv
import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import duckdb
import polars as pl

from mlv.ingest.readers import archives
from mlv.ingest.readers.paths import what_is_at
from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.text import GZIP_MAGIC, stream_lines
from mlv.ingest.reference.languages import find_country
from mlv.ingest.reference.questions import answer_sides
from mlv.schema.errors import DataError, NotFoundError, excerpt
from mlv.schema.store.sql import quoted

SUM_TOLERANCE = 0.5
"""How far the percentages of a question in a country may be from 100: published tables round each of up to ten."""

MAX_WEIGHT = 1_000
"""Weight of an interviewee at most; in the official file none is above 30. Sums of decimals overflow otherwise."""

LOWEST_CODE = -100
"""Codes of missing answers are above; the official file has -1 to -5."""

LISTED = 12
"""Columns that an error names."""

RESPONSE_COLUMNS = ("country", "variable", "response_code", "n", "share", "weighted_n", "weighted_share")

_DIRECTION_VARIABLES = ("Q1", "Q27", "Q46")
"""Four-point scales whose codes 1 and 2 (family important, parents proud, happy) most people of every surveyed
country choose: the aggregate of any country shows which way the scale runs."""

_SHARE_COLUMNS = {
    "question": ("question_id", "question"),
    "country": ("country_alpha3", "country"),
    "response_code": ("response_code",),
    "percent": ("percent",),
    "weighted_percent": ("weighted_percent",),
    "n": ("n",),
}
_REQUIRED = ("question", "country", "response_code", "percent")

_LAYOUTS = (
    "A survey is either the official cross-national CSV (columns B_COUNTRY_ALPHA or B_COUNTRY, W_WEIGHT, Q1, Q2, ...), "
    "or a table with the columns question, country, response_code, percent."
)


@dataclass(frozen=True)
class ReadSurvey:
    """A survey file that was read."""

    layout: Literal["respondents", "shares"]
    content_sha256: str
    """SHA-256 of the unpacked CSV's lines, whatever ends them."""

    responses: pl.DataFrame
    """``RESPONSE_COLUMNS``, ordered by the first three; ``country`` is an alpha-2 code, shares lie in [0, 1]."""

    rows_read: int
    rows_kept: int
    rejected: list[Rejected] = field(default_factory=list)
    """Rows, by line; and, with line 0, what was left out of many rows: answers without a code, columns."""


@dataclass(frozen=True)
class _Source:
    """An unpacked or gzipped CSV on disk."""

    path: Path
    columns: list[str]
    delimiter: str
    gzipped: bool
    content_sha256: str

    @property
    def name(self) -> str:
        """Name for messages."""
        return self.path.name


def read_survey(path: Path) -> ReadSurvey:
    """Read a survey in either layout.

    Raises DataError where the file is neither, damaged, the inverted release, or has no row that can be used.
    """
    with _csv_file(path) as file:
        source, name = _source(file), file.name
        _refuse_inverted_names(source)
        if _is_respondents(source):
            read = _read_respondents(source)
        elif all(_column(source, part) for part in _REQUIRED):
            read = _read_shares(source)
        else:
            shown = ", ".join(source.columns[:LISTED]) + (", ..." if len(source.columns) > LISTED else "")
            raise DataError(f"{name} is no survey that mlv can read: its columns are {excerpt(shown, 500)}.", _LAYOUTS)
    if read.responses.is_empty():
        first = next((f" First reason: {row.reason}." for row in read.rejected if row.line), "")
        raise DataError(f"{name}: none of its {read.rows_read} rows can be used.{first}", _LAYOUTS)
    _refuse_inverted_answers(name, read.responses)
    return read


@contextlib.contextmanager
def _csv_file(path: Path) -> Iterator[Path]:
    """The CSV at ``path``; that of a zip archive lies in a temporary folder meanwhile."""
    if what_is_at(path) != "file":
        raise NotFoundError(f"There is no survey file at {path}.", _LAYOUTS)
    if path.suffix.lower() != ".zip":
        yield path
        return
    with archives.open_zip(path) as archive, tempfile.TemporaryDirectory() as folder:
        tables = [name for name in archives.members(archive) if name.lower().endswith((".csv", ".csv.gz"))]
        if len(tables) != 1:
            found = excerpt(", ".join(tables), 500) or "none"
            raise DataError(f"{path} has to hold one .csv file; it holds {found}.", "Unpack it and name the file.")
        unpacked = Path(folder) / PurePosixPath(tables[0]).name
        archives.unpack_member(archive, tables[0], unpacked)
        yield unpacked


def _source(path: Path) -> _Source:
    """What a CSV is, from its first line that is no comment. All of it is read, so that a damaged one is found."""
    digest, header, place = hashlib.sha256(), "", 0
    for number, line in enumerate(stream_lines(path), 1):
        digest.update(line.encode() + b"\n")
        if not header and _is_row(line):
            header, place = line, number
    if not header:
        raise DataError(f"{path.name} has nothing but comments.", _LAYOUTS)
    delimiter = max(",;\t", key=header.count)
    columns = [column.strip() for column in _cells(path.name, place, header, delimiter)]
    twice = [column for column, count in Counter(columns).items() if column and count > 1]
    if twice:
        raise DataError(f"{path.name} has several columns {excerpt(', '.join(twice))!r}.", "Leave each in once.")
    with path.open("rb") as file:
        gzipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return _Source(path, columns, delimiter, gzipped, digest.hexdigest())


def _cells(name: str, number: int, line: str, delimiter: str) -> list[str]:
    """The cells of a line. Raises DataError where it is no row."""
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error as error:
        raise DataError(
            f"{name}: line {number} is no row of a CSV file: {error}.",
            "Lines end with a line feed, and a cell holds no line break: save it anew as CSV, UTF-8.",
        ) from error


def _is_row(line: str) -> bool:
    """Whether a line is neither a comment nor blank."""
    return bool(line.strip()) and not line.startswith("#")


def _is_respondents(source: _Source) -> bool:
    columns = set(source.columns)
    return "W_WEIGHT" in columns and bool(columns & {"B_COUNTRY_ALPHA", "B_COUNTRY"})


def _column(source: _Source, part: str) -> str | None:
    """Name of the column of a shares table that holds ``part``, whatever its capitals."""
    named = {column.lower(): column for column in source.columns}
    return next((named[alias] for alias in _SHARE_COLUMNS[part] if alias in named), None)


def _inverted(name: str, evidence: str) -> DataError:
    return DataError(
        f"{name} is the inverted release of the survey, in which many scales run the other way: {evidence}. "
        "Shares taken from it would stand on the wrong side.",
        "Fetch the plain cross-national file (WVS_Cross-National_Wave_7_csv_v6_0) from worldvaluessurvey.org.",
    )


def _refuse_inverted_names(source: _Source) -> None:
    """The inverted release says so in its name, and marks the variables that it turned with a P."""
    turned = [column for column in source.columns if re.fullmatch(r"Q\d+P", column)]
    if turned:
        raise _inverted(source.name, f"it has the variables {', '.join(turned[:3])}")
    if "inverted" in source.name.lower():
        raise _inverted(source.name, "its name says so")


def _refuse_inverted_answers(name: str, responses: pl.DataFrame) -> None:
    """A renamed file still shows in its answers which way the scales run."""
    mass = pl.coalesce("n", "share")
    ends = (
        responses.filter(pl.col("variable").is_in(_DIRECTION_VARIABLES))
        .group_by("variable")
        .agg(
            near=mass.filter(pl.col("response_code").is_in([1, 2])).sum(),
            far=mass.filter(pl.col("response_code").is_in([3, 4])).sum(),
        )
    )
    turned = ends.filter(pl.col("far") > pl.col("near"))["variable"].sort().to_list()
    if turned:
        raise _inverted(name, f"most answers to {', '.join(turned)} are codes 3 and 4, where people choose 1 and 2")


def _variables() -> list[str]:
    """Survey variables that a probe asks about, in the order of the questionnaire."""
    return answer_sides()["variable"].unique(maintain_order=True).to_list()


def _alpha2(name: str) -> str | None:
    """Code of a country that ISO knows, however the file names it."""
    found = find_country(name)
    return None if found is None else found.code


def _coded() -> pl.DataFrame:
    """Every code that the mapping knows, of every variable."""
    return answer_sides().select("variable", "response_code").unique()


def _read_respondents(source: _Source) -> ReadSurvey:
    present = set(source.columns)
    variables = [variable for variable in _variables() if variable in present]
    if not variables:
        raise DataError(f"{source.name} has none of the variables Q1, Q2, ... that probes ask about.", _LAYOUTS)
    try:
        with duckdb.connect() as connection:
            rejected, rows_read = _sift_respondents(connection, source, variables)
            counts = _count_answers(connection, variables)
    except duckdb.Error as error:
        reason = excerpt(str(error).splitlines()[0], 500)
        raise DataError(f"{source.name} cannot be read as CSV: {reason}", "Fetch the file again.") from error
    responses, uncoded = _shares_of(counts)
    return ReadSurvey(
        layout="respondents",
        content_sha256=source.content_sha256,
        responses=responses,
        rows_read=rows_read,
        rows_kept=rows_read - len(rejected),
        rejected=[*rejected, *uncoded, *_unread_columns(source.columns)],
    )


def _sift_respondents(
    connection: duckdb.DuckDBPyConnection, source: _Source, variables: list[str]
) -> tuple[list[Rejected], int]:
    """Make the view ``kept(country, weight, Q1, ...)``; return the respondents that are not in it, and how many
    there are in all.

    The file's columns go by their place, so that none is taken for another, whatever it is called.
    """
    place = {column: f"c{number}" for number, column in enumerate(source.columns)}
    connection.read_csv(
        str(source.path),
        header=True,
        delimiter=source.delimiter,
        quotechar='"',
        escapechar='"',
        columns={f"c{number}": "VARCHAR" for number in range(len(source.columns))},
        auto_detect=False,
        compression="gzip" if source.gzipped else "none",
    ).create_view("file")
    named, stated = place.get("B_COUNTRY_ALPHA") or place["B_COUNTRY"], place["W_WEIGHT"]
    answers = ", ".join(f"{place[variable]} AS {quoted(variable)}" for variable in variables)
    # The sum of decimals does not depend on the order in which threads add them up.
    connection.execute(
        f"CREATE VIEW weighed AS SELECT coalesce(trim({named}), '') AS named, {stated} AS stated, "
        f"      TRY_CAST({stated} AS DECIMAL(38, 15)) AS weight, "
        f"      coalesce(weight > 0 AND weight <= {MAX_WEIGHT}, false) AS fits, {answers} FROM file"
    )
    counts = connection.execute("SELECT named, count(*) FROM weighed GROUP BY named").fetchall()
    known = [(name, _alpha2(name)) for name, _ in counts]
    connection.register("countries", pl.DataFrame(known, schema=["named", "country"], orient="row", strict=False))
    connection.execute(
        "CREATE VIEW kept AS SELECT c.country, w.* EXCLUDE (named) FROM weighed w "
        "JOIN countries c USING (named) WHERE c.country IS NOT NULL AND w.fits"
    )
    unusable = connection.execute(
        "SELECT line, named, stated, c.country IS NULL "
        "FROM (SELECT row_number() OVER () + 1 AS line, named, stated, fits FROM weighed) "
        "JOIN countries c USING (named) WHERE c.country IS NULL OR NOT fits ORDER BY line"
    ).fetchall()
    return [_rejected_respondent(*row) for row in unusable], sum(count for _, count in counts)


def _rejected_respondent(line: int, named: str, weight: str | None, stranger: bool) -> Rejected:
    if stranger:
        return Rejected(line, f"{named!r} is no country of ISO 3166-1", named)
    return Rejected(line, f"W_WEIGHT is missing, not above zero, or beyond {MAX_WEIGHT:,}", named, weight or "")


def _count_answers(connection: duckdb.DuckDBPyConnection, variables: list[str]) -> pl.DataFrame:
    """How often each answer was given: ``country, variable, answer, response_code, n, weighted_n``.

    ``response_code`` is null where the answer is empty or no whole number.
    """
    columns = ", ".join(quoted(variable) for variable in variables)
    return connection.execute(
        "WITH given AS ("
        f"    FROM (SELECT country, weight, {columns} FROM kept)"
        f"    UNPIVOT INCLUDE NULLS (answer FOR variable IN ({columns}))"
        "), counted AS ("
        "    SELECT country, variable, answer, TRY_CAST(answer AS DOUBLE) AS number, "
        "           count(*) AS n, sum(weight) AS weight"
        "    FROM given GROUP BY country, variable, answer"
        ")"
        "SELECT country, variable, min(answer) AS answer,"
        f"      CASE WHEN number = floor(number) AND number BETWEEN {LOWEST_CODE} AND 1e6"
        "            THEN CAST(number AS BIGINT) END AS response_code,"
        "       CAST(sum(n) AS BIGINT) AS n, CAST(sum(weight) AS DOUBLE) AS weighted_n "
        "FROM counted GROUP BY country, variable, response_code ORDER BY ALL"
    ).pl()


def _shares_of(counts: pl.DataFrame) -> tuple[pl.DataFrame, list[Rejected]]:
    """Shares over the codes of each country and variable, and what was left out of them."""
    coded = counts.join(_coded().with_columns(known=True), on=["variable", "response_code"], how="left")
    usable = (pl.col("response_code") < 0) | pl.col("known")
    left_out = (
        coded.filter(~usable.fill_null(False))
        .group_by("variable", "response_code", maintain_order=True)
        .agg(pl.col("n").sum(), pl.col("answer").drop_nulls().first())
    )
    uncoded = [_rejected_answers(*row) for row in left_out.iter_rows()]
    cell = ("country", "variable")
    responses = (
        coded.filter(usable)
        .with_columns(
            share=pl.col("n") / pl.col("n").sum().over(cell),
            weighted_share=pl.col("weighted_n") / pl.col("weighted_n").sum().over(cell),
        )
        .select(RESPONSE_COLUMNS)
        .sort(RESPONSE_COLUMNS[:3])
    )
    return responses, uncoded


def _rejected_answers(variable: str, code: int | None, n: int, answer: str | None) -> Rejected:
    problem = "are empty or no whole number" if code is None else f"have the code {code}, which the codebook lacks"
    return Rejected(0, f"{n} answers {problem}", variable, answer or "")


def _unread_columns(columns: list[str]) -> list[Rejected]:
    """Question columns that are not read, and variables that the file lacks."""
    variables = _variables()
    questions = [column for column in columns if re.match(r"Q\d", column) and column not in variables]
    unasked = [column for column in questions if re.fullmatch(r"Q\d+", column)]
    special = [column for column in questions if column not in unasked]
    groups = (
        ("not read, no probe asks about them", unasked),
        ("not read, they are country-specific or derived from the plain variables", special),
        ("not in the file", [variable for variable in variables if variable not in columns]),
    )
    return [Rejected(0, reason, "columns", ", ".join(names)) for reason, names in groups if names]


def _read_shares(source: _Source) -> ReadSurvey:
    table = _share_table(source)
    checked = _with_cell_reasons(_with_row_reasons(table))
    rejected = [
        Rejected(line, reason, f"{question} {place}", content)
        for line, reason, question, place, content in checked.filter(pl.col("reason").is_not_null())
        .select("line", "reason", "question", "place", "content")
        .iter_rows()
    ]
    kept = checked.filter(pl.col("reason").is_null())
    responses = kept.select(
        "country",
        "variable",
        "response_code",
        "n",
        share=pl.col("percent") / 100,
        weighted_n=pl.lit(None, pl.Float64),
        weighted_share=pl.col("weighted_percent") / 100,
    ).sort(RESPONSE_COLUMNS[:3])
    return ReadSurvey("shares", source.content_sha256, responses, table.height, kept.height, rejected)


def _share_table(source: _Source) -> pl.DataFrame:
    """The rows as text with their lines: ``line, content, question, place, response_code, percent, ...``."""
    at = {part: _column(source, part) for part in _SHARE_COLUMNS}
    places = [(part, source.columns.index(column)) for part, column in at.items() if column]
    rows = []
    for line, row in _numbered_rows(source):
        cells = {part: row[place].strip() for part, place in places if place < len(row)}
        rows.append({"line": line, "content": source.delimiter.join(row), **cells})
    names = ("content", *_SHARE_COLUMNS)
    schema = {"line": pl.Int64, **dict.fromkeys(names, pl.String)}
    return pl.DataFrame(rows, schema=schema).rename({"country": "place"})


def _numbered_rows(source: _Source) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with its line; comments and blank lines are none."""
    rows = ((number, line) for number, line in enumerate(stream_lines(source.path), 1) if _is_row(line))
    next(rows, None)
    for number, line in rows:
        yield number, _cells(source.name, number, line, source.delimiter)


def _with_row_reasons(table: pl.DataFrame) -> pl.DataFrame:
    """Cells as numbers and codes, and ``reason``: why a row is not taken by itself, null where it is."""
    countries = {name: _alpha2(name) for name in table["place"].drop_nulls().unique()}
    number = pl.col("response_code").cast(pl.Float64, strict=False)
    whole = pl.when(number == number.floor()).then(number)
    typed = table.with_columns(
        variable=pl.format("Q{}", pl.col("question").str.extract(r"^[Qq]?0*([1-9]\d*)$")),
        country=pl.col("place").replace_strict(countries, return_dtype=pl.String, default=None),
        response_code=whole.cast(pl.Int64, strict=False),
        n=pl.col("n").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False),
        percent=pl.col("percent").cast(pl.Float64, strict=False),
        weighted_percent=pl.col("weighted_percent").cast(pl.Float64, strict=False),
    ).join(_coded().with_columns(known=True), on=["variable", "response_code"], how="left", maintain_order="left")
    key = pl.struct("variable", "country", "response_code")
    reasons = (
        (~pl.col("variable").is_in(_variables()).fill_null(False), "no probe asks about this question"),
        (pl.col("country").is_null(), "no country of ISO 3166-1"),
        (pl.col("response_code").is_null(), "the response code is no whole number"),
        (pl.col("response_code") < LOWEST_CODE, "the response code is below all codes of missing answers"),
        ((pl.col("response_code") >= 0) & pl.col("known").is_null(), "the codebook lacks this response code"),
        (~pl.col("percent").is_between(0, 100).fill_null(False), "the percentage is not between 0 and 100"),
        (~pl.col("weighted_percent").is_between(0, 100), "the weighted percentage is not between 0 and 100"),
        (~key.is_first_distinct(), "the response code occurs twice for this question and country"),
    )
    return typed.with_columns(reason=pl.coalesce(pl.when(holds).then(pl.lit(text)) for holds, text in reasons))


def _with_cell_reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """``reason`` also where the rows of a question in a country do not add up to 100."""
    for column in ("percent", "weighted_percent"):
        given = pl.when(pl.col("reason").is_null()).then(pl.col(column))
        total = given.sum().over("variable", "country")
        off = (total - 100).abs() > SUM_TOLERANCE
        stated = given.count().over("variable", "country") > 0
        text = pl.format(
            "{} of this question and country add up to {}, not 100",
            pl.lit("the weighted percentages" if column == "weighted_percent" else "the percentages"),
            total.round(2),
        )
        rows = rows.with_columns(
            reason=pl.coalesce("reason", pl.when(off & stated & pl.col("reason").is_null()).then(text))
        )
    return rows
