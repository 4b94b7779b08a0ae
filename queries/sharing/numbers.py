"""All published numbers of H by query: a topic takes those of its own, so that a new query has them with its row."""

from typing import Final

from mlv.queries.published import PublishedNumbers
from mlv.queries.sharing.claims import CLAIMS
from mlv.queries.sharing.published import TABLES
from mlv.queries.sharing.quoted import QUOTED

NUMBERS: Final[tuple[PublishedNumbers, ...]] = (*TABLES, *QUOTED, *CLAIMS)

_QUERIES: Final = {numbers.query.partition("@")[0] for numbers in NUMBERS}


def of(query: str) -> tuple[PublishedNumbers, ...]:
    """The numbers that a query makes. Raises KeyError if none is, so that a name is not misspelt."""
    if query not in _QUERIES:
        raise KeyError(query)
    return tuple(numbers for numbers in NUMBERS if numbers.query.partition("@")[0] == query)
