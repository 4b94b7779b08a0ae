"""Writing surveys: responses, and the profiles of the countries.

A survey has a name and one content: the same content again changes nothing, another under the same name is refused.
"""

import shlex
from pathlib import Path

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.readers.report import FileReport, check_name, file_sha256
from mlv.ingest.readers.surveys import ReadSurvey, read_survey
from mlv.ingest.rules.gates import validate
from mlv.ingest.rules.rulebook import gates
from mlv.ingest.writing.codebooks import ensure_codebook, find_codebook
from mlv.ingest.writing.profiles import build_country_profiles
from mlv.ingest.writing.reference import ensure_countries, ensure_reference
from mlv.ingest.writing.reports import record
from mlv.schema.errors import DataError
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure


def ingest_survey(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    codebook: Path | str | None = None,
    name: str | None = None,
    citation: str | None = None,
    illustrative: bool = False,
) -> list[FileReport]:
    """Read a survey and write its responses and the profiles of its countries, all or nothing.

    Args:
        path: Microdata (CSV, .sav, .dta), a table of shares or JSON lines; plain, gzipped or zipped.
        codebook: What it is read by: a file, or the name of a codebook in the store; that of World Values Survey wave 7
            if there is none.
        name: What the survey is called in the store, e.g. ``wvs7-v6.0``; as the codebook if there is none.
        citation: How to cite it; as the codebook says for microdata.
        illustrative: Whether the numbers are invented for demonstration.

    Returns:
        A report on the survey, after one on the codebook's file if there is one.

    Raises:
        DataError: The file or the codebook cannot be used, or a name stands for other content.
        NotFoundError: There is no such file or codebook.
    """
    book = find_codebook(connection, codebook)
    name = book.name if name is None else name
    check_name("a survey", name)
    read = read_survey(path, book)
    with transaction(connection):
        ensure_reference(connection)
        codebook_id, of_book = ensure_codebook(connection, book, codebook if isinstance(codebook, Path) else None)
        already_there = _is_known(connection, read, path, name, codebook_id)
        report = _report(read, path, name, already_there)
        if not already_there:
            validate(read.responses, f"The survey {name}", gates("survey_response"))
            default = book.citation if read.layout == "respondents" else ""
            row = {"code": name, "illustrative": illustrative, "citation": citation or default}
            _write(connection, read, {**row, "codebook_id": codebook_id})
            record(connection, report)
    if of_book:
        note_ingest(connection, "codebook", {}, [of_book])
    options = {"codebook": book.name, "name": name, "citation": citation, "illustrative": illustrative}
    note_ingest(connection, "survey", options, [report])
    return [*([of_book] if of_book else []), report]


def _is_known(connection: duckdb.DuckDBPyConnection, read: ReadSurvey, path: Path, name: str, codebook_id: int) -> bool:
    """Whether the store has the survey. Raises DataError if the name stands for other content or another reading."""
    known = connection.execute("SELECT sha256, codebook_id FROM survey WHERE code = ?", [name]).fetchone()
    if known is None:
        return False
    if known != (read.content_sha256, codebook_id):
        other = (
            "read by another codebook" if known[0] == read.content_sha256 else f"with other content than {path.name}"
        )
        raise DataError(
            f"The survey {name} is in the store {other}.",
            "Nothing was written. Keep both by naming this one: mlv ingest survey PATH --name NAME. If what is there "
            f"is wrong: mlv ingest delete {shlex.quote(name)}",
        )
    return True


def _report(read: ReadSurvey, path: Path, name: str, already_there: bool) -> FileReport:
    return FileReport(
        kind="survey",
        target=name,
        path=path,
        name=path.name,
        sha256=file_sha256(path),
        rows_read=read.rows_read,
        rows_kept=read.rows_kept,
        rejected=read.rejected,
        remarks=read.remarks,
        already_there=already_there,
    )


def _write(connection: duckdb.DuckDBPyConnection, read: ReadSurvey, survey: dict[str, object]) -> None:
    row = {**survey, "sha256": read.content_sha256}
    survey_id = int(ensure(connection, "survey", pl.DataFrame([row]), ["code"])["survey_id"][0])
    countries = ensure_countries(connection, read.responses["country"].unique().sort())
    rows = read.responses.select(
        pl.lit(survey_id).alias("survey_id"),
        pl.col("country").replace_strict(countries, return_dtype=pl.Int64).alias("country_id"),
        pl.exclude("country"),
    )
    append(connection, "survey_response", rows)
    build_country_profiles(connection, survey_id)
