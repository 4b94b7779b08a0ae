"""How an answer is read: the most firmly mentioned option, unless several are mentioned alike or the model refuses.

Section 8.4.4 of the self-alignment study does not say how its answers were read, so every choice here is ours
(docs/decisions.md, *Reading answers*).
"""

import re
from collections.abc import Sequence
from typing import Final

from mlv.ingest.answers.reading import Answered, Asked, Reading
from mlv.ingest.answers.v1.folding import Words, words_of
from mlv.ingest.answers.v1.mentions import Answer, Firmness, Mention, listed, mentions
from mlv.ingest.answers.v1.options import options_of
from mlv.ingest.answers.v1.thinking import without_thinking

_LONG: Final = 10
"""Words from which an answer without an end of a sentence counts as cut off, where nothing says why it ended."""

_GREETING: Final = 3
"""Words of a sentence without an option that is none yet: *Sure thing!*"""


def read(asked: Asked, answered: Answered) -> Reading:
    """Read an answer. Any text is read, in time linear in its length."""
    if answered.finish == "content_filter":
        return Reading("filtered")
    if answered.refused:
        return Reading("refusal")
    said, thinking = without_thinking(answered.text)
    text = words_of(said, asked.language)
    if not text.words:
        return Reading("truncated" if thinking or answered.finish == "length" else "empty")
    answer = Answer(text, options_of(asked), asked.shown, answered.finish)
    return _named(answer) or Reading("truncated" if thinking or _is_cut_off(answer) else "none")


def _named(answer: Answer) -> Reading | None:
    """What the most firmly mentioned options come to; None if there are none and nothing is refused."""
    found = mentions(answer)
    aside = listed(answer, found)
    refuses = bool(answer.options.known.refusing.find(answer.text.words))
    for firmness in (Firmness.GIVEN, Firmness.QUOTED, Firmness.PASSING):
        if refuses and firmness < Firmness.GIVEN:
            return Reading("refusal")
        if aside and firmness is Firmness.PASSING:
            return Reading("both")
        chosen = [mention for mention in found if mention.firmness is firmness and mention not in aside]
        if chosen:
            return _decided(chosen, answer.text)
    return None


def _decided(chosen: Sequence[Mention], text: Words) -> Reading:
    """The one option of these mentions, or the one of the first sentence."""
    options = {mention.option for mention in chosen}
    if len(options) > 1:
        end = _end_of_first_sentence(text, chosen[0].start)
        options = {mention.option for mention in chosen if mention.start < end}
    return Reading("answer", *options) if len(options) == 1 else Reading("both")


def _end_of_first_sentence(text: Words, first: int) -> int:
    """Where the first sentence ends, greetings before the first option apart; the mark after a number ends none."""
    begun = 0
    for place, word in enumerate(text.words, 1):
        if not word.isdigit() and re.search(r"[.\n]", text.marks[place]):
            if place > first or place - begun > _GREETING:
                return place
            begun = place
    return len(text.words)


def _is_cut_off(answer: Answer) -> bool:
    """Whether an answer was cut off: as the service says, else by how it ends."""
    if answer.finish is not None:
        return answer.finish == "length"
    words, marks = answer.text
    unfinished = not re.search(r"[.\"]", marks[-1])
    return ":" in marks[-1] or answer.options.known.announces_at_end(words) or (len(words) >= _LONG and unfinished)
