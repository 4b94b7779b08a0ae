"""All studies, and their figures by query."""

from typing import Final

from matplotlib.figure import Figure

from mlv.queries import echoes, modularity, selfalign, sharing, stereotypes
from mlv.queries.engine.catalogue import near
from mlv.queries.engine.result import QueryResult
from mlv.queries.figures import drawing
from mlv.queries.study import Study, Topic
from mlv.schema.errors import NotFoundError, UsageError

STUDIES: Final[tuple[Study, ...]] = (
    echoes.STUDY,
    sharing.STUDY,
    modularity.STUDY,
    selfalign.STUDY,
    stereotypes.STUDY,
)
"""One line per study, in the order of a report."""


def find_study(code: str) -> Study:
    """The study of a code. Raises UsageError if there is none."""
    studies = {study.code: study for study in STUDIES}
    if code not in studies:
        raise UsageError(f"There is no study {code!r}.", near(code, list(studies), f"There are: {', '.join(studies)}."))
    return studies[code]


def drawn_queries() -> dict[str, Topic]:
    """The topic of every query that has a figure, by the query's name: the first one, they share the figure."""
    drawn: dict[str, Topic] = {}
    for topic in (topic for study in STUDIES for topic in study.topics if topic.figure):
        drawn.setdefault(topic.query, topic)
    return drawn


def draw(result: QueryResult) -> Figure:
    """The figure of a query's result.

    Raises UsageError if its query has none or the rows do not fit on a page, NotFoundError if there is no row.
    """
    drawn = drawn_queries()
    topic = drawn.get(result.name)
    if topic is None or topic.figure is None:
        raise UsageError(
            f"There is no figure of {result.name}.", near(result.name, list(drawn), "List them: mlv plot --list")
        )
    if result.frame.is_empty():
        raise NotFoundError(f"{result.title} has no rows to draw.", f"{topic.needs.words}: {topic.needs.command}")
    return drawing.draw(result, topic.figure)
