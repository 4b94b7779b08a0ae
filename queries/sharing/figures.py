"""The figures of H: which columns of which query are drawn, and how."""

import polars as pl
from matplotlib.figure import Figure

from mlv.queries.figures.lines import Lines, along_epochs
from mlv.queries.figures.style import TRACED, Orders
from mlv.schema.papers.echoes import FINETUNING_LANGUAGES, TEST_LANGUAGES

ORDERS: Orders = {"ft_language": FINETUNING_LANGUAGES, "language": TEST_LANGUAGES}
"""Those of the runs that are traced."""


def influence_by_epoch(rows: pl.DataFrame, caption: str = "") -> Figure:
    """H Figures 3, 12 and 13: percentage of influential examples by fine-tuning language over the epochs."""
    lines = Lines("contribution", "examples (%)", "ft_language", (*TRACED, "language"), ORDERS)
    return along_epochs(rows, lines, caption)
