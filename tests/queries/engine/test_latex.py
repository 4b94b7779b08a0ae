"""Tables in LaTeX fit the page.

Widths are computed here a second time, from the finished file and the letters of Computer Modern that come with
matplotlib. Where pdflatex is installed it sets the tables, too.
"""

import re
import shutil
import subprocess
from pathlib import Path

import duckdb
import matplotlib as mpl
import polars as pl
import pytest
from matplotlib.ft2font import FT2Font, LoadFlags

from mlv.queries import QueryResult, find, notes, render, run_query
from mlv.queries.engine.latex import TEXT_HEIGHT, TEXT_WIDTH, text_width
from mlv.queries.report.page import on_a_page
from mlv.queries.studies import STUDIES
from mlv.queries.study import Topic
from mlv.schema.store.opening import open_store

TOPICS = {topic.key: topic for study in STUDIES for topic in study.topics}

SCALES = {"normalsize": 1.0, "small": 0.925, "footnotesize": 0.85, "scriptsize": 0.797, "tiny": 0.681}
"""Width of a letter of cmr10, cmr9, cmr8, cmr7 and cmr5, of cmr10's."""

SIGNS = {"$-$": "+", r"$\times$": "+", r"\allowbreak{}": "", "{[}": "[", "{*}": "*"}
"""What is as wide; a minus sign is as wide as a plus."""

SLACK = 10.0
"""Points that TeX may need more: what nobody sees."""


@pytest.fixture(scope="module")
def font() -> FT2Font:
    font = FT2Font(str(Path(mpl.get_data_path(), "fonts", "ttf", "cmr10.ttf")))
    font.set_size(10, 72)
    return font


def width(font: FT2Font, text: str) -> float:
    """Points of a text at 10 pt."""
    return sum(font.load_char(ord(letter), flags=LoadFlags.NO_HINTING).linearHoriAdvance / 65536 for letter in text)


def bare(cell: str) -> list[str]:
    """The lines of a cell as they are read."""
    for tex, plain in SIGNS.items():
        cell = cell.replace(tex, plain)
    inner = re.fullmatch(r"\\begin\{tabular\}\[b\]\{@\{\}[rl]@\{\}\}(.*)\\end\{tabular\}", cell)
    lines = inner[1].split(r" \\ ") if inner else [cell]
    return [re.sub(r"\$\^\{(.*?)\}\$", r"\1", re.sub(r"\\([&%$#_{}])", r"\1", line)) for line in lines]


def too_wide(font: FT2Font, text: str) -> float:
    """Points that a table is wider than its page, negative if it is narrower."""
    size = re.search(r"\\(\w+)\\setlength\{\\tabcolsep\}\{(.*)pt\}", text)
    scale, gap = (SCALES[size[1]], float(size[2])) if size else (1.0, 6.0)
    kinds = re.search(r"\\begin\{(?:tabular|longtable)\}\{@\{\}(.*)@\{\}\}\n", text)
    assert kinds is not None
    plain = re.sub(r">\{.*?\}", "", kinds[1])
    given = [float(broken) if broken else None for broken in re.findall(r"p\{(.*?)pt\}|[lr]", plain)]
    rows = [line.removesuffix(r" \\").split(" & ") for line in text.splitlines() if line.endswith(r" \\")]
    assert {len(row) for row in rows} == {len(given)}
    taken = 0.0
    for points, column in zip(given, zip(*rows, strict=True), strict=True):
        if points is None:
            taken += scale * max(width(font, line) for cell in column for line in bare(cell))
        else:
            words = [
                part for cell in column for word in cell.split() for part in re.split(r"\\allowbreak\{\}|(?<=-)", word)
            ]
            widest = scale * max(width(font, line) for word in words for line in bare(word))
            taken += max(points, widest)
    page = TEXT_HEIGHT if r"\begin{landscape}" in text else TEXT_WIDTH
    return taken + 2 * gap * (len(given) - 1) - page


@pytest.fixture(scope="module")
def tables(hand_store: Path) -> dict[str, str]:
    """Every table of the report, with intervals."""
    with open_store(hand_store) as store:
        return {key: table(store, topic) for key, topic in TOPICS.items()}


def table(store: duckdb.DuckDBPyConnection, topic: Topic) -> str:
    """A topic's table."""
    query = find(topic.query)
    asked = {**topic.parameters, **({"ci": query.varied[0]} if query.varied else {})}
    return render(on_a_page(run_query(store, query, asked), topic), "latex").decode()


@pytest.mark.parametrize("letter", [chr(code) for code in range(33, 127) if chr(code) not in '<>_{|}"\\'])
def test_letters_are_as_wide_as_computer_modern_has_them(font: FT2Font, letter: str) -> None:
    """But for those that the font has other letters in the place of."""
    assert text_width(letter) == pytest.approx(width(font, letter), abs=0.02)


@pytest.mark.parametrize("key", TOPICS)
def test_every_table_of_the_report_fits_the_page(font: FT2Font, tables: dict[str, str], key: str) -> None:
    assert too_wide(font, tables[key]) < SLACK, tables[key]
    assert "fewer columns" not in tables[key]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("key", TOPICS)
def test_every_table_of_the_report_is_set(tables: dict[str, str], key: str, tmp_path: Path) -> None:
    assert set_by_latex(tables[key], tmp_path) == []


def set_by_latex(text: str, folder: Path) -> list[str]:
    """What pdflatex complains of: errors, and lines that are too wide by more than ``SLACK``."""
    needs = re.search(r"^% Needs (\\usepackage\{.*\})\.$", text, re.MULTILINE)
    assert needs is not None
    (folder / "table.tex").write_text(text, encoding="utf-8")
    page = rf"\documentclass{{article}}{needs[1]}\begin{{document}}\input{{table}}\end{{document}}"
    (folder / "page.tex").write_text(page)
    command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "page.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60)
    said = done.stdout.decode(errors="replace")
    wide = re.findall(r"Overfull \\hbox \((.*?)pt", said)
    return [*re.findall(r"^! .*", said, re.MULTILINE), *(points for points in wide if float(points) > SLACK)]


def made(frame: pl.DataFrame) -> str:
    return render(QueryResult(frame, "sql", None, "00", question="Why?"), "latex").decode()


def test_a_table_that_fits_is_set_as_it_is() -> None:
    assert made(pl.DataFrame({"a_name": ["x", "y"], "n": [-1.5, 2e-9]})) == "\n".join(
        [
            "% sql (SHA-256 00)",
            r"% Needs \usepackage{booktabs}.",
            r"\begin{table}",
            r"\centering",
            r"\caption{Why?}\label{tab:sql}",
            r"\begin{tabular}{@{}lr@{}}",
            r"\toprule",
            r"\begin{tabular}[b]{@{}l@{}}a \\ name\end{tabular} & n \\",
            r"\midrule",
            r"x & $-$1.500 \\",
            r"y & 2.0$\times$10$^{-}$$^{9}$ \\",
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def test_a_table_longer_than_a_page_goes_over_several() -> None:
    frame = pl.DataFrame({"n": range(60)})
    text = made(frame)
    assert r"\begin{longtable}{@{}r@{}}" in text
    assert "% Needs \\usepackage{booktabs,longtable}.\n" in text
    assert text.count(r"n \\") == 2
    assert r"\begin{table}" in made(frame.head(30))


def test_type_is_small_lines_are_broken_and_pages_turned_only_where_needed(font: FT2Font) -> None:
    def text(columns: int, letters: int) -> str:
        return made(pl.DataFrame({f"c{place}": ["-1.000", "1" * letters] for place in range(columns)}))

    found = [text(columns, 8) for columns in (5, 7, 8, 11)]
    ways = [re.findall(r"normalsize|\\small|footnotesize|scriptsize|landscape", one) for one in found]
    assert ways == [[], [r"\small"], ["footnotesize"], ["landscape", "footnotesize", "landscape"]]
    sentences = pl.DataFrame({"text": ["some words " * 20, "other words"], "n": [1, 2]})
    assert re.search(r"\\small.*\n.*\\arraybackslash\}p\{\d+\.\dpt\}r@", made(sentences)) or "p{" in made(sentences)
    assert all(too_wide(font, one) < SLACK for one in [*found, made(sentences)])


def test_what_no_page_holds_is_said_with_what_to_do() -> None:
    frame = pl.DataFrame({f"column{place}": [0.123, 0.456] for place in range(40)})
    result = QueryResult(frame, "sql", None, "00")
    said = notes(result, "latex", None, render(result, "latex"))
    assert said[0] == r"The table needs \usepackage{booktabs,longtable,pdflscape}."
    assert re.fullmatch(r"The table needs fewer columns: it is \d+ pt wider than a page. .*--columns A,B\.", said[1])


@pytest.mark.parametrize(
    ("text", "other"), [("naïve ğ “é” – €", False), ("فارسی", True), ("한국어", True), ("да", True)]
)
def test_scripts_that_pdflatex_has_no_letters_for_are_said(text: str, other: bool) -> None:
    result = QueryResult(pl.DataFrame({"a": [text, "b"]}), "sql", None, "00")
    said = notes(result, "latex", None, render(result, "latex"))
    assert any("XeLaTeX" in note for note in said) == other
