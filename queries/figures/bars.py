"""Bars and points along a scale, one line per language, theme or checkpoint, and bars that stack to 100 percent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from mlv.queries.figures.series import (
    bar_style,
    check_once,
    check_series,
    error_bars,
    legend,
    legend_size,
    marker_style,
)
from mlv.queries.figures.sheet import Margins, Panel, sheet
from mlv.queries.figures.style import (
    MISSING,
    SMALL,
    Orders,
    in_order,
    ordered,
    panels,
    text_width,
    words,
)

_ERROR_BARS: dict[str, Any] = {"ecolor": "black", "elinewidth": 0.8, "capsize": 1.5, "capthick": 0.8}

_CHANCE: dict[str, Any] = {"color": "black", "linewidth": 0.8, "linestyle": (0, (4, 2))}


@dataclass(frozen=True)
class Scale:
    """Which columns of a query stand along a scale."""

    value: str
    label: str
    line: str
    """Column of what has a line of its own."""

    series: str | None
    """Column of what has a colour and a marker."""

    setup: tuple[str, ...]
    """Columns that tell panels apart."""

    orders: Orders
    """Of the values of lines and series."""

    mark: Literal["bar", "point"] = "point"
    """bar: from zero."""


def along(rows: pl.DataFrame, scale: Scale, caption: str) -> Figure:
    """A panel per setup with a line for everything that is compared; intervals are error bars."""
    heading, groups = panels(rows, scale.setup)
    series = ordered(scale.series, rows[scale.series], scale.orders) if scale.series else [None]
    check_series(rows, series)
    step = 0.16 if len(series) == 1 else 0.06 + 0.085 * len(series)
    lines_of = [ordered(scale.line, group[scale.line], scale.orders) for _, group in groups]
    labels_of = [[words(scale.line, line) for line in lines] for lines in lines_of]
    sizes = [Panel(title, 2.6, max(len(lines) * step, 0.5)) for (title, _), lines in zip(groups, lines_of, strict=True)]
    margins = Margins(
        left=max(text_width(label) for labels in labels_of for label in labels) + 0.12, bottom=0.42, right=0.2
    )
    names = [words(scale.series, one) for one in series] if scale.series else []
    page = sheet(rows, sizes, margins, heading, caption, key=legend_size(names))
    for axes, (_, group), lines, labels in zip(page.axes, groups, lines_of, labels_of, strict=True):
        check_once(group, scale.line, *([scale.series] if scale.series else []))
        for place, one in enumerate(series):
            chosen = group if scale.series is None else group.filter(pl.col(scale.series) == one)
            offset = (place - (len(series) - 1) / 2) * 0.8 / len(series)
            _marks(
                axes,
                chosen,
                scale,
                [lines.index(line) + offset for line in chosen[scale.line]],
                place,
                0.8 / len(series),
            )
        _lines(axes, labels, scale.label)
    _same_reach(page.axes, scale.mark)
    legend(page, names, scale.mark)
    return page.figure


def _marks(
    axes: Axes, rows: pl.DataFrame, scale: Scale, places: Sequence[float], series: int, thickness: float
) -> None:
    """The values of one series, with their intervals."""
    known = [place for place, value in zip(places, rows[scale.value], strict=True) if value is not None]
    for place in set(places) - set(known):
        axes.text(0.01, place, f"{MISSING} undefined", transform=axes.get_yaxis_transform(), va="center", size=SMALL)
    rows = rows.drop_nulls(scale.value)
    errors = error_bars(rows, scale.value)
    if scale.mark == "bar":
        axes.barh(
            known,
            rows[scale.value].to_list(),
            height=thickness,
            **bar_style(series),
            xerr=errors,
            error_kw=_ERROR_BARS,
        )
    else:
        axes.errorbar(
            rows[scale.value].to_list(), known, xerr=errors, fmt="none", ecolor="black", elinewidth=0.7, capsize=1.5
        )
        axes.plot(rows[scale.value].to_list(), known, linestyle="none", **marker_style(series))


def _lines(axes: Axes, labels: Sequence[str], label: str) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, pad=3)
    axes.grid(axis="x", color="#D0D0D0", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel(label, labelpad=2)


def _same_reach(all_axes: Sequence[Axes], mark: Literal["bar", "point"]) -> None:
    """Give panels the same scale; a bar's begins at zero."""
    limits = [axes.get_xlim() for axes in all_axes]
    low, high = min(limit[0] for limit in limits), max(limit[1] for limit in limits)
    for axes in all_axes:
        axes.set_xlim(low, high)
        if mark == "bar":
            axes.axvline(0, color="black", linewidth=0.8)


@dataclass(frozen=True)
class Stack:
    """Which columns of a query are stacked to 100 percent."""

    share: str
    """Column of percentages, which add up over the parts of a bar."""

    label: str
    bar: str
    part: str
    """Column of what has a colour and a hatch."""

    chance: str
    """Column of the percentages that parts would have by chance; NULL where that is not known."""

    setup: tuple[str, ...]
    """Columns that tell panels apart."""

    orders: Orders
    dashes: str = "borders by chance"
    """What the dashes are, in the legend."""


def stacked(rows: pl.DataFrame, stack: Stack, caption: str) -> Figure:
    """A panel per setup with a bar for everything that is compared; dashes are the borders by chance."""
    heading, groups = panels(rows, stack.setup)
    parts = ordered(stack.part, rows[stack.part], stack.orders)
    check_series(rows, parts)
    names = [*parts, stack.dashes]
    sizes = [Panel(title, 0.205 * group[stack.bar].n_unique() + 0.1, 1.1) for title, group in groups]
    page = sheet(rows, sizes, Margins(left=0.5, bottom=0.25), heading, caption, key=legend_size(names))
    for axes, (_, group) in zip(page.axes, groups, strict=True):
        _bars(axes, group, stack, parts)
        _chance(axes, group, stack, parts)
    legend(page, names, "bar", Line2D([], [], **_CHANCE))
    return page.figure


def _bars(axes: Axes, rows: pl.DataFrame, stack: Stack, parts: Sequence[str]) -> None:
    check_once(rows, stack.bar, stack.part)
    bars = ordered(stack.bar, rows[stack.bar], stack.orders)
    tops = dict.fromkeys(bars, 0.0)
    for series, part in enumerate(parts):
        of_part = in_order(rows.filter(pl.col(stack.part) == part), stack.bar, stack.orders)
        places = [bars.index(bar) for bar in of_part[stack.bar]]
        shares = of_part[stack.share].to_list()
        bottoms = [tops[bar] for bar in of_part[stack.bar]]
        axes.bar(places, shares, bottom=bottoms, width=0.8, **bar_style(series))
        errors = error_bars(of_part, stack.share)
        if errors is not None:
            # about the middles of the segments, beside each other so that none hides another
            shifted = [place + (series - (len(parts) - 1) / 2) * 0.5 / len(parts) for place in places]
            middles = [bottom + share / 2 for bottom, share in zip(bottoms, shares, strict=True)]
            axes.errorbar(shifted, middles, yerr=errors, fmt="none", clip_on=False, **_ERROR_BARS)
        for bar, share in zip(of_part[stack.bar], shares, strict=True):
            tops[bar] += share
    axes.set_xticks(range(len(bars)), bars)
    axes.tick_params(axis="x", length=0, pad=2)
    axes.set_xlim(-0.6, len(bars) - 0.4)
    axes.set_ylim(0, 100)
    axes.set_ylabel(stack.label, labelpad=2)


def _chance(axes: Axes, rows: pl.DataFrame, stack: Stack, parts: Sequence[str]) -> None:
    for place, bar in enumerate(ordered(stack.bar, rows[stack.bar], stack.orders)):
        of_bar = rows.filter(pl.col(stack.bar) == bar).drop_nulls(stack.chance)
        shares = dict(of_bar.select(stack.part, stack.chance).iter_rows())
        border = 0.0
        for part in parts[:-1]:
            border += shares.get(part, 0.0)
            if 0 < border < 100:
                axes.plot([place - 0.5, place + 0.5], [border, border], **_CHANCE)
