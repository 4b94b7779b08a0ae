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
    TRACED,
    labelled,
    ordered,
    panels,
    text_width,
    with_continued,
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

    mark: Literal["bar", "point"] = "point"
    """bar: from zero."""


def agreement_by_category(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figure 7 top: percentage of equal answers by theme."""
    return along(_paired(rows), Scale("agreement", "equal answers (%)", "category", "pair", ()), caption)


def agreement_by_language(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figure 7 bottom: percentage of equal answers by test language, each theme counting alike."""
    return along(_paired(rows), Scale("agreement", "equal answers (%)", "language", "pair", ()), caption)


def shift_uniqueness(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E section 5.2.1: percentage of the shifting questions that shift under one fine-tuning language alone."""
    setup = ("model", "source", "sentences", "epoch", "settings")
    label = "shifting under one language alone (%)"
    return along(rows, Scale("uniqueness", label, "language", None, setup), caption)


def unchanged_multilingual(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Table 2 and Figure 10: percentage of unchanged values after fine-tuning on several languages, and on one."""
    setup = ("model", "source", "sentences", "epoch", "settings", "mixture")
    return along(rows, Scale("unchanged", "unchanged values (%)", "language", "strategy", setup), caption)


def similarity_structure(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figures 5 and 12: Spearman's rho of the dissimilarities of languages' and countries' profiles."""
    checkpoints = labelled(
        with_continued(rows), ("continued", "source", "ft_languages", "sentences", "seed", "epoch", "settings")
    )
    label = "Spearman's rho with countries"
    return along(checkpoints, Scale("rho", label, "label", None, ("model",), "bar"), caption)


def _paired(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pair=pl.format("{} and\n{}", "checkpoint_a", "checkpoint_b"))


def along(rows: pl.DataFrame, scale: Scale, caption: str) -> Figure:
    """A panel per setup with a line for everything that is compared; intervals are error bars."""
    heading, groups = panels(rows, scale.setup)
    series = ordered(scale.series, rows[scale.series]) if scale.series else [None]
    check_series(rows, series)
    step = 0.16 if len(series) == 1 else 0.06 + 0.085 * len(series)
    lines_of = [ordered(scale.line, group[scale.line]) for _, group in groups]
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


def language_contribution(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figures 6 and 14: where a test language's influential examples are from; dashes are the shares by chance.

    A run in one language, which has all of them, is drawn only where there is no other.
    """
    several = rows.filter(pl.col("ft_language").n_unique().over("run") > 1)
    alone = rows["run"].n_unique() - several["run"].n_unique()
    if alone and not several.is_empty():
        rows, caption = several, f"{caption}\nWithout {alone:,} runs in one language, which have all examples from it."
    heading, groups = panels(rows, TRACED)
    languages = ordered("ft_language", rows["ft_language"])
    check_series(rows, languages)
    names = [*languages, "borders by chance"]
    sizes = [Panel(title, 0.205 * group["language"].n_unique() + 0.1, 1.1) for title, group in groups]
    page = sheet(rows, sizes, Margins(left=0.5, bottom=0.25), heading, caption, key=legend_size(names))
    for axes, (_, group) in zip(page.axes, groups, strict=True):
        _stack(axes, group, languages)
    legend(page, names, "bar", Line2D([], [], **_CHANCE))
    return page.figure


def _stack(axes: Axes, rows: pl.DataFrame, languages: Sequence[str]) -> None:
    check_once(rows, "language", "ft_language")
    tests = ordered("language", rows["language"])
    tops = dict.fromkeys(tests, 0.0)
    for place, language in enumerate(languages):
        of_language = rows.filter(pl.col("ft_language") == language)
        of_language = of_language.sort(pl.col("language").replace_strict({test: n for n, test in enumerate(tests)}))
        there = of_language["language"].to_list()
        axes.bar(
            [tests.index(test) for test in there],
            of_language["contribution"].to_list(),
            bottom=[tops[test] for test in there],
            width=0.8,
            **bar_style(place),
        )
        _segment_errors(axes, of_language, [tests.index(test) for test in there], tops, place, len(languages))
        for test, contribution in of_language.select("language", "contribution").iter_rows():
            tops[test] += contribution
    _chance(axes, rows, languages)
    axes.set_xticks(range(len(tests)), tests)
    axes.tick_params(axis="x", length=0, pad=2)
    axes.set_xlim(-0.6, len(tests) - 0.4)
    axes.set_ylim(0, 100)
    axes.set_ylabel("examples (%)", labelpad=2)


def _segment_errors(
    axes: Axes, rows: pl.DataFrame, places: Sequence[int], bottoms: dict[str, float], series: int, of: int
) -> None:
    """Intervals of segments about their middles, beside each other so that none hides another."""
    errors = error_bars(rows, "contribution")
    if errors is not None:
        shifted = [place + (series - (of - 1) / 2) * 0.5 / of for place in places]
        middles = [bottoms[test] + share / 2 for test, share in rows.select("language", "contribution").iter_rows()]
        axes.errorbar(shifted, middles, yerr=errors, fmt="none", clip_on=False, **_ERROR_BARS)


def _chance(axes: Axes, rows: pl.DataFrame, languages: Sequence[str]) -> None:
    """Dashes at the borders that shares by chance would have; they are the same for all test languages."""
    shares = dict(rows.select("ft_language", "examples_share").unique().iter_rows())
    border = 0.0
    for language in languages[:-1]:
        border += shares.get(language, 0.0)
        if 0 < border < 100:
            axes.axhline(border, **_CHANCE)
