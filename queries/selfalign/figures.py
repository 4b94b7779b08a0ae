"""The figures of S: which columns of which query are drawn, and how."""

from typing import Final

import polars as pl
from matplotlib.figure import Figure

from mlv.queries.figures import bars, heatmaps, steps
from mlv.queries.figures.bars import Stack
from mlv.queries.figures.heatmaps import Grid
from mlv.queries.figures.steps import Steps
from mlv.queries.figures.style import Orders
from mlv.schema.papers import echoes, selfalign

_LANGUAGES: Final = tuple(dict.fromkeys(language for of_model in selfalign.LANGUAGES.values() for language in of_model))

ORDERS: Orders = {
    "language": _LANGUAGES,
    "category": [category.code for category in echoes.CATEGORIES],
    "change": ("improved", "same", "worse"),
}
"""Languages as in S Table 8.1, themes as in WVS."""

_RUN: Final = ("form", "options", "seed", "draw", "abroad")
_CONDITION: Final = ("strategy", "ordering", "shown_country", "shown_answers")


def _told_apart(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with what is unusual of them in words: the demonstrations, the country whose answers count, a repetition."""
    rows = rows.with_columns(draw=pl.format("draw {}", "draw"))
    own = pl.col("language").replace_strict(echoes.LANGUAGE_COUNTRY, default=None) == pl.col("country")
    rows = rows.with_columns(abroad=pl.when(own).then(None).otherwise(pl.format("compared with {}", "country")))
    if "demonstrated" not in rows.columns:
        return rows
    other = pl.col("demonstrated") != pl.col("country")
    return rows.with_columns(
        shown_country=pl.when(other).then(pl.format("answers of {}", "demonstrated")),
        shown_answers=pl.when(pl.col("answers") == "minority").then(pl.lit("minority answers")),
    )


def misalignment(rows: pl.DataFrame, caption: str = "") -> Figure:
    """S Figure 8.7: percentage of misaligned questions by model and language."""
    grid = Grid("misaligned_share", "misaligned questions (%)", "model", "language", _RUN, ORDERS)
    return heatmaps.draw(_told_apart(rows), grid, caption)


def error_distribution(rows: pl.DataFrame, caption: str = "") -> Figure:
    """S Figures 8.5, F.2 and F.3: how many questions have an error of each size, by model."""
    binned = _told_apart(rows).with_columns(low=pl.col("error") - 5, high=pl.col("error") + 5, n="probes")
    sizes = Steps("answers not in line (%)", "model", (*_RUN, *_CONDITION, "language"), ORDERS, "questions")
    return steps.draw(binned, sizes, caption)


def self_alignment(rows: pl.DataFrame, caption: str = "") -> Figure:
    """S Figures 8.2 and 8.4 and Table 8.1: what misaligned questions did, and those of the control."""
    parts = [
        _told_apart(rows).with_columns(pl.lit(change).alias("change"), share=change, control=f"control_{change}")
        for change in ORDERS["change"]
    ]
    stack = Stack(
        "share",
        "misaligned questions (%)",
        "language",
        "change",
        "control",
        ("model", *_CONDITION, *_RUN),
        ORDERS,
        "borders in the control",
    )
    return bars.stacked(pl.concat(parts), stack, caption)


def error_reduction(rows: pl.DataFrame, caption: str = "") -> Figure:
    """S Figures 8.3 and 8.6: by how much errors shrank where they did, with demonstrations and in the control."""
    ends = pl.col("reduction").str.split("-").list
    binned = _told_apart(rows.filter(pl.col("reduction") != "total")).with_columns(
        low=ends.first().cast(pl.Int64), high=ends.last().cast(pl.Int64)
    )
    shown = [
        # of none that improved all shares are empty bars; a run without a control has no such histogram
        binned.with_columns(kind=pl.lit(kind), n=counts, share=pl.col(shares).fill_null(0)).drop_nulls("n")
        for kind, counts, shares in (
            ("demonstrations", "improved", "share"),
            ("control", "control_improved", "control_share"),
        )
    ]
    reductions = Steps("error reduction (%)", "kind", ("model", *_CONDITION, *_RUN, "language"), ORDERS, "improved")
    return steps.draw(pl.concat(shown), reductions, caption)


def self_alignment_by_category(rows: pl.DataFrame, caption: str = "") -> Figure:
    """S Figures 8.8 and F.1: questions that improved by theme and language."""
    setup = ("model", *_CONDITION, *_RUN)
    grid = Grid("improved_probes", "improved questions", "category", "language", setup, ORDERS, "similarity", 0)
    return heatmaps.draw(_told_apart(rows), grid, caption)
