"""The layout of published tables: a row for each response code of a question in a country.

It has one or more of the percentage, the weighted percentage and the number of people who gave the answer. Unweighted
shares are those of the numbers, which are exact, where there are some, else of the percentages; where both are there,
they must not contradict each other.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.surveys.files import LOWEST_CODE, RESPONSE_COLUMNS, ReadSurvey, SurveyFile, countries, records
from mlv.ingest.reference.questions import response_codes, survey_variables

SUM_TOLERANCE: Final = 0.5
"""How far the percentages of a question in a country may be from 100: published tables round each of up to ten."""

COUNT_TOLERANCE: Final = 0.5
"""How far a percentage may be from that of the counts: it may be rounded to a whole number."""

MOST_PEOPLE: Final = 1e9
"""People who gave an answer in a country, at most: a count beyond is none."""

CELL: Final = ("variable", "country")
"""What shares add up over."""

PERCENTS: Final = {"percent": "percentages", "weighted_percent": "weighted percentages"}
"""Columns of percentages, and what they are called."""

MEASURES: Final = (*PERCENTS, "n")
"""Columns of which a table has at least one."""

COLUMNS: Final = {
    "question": ("question_id", "question"),
    "country": ("country_alpha3", "country"),
    "response_code": ("response_code",),
    "percent": ("percent",),
    "weighted_percent": ("weighted_percent",),
    "n": ("n",),
}
"""What a table holds, and the names of columns that hold it, whatever their capitals."""

REQUIRED: Final = frozenset({"question", "country", "response_code"})

_USABLE: Final = pl.col("reason").is_null()

_Reason = tuple[pl.Expr, pl.Expr]
"""When rows are rejected, and the text that says why."""


def has_layout(file: SurveyFile) -> bool:
    """Whether a file is such a table, by its columns."""
    found = _places(file).keys()
    return found >= REQUIRED and not found.isdisjoint(MEASURES)


def read(file: SurveyFile) -> ReadSurvey:
    """Read a table; rows that cannot be used are rejected, and with them what cannot stand without them."""
    table = _table(file)
    codes, remarks = countries(table["place"].drop_nulls().unique())
    checked = _with_cell_reasons(_with_row_reasons(table, codes))
    rejected = [
        Rejected(line, reason, f"{question or ''} {place or ''}".strip(), content)
        for line, reason, question, place, content in checked.filter(pl.col("reason").is_not_null())
        .select("line", "reason", "question", "place", "content")
        .iter_rows()
    ]
    kept = checked.filter(pl.col("reason").is_null())
    responses = kept.select(
        "country",
        "variable",
        "response_code",
        pl.col("n").cast(pl.Int64),
        # counts are exact, percentages are rounded
        share=pl.coalesce(pl.col("n") / pl.col("n").sum().over(CELL), pl.col("percent") / 100),
        weighted_n=pl.lit(None, pl.Float64),
        weighted_share=pl.col("weighted_percent") / 100,
    ).sort(RESPONSE_COLUMNS[:3])
    return ReadSurvey("percentages", file.content_sha256, responses, table.height, kept.height, rejected, remarks)


def _places(file: SurveyFile) -> dict[str, int]:
    """The position of each of ``COLUMNS`` that the file has."""
    positions = {column.lower(): position for position, column in enumerate(file.columns)}
    found = {part: [positions[name] for name in names if name in positions] for part, names in COLUMNS.items()}
    return {part: places[0] for part, places in found.items() if places}


def _table(file: SurveyFile) -> pl.DataFrame:
    """The rows as text with their lines: ``line, content, question, place, response_code, percent, ...``.

    A cell with nothing in it is null.
    """
    places = _places(file)
    rows = []
    for number, row in records(file):
        named = {part: row[place].strip() or None for part, place in places.items() if place < len(row)}
        rows.append({"line": number, "content": file.delimiter.join(row), **named})
    schema = {"line": pl.Int64, **dict.fromkeys(("content", *COLUMNS), pl.String)}
    return pl.DataFrame(rows, schema=schema).rename({"country": "place"})


def _with_row_reasons(table: pl.DataFrame, codes: Mapping[str, str | None]) -> pl.DataFrame:
    """Cells as numbers and codes, and ``reason``: why a row is rejected by itself, null if it is not."""
    key = pl.struct("variable", "country", "response_code")
    n = pl.col("n")
    reasons = (
        (~pl.col("variable").is_in(survey_variables()).fill_null(False), "no probe is about this question"),
        (pl.col("country").is_null(), "the country is not in ISO 3166-1"),
        (pl.col("response_code").is_null(), "the response code is not a whole number"),
        (pl.col("response_code") < LOWEST_CODE, "the response code is below all codes of missing answers"),
        ((pl.col("response_code") >= 0) & pl.col("known").is_null(), "the codebook does not have this response code"),
        (pl.all_horizontal(pl.col(MEASURES).is_null()), "it has neither a percentage nor a count"),
        (~pl.col("percent").is_between(0, 100), "the percentage is not between 0 and 100"),
        (~pl.col("weighted_percent").is_between(0, 100), "the weighted percentage is not between 0 and 100"),
        (~n.is_between(0, MOST_PEOPLE) | (n != n.floor()), "n is not a whole number of people"),
        (~key.is_first_distinct(), "the response code occurs twice for this question and country"),
    )
    return _typed(table, codes).with_columns(reason=_first_that_holds((holds, pl.lit(text)) for holds, text in reasons))


def _typed(table: pl.DataFrame, codes: Mapping[str, str | None]) -> pl.DataFrame:
    """``variable``, ``country``, ``response_code``, whether that is ``known``, and the measures as numbers."""
    number = pl.col("response_code").cast(pl.Float64, strict=False)
    whole = pl.when(number == number.floor()).then(number)
    return table.with_columns(
        *map(_number, MEASURES),
        variable=pl.format("Q{}", pl.col("question").str.extract(r"^[Qq]?0*([1-9]\d*)$")),
        country=pl.col("place").replace_strict(codes, return_dtype=pl.String, default=None),
        response_code=whole.cast(pl.Int64, strict=False),
    ).join(
        response_codes().with_columns(known=True), on=["variable", "response_code"], how="left", maintain_order="left"
    )


def _number(column: str) -> pl.Expr:
    """The number in a cell, with a point or a comma; null if there is nothing in it, and -1 if it is no number."""
    text = pl.col(column).str.replace(r"\s*%$", "") if column in PERCENTS else pl.col(column)
    number = text.str.replace(r"^(\d*),(\d+)$", "${1}.${2}").cast(pl.Float64, strict=False)
    return pl.when(text.is_not_null()).then(number.fill_null(-1)).alias(column)


def _first_that_holds(reasons: Iterable[_Reason]) -> pl.Expr:
    """The text of the first condition that holds; null if none does."""
    return pl.coalesce(pl.when(holds).then(text) for holds, text in reasons)


def _with_cell_reasons(rows: pl.DataFrame) -> pl.DataFrame:
    """``reason`` also for all rows of a question in a country whose numbers do not fit together."""
    reasons = [*map(_off_sum, PERCENTS), *map(_incomplete, MEASURES), *_without_total(), _contradiction()]
    return rows.with_columns(reason=pl.coalesce("reason", pl.when(_USABLE).then(_first_that_holds(reasons))))


def _total(column: str) -> pl.Expr:
    """The sum over the usable rows of a cell."""
    return pl.when(_USABLE).then(pl.col(column)).sum().over(CELL)


def _stated(column: str) -> pl.Expr:
    """The number of usable rows of a cell that have a measure."""
    return pl.when(_USABLE).then(pl.col(column)).count().over(CELL)


def _off_sum(column: str) -> _Reason:
    """Percentages of a cell that do not add up to 100."""
    text = f"the {PERCENTS[column]} of this question and country add up to {{}}, not 100"
    off = (_total(column) - 100).abs() > SUM_TOLERANCE
    return (_stated(column) > 0) & off, pl.format(text, _total(column).round(2))


def _incomplete(column: str) -> _Reason:
    """A measure that some rows of a cell have and others have not."""
    text = f"{column} is given for only some of the response codes of this question and country"
    return _stated(column).is_between(1, _USABLE.sum().over(CELL), closed="left"), pl.lit(text)


def _without_total() -> list[_Reason]:
    """Counts of a cell that give no shares: nothing says what they are counts of."""
    lost = (~_USABLE).any().over(CELL) & (_stated("percent") == 0)
    none = _total("n") == 0
    counted = _stated("n") > 0
    return [
        (counted & lost, pl.lit("n gives no shares: other response codes of this question and country cannot be used")),
        (counted & none, pl.lit("n is 0 for all response codes of this question and country")),
    ]


def _contradiction() -> _Reason:
    """Percentages of a cell that are not those of its counts."""
    by_count = 100 * pl.col("n") / _total("n")
    text = (
        "n and percent of this question and country contradict each other: {} of {} people are {}%, not {}%; n counts "
        "the people who gave this answer, and weighted percentages are called weighted_percent"
    )
    numbers = (pl.col("n").cast(pl.Int64), _total("n").cast(pl.Int64), by_count.round(2), "percent")
    off = _USABLE & ((by_count - pl.col("percent")).abs() > COUNT_TOLERANCE)
    return off.any().over(CELL), pl.format(text, *numbers)
