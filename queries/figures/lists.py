"""Words in two columns, what is on one side and what on the other, a panel per setup: in place of clouds, whose sizes
nobody can compare."""

from dataclasses import dataclass
from typing import Final

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlv.queries.figures.sheet import Margins, Panel, sheet
from mlv.queries.figures.style import FONT, SMALL, panels, text_width

MOST: Final = 20
"""Most words of a side in a panel; how many more there are stands below them."""

_LINE: Final = 0.13
_NARROWEST: Final = 0.9
"""Inches of a line, and of a column."""


@dataclass(frozen=True)
class Lists:
    """Which columns of a query are two lists of words."""

    word: str
    side: str
    """Column that says on which side a word is."""

    sides: tuple[str, str]
    """Its values for left and right; words with another value are left out."""

    setup: tuple[str, ...]
    """Columns that tell panels apart."""


def draw(rows: pl.DataFrame, lists: Lists, caption: str) -> Figure:
    """A panel per setup; the words of a side as they come."""
    heading, groups = panels(rows, lists.setup)
    columns = [tuple(_lines(group, lists, side) for side in lists.sides) for _, group in groups]
    width = 0.15 + max(
        _NARROWEST,
        *(text_width(side, FONT, "bold") for side in lists.sides),
        *(text_width(line, SMALL) for pair in columns for lines in pair for line in lines),
    )
    sizes = [
        Panel(title, 2 * width, _LINE * (2 + max(map(len, pair))))
        for (title, _), pair in zip(groups, columns, strict=True)
    ]
    page = sheet(rows, sizes, Margins(left=0.1, bottom=0.05), heading, caption, key=(0.0, 0.0))
    for axes, size, pair in zip(page.axes, sizes, columns, strict=True):
        axes.axis("off")
        axes.set_xlim(0, 2 * width)
        axes.set_ylim(size.height, 0)
        for place, (side, lines) in enumerate(zip(lists.sides, pair, strict=True)):
            _column(axes, place * width, side, lines)
    return page.figure


def _lines(group: pl.DataFrame, lists: Lists, side: str) -> list[str]:
    words = group.filter(pl.col(lists.side) == side)[lists.word].to_list()
    more = [f"and {len(words) - MOST:,} more"] if len(words) > MOST else []
    return [*words[:MOST], *more]


def _column(axes: Axes, left: float, side: str, lines: list[str]) -> None:
    axes.text(left, _LINE, side, size=FONT, weight="bold", va="baseline", gid="side")
    for number, line in enumerate(lines, start=2):
        # words are not formulas
        axes.text(left, number * _LINE, line, size=SMALL, va="baseline", gid="word", parse_math=False)
