"""Heat maps: a value for every pair of a row and a column, written in its cell, a panel per setup."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mlv.queries.figures.series import check_once
from mlv.queries.figures.sheet import Margins, Panel, Sheet, sheet
from mlv.queries.figures.style import (
    AVERAGE,
    MISSING,
    PAGE_WIDTH,
    SMALL,
    Orders,
    ink,
    interval,
    ordered,
    panels,
    text_width,
    words,
)


@dataclass(frozen=True)
class Grid:
    """Which columns of a query a heat map is made of."""

    value: str
    label: str
    """What the value is, beside the colour bar."""

    row: str
    column: str
    setup: tuple[str, ...]
    """Columns that tell panels apart."""

    orders: Orders
    """Of the values of rows and columns."""

    scale: Literal["percent", "diverging", "similarity"] = "percent"
    """percent: between tens. diverging: as far to either side of zero. similarity: as the values go."""

    decimals: int = 1
    beneath: str | None = None
    """Column that is written below the value, after a plus-minus sign."""

    signed: bool = False
    """Whether a plus sign is written, as of a difference."""

    pairs: bool = False
    """Whether a row and a column are two of the same kind in either order: half of the cells, no diagonal."""

    def number(self, value: float) -> str:
        """A value as its cell has it."""
        shown = 0.0 if round(value, self.decimals) == 0 else value
        text = f"{shown:{'+' if self.signed and shown else ''}.{self.decimals}f}"
        return text.replace("-", "\N{MINUS SIGN}")


@dataclass(frozen=True)
class _Cell:
    row: int
    column: int
    value: float | None
    text: str


@dataclass(frozen=True)
class _Colours:
    """Which colour a value has."""

    norm: Normalize
    palette: Colormap

    def of(self, value: float) -> tuple[float, float, float, float]:
        return self.palette(float(self.norm(value)))


def draw(rows: pl.DataFrame, grid: Grid, caption: str) -> Figure:
    """A panel of cells for every setup, all on one scale."""
    heading, groups = panels(rows, grid.setup)
    cells_of = [_cells(_without_mean(group, grid), grid) for _, group in groups]
    labels = [_labels(_without_mean(group, grid), grid) for _, group in groups]
    longest = max(text_width(line, SMALL) for cells in cells_of for cell in cells for line in cell.text.split("\n"))
    column_labels = [label for _, columns in labels for label in columns]
    cell_width = max(longest, *(text_width(label) for label in column_labels)) + 0.07
    texts = [cell.text for cells in cells_of for cell in cells] + [label for rows_of, _ in labels for label in rows_of]
    cell_height = 0.19 + 0.1 * max(text.count("\n") for text in texts)
    sizes = [
        Panel(_title(title, group, grid), len(columns) * cell_width, len(rows_of) * cell_height)
        for (title, group), (rows_of, columns) in zip(groups, labels, strict=True)
    ]
    margins = Margins(
        left=max(text_width(label) for rows_of, _ in labels for label in rows_of) + 0.1,
        bottom=0.22 + 0.13 * max(label.count("\n") for label in column_labels),
    )
    page = sheet(rows, sizes, margins, heading, caption, key=(2.5, 0.5))
    colours = _scale(cells_of, grid)
    for axes, cells, (row_labels, columns) in zip(page.axes, cells_of, labels, strict=True):
        _panel(axes, cells, row_labels, columns, colours)
    _key(page, colours, grid.label)
    return page.figure


def _title(title: str, group: pl.DataFrame, grid: Grid) -> str:
    """A panel's title, and the mean of its cells if the query has it."""
    mean = group.filter((pl.col(grid.row) == AVERAGE) & (pl.col(grid.column) == AVERAGE))
    if mean.is_empty() or mean[grid.value][0] is None:
        return title
    chance = f", by chance {grid.number(mean['chance'][0])}" if "chance" in mean.columns else ""
    return f"{title}: mean {grid.number(mean[grid.value][0])}{chance}".removeprefix(": ")


def _without_mean(group: pl.DataFrame, grid: Grid) -> pl.DataFrame:
    return group.filter(~((pl.col(grid.row) == AVERAGE) & (pl.col(grid.column) == AVERAGE)).fill_null(False))


def _labels(group: pl.DataFrame, grid: Grid) -> tuple[list[str], list[str]]:
    rows, columns = _order(group, grid)
    if grid.pairs:
        rows, columns = rows[1:], columns[:-1]
    return [words(grid.row, row) for row in rows], [words(grid.column, column) for column in columns]


def _order(group: pl.DataFrame, grid: Grid) -> tuple[list[str], list[str]]:
    rows, columns = group[grid.row].to_list(), group[grid.column].to_list()
    if grid.pairs:
        both = ordered(grid.row, [*columns, *rows], grid.orders)
        return both, both
    return ordered(grid.row, rows, grid.orders), ordered(grid.column, columns, grid.orders)


def _cells(group: pl.DataFrame, grid: Grid) -> list[_Cell]:
    """Every cell of a panel, those without a value too."""
    check_once(group, grid.row, grid.column)
    rows, columns = _order(group, grid)
    found: dict[tuple[int, int], _Cell] = {}
    bounds = interval(group, grid.value)
    for record in group.iter_rows(named=True):
        row, column = rows.index(record[grid.row]), columns.index(record[grid.column])
        if grid.pairs:
            row, column = max(row, column) - 1, min(row, column)
        value = record[grid.value]
        text = MISSING if value is None else grid.number(value) + _below(record, grid, bounds)
        found[row, column] = _Cell(row, column, value, text)
    if grid.pairs:
        wanted = [(row, column) for row in range(len(rows) - 1) for column in range(row + 1)]
    else:
        wanted = [(row, column) for row in range(len(rows)) for column in range(len(columns))]
    return [found.get(place, _Cell(*place, None, MISSING)) for place in wanted]


def _below(record: dict[str, float | None], grid: Grid, bounds: tuple[str, str] | None) -> str:
    """What stands in a cell below its value: the figure beneath, and the interval, of percentages in whole ones."""
    other = record[grid.beneath] if grid.beneath else None
    text = "" if other is None else f"\n±{grid.number(other)}"
    low, high = (record[bound] for bound in bounds) if bounds else (None, None)
    if low is None or high is None:
        return text
    if grid.scale == "percent":
        return f"{text}\n{low:.0f}\N{EN DASH}{high:.0f}"
    return f"{text}\n{grid.number(low)} to\n{grid.number(high)}"


def _scale(cells_of: Sequence[Sequence[_Cell]], grid: Grid) -> _Colours:
    values = [cell.value for cells in cells_of for cell in cells if cell.value is not None] or [0.0]
    low, high = min(values), max(values)
    if grid.scale == "diverging":
        reach = max(abs(low), abs(high)) or 1.0
        return _Colours(Normalize(-reach, reach), colormaps["PuOr"])
    if grid.scale == "percent":
        low, high = math.floor(low / 10) * 10, math.ceil(high / 10) * 10
    if low == high:
        low, high = low - 1, high + 1
    return _Colours(Normalize(low, high), colormaps["cividis"])


def _panel(axes: Axes, cells: Sequence[_Cell], rows: Sequence[str], columns: Sequence[str], colours: _Colours) -> None:
    for cell in cells:
        colour = "#ECECEC" if cell.value is None else colours.of(cell.value)
        corner = (cell.column - 0.5, cell.row - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="white", linewidth=0.5))
        axes.text(
            cell.column,
            cell.row,
            cell.text,
            size=SMALL,
            color=ink(colour),
            ha="center",
            va="center",
            linespacing=1.1,
            gid="cell",
        )
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)


def _key(page: Sheet, colours: _Colours, label: str) -> None:
    """A colour bar below the panels, on the left, and what it shows above it."""
    left, bottom, width, height = page.key
    bar = page.figure.add_axes((left, bottom + 0.45 * height, min(width, 2.4 / PAGE_WIDTH), 0.16 * height))
    bar.set_gid("key")
    page.figure.colorbar(ScalarMappable(colours.norm, colours.palette), cax=bar, orientation="horizontal")
    bar.tick_params(length=2, pad=1, labelsize=SMALL)
    page.figure.text(left, bottom + 0.68 * height, label, va="bottom", gid="label")
