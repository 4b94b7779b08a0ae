"""How figures look: type sizes and palettes for a page 7 inches wide, orders of values, words for setups.

Colours are distinct for people who are colour-blind (cividis; Okabe and Ito, 2008), and every colour that stands for
something goes with a hatch, a marker or a written value, so that a figure reads in grey too.
"""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import polars as pl
from matplotlib.colors import to_rgb
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags

from mlv.queries.engine.shaping import shared_words

PAGE_WIDTH: Final = 7.0
"""Inches between the margins of a page."""

PAGE_HEIGHT: Final = 9.5
"""Inches."""

FONT: Final = 7.0
"""Points of labels."""

SMALL: Final = 6.0
"""Points of written values and of what stands below a figure: the least that is legible in print."""

SETTINGS: Final[dict[str, Any]] = {
    "font.family": ["DejaVu Sans"],
    "font.size": FONT,
    "axes.titlesize": FONT,
    "axes.titleweight": "bold",
    "axes.labelsize": FONT,
    "xtick.labelsize": FONT,
    "ytick.labelsize": FONT,
    "legend.fontsize": FONT,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.0,
    "hatch.linewidth": 0.6,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "mlv",
    "pdf.fonttype": 42,
    "savefig.dpi": 300,
}
"""Settings of matplotlib while a figure is drawn and written: text stays text in SVG and PDF, and bytes repeat."""

MISSING: Final = "\N{EN DASH}"
"""Written in place of a missing value."""

TRACED: Final = ("model", "source", "ft_languages", "sentences", "seed", "attribution", "quantity", "direction", "run")
"""Columns that tell panels of influence runs apart."""

AVERAGE: Final = "avg."
"""What queries call the mean of the languages."""

Orders = Mapping[str, Sequence[str]]
"""By column: its values in the order of a study's figures. Texts that list values go by number, then by these."""


def ordered(column: str, values: Iterable[Any], orders: Orders) -> list[Any]:
    """Distinct values of a column in its order, others after alphabetically, the average last; else as they come."""
    distinct = list(dict.fromkeys(values))
    if column not in orders:
        return distinct
    places = {value: place for place, value in enumerate(orders[column])}

    def key(value: str | None) -> tuple[bool, int, list[tuple[int, str]]]:
        several = _listed(value)
        return value == AVERAGE, len(several), sorted((places.get(one, len(places)), one) for one in several)

    return sorted(distinct, key=key)


def in_order(rows: pl.DataFrame, column: str, orders: Orders, *then: str) -> pl.DataFrame:
    """Rows sorted by the order of a column's values, then by other columns."""
    places = {value: place for place, value in enumerate(ordered(column, rows[column], orders))}
    return rows.sort(pl.col(column).replace_strict(places), *then)


def _listed(text: str | None) -> list[str]:
    """Values of a text that lists them."""
    return [item for item in (text or "").replace(";", ",").split(",") if item]


def words(column: str, value: Any) -> str:
    """A value of a column as a figure's label says it."""
    if column in {"sentences", "seed", "epoch"}:
        return {"sentences": f"{value:,} sentences"}.get(column, f"{column} {value}")
    if column == "direction":
        return {"positive": "highest scores", "negative": "lowest scores"}[value]
    if column in {"ft_languages", "mixture"}:
        return "pretrained" if value is None else ", ".join(_listed(value))
    if column in {"share", "quantity"}:
        return f"{value:.0%} of the articles" if column == "share" else f"{value} traced"
    if column in {"base", "score"}:
        return {"base": f"from {value}", "score": f"score {value}"}[column]
    return str(value).replace("_", " ") if column in {"category", "strategy", "metric"} else str(value)


def panels(rows: pl.DataFrame, columns: Sequence[str]) -> tuple[str, list[tuple[str, pl.DataFrame]]]:
    """Rows by setup: what all have in common in words, and for every setup what tells it from the others, and its rows.

    ``columns`` say what a setup is; those that the rows lack are passed over.
    """
    known = [column for column in columns if column in rows.columns]
    common = [column for column in known if rows[column].n_unique() == 1]
    heading = ", ".join(
        words(column, rows[column][0])
        for column in common
        if column not in {"settings", "tracing", "run"} and rows[column].drop_nulls().len()
    )
    varying = _telling(rows, [column for column in known if column not in common])
    if not varying:
        return heading, [("", rows)]
    groups = rows.partition_by(varying, maintain_order=True)
    common_tokens = {column: shared_words(rows[column]) for column in varying if column in {"settings", "tracing"}}
    if "settings" in common_tokens and "epoch" in varying:
        common_tokens["settings"] |= _finished(rows)
    return heading, [(_label(group, varying, common_tokens), group) for group in groups]


def _telling(rows: pl.DataFrame, varying: list[str]) -> list[str]:
    """Without the names of runs if setups identify them already."""
    setup = [column for column in varying if column != "run"]
    if "run" in varying and rows.select(setup).n_unique() < rows.select(varying).n_unique():
        return varying
    return setup


def _label(group: pl.DataFrame, varying: Sequence[str], shared: dict[str, set[str]]) -> str:
    parts = []
    for column in varying:
        value = group[column][0]
        if value is None and column != "ft_languages":
            continue
        if column in shared:
            parts += [token for token in value.split() if token not in shared[column]]
        else:
            parts.append(words(column, value))
    return ", ".join(parts)


def with_continued(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with a column that is NULL but for runs from a checkpoint of another run, which languages do not tell."""
    return rows.with_columns(continued=pl.when(pl.col("strategy") == "continued").then("strategy"))


def labelled(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Rows with a column ``label``: what tells their checkpoints apart, of ``columns``."""
    varying = [column for column in columns if rows[column].n_unique() > 1]
    made = rows.drop_nulls("ft_languages")
    shared = {column: shared_words(made[column]) | _finished(made) for column in varying if column == "settings"}
    of_models = [column for column in varying if column == "model"]
    labels = [
        _label(rows[place], [*of_models, "ft_languages"] if languages is None else varying, shared)
        for place, languages in enumerate(rows["ft_languages"])
    ]
    return rows.with_columns(label=pl.Series(labels, dtype=pl.String))


def _finished(rows: pl.DataFrame) -> set[str]:
    """The words ``epochs=N`` if every run has done as many: the label has its epoch already."""
    tokens = [f"epochs={epoch}" for epoch in rows["epoch"]]
    all_done = all(token in settings.split() for token, settings in zip(tokens, rows["settings"], strict=True))
    return set(tokens) if all_done else set()


def luminance(colour: Any) -> float:
    """Relative luminance, 0 to 1 (WCAG 2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink(background: Any) -> str:
    """Black or white, whichever stands out more."""
    light = luminance(background)
    return "black" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "white"


@functools.lru_cache(maxsize=4096)
def text_width(text: str, points: float = FONT, weight: str = "normal") -> float:
    """Width of a text's widest line in inches."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))
    font.set_size(points, 72)
    widths = []
    for line in text.split("\n"):
        font.set_text(line, 0, flags=LoadFlags.NO_HINTING)
        widths.append(font.get_width_height()[0] / 64)
    return max(widths) / 72


def wrapped(text: str, width: float, points: float = FONT, weight: str = "normal") -> str:
    """A text in lines that are at most ``width`` inches wide, broken between words and after commas."""
    lines: list[str] = []
    for piece in re.findall(r"\s?[^\s,]*,?", " ".join(text.split())):
        longer = f"{lines[-1]}{piece}" if lines else piece.strip()
        if lines and text_width(longer, points, weight) <= width:
            lines[-1] = longer
        else:
            lines.append(piece.strip())
    return "\n".join(line for line in lines if line)


def interval(rows: pl.DataFrame, value: str) -> tuple[str, str] | None:
    """The columns of a value's interval; None if the rows have none."""
    low, high = f"{value}_low", f"{value}_high"
    there = low in rows.columns and high in rows.columns and rows[low].count() > 0
    return (low, high) if there else None
