"""A study as rows: for each query its place in the paper, its figure and sentence, and what fills it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import duckdb

from mlv.queries.figures.drawing import Draw
from mlv.queries.published import Has, PublishedNumbers
from mlv.queries.sentences import Sentence


@dataclass(frozen=True)
class Need:
    """What would give a query rows: in words, and a command that does it or tells how."""

    words: str
    command: str


TRACING = Need("Trace a run's examples", "mlv compute influence RUN")
RETRAINING = Need("Train a run again on parts of its examples", "mlv compute validate-influence RUN")


@dataclass(frozen=True)
class Topic:
    """A table or figure of a study: a query, and what is made of its rows."""

    query: str
    """Name."""

    place: str
    """In the paper."""

    needs: Need
    """What fills it when it is empty."""

    figure: Draw | None = None
    sentence: Sentence | None = None
    published: tuple[PublishedNumbers, ...] = ()
    """The paper's own numbers."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """Where it is not the query's defaults."""

    columns: tuple[str, ...] = ()
    """Those of its LaTeX table, where all are too many for a page."""

    suffix: str = ""
    """Tells topics of one query apart in file names."""

    quotes: bool = False
    """Whether its rows quote what may offend: a report has it only if that is asked for."""

    @property
    def key(self) -> str:
        """Name of its files and anchor."""
        return f"{self.query}-{self.suffix}" if self.suffix else self.query


@dataclass(frozen=True)
class Section:
    """Topics under a heading."""

    title: str
    topics: tuple[Topic, ...]


@dataclass(frozen=True)
class Study:
    """A study, in the order of a report."""

    code: str
    """Name of its folder of queries, and of its study file if it has one."""

    title: str
    paper: str
    """Title of its paper."""

    sections: tuple[Section, ...]
    inventory: Callable[[duckdb.DuckDBPyConnection], Has] = lambda _: lambda _: True
    """Looks a store through for what published numbers rest on."""

    from_others: tuple[PublishedNumbers, ...] = ()
    """The paper's numbers that a query of another study makes."""

    note: str = ""
    """What its chapter begins with, for a reader who does not expect what is in it."""

    shares: str = ""
    """Query that has which share of a run's answers is that of before, by test language, in a column of its own name
    with an interval: published with the run."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Those of all sections."""
        return tuple(topic for section in self.sections for topic in section.topics)

    @property
    def published(self) -> tuple[PublishedNumbers, ...]:
        """The paper's tables and numbers in its text that are here."""
        return (*(numbers for topic in self.topics for numbers in topic.published), *self.from_others)
