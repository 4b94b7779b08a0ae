"""Lines along the epochs of a run, a panel per setup."""

from dataclasses import dataclass

import polars as pl
from matplotlib.figure import Figure

from mlv.queries.figures.series import check_once, check_series, error_bars, legend, legend_size, line_style
from mlv.queries.figures.sheet import Margins, Panel, sheet
from mlv.queries.figures.style import Orders, in_order, ordered, panels


@dataclass(frozen=True)
class Lines:
    """Which columns of a query, which has one called epoch, are lines."""

    value: str
    """Column of percentages."""

    label: str
    series: str
    """Column of what has a line of its own."""

    setup: tuple[str, ...]
    """Columns that tell panels apart; panels are in the order of the last one's values."""

    orders: Orders


def along_epochs(rows: pl.DataFrame, lines: Lines, caption: str) -> Figure:
    """A panel per setup with a line for everything that is compared; intervals are error bars."""
    series = ordered(lines.series, rows[lines.series], lines.orders)
    check_series(rows, series)
    heading, groups = panels(in_order(rows, lines.setup[-1], lines.orders, "epoch"), lines.setup)
    sizes = [Panel(title, 1.3, 0.95) for title, _ in groups]
    page = sheet(rows, sizes, Margins(left=0.5, bottom=0.42), heading, caption, key=legend_size(series))
    for axes, (_, group) in zip(page.axes, groups, strict=True):
        check_once(group, "epoch", lines.series)
        for place, one in enumerate(series):
            line = group.filter(pl.col(lines.series) == one)
            axes.errorbar(
                line["epoch"].to_list(),
                line[lines.value].to_list(),
                yerr=error_bars(line, lines.value),
                **line_style(place),
                ecolor="black",
                elinewidth=0.7,
                capsize=1.5,
            )
        axes.set_xticks(sorted(set(group["epoch"])))
        axes.set_ylim(-4, 104)
        axes.set_yticks([0, 50, 100])
        axes.set_xlabel("epoch", labelpad=1)
        axes.set_ylabel(lines.label, labelpad=2)
    legend(page, series, "line")
    return page.figure
