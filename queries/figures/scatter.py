"""Points of two values, with the line that fits them best, a panel per setup."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlv.queries.figures.series import check_series, legend, legend_size, marker_style
from mlv.queries.figures.sheet import Margins, Panel, sheet
from mlv.queries.figures.style import Orders, ordered, panels, words


@dataclass(frozen=True)
class Scatter:
    """Which columns of a query are points."""

    x: str
    y: str
    labels: tuple[str, str]
    """Of the axes."""

    series: str
    """Column of what has a colour and a marker."""

    setup: tuple[str, ...]
    """Columns that tell panels apart."""

    orders: Orders
    """Of the series."""


def draw(rows: pl.DataFrame, scatter: Scatter, caption: str) -> Figure:
    """A panel per setup, each with axes of its own and the line of least squares."""
    heading, groups = panels(rows, scatter.setup)
    series = ordered(scatter.series, rows[scatter.series], scatter.orders)
    check_series(rows, series)
    names = [words(scatter.series, one) for one in series]
    sizes = [Panel(title, 1.9, 1.5) for title, _ in groups]
    page = sheet(rows, sizes, Margins(left=0.5, bottom=0.42), heading, caption, key=legend_size(names))
    for axes, (_, group) in zip(page.axes, groups, strict=True):
        for place, one in enumerate(series):
            points = group.filter(pl.col(scatter.series) == one)
            axes.plot(points[scatter.x].to_list(), points[scatter.y].to_list(), linestyle="none", **marker_style(place))
        _fit(axes, group, scatter)
        axes.set_xlabel(scatter.labels[0], labelpad=2)
        axes.set_ylabel(scatter.labels[1], labelpad=2)
    legend(page, names, "point")
    return page.figure


def _fit(axes: Axes, points: pl.DataFrame, scatter: Scatter) -> None:
    """The line of least squares from the lowest to the highest x; none where there is one x alone."""
    known = points.drop_nulls([scatter.x, scatter.y])
    x, y = known[scatter.x].to_numpy(), known[scatter.y].to_numpy()
    if known.is_empty() or x.max() - x.min() < 1e-9:
        return
    slope, intercept = np.polyfit(x, y, 1)
    ends = np.array([x.min(), x.max()])
    axes.plot(ends, intercept + slope * ends, color="black", linewidth=0.8, gid="fit")
