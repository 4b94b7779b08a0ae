"""Where an answer mentions options, and how firmly."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple

from mlv.ingest.answers.v1.folding import Words
from mlv.ingest.answers.v1.options import Options
from mlv.ingest.answers.v1.phrases import Found

_DENIED_WITHIN: Final = 5
"""Words before an option among which one may deny it."""

_DENIED_AFTER: Final = 2
"""Words after an option among which one may deny it."""

_BETWEEN: Final = 3
"""Words between options that are listed, or between an option and what announces it."""

_SHORTEST_BEGINNING: Final = 3
"""Letters by which an option that was cut off is known."""

_CLAUSE: Final = re.compile(r"[.,:()\n]")
_SENTENCE: Final = re.compile(r"[.\n]")


class Firmness(IntEnum):
    """How firmly an answer mentions an option."""

    DENIED = -1
    """As what is not the answer."""

    PASSING = 0
    """In running text."""

    QUOTED = 1
    """In quotation marks or emphasised."""

    GIVEN = 2
    """As the answer: alone, at the beginning, on a line of its own, announced, by number, or in the sentence's gap."""


class Mention(NamedTuple):
    """An option in ``words[start:end]`` of an answer."""

    start: int
    end: int
    option: int
    firmness: Firmness


@dataclass(frozen=True)
class Answer:
    """An answer as words, and what is looked for in it."""

    text: Words
    options: Options
    shown: tuple[int, ...]
    finish: str | None

    @cached_property
    def found(self) -> dict[int, Found]:
        """Texts of options by the place of their first word."""
        return {found.start: found for found in self.options.phrases.find(self.text.words) if found.value}

    @cached_property
    def taken(self) -> frozenset[int]:
        """Places of the words of these texts."""
        return frozenset(place for found in self.found.values() for place in range(found.start, found.end))

    @cached_property
    def announced(self) -> frozenset[int]:
        """Places that an answer is announced before: *my answer is option* ..."""
        known = self.options.known
        phrases = {found.end for found in known.announcing.find(self.text.words)}
        names = {place for place, word in enumerate(self.text.words, 1) if word in known.naming}
        return frozenset(place for place in phrases | names if "." not in self.text.marks[place])

    def is_last(self, end: int) -> bool:
        """Whether the text ends with the word before a place, without any mark."""
        return end == len(self.text.words) and not self.text.marks[end]


def mentions(answer: Answer) -> list[Mention]:
    """All mentions in their order, without those of weak texts in passing or denied."""
    numbers = {number.start: number for number in _numbers(answer)}
    begun = _cut_off(answer, {number.end for number in numbers.values()})
    labels = (_labelled(answer, found, numbers.get(found.start - 1)) for found in [*answer.found.values(), *begun])
    return sorted([*numbers.values(), *(label for label in labels if label)])


def listed(answer: Answer, found: list[Mention]) -> set[Mention]:
    """Mentions of several options side by side, as in *agree or disagree* or the options said again."""
    pairs = list(pairwise(found))
    several = {mention for pair in pairs if _are_side_by_side(answer, *pair) for mention in pair}
    numbered = (pair for pair in pairs if not several.isdisjoint(pair) and _is_numbered(answer, *pair))
    return several | {mention for pair in numbered for mention in pair}


def _are_side_by_side(answer: Answer, one: Mention, other: Mention) -> bool:
    between = answer.text.words[one.end : other.start]
    known = answer.options.known
    if one.option == other.option or len(between) > _BETWEEN:
        return False
    if not all(word in known.joining | known.naming or word.isdigit() for word in between):
        return False
    if Firmness.DENIED in {one.firmness, other.firmness}:
        return len(between) > 0
    in_one_sentence = not any(map(_SENTENCE.search, answer.text.marks[one.end : other.start + 1]))
    return in_one_sentence or one.firmness == other.firmness


def _is_numbered(answer: Answer, number: Mention, label: Mention) -> bool:
    """Whether the first mention is the number of the second: both are one."""
    return number.option == label.option and number.end == label.start and "\n" not in answer.text.marks[number.end]


def _numbers(answer: Answer) -> Iterator[Mention]:
    """Numbers of options where they stand for these, unlike ages and dates in running text."""
    for place, word in enumerate(answer.text.words):
        number = _number(word, len(answer.shown))
        if number is None or (answer.is_last(place + 1) and _may_be_longer(answer, number)):
            continue
        option = answer.shown[number - 1]
        if _stands_for_option(answer, place, option) and not _is_denied_before(answer, place):
            yield Mention(place, place + 1, option, Firmness.GIVEN)


def _number(word: str, options: int) -> int | None:
    """The number that a word is, if an option has it; ``7/10`` is 7 where there are 10 options."""
    digits, _, scale = word.partition("/")
    if not digits.isdecimal() or len(digits) > 9 or (scale and scale != str(options)):
        return None
    return int(digits) if 1 <= int(digits) <= options else None


def _may_be_longer(answer: Answer, number: int) -> bool:
    """Whether a number at the end of a text that was cut off may be the beginning of another."""
    return answer.finish == "length" and 10 * number <= len(answer.shown)


def _stands_for_option(answer: Answer, place: int, option: int) -> bool:
    """Whether a number is in brackets, emphasised, announced, on its own, before its option or at the beginning."""
    words, marks = answer.text
    before, after = marks[place], marks[place + 1]
    last = place + 1 == len(words)
    if (before.endswith("(") and (last or after.startswith(")"))) or before[-1:] == after[:1] == '"':
        return True
    label = answer.found.get(place + 1)
    line = place == 0 or "\n" in before
    if place in answer.announced or (line and (last or after.startswith(")") or "\n" in after)):
        return True
    if line and label and label.value == option:
        return True
    return place == 0 and (label is not None or (bool(after.strip()) and not _is_part_of_more(answer, place)))


def _is_part_of_more(answer: Answer, place: int) -> bool:
    """Whether digits are a part of a range, a time or a share."""
    words, marks = answer.text
    after = marks[place + 1]
    before_digits = place + 1 < len(words) and words[place + 1][0].isdigit()
    return after.startswith("%") or (before_digits and after in {"-", ":", "'"})


def _cut_off(answer: Answer, numbered: set[int]) -> list[Found]:
    """The beginning of one option, at the end of an answer that consists of it, announces or numbers it."""
    words = answer.text.words
    longest = max((len(text) for text, _ in answer.options.texts), default=0)
    for start in range(max(0, len(words) - longest), len(words)):
        begun = words[start:]
        stands = start == 0 or start in answer.announced or start in numbered
        if stands and answer.taken.isdisjoint(range(start, len(words))) and _tells(answer, begun):
            options = answer.options.begun(begun, whole_words=answer.finish == "stop")
            if len(options) == 1:
                return [Found(start, len(words), *options)]
    return []


def _tells(answer: Answer, begun: tuple[str, ...]) -> bool:
    """Whether an option may be known by its beginning: *not* tells none, unless the answer was certainly cut off."""
    known = answer.options.known
    says_something = answer.finish == "length" or not all(
        word in known.negating or (word,) in known.common for word in begun
    )
    return says_something and len(" ".join(begun)) >= _SHORTEST_BEGINNING


def _labelled(answer: Answer, found: Found, number: Mention | None) -> Mention | None:
    """The text of an option as a mention; None if it may be cut off, or is weak and in passing or denied."""
    weak = answer.text.words[found.start : found.end] in answer.options.weak
    firmness = _firmness(answer, found, number, weak)
    if firmness is None or (weak and firmness <= Firmness.PASSING):
        return None
    return Mention(*found, firmness)


def _firmness(answer: Answer, found: Found, number: Mention | None, weak: bool) -> Firmness | None:
    words, marks = answer.text
    before, after = marks[found.start], marks[found.end]
    if number and "\n" not in before:
        return Firmness.GIVEN
    if answer.finish == "length" and answer.is_last(found.end) and _may_go_on(answer, found):
        return None
    own_line = (found.start == 0 or "\n" in before) and (found.end == len(words) or "\n" in after)
    if own_line or _fills_gap(answer, found):
        return Firmness.GIVEN
    if _is_denied_before(answer, found.start) or _is_denied_after(answer, found.end):
        return Firmness.DENIED
    if _begins(answer, found, weak) or _is_announced(answer, found, weak):
        return Firmness.GIVEN
    quoted = before[-1:] in {'"', "'"} and after[:1] in {'"', "'"}
    return Firmness.QUOTED if quoted else Firmness.PASSING


def _begins(answer: Answer, found: Found, weak: bool) -> bool:
    """Whether an answer begins with an option, set off from what follows; a weak one not by a comma: *no, it is* ..."""
    after = answer.text.marks[found.end]
    return found.start == 0 and _is_set_off(after) and not (weak and after.startswith(","))


def _is_announced(answer: Answer, found: Found, weak: bool) -> bool:
    """Whether an option is announced; a weak one has to be set off, unlike in *the answer is no secret*."""
    last = found.end == len(answer.text.words)
    return found.start in answer.announced and (last or not weak or _is_set_off(answer.text.marks[found.end]))


def _is_set_off(after: str) -> bool:
    """Whether these marks end a clause; a dash alone joins words."""
    return after != "-" and re.search(r"[.:(),\"\n-]", after) is not None


def _may_go_on(answer: Answer, found: Found) -> bool:
    """Whether the words of an option are the first ones of another: *trust* of *trust not at all*, 1 of 10."""
    words = answer.text.words[found.start :]
    return bool(answer.options.begun(words, whole_words=not words[-1].isdigit()) - {found.value})


def _fills_gap(answer: Answer, found: Found) -> bool:
    """Whether an option stands in the question's sentence, told from its start or the gap on to its end or a cut."""
    words, marks = answer.text
    before, after = answer.options.before, answer.options.after
    told = words[max(0, found.start - len(before)) : found.start]
    rest = words[found.end : found.end + len(after)]
    whole = rest == after or (found.end + len(rest) == len(words) and rest == after[: len(rest)])
    if found.start == 0:
        return whole and len(rest) > 0
    begun = told == before and (len(before) > 0 or bool(_CLAUSE.search(marks[found.start])))
    return begun and whole and len(before) + len(rest) > 1


def _is_denied_before(answer: Answer, place: int) -> bool:
    """Whether a word in the same clause denies what follows, or something else is preferred to it."""
    words, marks = answer.text
    known = answer.options.known
    named = place
    while named and place - named < _BETWEEN and words[named - 1] in known.naming:
        named -= 1
    if named and named not in answer.announced and words[named - 1] in known.comparing:
        return True
    for earlier in range(place - 1, max(-1, place - 1 - _DENIED_WITHIN), -1):
        if _CLAUSE.search(marks[earlier + 1]) or earlier in answer.taken:
            return False
        if words[earlier] in known.negating:
            return True
    return False


def _is_denied_after(answer: Answer, place: int) -> bool:
    """Whether a word soon after a place in the same clause denies what was before."""
    words, marks = answer.text
    for later in range(place, min(len(words), place + _DENIED_AFTER)):
        if _CLAUSE.search(marks[later]) or later in answer.taken:
            return False
        if words[later] in answer.options.known.negating_before:
            return True
    return False
