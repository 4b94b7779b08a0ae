"""All published numbers of D5 by query: a topic takes those of its own."""

from typing import Final

from mlv.queries.modularity.claims import CLAIMS
from mlv.queries.modularity.published import QUOTED, TABLE_C1, TABLE_C2
from mlv.queries.published import PublishedNumbers

NUMBERS: Final[tuple[PublishedNumbers, ...]] = (TABLE_C1, TABLE_C2, *QUOTED, *CLAIMS)


def of(query: str) -> tuple[PublishedNumbers, ...]:
    """The numbers that a query makes."""
    return tuple(numbers for numbers in NUMBERS if numbers.query.partition("@")[0] == query)
