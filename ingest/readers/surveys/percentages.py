"""Shares as published tables have them: of each answer to a question in a country.

A row has one or more of the percentage, the weighted percentage and the number of people who gave the answer.
Unweighted shares are those of the numbers, which are exact, where there are some, else of the percentages; where both
are there, they must not contradict each other.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.surveys.files import RESPONSE_COLUMNS, ReadSurvey, SurveyFile, countries
from mlv.ingest.readers.surveys.tables import MEASURES, PERCENTS, Table, as_number
from mlv.ingest.reference.codebook import Codebook, folded, plain

SUM_TOLERANCE: Final = 0.5
"""How far the percentages of a question in a country may be from 100: published tables round each of up to ten."""

COUNT_TOLERANCE: Final = 0.5
"""How far a percentage may be from that of the counts: it may be rounded to a whole number."""

MOST_PEOPLE: Final = 1e9
"""People who gave an answer in a country, at most: a count beyond is none."""

CELL: Final = ("variable", "country")
"""What shares add up over."""

_USABLE: Final = pl.col("reason").is_null()

_Reason = tuple[pl.Expr, pl.Expr]
"""When rows are rejected, and the text that says why."""


def read(file: SurveyFile, table: Table, book: Codebook) -> ReadSurvey:
    """Read a table; rows that cannot be used are rejected, and with them what cannot stand without them."""
    rows = table.rows.rename({"country": "place"})
    codes, remarks = countries(rows["place"].drop_nulls().unique(), book)
    checked = _with_cell_reasons(_with_row_reasons(rows, codes, book))
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
    return ReadSurvey(
        layout="percentages",
        content_sha256=file.content_sha256,
        responses=responses,
        rows_read=rows.height + sum(bool(row.line) for row in table.rejected),
        rows_kept=kept.height,
        rejected=[*table.rejected, *rejected],
        remarks=[*table.remarks, *remarks],
    )


def _with_row_reasons(rows: pl.DataFrame, codes: Mapping[str, str | None], book: Codebook) -> pl.DataFrame:
    """Cells as numbers and codes, and ``reason``: why a row is rejected by itself, null if it is not."""
    key = pl.struct("variable", "country", "response_code")
    n, code = pl.col("n"), pl.col("response_code")
    reasons = (
        (pl.col("variable").is_null(), "no probe is about this question"),
        (pl.col("country").is_null(), "the country is not in ISO 3166-1"),
        (pl.col("written").is_null() & code.is_null(), "the codebook has no answer of this label"),
        (code.is_null(), "the response code is not a whole number"),
        (pl.col("known").is_null(), "the codebook does not have this response code"),
        (pl.all_horizontal(pl.col(MEASURES).is_null()), "it has neither a percentage nor a count"),
        (~pl.col("percent").is_between(0, 100), "the percentage is not between 0 and 100"),
        (~pl.col("weighted_percent").is_between(0, 100), "the weighted percentage is not between 0 and 100"),
        (~n.is_between(0, MOST_PEOPLE) | (n != n.floor()), "n is not a whole number of people"),
        (~key.is_first_distinct(), "the response code occurs twice for this question and country"),
    )
    typed = _typed(rows, codes, book)
    return typed.with_columns(reason=_first_that_holds((holds, pl.lit(text)) for holds, text in reasons))


def _typed(rows: pl.DataFrame, codes: Mapping[str, str | None], book: Codebook) -> pl.DataFrame:
    """``variable``, ``country``, ``response_code``, whether that is ``known``, and the measures as numbers.

    ``written`` is the code as the file has it; where it has none, the label says it.
    """
    number = pl.col("response_code").cast(pl.Float64, strict=False)
    whole = pl.when(number == number.floor()).then(number).cast(pl.Int64, strict=False)
    variables = {said: book.variables_by_name.get(folded(said)) for said in rows["question"].drop_nulls().unique()}
    named = rows.with_columns(
        *(as_number(column, percent=column in PERCENTS).alias(column) for column in MEASURES),
        variable=pl.col("question").replace_strict(variables, return_dtype=pl.String, default=None),
        country=pl.col("place").replace_strict(codes, return_dtype=pl.String, default=None),
        written="response_code",
        response_code=whole,
    )
    return (
        named.join(_labelled(named, book), on=["variable", "label"], how="left", maintain_order="left")
        .with_columns(response_code=pl.when(pl.col("written").is_null()).then("by_label").otherwise("response_code"))
        .join(book.codes.with_columns(known=True), on=["variable", "response_code"], how="left", maintain_order="left")
    )


def _labelled(rows: pl.DataFrame, book: Codebook) -> pl.DataFrame:
    """Codes of labels: ``variable, label, by_label``."""
    labels = rows.select("variable", "label").drop_nulls().unique()
    found = [book.codes_by_label.get((variable, plain(label))) for variable, label in labels.iter_rows()]
    return labels.with_columns(by_label=pl.Series(found, dtype=pl.Int64))


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
