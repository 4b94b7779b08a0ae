"""The layout of published tables: a row for each response code of a question in a country, with its percentage."""

from typing import Final

import polars as pl

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.surveys.files import LOWEST_CODE, RESPONSE_COLUMNS, ReadSurvey, SurveyFile, cells, is_row
from mlv.ingest.readers.text import stream_lines
from mlv.ingest.reference.languages import country_code
from mlv.ingest.reference.questions import response_codes, survey_variables

SUM_TOLERANCE: Final = 0.5
"""How far the percentages of a question in a country may be from 100: published tables round each of up to ten."""

COLUMNS: Final = {
    "question": ("question_id", "question"),
    "country": ("country_alpha3", "country"),
    "response_code": ("response_code",),
    "percent": ("percent",),
    "weighted_percent": ("weighted_percent",),
    "n": ("n",),
}
"""What a table holds, and the names of columns that hold it, whatever their capitals."""

REQUIRED: Final = frozenset({"question", "country", "response_code", "percent"})


def has_layout(file: SurveyFile) -> bool:
    """Whether a file is a table of percentages, by its columns."""
    return _places(file).keys() >= REQUIRED


def read(file: SurveyFile) -> ReadSurvey:
    """Read a table of percentages; rows that cannot be used are rejected."""
    table = _table(file)
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
    return ReadSurvey("percentages", file.content_sha256, responses, table.height, kept.height, rejected)


def _places(file: SurveyFile) -> dict[str, int]:
    """The position of each of ``COLUMNS`` that the file has."""
    positions = {column.lower(): position for position, column in enumerate(file.columns)}
    found = {part: [positions[name] for name in names if name in positions] for part, names in COLUMNS.items()}
    return {part: places[0] for part, places in found.items() if places}


def _table(file: SurveyFile) -> pl.DataFrame:
    """The rows as text with their lines: ``line, content, question, place, response_code, percent, ...``."""
    places = _places(file)
    lines = ((number, line) for number, line in enumerate(stream_lines(file.path), 1) if is_row(line))
    next(lines)
    rows = []
    for number, line in lines:
        row = cells(file.name, number, line, file.delimiter)
        named = {part: row[place].strip() for part, place in places.items() if place < len(row)}
        rows.append({"line": number, "content": file.delimiter.join(row), **named})
    schema = {"line": pl.Int64, **dict.fromkeys(("content", *COLUMNS), pl.String)}
    return pl.DataFrame(rows, schema=schema).rename({"country": "place"})


def _with_row_reasons(table: pl.DataFrame) -> pl.DataFrame:
    """Cells as numbers and codes, and ``reason``: why a row is rejected by itself, null if it is not."""
    countries = {name: country_code(name) for name in table["place"].drop_nulls().unique()}
    number = pl.col("response_code").cast(pl.Float64, strict=False)
    whole = pl.when(number == number.floor()).then(number)
    known = response_codes().with_columns(known=True)
    typed = table.with_columns(
        variable=pl.format("Q{}", pl.col("question").str.extract(r"^[Qq]?0*([1-9]\d*)$")),
        country=pl.col("place").replace_strict(countries, return_dtype=pl.String, default=None),
        response_code=whole.cast(pl.Int64, strict=False),
        n=pl.col("n").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False),
        percent=pl.col("percent").cast(pl.Float64, strict=False),
        weighted_percent=pl.col("weighted_percent").cast(pl.Float64, strict=False),
    ).join(known, on=["variable", "response_code"], how="left", maintain_order="left")
    key = pl.struct("variable", "country", "response_code")
    reasons = (
        (~pl.col("variable").is_in(survey_variables()).fill_null(False), "no probe is about this question"),
        (pl.col("country").is_null(), "the country is not in ISO 3166-1"),
        (pl.col("response_code").is_null(), "the response code is not a whole number"),
        (pl.col("response_code") < LOWEST_CODE, "the response code is below all codes of missing answers"),
        ((pl.col("response_code") >= 0) & pl.col("known").is_null(), "the codebook does not have this response code"),
        (~pl.col("percent").is_between(0, 100).fill_null(False), "the percentage is not between 0 and 100"),
        (~pl.col("weighted_percent").is_between(0, 100), "the weighted percentage is not between 0 and 100"),
        (~key.is_first_distinct(), "the response code occurs twice for this question and country"),
    )
    return typed.with_columns(reason=pl.coalesce(pl.when(holds).then(pl.lit(text)) for holds, text in reasons))


def _with_cell_reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """``reason`` also for all rows of a question in a country that do not add up to 100."""
    for column, name in {"percent": "percentages", "weighted_percent": "weighted percentages"}.items():
        given = pl.when(pl.col("reason").is_null()).then(pl.col(column))
        total = given.sum().over("variable", "country")
        off = (total - 100).abs() > SUM_TOLERANCE
        stated = given.count().over("variable", "country") > 0
        text = pl.format(f"the {name} of this question and country add up to {{}}, not 100", total.round(2))
        rows = rows.with_columns(
            reason=pl.coalesce("reason", pl.when(off & stated & pl.col("reason").is_null()).then(text))
        )
    return rows
