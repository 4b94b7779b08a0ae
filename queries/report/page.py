"""A report as files: an HTML page that needs nothing but itself, the same as Markdown, tables and figures beside it.

Tables are CSV and LaTeX, figures SVG, PNG and PDF. The same store gives the same bytes.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files as resources
from pathlib import Path
from typing import Any, Final

import jinja2

from mlv.queries.engine.catalogue import INTERVALS, QUESTIONS
from mlv.queries.engine.grid import cells
from mlv.queries.engine.provenance import provenance
from mlv.queries.engine.rendering import render
from mlv.queries.engine.result import QueryResult
from mlv.queries.engine.shaping import Shape, shaped, without_constants
from mlv.queries.report.build import Chapter, Commands, Drawn, Entry, Report
from mlv.queries.study import Topic
from mlv.schema.errors import DataError
from mlv.schema.files import written_aside

EXCERPT: Final = 200
"""Most rows of a table on the page; its CSV has all."""

MANIFEST: Final = "report.json"
"""Lists a report's files, by which a folder is known to be a former report."""

_PIXELS = 125
"""Of a figure's inch on the page: the smallest print is then 10 pixels high."""

_INTERVALS = {
    "": "Numbers are without intervals; mlv report --ci questions adds them.",
    "questions": (
        "Brackets and error bars are 95% intervals by battery of questions; they say nothing about other seeds. Values "
        "that rest on fewer than 10 effective batteries have none."
    ),
    "seeds": (
        "Brackets and error bars are 95% intervals: of means over seeds, over other seeds of fine-tuning with these "
        "questions, none of a single seed; of other values, by battery of questions, none below 10 effective batteries."
    ),
    "both": (
        "Brackets and error bars are 95% intervals by battery of questions, none below 10 effective batteries; of "
        "means over seeds they are over other seeds of fine-tuning too, none of a single seed."
    ),
}
"""What the page says of its intervals, by what they are over."""

_OF_GROUPS = "Those of what models say of social groups are over the groups, none below 10 effective ones."


def on_a_page(result: QueryResult, topic: Topic) -> QueryResult:
    """The result with the columns that fit a page."""
    return replace(shaped(result, Shape(topic.columns)), kept=())


def files(report: Report) -> Iterator[tuple[str, bytes]]:
    """Every file of a report by its path in the folder, the page last."""
    for entry in report.entries:
        yield f"tables/{entry.topic.key}.csv", render(entry.result, "csv")
        yield f"tables/{entry.topic.key}.tex", render(on_a_page(entry.result, entry.topic), "latex")
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
    varied = {str(entry.result.parameters.get(INTERVALS) or "") for entry in report.entries} - {""}
    of_groups, others = varied & {"groups"}, varied - {"groups"}
    said = _INTERVALS[next(iter(others - {QUESTIONS}), QUESTIONS if varied else "")]
    titles = [chapter.study.title for chapter in report.chapters]
    return {
        "title": "; ".join(titles),
        "store": report.store,
        "mlv": version("mlv"),
        "command": report.commands.report,
        "intervals": f"{said} {_OF_GROUPS}" if of_groups else said,
        "left_out": report.left_out,
        "chapters": [_chapter(chapter, report.commands) for chapter in report.chapters],
    }


def _chapter(chapter: Chapter, commands: Commands) -> dict[str, Any]:
    """What the templates know of a study."""
    return {
        "study": chapter.study,
        "anchor": f"study-{chapter.study.code}",
        "sections": [
            {
                "title": title,
                "anchor": f"{chapter.study.code}-{place}",
                "entries": [_entry(entry, commands) for entry in entries],
            }
            for place, (title, entries) in enumerate(chapter.sections, 1)
        ],
    }


def _entry(entry: Entry, commands: Commands) -> dict[str, Any]:
    """What the templates know of a topic."""
    result = entry.result
    return {
        "key": entry.topic.key,
        "short": entry.topic.key.replace("_", " ").replace("-", ", "),
        "place": entry.topic.place,
        "query": entry.query,
        "result": result,
        "needs": entry.topic.needs,
        "sentence": entry.sentence,
        "figures": [_embedded(drawn) for drawn in entry.figures],
        "notes": entry.notes,
        "table": _table(result),
        "columns": [(name, (entry.query.columns | entry.query.intervals)[name]) for name in result.frame.columns],
        "parameters": [(name, value) for name, value in result.parameters.items() if value is not None],
        "runs": provenance(result)["runs_in_rows"],
        "command": commands.query(result, entry.topic),
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
    frame, alike = without_constants(result.frame)
    excerpt = frame.head(EXCERPT)
    (header, *rows), numbers = cells(excerpt, "\N{EN DASH}", {})
    cut = f"{excerpt.height:,} of " if frame.height > excerpt.height else ""
    return {
        "alike": alike,
        "columns": list(zip(header, numbers, strict=True)),
        "rows": rows,
        "markdown": render(QueryResult(excerpt, result.name, result.version, result.sql_sha256), "markdown").decode(),
        "caption": f"{cut}{frame.height:,} rows",
    }


def write(folder: Path, report: Report) -> int:
    """Write a report into a folder that is empty or holds a former one; returns the number of files.

    Raises DataError if the folder holds anything else: nothing that is not a report's is ever overwritten.
    """
    before = check_folder(folder)
    written = []
    for path, content in files(report):
        with written_aside(folder / path) as aside:
            aside.write_bytes(content)
        written.append(path)
    manifest = {
        "made_by": f"mlv {version('mlv')} report",
        "files": written,
        "tables": {entry.topic.key: provenance(entry.result) for entry in report.entries},
    }
    with written_aside(folder / MANIFEST) as aside:
        aside.write_text(json.dumps(manifest, ensure_ascii=False, indent=1, default=str) + "\n", encoding="utf-8")
    for path in before - set(written):
        (folder / path).unlink(missing_ok=True)
    return len(written) + 1


def check_folder(folder: Path) -> set[str]:
    """Files of the former report in a folder; raises DataError if it holds something else than a report."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return set()
    try:
        former = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if former["made_by"].endswith("report"):
            return {str(path) for path in former["files"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise DataError(f"{folder} holds something else than a report.", "Name an empty or a new folder with -o.")
