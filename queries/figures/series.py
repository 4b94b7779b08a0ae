"""Several series in one panel: how each looks, their error bars, and the legend that tells them apart."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import polars as pl
from matplotlib.artist import Artist
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mlv.queries.figures.sheet import DoesNotFitError, Sheet
from mlv.queries.figures.style import interval, text_width
from mlv.schema.errors import UsageError

COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")
"""Okabe and Ito's palette, yellow last because it is faint as a line."""

HATCHES: Final = ("", "///", "...", "\\\\\\", "xxx", "ooo", "---", "++")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
STYLES: Final = ("-", (0, (5, 2)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1)), (0, (8, 2)), (0, (1, 3)), (0, (2, 2)))

Mark = Literal["bar", "point", "line", "step"]


def bar_style(series: int) -> dict[str, Any]:
    """Of the bars of a series."""
    return {"facecolor": COLOURS[series], "hatch": HATCHES[series], "edgecolor": "black", "linewidth": 0.5}


def marker_style(series: int) -> dict[str, Any]:
    """Of the markers of a series."""
    return {
        "color": COLOURS[series],
        "marker": MARKERS[series],
        "markersize": 4,
        "markeredgecolor": "black",
        "markeredgewidth": 0.4,
    }


def line_style(series: int) -> dict[str, Any]:
    """Of the line of a series."""
    return {**marker_style(series), "linestyle": STYLES[series]}


def step_style(series: int) -> dict[str, Any]:
    """Of the outline of a series."""
    return {"color": COLOURS[series], "linestyle": STYLES[series]}


def _sample(series: int, mark: Mark) -> Artist:
    if mark == "bar":
        return Patch(**bar_style(series))
    if mark == "step":
        return Line2D([], [], **step_style(series))
    return Line2D([], [], **(line_style(series) if mark == "line" else {**marker_style(series), "linestyle": "none"}))


def check_series(rows: pl.DataFrame, series: Sequence[object]) -> None:
    """Raises DoesNotFitError if there are more series than looks."""
    if len(series) > len(COLOURS):
        raise DoesNotFitError(f"{len(series)} series are more than the {len(COLOURS)} that a figure tells apart.", rows)


def check_once(rows: pl.DataFrame, *columns: str) -> None:
    """Raises UsageError if two rows would be drawn in one place, and one of them be hidden."""
    double = rows.filter(rows.select(columns).is_duplicated())
    if not double.is_empty():
        place = " and ".join(str(double[column][0]) for column in columns)
        raise UsageError(
            f"Several rows are for {place} with the same setup.",
            "Restrict the query with --param, for example to a run, a source or an epoch.",
        )


def error_bars(rows: pl.DataFrame, value: str) -> list[list[float]] | None:
    """How far a value's interval reaches below and above it; None if the rows have none."""
    bounds = interval(rows, value)
    if bounds is None:
        return None
    low, high = bounds
    reach = rows.select(
        below=(pl.col(value) - pl.col(low)).clip(lower_bound=0).fill_null(0.0),
        above=(pl.col(high) - pl.col(value)).clip(lower_bound=0).fill_null(0.0),
    )
    return [reach["below"].to_list(), reach["above"].to_list()]


def _abreast(names: Sequence[str]) -> int:
    """Entries of a legend side by side."""
    return max(1, min(len(names), int(5.5 / _entry_width(names)))) if names else 1


def _entry_width(names: Sequence[str]) -> float:
    return max(text_width(name) for name in names) + 0.5


def legend_size(names: Sequence[str]) -> tuple[float, float]:
    """Width and height in inches."""
    if not names:
        return 0.0, 0.0
    lines = -(-len(names) // _abreast(names))
    tallest = max(name.count("\n") + 1 for name in names)
    return _abreast(names) * _entry_width(names), 0.08 + lines * (0.05 + 0.12 * tallest)


def legend(page: Sheet, names: Sequence[str], mark: Mark, *others: Artist) -> None:
    """What colours, markers and hatches stand for, below the panels; the last names are of ``others``."""
    if names:
        handles = [_sample(series, mark) for series in range(len(names) - len(others))] + list(others)
        left, bottom, _, _ = page.key
        page.figure.legend(
            handles,
            names,
            loc="lower left",
            bbox_to_anchor=(left, bottom),
            ncols=_abreast(names),
            frameon=False,
            borderaxespad=0,
            borderpad=0,
            columnspacing=1.2,
            handletextpad=0.5,
            labelspacing=0.4,
        )
