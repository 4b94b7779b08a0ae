"""The packaged word lists: what the parser knows of a language beside the options."""

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from mlv.ingest.answers.v1.folding import words_of
from mlv.ingest.answers.v1.phrases import Phrase, Phrases

_FOLDER: Final = files(__package__) / "words"


class Vocabulary(NamedTuple):
    """Word lists of a language, with the English ones, since models often answer in English around an option."""

    announcing: Phrases
    """What an answer follows directly: *my answer is*."""

    naming: frozenset[str]
    """Words that may stand before an option's number or name: *option*, *number*."""

    joining: frozenset[str]
    """Words between options that are listed: *or*."""

    refusing: Phrases
    """What a model says that does not answer: *as an AI*."""

    negating: frozenset[str]
    """Words that deny what follows in their clause: *not*."""

    negating_before: frozenset[str]
    """Words that deny what they follow: German *nicht*, Turkish *değil*."""

    comparing: frozenset[str]
    """Words whose next one is what something was preferred to: *than*."""

    common: frozenset[Phrase]
    """What occurs in any sentence of this language, *no* or *good*. Options of these are weak."""

    def announces_at_end(self, words: Sequence[str]) -> bool:
        """Whether a text ends in an announcement, or is the beginning of one that was cut off."""
        if words[-1] in self.naming or any(found.end == len(words) for found in self.announcing.find(words)):
            return True
        start = " ".join(words)
        phrases = [" ".join(phrase) for phrase in self.announcing.all] + sorted(self.naming)
        return len(start) > 2 and any(phrase.startswith(start) for phrase in phrases)


@cache
def vocabulary(language: str) -> Vocabulary:
    """The word lists of a language by its code; the English ones alone where there are none."""
    own = _read(language) if language in languages() else {}
    lists = [own] if language == "en" else [own, _read("en")]

    def phrases(key: str) -> list[Phrase]:
        return [words_of(phrase, language).words for found in lists for phrase in found.get(key, [])]

    def words(key: str) -> frozenset[str]:
        return frozenset(word for phrase in phrases(key) for word in phrase)

    return Vocabulary(
        announcing=Phrases(dict.fromkeys(phrases("announcing"), 0)),
        naming=words("naming"),
        joining=words("joining"),
        refusing=Phrases(dict.fromkeys(phrases("refusing"), 0)),
        negating=words("negating"),
        negating_before=words("negating_before"),
        comparing=words("comparing"),
        common=frozenset(words_of(text, language).words for text in own.get("common", [])),
    )


@cache
def languages() -> frozenset[str]:
    """Codes of the languages that have word lists."""
    return frozenset(file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if "-" not in file.name)


@cache
def _read(language: str) -> dict[str, list[str]]:
    return tomllib.loads((_FOLDER / f"{language}.toml").read_text("utf-8"))
