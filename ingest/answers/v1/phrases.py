"""Finding phrases in a text, longest first."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

Phrase = tuple[str, ...]


class Found(NamedTuple):
    """A phrase in a text: ``words[start:end]``."""

    start: int
    end: int
    value: int
    """What the phrase stands for."""


class Phrases:
    """Phrases and what each stands for, by their first word."""

    def __init__(self, values: Mapping[Phrase, int]) -> None:
        self._values = {phrase: value for phrase, value in values.items() if phrase}
        self.all = tuple(self._values)
        self._by_first: dict[str, list[Phrase]] = {}
        for phrase in sorted(self._values, key=len, reverse=True):
            self._by_first.setdefault(phrase[0], []).append(phrase)

    def find(self, words: Sequence[str]) -> list[Found]:
        """Phrases in a text in their order; a longer one takes its words from all shorter ones."""
        free = bytearray(repeat(1, len(words)))
        chosen = []
        for found in sorted(self._all(tuple(words)), key=lambda found: found.start - found.end):
            if all(free[found.start : found.end]):
                free[found.start : found.end] = bytes(found.end - found.start)
                chosen.append(found)
        return sorted(chosen)

    def _all(self, words: Phrase) -> Iterator[Found]:
        for start, word in enumerate(words):
            for phrase in self._by_first.get(word, ()):
                if words[start : start + len(phrase)] == phrase:
                    yield Found(start, start + len(phrase), self._values[phrase])
