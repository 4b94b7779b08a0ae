"""The versions of the parser. A released one reads as it always did: a better one is a folder beside it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from mlv.ingest.answers import v1
from mlv.ingest.answers.reading import Answered, Asked, Reading

PARSERS: Final[Mapping[int, Callable[[Asked, Answered], Reading]]] = MappingProxyType({1: v1.read})
"""Parsers by version: pure functions that take any text, in time linear in its length."""

LATEST: Final = max(PARSERS)
"""The version that answers are read by unless another is asked for."""
