"""The options of a question as phrases, and where each may be taken for an answer."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from mlv.ingest.answers.reading import Asked
from mlv.ingest.answers.v1.folding import Words, is_short, is_spaceless, words_of
from mlv.ingest.answers.v1.phrases import Phrase, Phrases
from mlv.ingest.answers.v1.vocabulary import Vocabulary, vocabulary

_CONTEXT: Final = 2
"""Words on either side of the gap that tell the sentence again."""


class Options(NamedTuple):
    """What is looked for in an answer."""

    phrases: Phrases
    """Texts of the options, with the affixes of the gap and without, by number."""

    texts: tuple[tuple[Phrase, int], ...]
    """The same texts, each with its option."""

    weak: frozenset[Phrase]
    """Texts that any sentence may contain: of common or very short words, or in the sentence itself."""

    before: Phrase
    """The last words of the sentence before the gap."""

    after: Phrase
    """The first words of the sentence after the gap."""

    known: Vocabulary

    def begun(self, words: Phrase, whole_words: bool = False) -> set[int]:
        """The options whose texts begin with these words and go on; the last word may be cut off unless it is whole."""
        start = " ".join(words) + " " * whole_words
        return {option for text, option in self.texts if _goes_on(" ".join(text), start)}


def _goes_on(text: str, start: str) -> bool:
    return text.startswith(start) and text != start


@lru_cache(maxsize=1024)
def options_of(asked: Asked) -> Options:
    """What to look for in answers to a question. A text that two options share tells neither."""
    language = re.split("[-_]", asked.language)[0]
    known = vocabulary(language)
    before, after, affixes = _around_gap(asked.sentence, language)
    texts = dict.fromkeys(_texts(asked, language, affixes))
    values: dict[Phrase, int] = {}
    for text, number in texts:
        values[text] = number if values.get(text, number) == number else 0
    common = known.common | (vocabulary("en").common if asked.english else frozenset[Phrase]())
    sentence = (*before, "", *after)
    weak = {text for text in values if _is_weak(text, common)}
    weak |= {sentence[found.start : found.end] for found in Phrases(values).find(sentence)}
    return Options(Phrases(values), tuple(texts), frozenset(weak), before[-_CONTEXT:], after[:_CONTEXT], known)


def _texts(asked: Asked, language: str, affixes: tuple[str, str]) -> Iterator[tuple[Phrase, int]]:
    """Texts of the options that have words, each with its option: with and without affixes, and the English ones."""
    for number, option in enumerate(asked.options, 1):
        if text := words_of(option, language).words:
            yield from ((variant, number) for variant in _variants(text, *affixes))
    for number, option in enumerate(asked.english, 1):
        if text := words_of(option, "en").words:
            yield text, number


def _is_weak(text: Phrase, common: frozenset[Phrase]) -> bool:
    """Whether a text is common, of two common words, or one very short word."""
    return (
        text in common or (len(text) == 2 and {text[:1], text[1:]} <= common) or (len(text) == 1 and is_short(text[0]))
    )


def _around_gap(sentence: str, language: str) -> tuple[Phrase, Phrase, tuple[str, str]]:
    """Words before and after the gap, and the affixes that are glued to it."""
    left, *rest = re.split("_+", sentence, maxsplit=1)
    if not rest:
        return (), (), ("", "")
    before, after = words_of(left, language), words_of(rest[0], language)
    prefix = _glued(before, -1)
    suffix = _glued(after, 0)
    return before.words[: len(before.words) - bool(prefix)], after.words[bool(suffix) :], (prefix, suffix)


def _glued(side: Words, place: int) -> str:
    """The word that touches the gap; empty if a mark or a space is between."""
    if not side.words or side.marks[place] or is_spaceless(side.words[place]):
        return ""
    return side.words[place]


def _variants(text: Phrase, prefix: str, suffix: str) -> Iterator[Phrase]:
    """A text as it stands, and with the affixes of the gap on its first and last word."""
    for first in dict.fromkeys(["", prefix]):
        for last in dict.fromkeys(["", suffix]):
            yield (first + text[0], *text[1:-1], text[-1] + last) if len(text) > 1 else (first + text[0] + last,)
