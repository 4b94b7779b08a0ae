"""Reading a survey, by a codebook, in any of its layouts.

- *Respondents*: microdata as CSV, .sav or .dta, one interviewee a row, such as the official cross-national file of
  World Values Survey wave 7. It is streamed, so memory does not grow with the file.
- *Percentages*: a table with a row for each answer to a question in a country, or with a column for each country,
  question or answer (``tables``).
- *JSON lines* as those of GlobalOpinionQA (``opinions``).

All may be plain, gzipped or zipped. A release whose scales run the other way is refused where the codebook says how it
is told. Variables are those that ask a question of probes. No store is needed.
"""

import re
from pathlib import Path

import polars as pl

from mlv.ingest.readers.surveys import opinions, percentages, respondents, tables
from mlv.ingest.readers.surveys.files import ReadSurvey, SurveyFile, csv_at, inspect, layouts
from mlv.ingest.reference.codebook import Codebook, wvs7
from mlv.schema.errors import DataError, excerpt, joined


def read_survey(path: Path, book: Codebook | None = None) -> ReadSurvey:
    """Read a survey by a codebook, that of World Values Survey wave 7 if none is named.

    Raises DataError if the file has no layout that is known, is damaged or inverted, or has no row that can be used.
    """
    book = book or wvs7()
    with csv_at(path, book) as unpacked:
        file = inspect(unpacked)
        _refuse_inverted_names(file, book)
        read = _read(file, book)
    if read.responses.is_empty():
        first = next((f" First reason: {row.reason}." for row in read.rejected if row.line), "")
        raise DataError(f"{file.name}: none of its {read.rows_read} rows can be used.{first}", layouts(book))
    _refuse_inverted_answers(file.name, read.responses, book)
    return read


def _read(file: SurveyFile, book: Codebook) -> ReadSurvey:
    if file.is_json:
        return percentages.read(file, opinions.table(file, book), book)
    if tables.has_layout(file, book):
        return percentages.read(file, tables.table(file, book), book)
    if respondents.has_layout(file, book):
        return respondents.read(file, book)
    columns = excerpt(joined(file.columns, most=12), 500)
    raise DataError(f"{file.name} is not a survey that mlv can read: its columns are {columns}.", layouts(book))


def _refuse_inverted_names(file: SurveyFile, book: Codebook) -> None:
    """Raise DataError if the file's name, or that of a variable, is one of an inverted release."""
    told = book.inverted
    columns = [name for name in file.capitals if told.columns and re.fullmatch(told.columns, name, re.IGNORECASE)]
    if columns:
        raise _inverted(file.name, f"it has the variables {joined(columns, most=3)}", book)
    if told.file and told.file.lower() in file.name.lower():
        raise _inverted(file.name, "its name says so", book)


def _refuse_inverted_answers(name: str, responses: pl.DataFrame, book: Codebook) -> None:
    """Raise DataError if the answers are inverted, as they are in a renamed file, too."""
    mass = pl.coalesce("share", "weighted_share")
    ends = (
        responses.join(book.sides, on=["variable", "response_code"])
        .filter(pl.col("question").is_in(book.inverted.mostly_first))
        .group_by("variable")
        .agg(first=mass.filter(pl.col("side") == "first").sum(), second=mass.filter(pl.col("side") == "second").sum())
    )
    inverted = ends.filter(pl.col("second") > pl.col("first"))["variable"].sort().to_list()
    if inverted:
        evidence = f"most answers to {', '.join(inverted)} are on the second side, where people choose the first"
        raise _inverted(name, evidence, book)


def _inverted(name: str, evidence: str, book: Codebook) -> DataError:
    return DataError(
        f"{name} is an inverted release of the survey, in which many scales run the other way: {evidence}. "
        "Shares taken from it would stand on the wrong side.",
        book.inverted.hint or f"Fetch the release that the codebook {book.name} is about.",
    )
