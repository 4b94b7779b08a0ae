"""A page with panels, laid out in inches: a heading, panels side by side and below each other, a key, and a caption."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mlv.queries.figures.style import FONT, PAGE_HEIGHT, PAGE_WIDTH, SMALL, wrapped
from mlv.schema.errors import UsageError

LINE = 1.25 / 72
"""Inches from line to line, per point of type."""

EDGE = 0.06
"""Inches of white around everything."""

_NARROWEST = 3.4
"""Inches: the width of a column of print."""

Box = tuple[float, float, float, float]
"""Left, bottom, width and height."""


class DoesNotFitError(UsageError):
    """More than a page holds. ``rows`` are those that were to be drawn."""

    def __init__(self, message: str, rows: pl.DataFrame) -> None:
        super().__init__(message)
        self.rows = rows


@dataclass(frozen=True)
class Panel:
    """A panel's title, and the size of its axes in inches."""

    title: str
    width: float
    height: float


@dataclass(frozen=True)
class Margins:
    """Inches that labels take around axes."""

    left: float
    bottom: float = 0.22
    right: float = 0.12


@dataclass(frozen=True)
class Sheet:
    """A figure with its panels' axes, and where its key goes, in shares of the figure."""

    figure: Figure
    axes: list[Axes]
    key: Box


def _height(text: str, points: float) -> float:
    return (text.count("\n") + 1) * points * LINE + 0.04 if text else 0.0


def sheet(
    rows: pl.DataFrame, panels: Sequence[Panel], margins: Margins, heading: str, caption: str, key: tuple[float, float]
) -> Sheet:
    """Lay out panels; ``key`` is the least width, and the height, of a colour bar or legend below them.

    Raises DoesNotFitError if that takes more than a page.
    """
    cell = margins.left + max(panel.width for panel in panels) + margins.right
    abreast = max(1, min(len(panels), int((PAGE_WIDTH - 2 * EDGE) / cell + 1e-9)))
    key_left = EDGE + min(margins.left, 1.0)
    width = max(abreast * cell + 2 * EDGE, key_left + key[0] + EDGE, _NARROWEST)
    panels = [Panel(wrapped(panel.title, cell - EDGE, FONT, "bold"), panel.width, panel.height) for panel in panels]
    lines = [panels[start : start + abreast] for start in range(0, len(panels), abreast)]
    heading = wrapped(heading, width - 2 * EDGE, FONT + 1, "bold")
    caption = wrapped(caption, width - 2 * EDGE, SMALL)
    below = key[1] + _height(caption, SMALL) + EDGE
    top = _height(heading, FONT + 1) + EDGE
    height = top + sum(_line_height(line, margins) for line in lines) + below
    if width > PAGE_WIDTH + 1e-9 or height > PAGE_HEIGHT:
        raise DoesNotFitError(
            f"{rows.height} rows in {len(panels)} panels take {width:.1f} by {height:.1f} inches, "
            f"more than a page of {PAGE_WIDTH} by {PAGE_HEIGHT}.",
            rows,
        )
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    page = _Page(figure, width, height)
    page.text(EDGE, height - EDGE, heading, size=FONT + 1, weight="bold", va="top", gid="heading")
    page.text(EDGE, EDGE, caption, size=SMALL, color="#333333", va="bottom", gid="caption")
    axes = []
    upper = height - top
    for line in lines:
        above = _line_height(line, margins) - max(panel.height for panel in line) - margins.bottom
        for column, panel in enumerate(line):
            left = EDGE + column * cell
            page.text(left, upper - above + 0.05, panel.title, weight="bold", va="bottom", gid="title")
            axes.append(page.axes(left + margins.left, upper - above - panel.height, panel.width, panel.height))
        upper -= _line_height(line, margins)
    return Sheet(figure, axes, page.share(key_left, below - key[1], width - EDGE - key_left, key[1]))


def _line_height(line: Sequence[Panel], margins: Margins) -> float:
    """Inches of panels side by side, with their titles and labels."""
    titles = max(_height(panel.title, FONT) for panel in line)
    return titles + 0.06 + max(panel.height for panel in line) + margins.bottom


@dataclass(frozen=True)
class _Page:
    """Places in inches from the lower left corner."""

    figure: Figure
    width: float
    height: float

    def share(self, left: float, bottom: float, width: float, height: float) -> Box:
        return left / self.width, bottom / self.height, width / self.width, height / self.height

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        return self.figure.add_axes(self.share(left, bottom, width, height))

    def text(self, left: float, bottom: float, text: str, **style: Any) -> None:
        if text:
            self.figure.text(left / self.width, bottom / self.height, text, **style)
