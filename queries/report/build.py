"""The report: every table and figure of the study on one page, from the released queries alone.

``build`` asks the queries and draws the figures, ``files`` makes of that an HTML page that needs nothing but itself,
the same as Markdown, the tables as CSV and LaTeX and the figures as SVG, PNG and PDF. The same store gives the same
bytes. A query without rows says what is missing; nothing is left out without a word.
"""

import base64
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, Final

import duckdb
import jinja2
import polars as pl
from matplotlib.figure import Figure

from mlv.queries import figures as figures_module
from mlv.queries.catalogue import INTERVALS, Query, find
from mlv.queries.execution import run_query
from mlv.queries.figures.sheet import DoesNotFitError
from mlv.queries.figures.style import shared_tokens
from mlv.queries.parameters import Given
from mlv.queries.provenance import provenance
from mlv.queries.rendering import cells, render
from mlv.queries.report.sentences import answer
from mlv.queries.result import QueryResult
from mlv.schema.errors import DataError, UsageError
from mlv.schema.files import written_aside

TITLE: Final = "Cultural values in a multilingual language model"
PAPERS: Final = "“The Echoes of Multilinguality”, then “How do languages influence each other?”"

EXCERPT: Final = 200
"""Most rows of a table on the page; its CSV has all."""

MOST_FIGURES: Final = 12
"""Most pages of figures of one query."""

_PIXELS = 125
"""Of a figure's inch on the page: the smallest print is then 10 pixels high."""

MANIFEST: Final = "report.json"
"""Lists a report's files, by which a folder is known to be a former report."""

_WITH_INTERVALS = (
    "Brackets and error bars are 95% intervals by resampling the questions; they say nothing about other seeds."
)
_WITHOUT_INTERVALS = "Numbers are without intervals; mlv report --ci adds them."


@dataclass(frozen=True)
class Topic:
    """A table or figure of the study."""

    name: str
    """Of its query."""

    place: str
    """In the paper."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """Where it is not the query's defaults."""

    suffix: str = ""
    """Tells topics of one query apart in file names."""

    @property
    def key(self) -> str:
        """Name of its files and anchor."""
        return f"{self.name}-{self.suffix}" if self.suffix else self.name


SECTIONS: Final[tuple[tuple[str, tuple[Topic, ...]], ...]] = (
    (
        "Pretrained models",
        (
            Topic("agreement", "Table 1"),
            Topic("agreement_by_category", "Figure 7 top"),
            Topic("agreement_by_language", "Figure 7 bottom"),
            Topic("alignment", "sections 5.1 and 6"),
        ),
    ),
    (
        "How many values shift",
        (
            Topic("unchanged", "Figures 2 and 9"),
            Topic("unchanged_by_category", "Figure 8"),
            Topic("shift_uniqueness", "section 5.2.1"),
            Topic("shift_overlap_test_languages", "section 5.2.1"),
            Topic("domain_correlation", "Figure 3"),
            Topic("size_effect", "section 5.2.1"),
            Topic("seed_robustness", "Figure 9", {"metrics": "unchanged"}, "unchanged"),
        ),
    ),
    ("In which direction profiles move", (Topic("profile_projection", "Figures 4, 11 and 13 right"),)),
    ("Multilingual fine-tuning", (Topic("unchanged_multilingual", "Table 2 and Figure 10"),)),
    (
        "Nearer to people?",
        (
            Topic("ground_truth_similarity", "Figure 13 left"),
            Topic("alignment_change", "Table 3"),
            Topic("similarity_structure", "Figures 5 and 12"),
        ),
    ),
    (
        "Which examples make values shift",
        (
            Topic("parallel_overlap", "section 7"),
            Topic("influence_consistency", "section 7"),
            Topic("language_contribution", "Figure 6", {"direction": "positive"}, "supporting"),
            Topic("language_contribution", "Figure 14", {"direction": "negative"}, "contradicting"),
            Topic("seed_robustness", "section 7", {"metrics": "language_contribution"}, "contribution"),
        ),
    ),
    (
        "How languages influence each other",
        (
            Topic("influence_by_epoch", "Figures 3, 12 and 13"),
            Topic("influence_mean", "Tables 3 and 6"),
            Topic("translation_share", "Table 4"),
            Topic("influence_quality", "section 6"),
            Topic("removal_effect", "Figures 1, 6, 7 and 8"),
        ),
    ),
    ("What is still missing", (Topic("coverage", "the study's grid"),)),
)
"""Echoes in its order, from the pretrained models to the influence of examples; then what the second paper adds."""


@dataclass(frozen=True)
class Drawn:
    """A figure on one page."""

    name: str
    title: str
    size: tuple[float, float]
    """Inches."""

    images: Mapping[str, bytes]
    """By ending."""


@dataclass(frozen=True)
class Entry:
    """What the report says of a topic."""

    topic: Topic
    query: Query
    result: QueryResult
    figures: tuple[Drawn, ...] = ()
    notes: tuple[str, ...] = ()
    missing: tuple[str, str] = ("", "")
    """What would give rows where there are none, in words, and the command."""


@dataclass(frozen=True)
class Report:
    """Everything that the files are made of."""

    sections: tuple[tuple[str, tuple[Entry, ...]], ...]
    store: str
    command: str


def build(
    connection: duckdb.DuckDBPyConnection, command: str, ci: bool, say: Callable[[str], None] = lambda _: None
) -> Report:
    """Ask every query of an open store and draw the figures.

    ``command`` is what would make the report again; with ``ci`` every query that has intervals adds them.
    """
    coverage = run_query(connection, find("coverage"), {})
    sections = []
    for title, topics in SECTIONS:
        say(title)
        sections.append((title, tuple(_entry(connection, topic, coverage.frame, ci) for topic in topics)))
    return Report(tuple(sections), str(coverage.store), command)


def _entry(connection: duckdb.DuckDBPyConnection, topic: Topic, coverage: pl.DataFrame, ci: bool) -> Entry:
    query = find(topic.name)
    parameters: dict[str, Given] = {**topic.parameters}
    if ci and INTERVALS in query.parameters:
        parameters[INTERVALS] = True
    result = run_query(connection, query, parameters)
    if result.frame.is_empty():
        return Entry(topic, query, result, missing=_missing(topic.name, coverage))
    if topic.name not in figures_module.FIGURES:
        return Entry(topic, query, result)
    notes: list[str] = []
    pages = list(_pages(result, notes))
    if len(pages) > MOST_FIGURES:
        notes.append(
            f"{MOST_FIGURES} of {len(pages)} figures are shown; draw others with mlv plot {topic.name} --param ..."
        )
    names = [topic.key] if len(pages) == 1 else [f"{topic.key}-{place}" for place in range(1, len(pages) + 1)]
    drawn = [_drawn(name, *page) for name, page in zip(names, pages[:MOST_FIGURES], strict=False)]
    return Entry(topic, query, result, tuple(drawn), tuple(notes))


def _drawn(name: str, result: QueryResult, figure: Figure) -> Drawn:
    width, height = figure.get_size_inches()
    images = {ending: figures_module.write(figure, ending) for ending in figures_module.ENDINGS}
    return Drawn(name, result.title, (float(width), float(height)), images)


def _pages(result: QueryResult, notes: list[str]) -> Iterator[tuple[QueryResult, Figure]]:
    """The figure of a result; where it does not fit on a page one for each value of a parameter that restricts it."""
    try:
        yield result, figures_module.draw(result)
    except DoesNotFitError as error:
        parts = {
            name: values for name, values in figures_module.restrictions(result).items() if _splits(result.frame, name)
        }
        if not parts:
            notes.append(f"There is no figure of {result.title}: {error.message}")
            return
        name = min(parts, key=lambda part: len(parts[part]))
        column = pl.col(figures_module.column_of(name))
        for value in parts[name]:
            rows = result.frame.filter(column.cast(pl.String) == value)
            yield from _pages(replace(result, frame=rows, parameters={**result.parameters, name: value}), notes)
    except UsageError as error:
        notes.append(f"There is no figure of {result.title}: {error.message}")


def _splits(rows: pl.DataFrame, parameter: str) -> bool:
    """Whether the query with a parameter would give just the rows that have its value, and every row has one.

    With an epoch it would give those of runs that went on after it, too.
    """
    return parameter != "epoch" and rows[figures_module.column_of(parameter)].null_count() == 0


def _missing(name: str, coverage: pl.DataFrame) -> tuple[str, str]:
    """What would give a query rows, in words, and the command."""
    words, command = figures_module.filled_by(name)
    if command.endswith("coverage") and coverage.is_empty():
        return figures_module.filled_by("coverage")
    lacking = coverage.drop_nulls("command")
    if command.endswith("coverage") and lacking.height:
        return f"{lacking.height:,} planned runs are missing or partial; begin with", str(lacking["command"][0])
    return words, command


def files(report: Report) -> Iterator[tuple[str, bytes]]:
    """Every file of a report by its path in the folder, the page last."""
    for _, entries in report.sections:
        for entry in entries:
            yield f"tables/{entry.topic.key}.csv", render(entry.result, "csv")
            yield f"tables/{entry.topic.key}.tex", render(entry.result, "latex")
            for drawn in entry.figures:
                for ending, image in drawn.images.items():
                    yield f"figures/{drawn.name}.{ending}", image
    context = _context(report)
    yield "report.md", _render("page.md.j2", context)
    yield "index.html", _render("page.html.j2", context)


def _render(template: str, context: Mapping[str, Any]) -> bytes:
    environment = jinja2.Environment(
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FunctionLoader(
            lambda name: resources("mlv.queries.report").joinpath(name).read_text(encoding="utf-8")
        ),
    )
    return environment.get_template(template).render(context).encode()


def _context(report: Report) -> dict[str, Any]:
    ci = any(one.result.parameters.get(INTERVALS) for _, some in report.sections for one in some)
    return {
        "title": TITLE,
        "papers": PAPERS,
        "store": report.store,
        "mlv": version("mlv"),
        "command": report.command,
        "intervals": _WITH_INTERVALS if ci else _WITHOUT_INTERVALS,
        "sections": [
            {"title": title, "anchor": f"section-{place}", "entries": [_shown(entry) for entry in entries]}
            for place, (title, entries) in enumerate(report.sections, 1)
        ],
    }


def _shown(entry: Entry) -> dict[str, Any]:
    """What the templates know of a topic."""
    result = entry.result
    given = [f"--param {shlex.quote(f'{name}={value}')}" for name, value in entry.topic.parameters.items()]
    given += ["--ci"] if result.parameters.get(INTERVALS) else []
    return {
        "key": entry.topic.key,
        "short": entry.topic.key.replace("_", " ").replace("-", ", "),
        "place": entry.topic.place,
        "query": entry.query,
        "result": result,
        "missing": entry.missing,
        "answer": "" if result.frame.is_empty() else answer(entry.topic.name, result.frame),
        "figures": [_embedded(drawn) for drawn in entry.figures],
        "notes": entry.notes,
        "table": _table(result),
        "columns": [(name, (entry.query.columns | entry.query.intervals)[name]) for name in result.frame.columns],
        "parameters": [(name, value) for name, value in result.parameters.items() if value is not None],
        "runs": provenance(result)["runs_in_rows"],
        "command": " ".join([f"mlv query run {entry.query.reference}", *given]),
    }


def _embedded(drawn: Drawn) -> dict[str, Any]:
    """A figure as the page holds it, its size in CSS pixels."""
    width, height = drawn.size
    return {
        "name": drawn.name,
        "title": drawn.title,
        "data": base64.b64encode(drawn.images["svg"]).decode(),
        "width": round(_PIXELS * width),
        "height": round(_PIXELS * height),
    }


def _table(result: QueryResult) -> dict[str, Any]:
    """Rows as the page shows them: what all have alike is said once, and long tables are cut."""
    frame, alike = _told_once(result.frame)
    shown = frame.head(EXCERPT)
    (header, *rows), numbers = cells(shown, "\N{EN DASH}", {})
    cut = f"{shown.height:,} of " if frame.height > shown.height else ""
    return {
        "alike": alike,
        "columns": list(zip(header, numbers, strict=True)),
        "rows": rows,
        "markdown": render(QueryResult(shown, result.name, result.version, result.sql_sha256), "markdown").decode(),
        "caption": f"{cut}{frame.height:,} rows",
    }


def _told_once(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[str, str]]]:
    """Rows without columns, and without words of settings, that are the same in all; and these."""
    if frame.height < 2:
        return frame, []
    constant = [name for name in frame.columns if frame[name].n_unique() == 1]
    _, *first = cells(frame.select(constant).head(1), "", {})[0]
    alike = [(name, cell) for row in first for name, cell in zip(constant, row, strict=True) if cell]
    for name in ("settings", "tracing"):
        if name in frame.columns and name not in constant:
            shared = shared_tokens(frame[name])
            alike.append((name, " ".join(sorted(shared))))
            rest = [
                None if text is None else " ".join(w for w in text.split() if w not in shared) for text in frame[name]
            ]
            frame = frame.with_columns(pl.Series(name, rest, dtype=pl.String))
    return (frame.drop(constant) if len(constant) < frame.width else frame), alike


def write(folder: Path, report: Report) -> int:
    """Write a report into a folder that is empty or holds a former one; returns the number of files.

    Raises DataError where the folder holds anything else: nothing that is not a report's is ever overwritten.
    """
    before = check_folder(folder)
    written = []
    for path, content in files(report):
        with written_aside(folder / path) as aside:
            aside.write_bytes(content)
        written.append(path)
    entries = [entry for _, some in report.sections for entry in some]
    manifest = {
        "made_by": f"mlv {version('mlv')} report",
        "files": written,
        "tables": {entry.topic.key: provenance(entry.result) for entry in entries},
    }
    with written_aside(folder / MANIFEST) as aside:
        aside.write_text(json.dumps(manifest, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
    for path in before - set(written):
        (folder / path).unlink(missing_ok=True)
    return len(written) + 1


def check_folder(folder: Path) -> set[str]:
    """Files of the former report in a folder; raises DataError where it holds something else than a report."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return set()
    try:
        former = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if former["made_by"].endswith("report"):
            return {str(path) for path in former["files"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DataError(f"{folder} holds something else than a report.", "Name an empty or a new folder with -o.")
