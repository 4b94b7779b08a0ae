"""The report: that it says what the rows say, that it holds everything, and that a browser shows it as it should."""

import contextlib
import fcntl
import html
import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from mlv.queries import QueryResult, render, run
from mlv.queries.echoes import figures
from mlv.queries.report import build as reports
from mlv.queries.report import page as pages
from mlv.queries.report.build import Commands, Entry, Report, build
from mlv.queries.studies import STUDIES, find_study
from mlv.queries.study import Section, Study, Topic
from mlv.schema.errors import DataError
from mlv.schema.papers import echoes
from mlv.schema.store.opening import open_store

BY_KEY = {topic.key: topic for study in STUDIES for topic in study.topics}
TOPICS = tuple(BY_KEY[key] for key in ("unchanged", "language_contribution-highest", "profile_pca", "coverage"))
"""Enough for a page of every kind: with figure, with a parameter, without rows, without figure."""

SMALL = Study("small", "A small study", "Its paper", (Section("First", TOPICS[:2]), Section("Second", TOPICS[2:])))
EMPTY = Study("empty", "A study without rows", "Its paper", (Section("Only", TOPICS[2:3]),))
COMMANDS = Commands("mlv report -o DIR", lambda result, topic: f"again {result.name} {dict(topic.parameters)}")


def answer(key: str, rows: pl.DataFrame) -> str:
    """The sentence of a topic."""
    sentence = BY_KEY[key].sentence
    assert sentence is not None
    return sentence(rows)


@pytest.fixture(scope="module")
def hand(hand_store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(hand_store) as connection:
        yield connection


@pytest.fixture(scope="module")
def grid(grid_store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(grid_store) as connection:
        yield connection


@pytest.fixture(scope="module")
def made(hand: duckdb.DuckDBPyConnection) -> Report:
    """A report of a few topics on the small store."""
    return build(hand, [SMALL, EMPTY], COMMANDS, ci="questions")


@pytest.fixture(scope="module")
def folder(made: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report's files."""
    target = tmp_path_factory.mktemp("report") / "new"
    pages.write(target, made)
    return target


class Page(HTMLParser):
    """The page as far as tests look at it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.setdefault(tag, []).append("")
        if tag not in {"meta", "img", "link", "br"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += data

    def attributes(self, name: str) -> list[str]:
        return [str(attributes[name]) for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "index.html").read_text(encoding="utf-8"))


def _entries(report: Report) -> dict[str, Entry]:
    return {entry.topic.key: entry for entry in report.entries}


NOT_IN_THE_STORES = "alignment_difference"
"""Neither has profiles of two models, or after two sources."""


@pytest.mark.parametrize(
    "topic", [topic for key, topic in BY_KEY.items() if key != NOT_IN_THE_STORES], ids=lambda topic: topic.key
)
def test_an_answer_is_one_or_two_sentences_of_numbers(
    request: pytest.FixtureRequest, hand: duckdb.DuckDBPyConnection, grid: duckdb.DuckDBPyConnection, topic: Topic
) -> None:
    others = [
        request.getfixturevalue(f"{name}_store") for name in ("classified", "traced", "masked", "asked", "completed")
    ]
    with ExitStack() as opened:
        stores = [hand, grid, *(opened.enter_context(open_store(path)) for path in others)]
        rows = [run(store, topic.query, parameters=dict(topic.parameters)).frame for store in stores]
    answered = [answer(topic.key, frame) for frame in rows if len(frame)]
    assert answered
    for text in answered:
        assert re.search(r"\d", text)
        assert text.endswith(".")
        assert not re.search(r"None|nan|\{|\}|  ", text), text


def test_an_answer_names_the_extreme_cells_the_mean_and_n() -> None:
    rows = pl.DataFrame(
        {
            "model": "nano",
            "source": "pbc",
            "ft_languages": ["fa", "fa", "ko", "ko"],
            "strategy": "monolingual",
            "sentences": 2000,
            "seed": 1,
            "epoch": 5,
            "language": ["de", "tr", "de", "tr"],
            "unchanged": [80.0, 90.5, 61.25, 90.5],
            "probes": [237, 237, 230, 237],
        }
    )
    assert answer("unchanged", rows) == (
        "Unchanged are from 61.2% (fine-tuned on ko, test language de) to 90.5% (fine-tuned on ko, test language tr; "
        "1 other alike), on average 80.6% over 4 cells (230 to 237 probes a cell)."
    )
    bounds = rows.with_columns(unchanged_low=pl.col("unchanged") - 5, unchanged_high=pl.col("unchanged") + 4)
    assert "61.2% [56.2, 65.2] (fine-tuned on ko" in answer("unchanged", bounds)


def test_an_answer_to_a_difference_counts_its_signs_and_tests() -> None:
    rows = pl.DataFrame(
        {
            "source": "pbc",
            "language": ["de", "ko", "tr"],
            "country": "DE",
            "change": [0.25, -0.125, None],
            "n": [100, 90, 90],
        }
    )
    plain = answer("alignment_change", rows)
    assert plain.startswith(
        "After fine-tuning the profile is nearer to the country's in 1 of 2 cells and farther in 1;"
    )
    assert "\N{MINUS SIGN}0.12 (test language ko) to +0.25 (test language de), on average +0.06 over 2 cells" in plain
    assert plain.endswith("no single cell can be told from no change.")
    tested = answer("alignment_change", rows.with_columns(p_family=pl.Series([0.01, 0.2, None])))
    assert tested.endswith("Corrected for the cells of their table, 1 of 2 have p < 0.05.")


def test_an_answer_does_not_count_means_as_cells() -> None:
    rows = pl.DataFrame(
        {"language": ["de", "ko", "avg."], "uniqueness": [10.0, 30.0, 20.0], "shifted": [5, 6, 11], "source": "pbc"}
    )
    assert answer("shift_uniqueness", rows).endswith(
        "on average 20.0% over 2 cells (5 to 6 shifting questions a cell). Means by setup: 20.0%."
    )


def test_the_page_needs_nothing_but_itself(page: Page, folder: Path) -> None:
    assert {"script", "link", "iframe", "object"}.isdisjoint(tag for tag, _ in page.tags)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.attributes("src"))
    anchors = set(page.attributes("id"))
    assert len(anchors) == len(page.attributes("id"))
    for target in page.attributes("href"):
        assert target[1:] in anchors if target.startswith("#") else (folder / target).is_file()
    assert "http" not in re.sub(r"base64,[^\"]*", "", (folder / "index.html").read_text(encoding="utf-8"))


def test_a_study_without_rows_has_no_chapter_and_that_is_said(
    made: Report, hand: duckdb.DuckDBPyConnection, folder: Path
) -> None:
    assert [chapter.study for chapter in made.chapters] == [SMALL]
    assert made.left_out == (EMPTY,)
    for name in ("index.html", "report.md"):
        assert "Without “A study without rows”" in (folder / name).read_text(encoding="utf-8")
    for asked in (
        build(hand, [SMALL, EMPTY], COMMANDS, ci=None, keep_empty=True),
        build(hand, [EMPTY], COMMANDS, ci=None),
    ):
        assert asked.chapters[-1].study == EMPTY
        assert asked.left_out == ()


def test_a_topic_without_sentence_and_figure_is_its_table(hand: duckdb.DuckDBPyConnection) -> None:
    bare = Topic("unchanged", "nowhere", TOPICS[0].needs)
    made = build(hand, [Study("bare", "Bare", "Its paper", (Section("One", (bare,)),))], COMMANDS, ci=None)
    written = dict(pages.files(made))
    assert set(written) == {"tables/unchanged.csv", "tables/unchanged.tex", "report.md", "index.html"}
    assert '<p class="answer">' not in written["index.html"].decode()


def test_headings_are_in_order_and_every_topic_has_one(page: Page, made: Report) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels == [1, 2, 3, 4, 4, 3, 4, 4]
    for heading, entry in zip(page.texts["h4"], _entries(made).values(), strict=True):
        assert heading == f"{entry.query.question} {entry.topic.place}"


def test_a_figure_has_words_and_marks_need_no_colour(page: Page) -> None:
    assert len(page.attributes("alt")) == page.texts["img"].__len__() == 2
    assert "unchanged@1" in page.attributes("alt")[0]
    assert {"th", "caption"} <= {tag for tag, _ in page.tags}


def test_the_page_shows_queries_word_for_word_and_what_made_the_rows(page: Page, made: Report) -> None:
    entries = _entries(made)
    assert page.texts["pre"] == [entry.query.text for entry in entries.values()]
    shown = page.texts["dd"]
    for entry in entries.values():
        assert entry.result.sql_sha256 in shown
        assert str(entry.result.store) in shown
    assert "again language_contribution {'direction': 'positive'}" in shown


def test_what_has_no_rows_says_what_fills_it(page: Page, folder: Path) -> None:
    assert "Place the profiles in a plane: <code>mlv compute pca</code>" in html.unescape(
        (folder / "index.html").read_text(encoding="utf-8")
    )
    assert (folder / "tables" / "profile_pca.csv").read_text(encoding="utf-8").count("\n") == 1


def test_the_table_has_the_rows_and_says_once_what_all_have(made: Report, folder: Path) -> None:
    entry = _entries(made)["unchanged"]
    table = pages._table(entry.result)
    names = [name for name, _ in table["columns"]]
    alike = [name for name, _ in table["alike"]]
    assert "model" in alike
    assert "unchanged" in names
    assert set(names) | set(alike) >= {name for name in entry.result.frame.columns if entry.result.frame[name].count()}
    place = names.index("unchanged")
    assert [row[place] for row in table["rows"]] == [f"{value:.3f}" for value in entry.result.frame["unchanged"]]
    assert (folder / "tables" / "unchanged.csv").read_bytes() == render(entry.result, "csv")
    assert (folder / "tables" / "unchanged.tex").read_bytes() == render(entry.result, "latex")


def test_a_long_table_is_cut_and_says_so() -> None:
    result = QueryResult(pl.DataFrame({"n": range(1234), "same": "x"}), "unchanged", 1, "0")
    table = pages._table(result)
    assert table["caption"] == "200 of 1,234 rows"
    assert len(table["rows"]) == 200
    assert table["alike"] == [("same", "x")]


def test_a_figure_that_does_not_fit_is_drawn_in_parts_that_leave_no_row_out() -> None:
    by = [range(12), ("pbc", "tanzil"), ("fa", "ko"), echoes.TEST_LANGUAGES]
    rows = pl.DataFrame(
        list(itertools.product(*by)), schema=["seed", "source", "ft_languages", "language"], orient="row"
    ).with_columns(model=pl.lit("nano"), strategy=pl.lit("monolingual"), unchanged=50.0)
    result = QueryResult(rows, "unchanged", 1, "0" * 64, {"score": "mean"})
    notes: list[str] = []
    pages = list(reports._pages(result, figures.unchanged, notes))
    assert notes == []
    assert len(pages) > 1
    together = pl.concat(part.frame for part, _ in pages)
    assert together.sort(together.columns).equals(rows.sort(rows.columns))
    assert [part.parameters["source"] for part, _ in pages][:1] == ["pbc"]
    assert all(set(part.frame["source"]) == {part.parameters["source"]} for part, _ in pages)


def test_rows_without_a_value_are_not_lost_between_parts() -> None:
    rows = pl.DataFrame({"source": [None, "a", "b"], "seed": [1, 2, 2], "epoch": [1, 2, 3]})
    assert [reports._splits(rows, name) for name in ("source", "seed", "epoch")] == [False, True, False]


def test_the_same_store_gives_the_same_bytes(hand: duckdb.DuckDBPyConnection, made: Report, folder: Path) -> None:
    first = Study("first", "First", "Its paper", (Section("First", TOPICS[:1]),))
    again = [dict(pages.files(build(hand, [first], COMMANDS, ci="questions"))) for _ in range(2)]
    assert again[0] == again[1]
    assert again[0]["figures/unchanged.svg"] == (folder / "figures" / "unchanged.svg").read_bytes()


def test_markdown_has_every_answer_and_figure(made: Report, folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    for entry in _entries(made).values():
        assert entry.query.question in text
        assert not len(entry.result.frame) or answer(entry.topic.key, entry.result.frame) in text
    for path in re.findall(r"\]\(([^)]+)\)", text):
        assert (folder / path).is_file()


def test_a_former_report_is_replaced_and_nothing_else(made: Report, tmp_path: Path) -> None:
    pages.write(tmp_path / "new", made)
    (tmp_path / "new" / "own.txt").write_text("mine", encoding="utf-8")
    (chapter,) = made.chapters
    fewer = replace(made, chapters=(replace(chapter, sections=chapter.sections[1:]),))
    pages.write(tmp_path / "new", fewer)
    kept = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    listed = json.loads((tmp_path / "new" / "report.json").read_text(encoding="utf-8"))["files"]
    assert kept == {*listed, "report.json", "own.txt"}
    assert "figures/unchanged.svg" not in kept


@pytest.mark.parametrize("content", [{"own.txt": "mine"}, {"report.json": "{}"}, {"report.json": "[1]"}])
def test_a_folder_with_something_else_is_refused(made: Report, tmp_path: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="something else"):
        pages.write(tmp_path, made)
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == content


class Browser:
    """Chromium by the DevTools protocol over two pipes."""

    def __init__(self, program: str, profile: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # the browser reads 3 and writes 4, which may be taken here
        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (theirs_in, theirs_out)]
        options = f"--headless --no-sandbox --disable-gpu --remote-debugging-pipe --user-data-dir={profile}"
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec 3<&{high[0]} 4>&{high[1]}; exec {program} {options} about:blank"],
            pass_fds=high,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (theirs_in, theirs_out, *high):
            os.close(end)
        self._reader = os.fdopen(self._in, "rb")
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and wait for its result; events on the way are kept."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answered := self._read()).get("id") != number:
            self.events.append(answered)
        result: dict[str, Any] = answered["result"]
        return result

    def _read(self) -> dict[str, Any]:
        text = b"".join(iter(lambda: self._reader.read(1), b"\0"))
        message: dict[str, Any] = json.loads(text)
        return message

    def show(self, page: Path, width: int) -> None:
        """Open a page in a window of a width in CSS pixels, and wait until it has loaded."""
        self.events.clear()
        self("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self("Page.navigate", url=page.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def value(self, expression: str) -> Any:
        return self("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def close(self) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._session = None
            self("Browser.close")
        self._process.wait(20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no chromium on the path")
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_without_errors_requests_or_overflow(browser: Browser, folder: Path, width: int) -> None:
    browser.show(folder / "index.html", width)
    told = [event for event in browser.events if event["method"] in {"Log.entryAdded", "Runtime.exceptionThrown"}]
    assert told == []
    requests = [
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in requests if not url.startswith(("file://", "data:"))] == []
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("[...document.images].every(image => image.naturalWidth > 0)")
    browser.value("document.querySelectorAll('details').forEach(part => { part.open = true })")
    assert browser.value("document.documentElement.scrollWidth") <= width
    # what is wider than the page scrolls in a box of its own
    wide = "[...document.querySelectorAll('table, img')].filter(part => part.scrollWidth > innerWidth)"
    assert browser.value(f"{wide}.every(part => part.closest('.scroll'))")
    if width == 390:
        assert browser.value(f"{wide}.length") > 0


def test_text_stands_out_from_its_background(browser: Browser, folder: Path) -> None:
    """At least 4.5 to 1, with the colours that the browser computes."""
    browser.show(folder / "index.html", 1280)
    colours = browser.value(
        """[...new Set([...document.querySelectorAll('body *')].map(part => {
             let back = part, colour = 'rgba(0, 0, 0, 0)'
             while (back && (colour = getComputedStyle(back).backgroundColor) === 'rgba(0, 0, 0, 0)')
               back = back.parentElement
             return getComputedStyle(part).color + ';' + (back ? colour : 'rgb(255, 255, 255)')
           }))]"""
    )
    assert len(colours) > 2
    for pair in colours:
        lights = sorted(_light(colour) for colour in pair.split(";"))
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.5, pair


def _light(colour: str) -> float:
    """Relative luminance of ``rgb(1, 2, 3)`` (WCAG 2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_what_may_offend_is_quoted_only_if_asked_for(completed_store: Path) -> None:
    study = find_study("stereotypes")
    with open_store(completed_store) as connection:
        plain, whole = (build(connection, [study], COMMANDS, ci=None, quotes=quotes) for quotes in (False, True))
    quoting = {topic.key for topic in study.topics if topic.quotes}
    assert {entry.topic.key for entry in whole.entries} - {entry.topic.key for entry in plain.entries} == quoting
    page = dict(pages.files(plain))["index.html"].decode()
    assert study.note in page
    assert not re.search(r"salty|pretentious(?! )", page.replace(study.paper, ""))
