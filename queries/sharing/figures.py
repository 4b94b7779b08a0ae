"""The figures of H: which columns of which query are drawn, and how."""

import polars as pl
from matplotlib.figure import Figure

from mlv.queries.figures import heatmaps, lines, steps
from mlv.queries.figures.heatmaps import Grid
from mlv.queries.figures.lines import Lines
from mlv.queries.figures.steps import Steps
from mlv.queries.figures.style import AVERAGE, TRACED, Orders
from mlv.schema.papers.echoes import FINETUNING_LANGUAGES, TEST_LANGUAGES

ORDERS: Orders = {
    "ft_language": FINETUNING_LANGUAGES,
    "train_language": FINETUNING_LANGUAGES,
    "language": TEST_LANGUAGES,
}
"""Those of the runs that are traced."""


def influence_by_epoch(rows: pl.DataFrame, caption: str = "") -> Figure:
    """H Figures 3, 12 and 13: percentage of influential examples by fine-tuning language over the epochs."""
    return lines.draw(
        rows, Lines("contribution", "examples (%)", "ft_language", (*TRACED, "language"), ORDERS), caption
    )


def influence_mean(rows: pl.DataFrame, caption: str = "") -> Figure:
    """H Tables 3 and 6: mean influence of the examples in a language on the predictions in another."""
    setup = tuple(column for column in TRACED if column != "direction")
    grid = Grid("influence", "mean score", "language", "train_language", setup, ORDERS, "diverging", 3)
    return heatmaps.draw(rows, grid, caption)


def influence_distribution(rows: pl.DataFrame, caption: str = "") -> Figure:
    """H Figures 9 to 11: how scores are distributed, by training language."""
    return steps.draw(rows, Steps("score", "train_language", (*TRACED, "language"), ORDERS), caption)


def data_imbalance(rows: pl.DataFrame, caption: str = "") -> Figure:
    """H Figure 5: percentage of influential examples in the test language, by how many more of these there are."""
    setup = ("model", "task", "source", "seed", "attribution", "quantity", "direction")
    own = Lines("own_contribution", "own examples (%)", "language", setup, ORDERS, "added_percent")
    return lines.draw(rows, own, caption)


def removal_effect(rows: pl.DataFrame, caption: str = "") -> Figure:
    """H Figures 1 and 6 to 8: change of the traced probability without influential or random examples."""
    together = rows.filter(pl.col("language") == AVERAGE).with_columns(
        pl.col("direction").fill_null("random"), points=100 * pl.col("change")
    )
    setup = ("model", "source", "ft_languages", "sentences", "seed", "quantity", "run")
    change = Lines("points", "change (points)", "direction", setup, {}, "k", percentages=False)
    return lines.draw(together, change, caption)
