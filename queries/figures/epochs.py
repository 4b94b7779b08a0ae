"""Lines over the epochs of a fine-tuning run."""

import polars as pl
from matplotlib.figure import Figure

from mlv.queries.figures.series import check_once, check_series, error_bars, legend, legend_size, line_style
from mlv.queries.figures.sheet import Margins, Panel, sheet
from mlv.queries.figures.style import ordered, panels

_SETUP = ("model", "source", "ft_languages", "sentences", "seed", "attribution", "quantity", "direction", "run")


def influence_by_epoch(rows: pl.DataFrame, caption: str = "") -> Figure:
    """H Figures 3, 12 and 13: percentage of influential examples by fine-tuning language over the epochs."""
    languages = ordered("ft_language", rows["ft_language"])
    check_series(rows, languages)
    tests = ordered("language", rows["language"])
    in_order = rows.sort(pl.col("language").replace_strict({test: place for place, test in enumerate(tests)}), "epoch")
    heading, groups = panels(in_order, (*_SETUP, "language"))
    page = sheet(
        rows,
        [Panel(title, 1.3, 0.95) for title, _ in groups],
        Margins(left=0.5, bottom=0.42),
        heading,
        caption,
        key=legend_size(languages),
    )
    for axes, (_, group) in zip(page.axes, groups, strict=True):
        check_once(group, "epoch", "ft_language")
        for place, language in enumerate(languages):
            line = group.filter(pl.col("ft_language") == language)
            axes.errorbar(
                line["epoch"].to_list(),
                line["contribution"].to_list(),
                yerr=error_bars(line, "contribution"),
                **line_style(place),
                ecolor="black",
                elinewidth=0.7,
                capsize=1.5,
            )
        axes.set_xticks(sorted(set(group["epoch"])))
        axes.set_ylim(-4, 104)
        axes.set_yticks([0, 50, 100])
        axes.set_xlabel("epoch", labelpad=1)
        axes.set_ylabel("examples (%)", labelpad=2)
    legend(page, languages, "line")
    return page.figure
