"""The figures of D6: which columns of which query are drawn, and how."""

import re
from typing import Final

import polars as pl
from matplotlib.figure import Figure

from mlv.queries.figures import bars, heatmaps, lines, lists
from mlv.queries.figures.bars import Scale
from mlv.queries.figures.heatmaps import Grid
from mlv.queries.figures.lines import Lines
from mlv.queries.figures.lists import Lists
from mlv.queries.figures.style import Orders
from mlv.schema.papers.stereotypes import CATEGORIES, EMOTIONS, SENTIMENTS

ORDERS: Orders = {"category": (*CATEGORIES, "all"), "emotion": (*EMOTIONS, *SENTIMENTS)}
"""As the paper has them."""

LONGEST: Final = 13
"""Characters of a line of a name, unless a part of it is longer."""

_STATE: Final = ("model", "source", "share", "seed", "epoch")


def stereotype_engines(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D6 Figure D.1: rows of a collection by where they were found."""
    named = rows.with_columns(pl.col("engine").replace("", "not said"))
    return bars.along(named, Scale("stereotypes", "stereotypes", "engine", None, ("collection",), {}, "bar"), caption)


def recall_at_k(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D6 Figure 6.1: recall by category and k; without the mean of the categories."""
    of_categories = rows.filter(pl.col("category") != "mean").with_columns(run="checkpoint")
    along = Lines("recall", "found (%)", "category", (*_STATE, "run"), ORDERS, "k")
    return lines.draw(of_categories, along, caption)


def emotion_profiles(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D6 Figures 6.2, 6.6 and D.2: emotions of groups."""
    setup = (*_STATE, "lexicon", "category")
    grid = Grid("score", "covered words (%)", "group_name", "emotion", setup, ORDERS, "similarity", 0)
    return heatmaps.draw(rows, grid, caption)


def _in_lines(name: str) -> str:
    """A name of a checkpoint in short lines, that of a model without its owner."""
    owned = "/" in name and not re.search(r"/epoch-\d+$", name)
    lines = [""]
    for part in re.findall(r"[^-/]+[-/]?", name.rpartition("/")[2] if owned else name):
        if lines[-1] and len(lines[-1] + part) > LONGEST:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def emotion_similarity(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D6 Figures 6.3 and D.3: mean correlation of groups in two models."""
    rows = rows.with_columns(pl.col("checkpoint_a", "checkpoint_b").map_elements(_in_lines, return_dtype=pl.String))
    grid = Grid(
        "rho", "mean correlation", "checkpoint_b", "checkpoint_a", ("category",), {}, "similarity", 2, pairs=True
    )
    return heatmaps.draw(rows, grid, caption)


def sentiment_balance(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D6 section 6.5: positive minus negative words, by category."""
    scale = Scale("balance", "positive minus negative (points)", "category", None, (*_STATE, "lexicon"), ORDERS, "bar")
    return bars.along(rows, scale, caption)


def emotion_shift(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D6 Table D.2 and Figure 6.5: change of the correlation by category and outlet."""
    setup = ("model", "share", "epoch", "settings")
    return bars.along(rows, Scale("change", "change of rho", "category", "source", setup, ORDERS, "bar"), caption)


def attribute_shift(rows: pl.DataFrame, caption: str = "") -> Figure:
    """D6 Figure 6.7: attributes of groups that fine-tuning removes and adds, those of most templates first."""
    setup = (*_STATE, "category", "group_name")
    return lists.draw(rows, Lists("attribute", "change", ("removed", "added"), setup), caption)
