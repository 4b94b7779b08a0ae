r"""A table for a paper, in LaTeX, that fits the page.

The file is a whole environment, for ``\input`` where the table is to be: ``table``; ``longtable`` if it is longer than
a page; that on a page turned by 90 degrees if it is too wide for any other. Small type and lines broken within cells
are taken only where a table is too wide without. Fitting is computed for ``article`` at 10 pt on letter paper, the
narrowest of the common pages, by the widths of Computer Modern's letters; a column of a conference's two-column page is
narrower: choose columns, or put the table in ``table*``.

What the file needs, packages or another program than pdflatex, is said in its comments that begin with ``Needs``.
"""

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from mlv.queries.engine.grid import CONTROL, Grid

TEXT_WIDTH: Final = 345.0
"""Points of a line."""

TEXT_HEIGHT: Final = 550.0
"""Points from the first line of a page to its last."""

CAPTION_HEIGHT: Final = 60.0
"""Points that are kept for a caption."""

_WIDTHS: Final = {
    2.78: "!',.:;[]`il",
    3.06: "fj",
    3.34: " -_",
    3.62: "I",
    3.89: "()t",
    3.93: "r",
    3.95: "s",
    4.45: "cez",
    4.73: "?",
    5.0: '"$*/0123456789\\^ago{}~|',
    5.14: "J",
    5.28: "kqvxy",
    5.56: "Sbdhnpu",
    6.12: "Z",
    6.25: "L",
    6.53: "F",
    6.81: "EP",
    7.09: "B",
    7.23: "CTw",
    7.37: "R",
    7.51: "AHNUVXY",
    7.64: "D",
    7.78: "&+=@KOQ<>\N{MINUS SIGN}\N{MULTIPLICATION SIGN}",
    7.85: "G",
    8.34: "#%m",
    9.17: "M",
    10.28: "W",
}
"""Points of Computer Modern Roman's letters at 10 pt, rounded up."""

_WIDTH_OF: Final = {letter: width for width, letters in _WIDTHS.items() for letter in letters}

# A bracket or an asterisk at the start of a row would be an argument of the line end before it.
_ESCAPES = dict.fromkeys(CONTROL, " ") | str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "|": r"\textbar{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "[": "{[}",
        "*": "{*}",
        "\N{MINUS SIGN}": "$-$",
        "\N{MULTIPLICATION SIGN}": r"$\times$",
        "\N{SUPERSCRIPT MINUS}": "$^{-}$",
        **{digit: f"$^{{{number}}}$" for number, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    }
)

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

_BREAK = re.compile(r"\s+|(?<=[-/,;=_:])(?=\S)")
"""Where a line may be broken."""

_OTHER_SCRIPTS = re.compile("[^\0-\u017f\u2010-\u201e\u2026\u20ac⁰⁴-⁹⁻\N{MINUS SIGN}]")
"""What pdflatex has no letters for without further packages."""


@dataclass(frozen=True)
class Layout:
    """A way to set a table."""

    size: str
    """Command of LaTeX for the size of type."""

    scale: float
    """Width of letters, of those at 10 pt."""

    line: float
    """Points from line to line."""

    gap: float
    """Points on either side of a column."""

    breaks: int = 1
    """Most lines that a text is broken into."""

    turned: bool = False

    def width(self, columns: int) -> float:
        """Points for letters in so many columns."""
        page = TEXT_HEIGHT if self.turned else TEXT_WIDTH
        return page - 2 * self.gap * max(0, columns - 1)


_SMALL = ("small", 0.925, 11.0, 4.0)
_FOOTNOTE = ("footnotesize", 0.85, 9.5, 4.0)
_SCRIPT = ("scriptsize", 0.8, 8.0, 3.0)
_LAYOUTS = (
    Layout("normalsize", 1, 12, 6),
    Layout(*_SMALL),
    Layout(*_FOOTNOTE),
    Layout(*_SMALL, breaks=2),
    Layout(*_FOOTNOTE, breaks=4),
    Layout(*_SCRIPT, breaks=4),
    Layout(*_FOOTNOTE, turned=True),
    Layout(*_FOOTNOTE, breaks=4, turned=True),
    Layout(*_SCRIPT, breaks=4, turned=True),
    Layout("tiny", 0.69, 6, 1, breaks=40, turned=True),
)
"""Ways in the order of preference; the last one is taken for what fits nowhere."""


@dataclass(frozen=True)
class Column:
    """A column, its texts not escaped, its widths in points at 10 pt."""

    header: str
    cells: Sequence[str]
    number: bool

    @cached_property
    def least(self) -> float:
        """Width without breaking words, or numbers."""
        cells = self.cells if self.number else [part for cell in self.cells for part in _BREAK.split(cell)]
        return max(map(text_width, [*self.header.split(), *cells]), default=0.0)

    @cached_property
    def natural(self) -> float:
        """Width without breaking lines, but for the header's."""
        return max([self.least, *map(text_width, self.cells)])

    def wanted(self, breaks: int) -> float:
        """Width in which texts have at most about so many lines."""
        if self.number or breaks == 1:
            return self.natural
        # a line is seldom full: a fifth of it is empty
        return min(self.natural, max(self.least, 1.2 * self.natural / breaks))


def text_width(text: str) -> float:
    """Points that a text takes at 10 pt in Computer Modern; a letter with a mark is as wide as without it."""
    bare = (letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
    return sum(_WIDTH_OF.get(letter) or _other_width(letter) for letter in bare)


def _other_width(letter: str) -> float:
    return 10.0 if unicodedata.east_asian_width(letter) in "WF" else 6.5


def fitted(columns: Sequence[Column]) -> tuple[Layout, list[float | None]]:
    """The first layout that columns fit in, and points of those whose lines are broken."""
    for layout in _LAYOUTS:
        widths = _widths(columns, layout)
        if widths is not None:
            return layout, widths
    last = _LAYOUTS[-1]
    return last, [None if column.number else last.scale * column.least for column in columns]


def _widths(columns: Sequence[Column], layout: Layout) -> list[float | None] | None:
    """Points of columns whose lines are broken, None for others; None if there is no room for them.

    Every column has its least width. What is left goes where most is missing, until each has what it would like.
    """
    room = layout.width(len(columns)) / layout.scale
    wanted = [column.natural for column in columns]
    if sum(wanted) <= room:
        return [None] * len(columns)
    least = [column.wanted(layout.breaks) for column in columns]
    spare = room - sum(least)
    if spare < 0:
        return None
    share = spare / (sum(wanted) - sum(least))
    given = [low + share * (high - low) for low, high in zip(least, wanted, strict=True)]
    return [layout.scale * width if width < high else None for width, high in zip(given, wanted, strict=True)]


def latex(grid: Grid, caption: str, comments: Sequence[str], label: str) -> list[str]:
    """Lines of the file, of cells that are not escaped."""
    (header, *rows), numbers = grid
    texts = [[_number(cell) if number else cell for cell, number in zip(row, numbers, strict=True)] for row in rows]
    columns = [
        Column(name.replace("_", " "), [row[place] for row in texts], numbers[place])
        for place, name in enumerate(header)
    ]
    layout, widths = fitted(columns)
    long = layout.turned or _height(texts, layout, widths) > TEXT_HEIGHT
    kinds = "".join(_kind(*pair) for pair in zip(columns, widths, strict=True))
    head = " & ".join(_header(*pair) for pair in zip(columns, widths, strict=True))
    parts = _Parts(
        [rf"\caption{{{_escaped(caption)}}}\label{{tab:{label}}}"] if caption else [],
        [] if layout.size == "normalsize" else [rf"\{layout.size}\setlength{{\tabcolsep}}{{{layout.gap:g}pt}}"],
        f"@{{}}{kinds}@{{}}",
        [r"\toprule", rf"{head} \\", r"\midrule"],
        [" & ".join(_cell(*pair) for pair in zip(row, widths, strict=True)) + r" \\" for row in texts],
    )
    needs = [
        f"Needs {what}"
        for what in _needs([caption, *header, *(cell for row in texts for cell in row)], columns, layout, widths, long)
    ]
    body = _long(parts, "landscape" if layout.turned else "") if long else _floating(parts)
    return [*(f"% {text}" for text in [*comments, *needs]), *body]


@dataclass(frozen=True)
class _Parts:
    """What an environment is made of, by lines."""

    caption: list[str]
    size: list[str]
    columns: str
    header: list[str]
    rows: list[str]


def _floating(parts: _Parts) -> list[str]:
    return [
        r"\begin{table}",
        r"\centering",
        *parts.caption,
        *parts.size,
        rf"\begin{{tabular}}{{{parts.columns}}}",
        *parts.header,
        *parts.rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _long(parts: _Parts, around: str) -> list[str]:
    """A table over several pages, its header on each of them."""
    return [
        rf"\begin{{{around}}}" if around else r"\begingroup",
        *parts.size,
        r"\setlength{\LTcapwidth}{\linewidth}",
        rf"\begin{{longtable}}{{{parts.columns}}}",
        *(rf"{line}\\" for line in parts.caption),
        *parts.header,
        r"\endfirsthead",
        *parts.header,
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *parts.rows,
        r"\end{longtable}",
        rf"\end{{{around}}}" if around else r"\endgroup",
    ]


def _needs(
    texts: Sequence[str], columns: Sequence[Column], layout: Layout, widths: Sequence[float | None], long: bool
) -> list[str]:
    """What a document that has the file has to have."""
    packages = ["booktabs", "longtable" if long else "", "pdflscape" if layout.turned else ""]
    packages.append("array" if any(widths) else "")
    needs = [rf"\usepackage{{{','.join(filter(None, packages))}}}."]
    taken = sum(width or layout.scale * column.natural for width, column in zip(widths, columns, strict=True))
    if taken > layout.width(len(columns)) + 1:
        needs.append(
            f"fewer columns: it is {taken - layout.width(len(columns)):.0f} pt wider than a page. "
            "Name those that you want with --columns A,B."
        )
    if any(map(_OTHER_SCRIPTS.search, texts)):
        needs.append(
            r"XeLaTeX, and a font that has its letters: \usepackage{fontspec} and \setmainfont{...}."
            " pdflatex has none for them."
        )
    return needs


def _height(texts: Sequence[Sequence[str]], layout: Layout, widths: Sequence[float | None]) -> float:
    """Points of a table with its header and caption, about."""
    lines = [max([1, *map(_lines_of, row, widths, [layout.scale] * len(row))]) for row in texts]
    return layout.line * (sum(lines) + 3) + CAPTION_HEIGHT


def _lines_of(cell: str, width: float | None, scale: float) -> int:
    return math.ceil(1.2 * scale * text_width(cell) / width) if width else 1


def _number(cell: str) -> str:
    """A number with a minus sign, and a power of ten, as they are printed."""
    return re.sub(r"-(?=[\d.i])", "\N{MINUS SIGN}", re.sub(r"e([+-]\d+)", _power, cell))


def _power(exponent: re.Match[str]) -> str:
    return "\N{MULTIPLICATION SIGN}10" + str(int(exponent[1])).translate(_SUPERSCRIPTS)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _cell(cell: str, width: float | None) -> str:
    """A cell; where its lines are broken, with the places for that beside spaces."""
    if width is None:
        return _escaped(cell)
    words = (r"\allowbreak{}".join(map(_escaped, _BREAK.split(word))) for word in cell.split())
    return " ".join(words)


def _kind(column: Column, width: float | None) -> str:
    if width is not None:
        return rf">{{\raggedright\arraybackslash}}p{{{width:.1f}pt}}"
    return "r" if column.number else "l"


def _header(column: Column, width: float | None) -> str:
    """A header, in lines no wider than the column."""
    lines: list[str] = []
    for word in column.header.split():
        if lines and text_width(f"{lines[-1]} {word}") <= column.natural:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    if width is not None or len(lines) < 2:
        return _escaped(column.header)
    side = "r" if column.number else "l"
    return rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}" + r" \\ ".join(map(_escaped, lines)) + r"\end{tabular}"
