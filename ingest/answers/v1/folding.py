"""Texts as words: what differs in writing alone becomes the same.

Case, width, digits of any script, invisible characters, vowel signs and variants of Arabic letters, and accents are
folded away; accents stay in Vietnamese, whose words differ by them. Serbian becomes Latin, Arabic loses its article and
Korean the endings of its statements, which say the same in several degrees of politeness. English *n't* is *not*.
Punctuation becomes one of few marks:

======== =====================================
``.``    ends a sentence
``,``    comma, semicolon
``"``    quotation marks, emphasis, code, tags
``(``    any opening bracket
``)``    any closing bracket
``-``    any dash
======== =====================================

``\\n``, ``:``, ``'``, ``/`` and ``%`` stand for themselves, a space for all others. Each character is folded by itself,
so that time is linear in a text of any kind, of combining marks alone, too.
"""

import html
import re
import unicodedata
from functools import cache
from typing import Final, NamedTuple

_MARKS: Final = {
    **dict.fromkeys(".?!。؟۔।॥…", "."),
    **dict.fromkeys(",;،、؛·", ","),
    **dict.fromkeys('"*_`~<>|', '"'),
    **dict.fromkeys("'’ʼ´‘", "'"),
    **dict.fromkeys("-−", "-"),
    **dict.fromkeys("/⁄", "/"),
    **dict.fromkeys("%٪", "%"),
    **dict.fromkeys("\n\r\v\f\x85", "\n"),
    ":": ":",
    "\t": " ",
}
_MARK_BY_CATEGORY: Final = {"Ps": "(", "Pe": ")", "Pi": '"', "Pf": '"', "Pd": "-", "Zl": "\n", "Zp": "\n"}
_LETTERS: Final = {
    "ı": "i",
    "ـ": "",
    **dict.fromkeys("ىیېے", "ي"),
    **dict.fromkeys("هەہھة", "ه"),
    **dict.fromkeys("ئ", "ء"),
    **dict.fromkeys("ک", "ك"),
    **dict.fromkeys("ٱ", "ا"),
}
_ACCENTS: Final = range(0x300, 0x370)
_SIGNS: Final = [*range(0x591, 0x5C8), *range(0x610, 0x61B), *range(0x64B, 0x660), 0x670, *range(0x6D6, 0x6EE)]
_SELECTORS: Final = range(0xFE00, 0xFE10)
_KNOWN: Final = _MARKS | _LETTERS | dict.fromkeys(map(chr, [*_SIGNS, *_SELECTORS]), "")

_SPACELESS: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff"
"""Scripts without spaces between words: each character is a word."""

_WORD: Final = re.compile(rf"[0-9]+(?:[.,/][0-9]+)*|[{_SPACELESS}]|[^\s0-9.,\"()\-:'/%{_SPACELESS}]+")
_ACCENTED: Final = re.compile("[\u0300-\u036f]{2,}")
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z]{2,10});")
_TAG: Final = re.compile(r"<[^<>\n]{1,40}>")

_NOT: Final = re.compile(r"(?<=[a-z])n't\b")
_PARTICLE: Final = re.compile(r"\b([وفبك])(?=ال\w{3})|\b(ل)ل(?=\w{3})")
_ARTICLE: Final = re.compile(r"\bال(?=\w{3})")

_SERBIAN: Final = str.maketrans(
    {"љ": "lj", "њ": "nj", "џ": "dz"}
    | dict(zip("абвгдђежзијклмнопрстћуфхцчш", "abvgdđezzijklmnoprstcufhccs", strict=True))
)
_KOREAN_ENDING: Final = re.compile(
    unicodedata.normalize("NFKD", "(?<=..)(?:입니다|습니다|\u11b8니다|는다|\u11ab다|이다|다|은|는)$")
)


class Words(NamedTuple):
    """A folded text: ``words[i]`` stands between the marks ``marks[i]`` and ``marks[i + 1]``."""

    words: tuple[str, ...]
    marks: tuple[str, ...]


class _Folding(dict[int, str]):
    """What each character becomes, by its code; filled as characters are met."""

    def __init__(self, accents: bool) -> None:
        self._accents = accents

    def __missing__(self, code: int) -> str:
        letter = _LETTERS.get(chr(code), chr(code))
        decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", letter).casefold())
        self[code] = "".join(map(self._folded, decomposed))
        return self[code]

    def _folded(self, character: str) -> str:
        if character in _KNOWN:
            return _KNOWN[character]
        if ord(character) in _ACCENTS:
            return character if self._accents else ""
        category = unicodedata.category(character)
        if category == "Nd":
            return str(unicodedata.decimal(character))
        if category in {"Cf", "Cc", "Me"}:
            return ""
        return character if category[0] in "LM" else _MARK_BY_CATEGORY.get(category, " ")


@cache
def _folding(accents: bool) -> _Folding:
    return _Folding(accents)


def words_of(text: str, language: str) -> Words:
    """The words of a text, folded, and the marks around them."""
    folded = _folded(text, language)
    words, marks, end = [], [], 0
    for word in _WORD.finditer(folded):
        marks.append(folded[end : word.start()])
        words.append(_KOREAN_ENDING.sub("", word[0]) if language == "ko" else word[0])
        end = word.end()
    return Words(tuple(words), (*marks, folded[end:]))


def _folded(text: str, language: str) -> str:
    plain = _TAG.sub('"', _ENTITY.sub(lambda entity: html.unescape(entity[0]), text))
    folded = _NOT.sub(" not", plain.translate(_folding(language == "vi")))
    if language == "vi":
        return _ACCENTED.sub(lambda accents: "".join(sorted(accents[0])), folded)
    if language == "sr":
        return folded.translate(_SERBIAN)
    if language == "ar":
        return _ARTICLE.sub("", _PARTICLE.sub(lambda particle: f"{particle[1] or particle[2]} ", folded))
    return folded


def is_spaceless(word: str) -> bool:
    """Whether a word is a character of a script that puts no spaces between words."""
    return re.match(f"[{_SPACELESS}]", word) is not None


def is_short(word: str) -> bool:
    """Whether a word is too short to be told from a part of speech: two letters, one syllable or one character."""
    composed = unicodedata.normalize("NFC", word)
    return len(composed) <= (2 if ord(composed[0]) < 0x1100 else 1)
