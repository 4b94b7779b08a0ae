"""Profiles in two dimensions: arrows from where fine-tuning found them to where it left them, and countries."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from mlv.queries.figures.series import check_once, check_series, legend, legend_size, marker_style
from mlv.queries.figures.sheet import Margins, Panel, sheet
from mlv.queries.figures.style import SMALL, ordered, panels, words

_SETUP = ("run", "probe_set", "score", "model", "source", "sentences", "seed", "epoch", "settings")
_WIDTH, _HEIGHT = 2.8, 2.2
"""Inches of a panel."""

_AROUND = sorted(product((-1, 0, 1), repeat=2), key=lambda place: (place == (0, 0), -place[1], -place[0]))
"""Where a label may stand beside its point, above and on the right first."""

Point = tuple[float, float]


@dataclass(frozen=True)
class _View:
    """What one panel shows: profiles after fine-tuning, and labelled points, of models before it or of countries."""

    title: str
    moved: pl.DataFrame
    points: dict[str, Point]


def profile_projection(rows: pl.DataFrame, caption: str = "") -> Figure:
    """E Figures 4, 11 and 13 right: test languages' profiles before and after fine-tuning, and countries' profiles."""
    heading, views = _views(rows)
    strategies = ordered("ft_languages", rows["ft_languages"].drop_nulls())
    check_series(rows, strategies)
    names = [words("ft_languages", languages) for languages in strategies]
    margins = Margins(left=0.5, bottom=0.4)
    sizes = [Panel(view.title, _WIDTH, _HEIGHT) for view in views]
    page = sheet(rows, sizes, margins, heading, caption, key=legend_size(names))
    for axes, view in zip(page.axes, views, strict=True):
        _arrows(axes, view.moved, strategies)
        _frame(axes, view, rows)
        _labels(axes, view.points, list(view.moved.select("x", "y").iter_rows()))
    legend(page, names, "point")
    return page.figure


def _views(rows: pl.DataFrame) -> tuple[str, list[_View]]:
    """A view per fine-tuning setup with the profiles before it, else of these alone; and one of the countries."""
    countries = rows.drop_nulls("country")
    before = rows.filter(pl.col("country").is_null() & pl.col("source").is_null())
    moved = rows.drop_nulls("source")
    heading, groups = panels(moved if len(moved) else before, _SETUP) if len(moved) + len(before) else ("", [])
    views = []
    for title, group in groups:
        first = group.row(0, named=True)
        same = [pl.col(column) == first[column] for column in ("run", "model", "score")]
        moves = group.drop_nulls("source")
        check_once(moves, "language", "ft_languages")
        bases = moves.drop_nulls("base_x").select("language", x="base_x", y="base_y")
        points = _points(before.filter(same), "language") | _points(bases, "language")
        views.append(_View(title, moves, points))
    for title, group in panels(countries, ("run", "survey", "weighting"))[1] if len(countries) else []:
        views.append(_View(f"countries {title}".strip(), moved.clear(), _points(group, "country")))
    return heading, views


def _points(rows: pl.DataFrame, label: str) -> dict[str, Point]:
    return {name: (x, y) for name, x, y in rows.select(label, "x", "y").iter_rows()}


def _arrows(axes: Axes, moved: pl.DataFrame, strategies: Sequence[str]) -> None:
    """An arrow per profile, from its base where that was projected too; a marker tells the fine-tuning languages."""
    for x, y, base_x, base_y, languages in moved.select("x", "y", "base_x", "base_y", "ft_languages").iter_rows():
        style = marker_style(strategies.index(languages))
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


def _frame(axes: Axes, view: _View, rows: pl.DataFrame) -> None:
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
    explained = rows.row(0, named=True)
    axes.set_xlabel(f"first component ({100 * explained['explained_x']:.0f}% of the variance)", labelpad=2)
    axes.set_ylabel(f"second component ({100 * explained['explained_y']:.0f}%)", labelpad=2)
    axes.grid(color="#E4E4E4", linewidth=0.5)
    axes.set_axisbelow(True)


def _labels(axes: Axes, points: dict[str, Point], ends: Sequence[Point]) -> None:
    """Name the points, each on the side where its name is farthest from covering others' names and points."""
    figure = axes.get_figure(root=True)
    assert figure is not None
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
        assert best is not None
        taken.append(best[2])


def _shared_area(one: Bbox, other: Bbox) -> float:
    both = Bbox.intersection(one, other)
    return 0.0 if both is None else float(both.width * both.height)
