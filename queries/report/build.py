"""The report: every table and figure of the studies, from the released queries alone, a chapter for every study.

``build`` asks the queries and draws the figures; ``mlv.queries.report.page`` makes files of that. A query without rows
names what would fill it; what is left out is reported.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import duckdb
import polars as pl
from matplotlib.figure import Figure

from mlv.queries.engine.catalogue import INTERVALS, Query, find
from mlv.queries.engine.execution import run_query
from mlv.queries.engine.parameters import Given
from mlv.queries.engine.result import QueryResult
from mlv.queries.engine.state import store_state
from mlv.queries.figures import drawing
from mlv.queries.figures.sheet import DoesNotFitError
from mlv.queries.study import Study, Topic
from mlv.schema.errors import UsageError

MOST_FIGURES: Final = 12
"""Most pages of figures of one query."""


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
    """A topic, its rows and its figures."""

    topic: Topic
    query: Query
    result: QueryResult
    figures: tuple[Drawn, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What the rows answer; empty if there are none, or the topic has no sentence."""
        return "" if self.result.frame.is_empty() or not self.topic.sentence else self.topic.sentence(self.result.frame)


@dataclass(frozen=True)
class Chapter:
    """A study: its sections, and what each has."""

    study: Study
    sections: tuple[tuple[str, tuple[Entry, ...]], ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those of all sections."""
        return tuple(entry for _, entries in self.sections for entry in entries)


@dataclass(frozen=True)
class Commands:
    """What a reader would type; composed by the command line, which knows its options."""

    report: str
    """Makes the report again."""

    query: Callable[[QueryResult, Topic], str]
    """Makes a result again."""


@dataclass(frozen=True)
class Report:
    """Everything that the files are made of."""

    chapters: tuple[Chapter, ...]
    left_out: tuple[Study, ...]
    """Studies that have no rows and were not asked for."""

    store: str
    commands: Commands

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those of all chapters."""
        return tuple(entry for chapter in self.chapters for entry in chapter.entries)


def build(
    connection: duckdb.DuckDBPyConnection,
    studies: Sequence[Study],
    commands: Commands,
    ci: str | None,
    *,
    keep_empty: bool = False,
    quotes: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Ask every query of an open store and draw the figures.

    A study without rows has a chapter only if no study has any, or with ``keep_empty``. ``ci`` says what
    intervals are over: of a query that has none over this, over what it has them over. Topics that quote what may
    offend are left out without ``quotes``.
    """
    chapters = []
    for study in studies:
        say(study.title)
        sections = tuple(
            (
                section.title,
                tuple(_entry(connection, topic, ci) for topic in section.topics if quotes or not topic.quotes),
            )
            for section in study.sections
        )
        chapters.append(Chapter(study, sections))
    filled = [chapter for chapter in chapters if any(len(entry.result.frame) for entry in chapter.entries)]
    kept = chapters if keep_empty or not filled else filled
    left_out = tuple(chapter.study for chapter in chapters if chapter not in kept)
    return Report(tuple(kept), left_out, str(store_state(connection)), commands)


def _entry(connection: duckdb.DuckDBPyConnection, topic: Topic, ci: str | None) -> Entry:
    query = find(topic.query)
    parameters: dict[str, Given] = {**topic.parameters}
    if ci and query.varied:
        parameters[INTERVALS] = ci if ci in query.varied else query.varied[0]
    result = run_query(connection, query, parameters)
    if result.frame.is_empty() or topic.figure is None:
        return Entry(topic, query, result)
    notes: list[str] = []
    # no more are drawn than that there are more: of hundreds of groups they would take minutes
    pages = list(islice(_pages(result, topic.figure, notes), MOST_FIGURES + 1))
    if len(pages) > MOST_FIGURES:
        notes.append(
            f"The first {MOST_FIGURES} figures are shown; mlv plot draws the others, with --param to restrict."
        )
    names = [topic.key] if len(pages) == 1 else [f"{topic.key}-{place}" for place in range(1, len(pages) + 1)]
    drawn = [_drawn(name, *page) for name, page in zip(names, pages[:MOST_FIGURES], strict=False)]
    return Entry(topic, query, result, tuple(drawn), tuple(notes))


def _drawn(name: str, result: QueryResult, figure: Figure) -> Drawn:
    width, height = figure.get_size_inches()
    images = {ending: drawing.write(figure, ending) for ending in drawing.ENDINGS}
    return Drawn(name, result.title, (float(width), float(height)), images)


def _pages(result: QueryResult, draw: drawing.Draw, notes: list[str]) -> Iterator[tuple[QueryResult, Figure]]:
    """The figure of a result; if it does not fit on a page, one for each value of a parameter that restricts it."""
    try:
        yield result, drawing.draw(result, draw)
    except DoesNotFitError as error:
        parts = {name: values for name, values in drawing.restrictions(result).items() if _splits(result.frame, name)}
        if not parts:
            notes.append(f"There is no figure of {result.title}: {error.message}")
            return
        name = min(parts, key=lambda part: len(parts[part]))
        column = pl.col(drawing.column_of(name))
        for value in parts[name]:
            rows = result.frame.filter(column.cast(pl.String) == value)
            part = replace(result, frame=rows, parameters={**result.parameters, name: value})
            yield from _pages(part, draw, notes)
    except UsageError as error:
        notes.append(f"There is no figure of {result.title}: {error.message}")


def _splits(rows: pl.DataFrame, parameter: str) -> bool:
    """Whether the query with a parameter would give just the rows that have its value, and every row has one.

    With an epoch it would give those of runs that went on after it, too.
    """
    return parameter != "epoch" and rows[drawing.column_of(parameter)].null_count() == 0
