"""The layout of microdata: a row for each respondent, a column for each variable. Shares are counted by DuckDB.

A file without the codebook's weight has unweighted shares alone. Answers are response codes, or the labels that the
codebook has for them. The connection is in memory: no store is needed.
"""

from typing import Final

import duckdb
import polars as pl

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.surveys.files import (
    RESPONSE_COLUMNS,
    ReadSurvey,
    SurveyFile,
    countries,
    is_of_interest,
    layouts,
)
from mlv.ingest.reference.codebook import MOST_CODE, Codebook, plain
from mlv.schema.errors import DataError, excerpt
from mlv.schema.fetching import frame_of, registered

MAX_WEIGHT: Final = 1_000
"""Weight of a respondent at most; in the official file none is above 30. Sums of decimals overflow otherwise."""


def has_layout(file: SurveyFile, book: Codebook) -> bool:
    """Whether a file has a row for each respondent, by its columns."""
    needed = book.asked if book.country else book.country_columns
    return not {name.upper() for name in needed}.isdisjoint(file.capitals)


def read(file: SurveyFile, book: Codebook) -> ReadSurvey:
    """Count the answers of all respondents; those without a country or weight are rejected. Raises DataError."""
    variables = [name for name in book.asked if name.upper() in file.capitals]
    if not variables:
        raise DataError(
            f"{file.name} has none of the variables {', '.join([*book.asked][:2])}, ... that probes are about.",
            layouts(book),
        )
    try:
        with duckdb.connect() as connection:
            _view(connection, file, book, variables)
            rejected, remarks, rows_read, others = _select(connection, file, book)
            counts = _count(connection, variables)
    except duckdb.Error as error:
        reason = excerpt(str(error).splitlines()[0], 500)
        raise DataError(f"{file.name} cannot be read as CSV: {reason}", "Fetch the file again.") from error
    responses, uncoded = _shares(counts, book)
    return ReadSurvey(
        layout="respondents",
        content_sha256=file.content_sha256,
        responses=responses,
        rows_read=rows_read,
        rows_kept=rows_read - others - len(rejected),
        rejected=[*_unread_columns(file, book), *_of_others(others, book), *rejected, *uncoded],
        remarks=remarks,
    )


def _view(connection: duckdb.DuckDBPyConnection, file: SurveyFile, book: Codebook, variables: list[str]) -> None:
    """Make the view ``weighed(named, stated, weight, fits, taken, v0, v1, ...)`` of all rows.

    Columns go by their position, so that none is taken for another, whatever it is called.
    """
    place = {column: f"c{number}" for number, column in enumerate(file.capitals)}
    file.view(connection)
    named = next((place[name.upper()] for name in book.country_columns if name.upper() in place), "NULL::VARCHAR")
    weight = place.get(book.weight_column.upper())
    stated = f"replace({weight}, ',', '.')" if weight else "NULL::VARCHAR"
    fits = f"coalesce(weight > 0 AND weight <= {MAX_WEIGHT}, false)" if weight else "true"
    answers = ", ".join(f"{place[name.upper()]} AS v{number}" for number, name in enumerate(variables))
    # The sum of decimals does not depend on the order in which threads add them up.
    connection.execute(
        f"CREATE VIEW weighed AS SELECT coalesce(trim({named}), '') AS named, {stated} AS stated, "
        f"      TRY_CAST({stated} AS DECIMAL(38, 15)) AS weight, {fits} AS fits, {_taken(file, book, place)} AS taken, "
        f"      {answers} FROM file"
    )


def _taken(file: SurveyFile, book: Codebook, place: dict[str, str]) -> str:
    """The condition that a row is of those that the codebook takes. Raises DataError if the file lacks its column."""
    conditions = ["true"]
    for column, values in book.only.items():
        if column.upper() not in place:
            raise DataError(
                f"{file.name} has no column {column}, by which the codebook {book.name} takes rows.",
                "Name the file that the codebook is about, or take the column out of [only].",
            )
        said = ", ".join("'" + str(value).replace("'", "''") + "'" for value in values)
        conditions.append(f"coalesce(regexp_replace(trim({place[column.upper()]}), '\\.0+$', '') IN ({said}), false)")
    return " AND ".join(conditions)


def _select(
    connection: duckdb.DuckDBPyConnection, file: SurveyFile, book: Codebook
) -> tuple[list[Rejected], list[str], int, int]:
    """Make the view ``kept(country, weight, v0, ...)``.

    Returns:
        Whom it lacks, remarks, the number of respondents, and how many of them the codebook does not take.
    """
    counts = connection.execute("SELECT named, taken, count(*) FROM weighed GROUP BY ALL").fetchall()
    names = {name for name, taken, _ in counts if taken}
    codes, remarks = countries(names, book)
    if book.country:
        codes, remarks = dict.fromkeys(names, book.country_of(book.country)), []
    known = pl.DataFrame(list(codes.items()), schema={"named": pl.String, "country": pl.String}, orient="row")
    with registered(connection, "known", known):
        connection.execute("CREATE TABLE countries AS FROM known")
    connection.execute(
        "CREATE VIEW kept AS SELECT c.country, w.* EXCLUDE (named) FROM weighed w "
        "JOIN countries c USING (named) WHERE c.country IS NOT NULL AND w.fits AND w.taken"
    )
    others = sum(count for _, taken, count in counts if not taken)
    rejected = _rejected(connection, file.header, book.weight_column)
    return rejected, remarks, sum(count for *_, count in counts), others


def _rejected(connection: duckdb.DuckDBPyConnection, header: int, weight: str) -> list[Rejected]:
    """The respondents without a country or a weight."""
    rows = connection.execute(
        "SELECT line, named, stated, c.country IS NULL "
        "FROM (SELECT row_number() OVER () + ? AS line, named, stated, fits, taken FROM weighed) "
        "JOIN countries c USING (named) WHERE taken AND (c.country IS NULL OR NOT fits) ORDER BY line",
        [header],
    ).fetchall()
    weightless = f"{weight} is missing, not above zero, or beyond {MAX_WEIGHT:,}"
    return [
        Rejected(line, f"{named!r} is not a country of ISO 3166-1", named)
        if unknown
        else Rejected(line, weightless, named, stated or "")
        for line, named, stated, unknown in rows
    ]


def _of_others(count: int, book: Codebook) -> list[Rejected]:
    """What is said of respondents whom the codebook does not take."""
    said = "; ".join(f"{column} = {', '.join(map(str, values))}" for column, values in book.only.items())
    reason = f"{count} respondents are not of those that the codebook takes"
    return [Rejected(0, reason, content=said)] if count else []


def _count(connection: duckdb.DuckDBPyConnection, variables: list[str]) -> pl.DataFrame:
    """How often each answer was given: ``country, variable, answer, response_code, n, weight``.

    ``response_code`` is null if the answer is empty or not a whole number. ``weight`` is a decimal, so that sums of it
    are exact.
    """
    columns = ", ".join(f"v{number}" for number in range(len(variables)))
    counts = frame_of(
        connection,
        "WITH given AS ("
        f"    FROM (SELECT country, weight, {columns} FROM kept)"
        f"    UNPIVOT INCLUDE NULLS (answer FOR variable IN ({columns}))"
        "), counted AS ("
        "    SELECT country, variable, answer, TRY_CAST(answer AS DOUBLE) AS number, "
        "           count(*) AS n, sum(weight) AS weight"
        "    FROM given GROUP BY country, variable, answer"
        ")"
        "SELECT country, CAST(variable[2:] AS INTEGER) AS variable, answer,"
        f"      CASE WHEN number = floor(number) AND abs(number) <= {MOST_CODE}"
        "            THEN CAST(number AS BIGINT) END AS response_code,"
        "       CAST(n AS BIGINT) AS n, weight "
        "FROM counted ORDER BY ALL",
    )
    names = dict(enumerate(variables))
    return counts.with_columns(pl.col("variable").replace_strict(names, return_dtype=pl.String))


def _shares(counts: pl.DataFrame, book: Codebook) -> tuple[pl.DataFrame, list[Rejected]]:
    """Shares over the codes of each country and variable, and the answers without a code."""
    coded = _by_code(counts, book)
    known = pl.col("known").fill_null(False)
    left_out = (
        coded.filter(~known)
        .group_by("variable", "response_code", maintain_order=True)
        .agg(pl.col("n").sum(), pl.col("answer").drop_nulls().first())
    )
    uncoded = [_uncoded(*row) for row in left_out.iter_rows()]
    cell = ("country", "variable")
    responses = (
        coded.filter(known)
        .with_columns(
            share=pl.col("n") / pl.col("n").sum().over(cell),
            weighted_share=pl.col("weighted_n") / pl.col("weighted_n").sum().over(cell),
        )
        .select(RESPONSE_COLUMNS)
        .sort(RESPONSE_COLUMNS[:3])
    )
    return responses, uncoded


def _by_code(counts: pl.DataFrame, book: Codebook) -> pl.DataFrame:
    """Counts by ``country, variable, response_code``, whether that is ``known``, and an ``answer`` that has it.

    An answer that is no number has the code of its label.
    """
    words = counts.filter(pl.col("response_code").is_null()).select("variable", "answer").drop_nulls().unique()
    codes = [book.codes_by_label.get((variable, plain(answer))) for variable, answer in words.iter_rows()]
    labelled = words.with_columns(by_label=pl.Series(codes, dtype=pl.Int64))
    return (
        counts.join(labelled, on=["variable", "answer"], how="left", maintain_order="left")
        .with_columns(pl.coalesce("response_code", "by_label").alias("response_code"))
        .group_by("country", "variable", "response_code", maintain_order=True)
        .agg(
            pl.col("n").sum(),
            pl.col("answer").drop_nulls().min(),
            weighted_n=pl.when(pl.col("weight").count() > 0).then(pl.col("weight").sum().cast(pl.Float64)),
        )
        .join(book.codes.with_columns(known=True), on=["variable", "response_code"], how="left", maintain_order="left")
    )


def _uncoded(variable: str, code: int | None, n: int, answer: str | None) -> Rejected:
    problem = "are empty or not a whole number" if code is None else f"have the code {code}, not in the codebook"
    return Rejected(0, f"{n} answers {problem}", variable, answer or "")


def _unread_columns(file: SurveyFile, book: Codebook) -> list[Rejected]:
    """The weight and variables that the file lacks, and columns that look like variables and are not read."""
    weightless = book.weight_column and book.weight_column.upper() not in file.capitals
    unweighted = [Rejected(0, "not in the file: shares are unweighted", book.weight_column)] if weightless else []
    known = {name.upper() for name in (*book.country_columns, book.weight_column, *book.only, *book.asked)}
    idle = {name.upper() for name in book.variables if name not in book.asked}
    others = [column for column in file.capitals if is_of_interest(column, book) and column not in known]
    groups = (
        ("not in the file", [name for name in book.asked if name.upper() not in file.capitals]),
        ("not read, the codebook has no question for them", [column for column in others if column in idle]),
        ("not read, they are not in the codebook", [column for column in others if column not in idle]),
    )
    return unweighted + [Rejected(0, reason, "columns", ", ".join(names)) for reason, names in groups if names]
