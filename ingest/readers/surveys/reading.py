"""Reading a survey in either of two layouts.

- *Respondents*: the official cross-national file of World Values Survey wave 7, as CSV, .sav or .dta, one interviewee a
  row, several hundred columns. It is streamed, so memory does not grow with the file.
- *Percentages*: a table with the columns ``question`` (or ``question_id``), ``country`` (or ``country_alpha3``),
  ``response_code`` and one or more of ``percent``, ``weighted_percent`` and ``n``, the number of people who gave the
  answer. Lines that begin with ``#`` are comments; numbers may have a decimal comma, percentages a percent sign.

Both may be plain, gzipped or zipped. The "Inverted" release of the official file, in which many scales run the other
way, is refused: the packaged mapping is about the scales as they were asked. Variables are those that a probe is about;
negative codes are missing answers. No store is needed.
"""

import re
from pathlib import Path
from typing import Final

import polars as pl

from mlv.ingest.readers.surveys import percentages, respondents
from mlv.ingest.readers.surveys.files import LAYOUTS, ReadSurvey, SurveyFile, csv_at, inspect
from mlv.schema.errors import DataError, excerpt, joined

DIRECTION_VARIABLES: Final = ("Q1", "Q27", "Q46")
"""Four-point scales whose codes 1 and 2 (family important, parents proud, happy) most people of every surveyed
country choose: the aggregate of any country shows which way the scale runs."""


def read_survey(path: Path) -> ReadSurvey:
    """Read a survey in either layout.

    Raises DataError if the file has neither, is damaged or the inverted release, or has no row that can be used.
    """
    with csv_at(path) as unpacked:
        file = inspect(unpacked)
        _refuse_inverted_names(file)
        if respondents.has_layout(file):
            read = respondents.read(file)
        elif percentages.has_layout(file):
            read = percentages.read(file)
        else:
            columns = excerpt(joined(file.columns, most=12), 500)
            raise DataError(f"{file.name} is not a survey that mlv can read: its columns are {columns}.", LAYOUTS)
    if read.responses.is_empty():
        first = next((f" First reason: {row.reason}." for row in read.rejected if row.line), "")
        raise DataError(f"{file.name}: none of its {read.rows_read} rows can be used.{first}", LAYOUTS)
    _refuse_inverted_answers(file.name, read.responses)
    return read


def _refuse_inverted_names(file: SurveyFile) -> None:
    """Raise DataError if the file's name says that it is inverted, or a variable has the suffix P of inverted ones."""
    inverted = [column for column in file.capitals if re.fullmatch(r"Q\d+P", column)]
    if inverted:
        raise _inverted(file.name, f"it has the variables {joined(inverted, most=3)}")
    if "inverted" in file.name.lower():
        raise _inverted(file.name, "its name says so")


def _refuse_inverted_answers(name: str, responses: pl.DataFrame) -> None:
    """Raise DataError if the answers are inverted, as they are in a renamed file, too."""
    mass = pl.coalesce("share", "weighted_share")
    ends = (
        responses.filter(pl.col("variable").is_in(DIRECTION_VARIABLES))
        .group_by("variable")
        .agg(
            near=mass.filter(pl.col("response_code").is_in([1, 2])).sum(),
            far=mass.filter(pl.col("response_code").is_in([3, 4])).sum(),
        )
    )
    inverted = ends.filter(pl.col("far") > pl.col("near"))["variable"].sort().to_list()
    if inverted:
        raise _inverted(name, f"most answers to {', '.join(inverted)} are codes 3 and 4, where people choose 1 and 2")


def _inverted(name: str, evidence: str) -> DataError:
    return DataError(
        f"{name} is the inverted release of the survey, in which many scales run the other way: {evidence}. "
        "Shares taken from it would stand on the wrong side.",
        "Fetch the plain cross-national file (WVS_Cross-National_Wave_7_csv_v6_0) from worldvaluessurvey.org.",
    )
