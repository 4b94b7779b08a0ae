"""The layout of the official file: a row for each respondent, a column for each variable. Shares are counted by DuckDB.

A file without ``W_WEIGHT`` has unweighted shares alone. The connection is in memory: no store is needed.
"""

import re
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.surveys.files import LAYOUTS, LOWEST_CODE, RESPONSE_COLUMNS, ReadSurvey, SurveyFile, countries
from mlv.ingest.reference.questions import response_codes, survey_variables
from mlv.schema.errors import DataError, excerpt

WEIGHT: Final = "W_WEIGHT"

MAX_WEIGHT: Final = 1_000
"""Weight of a respondent at most; in the official file none is above 30. Sums of decimals overflow otherwise."""


def has_layout(file: SurveyFile) -> bool:
    """Whether a file has a row for each respondent, by its columns."""
    return not {"B_COUNTRY_ALPHA", "B_COUNTRY"}.isdisjoint(file.capitals)


def read(file: SurveyFile) -> ReadSurvey:
    """Count the answers of all respondents; those without a country or weight are rejected. Raises DataError."""
    variables = [variable for variable in survey_variables() if variable in file.capitals]
    if not variables:
        raise DataError(f"{file.name} has none of the variables Q1, Q2, ... that probes are about.", LAYOUTS)
    try:
        with duckdb.connect() as connection:
            rejected, remarks, rows_read = _select(connection, file, variables)
            counts = _count(connection, variables)
    except duckdb.Error as error:
        reason = excerpt(str(error).splitlines()[0], 500)
        raise DataError(f"{file.name} cannot be read as CSV: {reason}", "Fetch the file again.") from error
    responses, uncoded = _shares(counts)
    return ReadSurvey(
        layout="respondents",
        content_sha256=file.content_sha256,
        responses=responses,
        rows_read=rows_read,
        rows_kept=rows_read - len(rejected),
        rejected=[*_unread_columns(file.capitals), *rejected, *uncoded],
        remarks=remarks,
    )


def _select(
    connection: duckdb.DuckDBPyConnection, file: SurveyFile, variables: list[str]
) -> tuple[list[Rejected], list[str], int]:
    """Make the view ``kept(country, weight, Q1, ...)``; return whom it lacks, remarks, and the number of respondents.

    Columns go by their position, so that none is taken for another, whatever it is called.
    """
    place = {column: f"c{number}" for number, column in enumerate(file.capitals)}
    connection.read_csv(
        str(file.path),
        header=True,
        delimiter=file.delimiter,
        quotechar='"',
        escapechar='"',
        columns={f"c{number}": "VARCHAR" for number in range(len(file.columns))},
        auto_detect=False,
        skiprows=file.header - 1,
        compression="gzip" if file.gzipped else "none",
    ).create_view("file")
    named = place.get("B_COUNTRY_ALPHA") or place["B_COUNTRY"]
    stated = f"replace({place[WEIGHT]}, ',', '.')" if WEIGHT in place else "NULL::VARCHAR"
    fits = f"coalesce(weight > 0 AND weight <= {MAX_WEIGHT}, false)" if WEIGHT in place else "true"
    answers = ", ".join(f"{place[variable]} AS {variable}" for variable in variables)
    # The sum of decimals does not depend on the order in which threads add them up.
    connection.execute(
        f"CREATE VIEW weighed AS SELECT coalesce(trim({named}), '') AS named, {stated} AS stated, "
        f"      TRY_CAST({stated} AS DECIMAL(38, 15)) AS weight, "
        f"      {fits} AS fits, {answers} FROM file"
    )
    counts = connection.execute("SELECT named, count(*) FROM weighed GROUP BY named").fetchall()
    codes, remarks = countries(name for name, _ in counts)
    connection.register(
        "countries", pl.DataFrame(list(codes.items()), schema=["named", "country"], orient="row", strict=False)
    )
    connection.execute(
        "CREATE VIEW kept AS SELECT c.country, w.* EXCLUDE (named) FROM weighed w "
        "JOIN countries c USING (named) WHERE c.country IS NOT NULL AND w.fits"
    )
    return _rejected(connection, file.header), remarks, sum(count for _, count in counts)


def _rejected(connection: duckdb.DuckDBPyConnection, header: int) -> list[Rejected]:
    """The respondents without a country or a weight."""
    rows = connection.execute(
        "SELECT line, named, stated, c.country IS NULL "
        "FROM (SELECT row_number() OVER () + ? AS line, named, stated, fits FROM weighed) "
        "JOIN countries c USING (named) WHERE c.country IS NULL OR NOT fits ORDER BY line",
        [header],
    ).fetchall()
    weightless = f"{WEIGHT} is missing, not above zero, or beyond {MAX_WEIGHT:,}"
    return [
        Rejected(line, f"{named!r} is not a country of ISO 3166-1", named)
        if unknown
        else Rejected(line, weightless, named, stated or "")
        for line, named, stated, unknown in rows
    ]


def _count(connection: duckdb.DuckDBPyConnection, variables: list[str]) -> pl.DataFrame:
    """How often each answer was given: ``country, variable, answer, response_code, n, weighted_n``.

    ``response_code`` is null if the answer is empty or not a whole number.
    """
    columns = ", ".join(variables)
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


def _shares(counts: pl.DataFrame) -> tuple[pl.DataFrame, list[Rejected]]:
    """Shares over the codes of each country and variable, and the answers without a code."""
    coded = counts.join(response_codes().with_columns(known=True), on=["variable", "response_code"], how="left")
    usable = (pl.col("response_code") < 0) | pl.col("known")
    left_out = (
        coded.filter(~usable.fill_null(False))
        .group_by("variable", "response_code", maintain_order=True)
        .agg(pl.col("n").sum(), pl.col("answer").drop_nulls().first())
    )
    uncoded = [_uncoded(*row) for row in left_out.iter_rows()]
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


def _uncoded(variable: str, code: int | None, n: int, answer: str | None) -> Rejected:
    problem = "are empty or not a whole number" if code is None else f"have the code {code}, not in the codebook"
    return Rejected(0, f"{n} answers {problem}", variable, answer or "")


def _unread_columns(columns: list[str]) -> list[Rejected]:
    """The weight and variables that the file lacks, and question columns that are not read."""
    unweighted = [] if WEIGHT in columns else [Rejected(0, "not in the file: shares are unweighted", WEIGHT)]
    variables = survey_variables()
    questions = [column for column in columns if re.match(r"Q\d", column) and column not in variables]
    plain = [column for column in questions if re.fullmatch(r"Q\d+", column)]
    special = [column for column in questions if column not in plain]
    groups = (
        ("not in the file", [variable for variable in variables if variable not in columns]),
        ("not read, no probe is about them", plain),
        ("not read, they are country-specific or derived from the plain variables", special),
    )
    return unweighted + [Rejected(0, reason, "columns", ", ".join(names)) for reason, names in groups if names]
