"""Sentences of English news text, by rules that can be read.

A sentence ends at ``.``, ``!``, ``?`` or an ellipsis, with any closing quotes and brackets, if white space and then
a capital letter, a digit or an opening quote follow. It does not end after titles and other abbreviations that are
always followed by more (``Mr.``, ``Sept.``) or after initials (``George W. Bush``). After abbreviations that may end a
sentence (``U.S.``, ``Inc.``, ``p.m.``) it ends only if the next word commonly begins one. Line breaks always end
a sentence: in the corpora this is for, they separate paragraphs.
"""

import re
from collections.abc import Iterator
from typing import Final

# fmt: off
NEVER_LAST: Final = frozenset({
    "mr", "mrs", "ms", "dr", "prof", "rev", "hon", "st", "mt", "messrs", "gen", "col", "maj", "capt", "lt", "sgt",
    "cpl", "adm", "cmdr", "sen", "sens", "rep", "reps", "gov", "atty", "pres", "supt", "det", "jan", "feb", "aug",
    "sept", "sep", "oct", "nov", "dec", "vs", "v", "e.g", "i.e", "cf", "approx",
})
"""Abbreviations that are always followed by more, without their last full stop."""

BEFORE_NUMBER: Final = frozenset({"no", "nos", "fig"})
"""Abbreviations before a number, and words (``no``) or ends of sentences elsewhere."""

MAYBE_LAST: Final = frozenset({
    "inc", "corp", "co", "ltd", "llc", "bros", "jr", "sr", "etc", "a.m", "p.m", "ph.d",
})
"""Abbreviations that may end a sentence; initialisms such as ``U.S.`` are recognised by their form."""

OPENERS: Final = frozenset({
    "a", "after", "all", "also", "although", "an", "and", "as", "at", "but", "by", "for", "from", "he", "her",
    "his", "how", "however", "i", "if", "in", "it", "its", "meanwhile", "most", "no", "on", "one", "or", "our",
    "she", "since", "so", "some", "still", "that", "the", "their", "then", "there", "these", "they", "this",
    "those", "to", "we", "what", "when", "where", "while", "who", "why", "with", "yet", "you",
})
"""Words that commonly begin a sentence, and hardly ever a name."""
# fmt: on

END: Final = re.compile(r"[.!?…][\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-ZÀ-Þ0-9])")
INITIALISM: Final = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]")
NOT_A_LETTER: Final = re.compile(r"^[^\w]+")


def split_sentences(text: str) -> Iterator[str]:
    """The sentences of ``text`` in order, with white space collapsed; nothing else is changed or left out."""
    for paragraph in text.splitlines():
        start = 0
        for end in END.finditer(paragraph):
            if paragraph[end.start()] != "." or _ends(paragraph[start : end.start()], paragraph[end.end() :]):
                yield " ".join(paragraph[start : end.end()].split())
                start = end.end()
        if rest := " ".join(paragraph[start:].split()):
            yield rest


def _ends(before: str, after: str) -> bool:
    """Whether the full stop between two texts ends a sentence."""
    word = NOT_A_LETTER.sub("", before.rsplit(None, 1)[-1]) if before.split() else ""
    lower = word.lower()
    if lower in NEVER_LAST or (len(word) == 1 and word.isupper() and word != "I"):
        return False
    following = re.match(r"\W*(\w*)", after)
    next_word = following[1].lower() if following else ""
    if lower in BEFORE_NUMBER:
        return not next_word[:1].isdigit()
    if lower in MAYBE_LAST or INITIALISM.fullmatch(word):
        return next_word in OPENERS
    return True
