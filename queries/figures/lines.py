"""Lines along what is varied, such as the epochs of a run, a panel per setup."""

from dataclasses import dataclass
from typing import Final

import polars as pl
from matplotlib.figure import Figure

from mlv.queries.figures.series import check_once, check_series, error_bars, legend, legend_size, line_style
from mlv.queries.figures.sheet import Margins, Panel, sheet
from mlv.queries.figures.style import Orders, in_order, ordered, panels

MOST_TICKS: Final = 12
"""Most values along the lines that all have a tick, or a marker and an interval."""


@dataclass(frozen=True)
class Lines:
    """Which columns of a query are lines."""

    value: str

    label: str
    series: str
    """Column of what has a line of its own."""

    setup: tuple[str, ...]
    """Columns that tell panels apart; panels are in the order of the last one's values."""

    orders: Orders
    along: str = "epoch"
    """Column of numbers that the lines go along."""

    percentages: bool = True
    """Whether values go from 0 to 100; else they go as far as they do, with a line at 0."""


def draw(rows: pl.DataFrame, lines: Lines, caption: str) -> Figure:
    """A panel per setup with a line for everything that is compared; intervals are error bars."""
    series = ordered(lines.series, rows[lines.series], lines.orders)
    check_series(rows, series)
    heading, groups = panels(in_order(rows, lines.setup[-1], lines.orders, lines.along), lines.setup)
    sizes = [Panel(title, 1.3, 0.95) for title, _ in groups]
    page = sheet(rows, sizes, Margins(left=0.5, bottom=0.42), heading, caption, key=legend_size(series))
    for axes, (_, group) in zip(page.axes, groups, strict=True):
        check_once(group, lines.along, lines.series)
        every = -(-group[lines.along].n_unique() // MOST_TICKS)
        for place, one in enumerate(series):
            line = group.filter(pl.col(lines.series) == one)
            axes.errorbar(
                line[lines.along].to_list(),
                line[lines.value].to_list(),
                yerr=error_bars(line, lines.value),
                **line_style(place),
                ecolor="black",
                elinewidth=0.7,
                capsize=1.5,
                markevery=every,
                errorevery=every,
            )
        axes.set_xticks(_ticks(group[lines.along]))
        if lines.percentages:
            axes.set_ylim(-4, 104)
            axes.set_yticks([0, 50, 100])
        else:
            axes.axhline(0, color="black", linewidth=0.5)
        axes.set_xlabel(lines.along.replace("_", " "), labelpad=1)
        axes.set_ylabel(lines.label, labelpad=2)
    legend(page, series, "line")
    return page.figure


def _ticks(values: pl.Series) -> list[float]:
    """All values, or of many the first, the last, and few between them."""
    there = sorted(set(values))
    return there if len(there) <= MOST_TICKS else [there[0], there[len(there) // 2], there[-1]]
