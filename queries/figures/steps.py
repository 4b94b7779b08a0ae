"""Step histograms: shares of values by bin, a panel per setup, negative values left of a line at 0."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mlv.queries.figures.series import check_once, check_series, legend, legend_size, step_style
from mlv.queries.figures.sheet import Margins, Panel, sheet
from mlv.queries.figures.style import Orders, in_order, ordered, panels

Numbers = NDArray[np.float64]

LEFT_OUT: Final = 0.001
"""Share of all values, at either end, that no panel is drawn wider for: some far out would make a spike of the rest."""

_TICKS: Final = 3
"""Most intervals between the ticks of an axis."""


@dataclass(frozen=True)
class Steps:
    """Which columns of a query, which has ``low``, ``high``, ``n`` and ``share``, are histograms."""

    label: str
    """Of what is binned."""

    series: str
    """Column of what has a histogram of its own."""

    setup: tuple[str, ...]
    """Columns that tell panels apart; panels are in the order of the last one's values."""

    orders: Orders
    counted: str = "pairs"
    """What the shares are of."""


def draw(rows: pl.DataFrame, steps: Steps, caption: str) -> Figure:
    """A panel per setup, all of one width, with a histogram for everything that is compared."""
    series = ordered(steps.series, rows[steps.series], steps.orders)
    check_series(rows, series)
    heading, groups = panels(in_order(rows, steps.setup[-1], steps.orders, "low"), steps.setup)
    sizes = [Panel(title, 1.6, 1.0) for title, _ in groups]
    page = sheet(rows, sizes, Margins(left=0.5, bottom=0.42), heading, caption, key=legend_size(series))
    for axes, (_, group) in zip(page.axes, groups, strict=True):
        check_once(group, "low", steps.series)
        axes.axvline(0, color="black", linewidth=0.5)
        for place, one in enumerate(series):
            bins = group.filter(pl.col(steps.series) == one).sort("low")
            if bins.height:
                axes.stairs(*dense(bins), **step_style(place))
        axes.set_xlim(*_ends(rows))
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(_TICKS))
        axes.yaxis.set_major_locator(MaxNLocator(_TICKS))
        axes.set_xlabel(steps.label, labelpad=1)
        axes.set_ylabel(f"{steps.counted} (%)", labelpad=2)
    legend(page, series, "step")
    return page.figure


def dense(bins: pl.DataFrame) -> tuple[Numbers, Numbers]:
    """Shares of all bins from the first to the last, [bins], those that have no row among them, and their ends."""
    first = bins["low"][0]
    width = bins["high"][0] - first
    places = ((bins["low"].to_numpy() - first) / width).round().astype(int)
    shares = np.zeros(places[-1] + 1)
    shares[places] = bins["share"]
    return shares, first + width * np.arange(places[-1] + 2)


def _ends(rows: pl.DataFrame) -> tuple[float, float]:
    """The span of all bins but for those of the outermost values, and 0."""
    by_bin = rows.group_by("low", "high").agg(pl.col("n").sum()).sort("low")
    share = pl.col("n").cum_sum() / pl.col("n").sum()
    kept = by_bin.filter((share > LEFT_OUT) & (share - pl.col("n") / pl.col("n").sum() < 1 - LEFT_OUT))
    ends = [0.0, *kept["low"], *kept["high"]]
    return min(ends), max(ends)
