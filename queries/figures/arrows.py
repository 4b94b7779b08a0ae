"""Points in a plane, and arrows from where something was to where it went."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from mlv.queries.figures.series import check_series, legend, legend_size, marker_style
from mlv.queries.figures.sheet import Margins, Panel, sheet
from mlv.queries.figures.style import SMALL, Orders, ordered, words

_WIDTH, _HEIGHT = 2.8, 2.2
"""Inches of a panel."""

_AROUND = sorted(product((-1, 0, 1), repeat=2), key=lambda place: (place == (0, 0), -place[1], -place[0]))
"""Where a label may stand beside its point, above and on the right first."""

Point = tuple[float, float]


@dataclass(frozen=True)
class View:
    """What one panel shows: profiles that moved, and labelled points, where others are or where these began."""

    title: str
    moved: pl.DataFrame
    """Columns x, y, base_x and base_y, and the series'."""

    points: dict[str, Point]


@dataclass(frozen=True)
class Plane:
    """What is the same in all panels."""

    axes: tuple[str, str]
    """Labels."""

    series: str
    """Column of what has a colour and a marker."""

    orders: Orders
    """Of the series."""


def draw(rows: pl.DataFrame, plane: Plane, heading: str, views: Sequence[View], caption: str) -> Figure:
    """A panel for every view."""
    series = ordered(plane.series, rows[plane.series].drop_nulls(), plane.orders)
    check_series(rows, series)
    names = [words(plane.series, one) for one in series]
    sizes = [Panel(view.title, _WIDTH, _HEIGHT) for view in views]
    page = sheet(rows, sizes, Margins(left=0.5, bottom=0.4), heading, caption, key=legend_size(names))
    for axes, view in zip(page.axes, views, strict=True):
        _arrows(axes, view.moved, plane.series, series)
        _frame(axes, view, plane)
        _labels(axes, view.points, list(view.moved.select("x", "y").iter_rows()))
    legend(page, names, "point")
    return page.figure


def points(rows: pl.DataFrame, label: str) -> dict[str, Point]:
    """Points of rows with the columns x and y, by the name in another."""
    return {name: (x, y) for name, x, y in rows.select(label, "x", "y").iter_rows()}


def _arrows(axes: Axes, moved: pl.DataFrame, column: str, series: Sequence[str]) -> None:
    """An arrow per profile, from its base if that is in the plane too; the marker is the series'."""
    for x, y, base_x, base_y, one in moved.select("x", "y", "base_x", "base_y", column).iter_rows():
        style = marker_style(series.index(one))
        if base_x is not None and base_y is not None:
            arrow = FancyArrowPatch(
                (base_x, base_y),
                (x, y),
                arrowstyle="-|>,head_length=3,head_width=1.5",
                shrinkA=0,
                shrinkB=0,
                color=style["color"],
                linewidth=0.8,
                mutation_scale=1,
            )
            axes.add_patch(arrow)
        axes.plot([x], [y], **{**style, "markersize": 3.5}, linestyle="none", gid="after")


def _frame(axes: Axes, view: View, plane: Plane) -> None:
    axes.plot(
        [x for x, _ in view.points.values()],
        [y for _, y in view.points.values()],
        linestyle="none",
        marker="o",
        markersize=4,
        markerfacecolor="white",
        markeredgecolor="black",
        markeredgewidth=0.8,
        gid="before",
    )
    axes.margins(0.08)
    axes.autoscale_view()
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(plane.axes[0], labelpad=2)
    axes.set_ylabel(plane.axes[1], labelpad=2)
    axes.grid(color="#E4E4E4", linewidth=0.5)
    axes.set_axisbelow(True)


def _labels(axes: Axes, points: dict[str, Point], ends: Sequence[Point]) -> None:
    """Name the points, each on the side where its name is farthest from covering others' names and points."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # noqa: S101 for the type checker
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    # an equal aspect changes the limits when the axes are drawn
    axes.apply_aspect()
    places = {name: axes.transData.transform(point) for name, point in points.items()}
    marks = [*places.values(), *(axes.transData.transform(end) for end in ends)]
    taken = [Bbox.from_extents(x - 3, y - 3, x + 3, y + 3) for x, y in marks]
    for name, point in points.items():
        best: tuple[float, Annotation, Bbox] | None = None
        for across, up in _AROUND[:-1]:
            text = axes.annotate(
                name,
                point,
                (4.5 * across, 4.5 * up),
                textcoords="offset points",
                ha=("right", "center", "left")[across + 1],
                va=("top", "center", "bottom")[up + 1],
                size=SMALL,
                bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.3},
                gid="name",
            )
            box = text.get_window_extent(renderer)
            covered = sum(_shared_area(box, other) for other in taken)
            if best is not None and covered >= best[0]:
                text.remove()
                continue
            if best is not None:
                best[1].remove()
            best = (covered, text, box)
            if covered == 0:
                break
        assert best is not None  # noqa: S101 for the type checker
        taken.append(best[2])


def _shared_area(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else float(both.width * both.height)
