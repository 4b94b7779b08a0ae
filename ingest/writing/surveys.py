"""Writing surveys: responses, what their codes mean, and the profiles of the countries.

A survey has a name and one content: the same content again changes nothing, another under the same name is refused.
"""

import shlex
from pathlib import Path

import duckdb
import polars as pl

from mlv.ingest.journal import note_ingest
from mlv.ingest.readers.report import FileReport, check_name, file_sha256
from mlv.ingest.readers.surveys import ReadSurvey, read_survey
from mlv.ingest.reference.questions import answer_sides
from mlv.ingest.rules.gates import validate
from mlv.ingest.rules.rulebook import gates
from mlv.ingest.writing.profiles import build_country_profiles
from mlv.ingest.writing.reference import ensure_country, ensure_questions, ensure_reference
from mlv.ingest.writing.reports import record
from mlv.schema.errors import DataError
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import append, ensure

WVS_CITATION = (
    "Haerpfer, C., Inglehart, R., Moreno, A., Welzel, C., Kizilova, K., Diez-Medrano J., M. Lagos, P. Norris, "
    "E. Ponarin & B. Puranen (eds.) (2022): World Values Survey: Round Seven - Country-Pooled Datafile. Madrid & "
    "Vienna: JD Systems Institute & WVSA Secretariat. doi:10.14281/18241.24"
)
"""How to cite the official cross-national file."""


def ingest_survey(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    name: str,
    citation: str | None = None,
    illustrative: bool = False,
) -> list[FileReport]:
    """Read a survey and write its responses and the profiles of its countries, all or nothing.

    Args:
        path: The official cross-national file (CSV, .sav, .dta) or a table of percentages; plain, gzipped or zipped.
        name: What the survey is called in the store, e.g. ``wvs7-v6.0``.
        citation: How to cite it; that of the World Values Survey for the official file.
        illustrative: Whether the numbers are invented for demonstration.

    Raises:
        DataError: The file cannot be used (``read_survey``), or ``name`` stands for other content.
    """
    check_name("a survey", name)
    read = read_survey(path)
    with transaction(connection):
        known = connection.execute("SELECT sha256 FROM survey WHERE code = ?", [name]).fetchone()
        if known is not None and known[0] != read.content_sha256:
            raise DataError(
                f"The survey {name} is in the store with other content than {path.name}.",
                "Nothing was written. Keep both by naming this one: mlv ingest survey PATH --name NAME. If what is "
                f"there is wrong: mlv ingest delete {shlex.quote(name)}",
            )
        report = _report(read, path, name, already_there=known is not None)
        if known is None:
            validate(read.responses, f"The survey {name}", gates("survey_response"))
            _write(connection, read, name, citation, illustrative)
            record(connection, report)
    options = {"name": name, "citation": citation, "illustrative": illustrative}
    note_ingest(connection, "survey", options, [report])
    return [report]


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


def _write(
    connection: duckdb.DuckDBPyConnection, read: ReadSurvey, name: str, citation: str | None, illustrative: bool
) -> None:
    ensure_reference(connection)
    _ensure_mapping(connection)
    known_citation = WVS_CITATION if read.layout == "respondents" else ""
    row = {
        "code": name,
        "illustrative": illustrative,
        "citation": citation or known_citation,
        "sha256": read.content_sha256,
    }
    survey_id = int(ensure(connection, "survey", pl.DataFrame([row]), ["code"])["survey_id"][0])
    countries = {code: ensure_country(connection, code) for code in read.responses["country"].unique().sort()}
    rows = read.responses.select(
        pl.lit(survey_id).alias("survey_id"),
        pl.col("country").replace_strict(countries, return_dtype=pl.Int64).alias("country_id"),
        pl.exclude("country"),
    )
    append(connection, "survey_response", rows)
    build_country_profiles(connection, survey_id)


def _ensure_mapping(connection: duckdb.DuckDBPyConnection) -> None:
    """Write the packaged mapping: questions, the codes of their variables, and which answer each code counts for."""
    sides = answer_sides()
    questions = ensure_questions(connection, sides["question"].unique(maintain_order=True))
    options = sides.select("variable", "response_code", "label")
    ensure(connection, "response_option", options, ["variable", "response_code"])
    rows = sides.select(
        pl.col("question").replace_strict(questions, return_dtype=pl.Int64).alias("question_id"),
        "response_code",
        "side",
    )
    ensure(connection, "answer_side", rows, ["question_id", "response_code"])
