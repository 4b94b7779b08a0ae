"""The Parallel Bible Corpus of Christodouloupoulos and Steedman: one Bible a file, in CES XML.

    <body lang="fa"> <div id="b.MAR" type="book"> <div id="b.MAR.1" type="chapter">
    <seg id="b.MAR.1.1" type="verse"> text </seg>

Verses get the keys of eBible (``MRK 1:1``, book codes of USFM), so that both sources name a verse alike. A verse
number that no other translation has (Zulu numbers Romans 12 up to verse 36) stays as it is and is parallel to
nothing. Elements inside a verse are notes on its form: their text belongs to the verse.

The language is what the header calls it by name, since the codes beside the name are wrong in places (Swahili has
``ss`` and ``ssw``, which is Swati); then the file's name; then those codes. A code that contradicts the language taken
is kept among the rejects, though it is not a row of the file.

The parser is expat. A document type with entity declarations is refused, because entities can grow without bound.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn
from xml.parsers import expat

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.text import ReadCorpus, Segments, read_lines, stem
from mlv.ingest.reference.languages import first_language
from mlv.schema.errors import DataError

USFM: Final = {
    "SON": "SNG",
    "EZE": "EZK",
    "JOE": "JOL",
    "NAH": "NAM",
    "MAR": "MRK",
    "JOH": "JHN",
    "PHI": "PHP",
    "JAM": "JAS",
    "1JO": "1JN",
    "2JO": "2JN",
    "3JO": "3JN",
}
"""Book codes of the corpus that are not those of USFM; the other 55 are the same."""

LANGUAGE_CODES: Final = {"language": ("id", "iso639"), "body": ("lang",)}
"""Attributes that name the language by code, by element."""

VERSE: Final = re.compile(r"b\.([1-3A-Z][A-Z0-9]{2})\.([0-9]{1,3})\.([0-9]{1,3})")


def read(path: Path) -> ReadCorpus:
    """Read one Bible. The edition is the file's name. Raises DataError if the file is not CES XML."""
    bible = _Bible(path)
    bible.parse()
    edition = stem(path)
    spelt = [bible.language_name, edition.partition("-")[0], *(code for _, code in bible.codes)]
    taken = first_language(*spelt)
    wrong = [(line, code) for line, code in bible.codes if first_language(code) != taken]
    corpus = bible.segments.finish(taken, edition)
    if not wrong or taken is None:
        return corpus
    listed = ", ".join(sorted({code for _, code in wrong}))
    reason = f"the language codes of the file ({listed}) contradict its name; it is taken as {taken!r}"
    return replace(corpus, rejected=[Rejected(wrong[0][0], reason, "language", listed), *corpus.rejected])


class _Bible:
    """The state of the parser, and what its events add up to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.segments = Segments()
        self.language_name = ""
        """Text of the header's ``language`` element."""
        self.codes: list[tuple[int, str]] = []
        """Line and value of every language code in the file."""
        self._place = (0, "")
        self._verse: list[str] | None = None
        self._in_language = False
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = lambda name, *_: self._refuse(f"declares the entity {name!r}")
        self._parser.SkippedEntityHandler = lambda name, _: self._refuse(f"uses the undeclared entity {name!r}")

    def parse(self) -> None:
        """Read the file. Raises DataError if it is not well-formed, declares entities, or nests verses."""
        try:
            self._parser.Parse("\n".join(read_lines(self.path)), True)
        except expat.ExpatError as error:
            raise DataError(
                f"{self.path} is not well-formed XML: {expat.ErrorString(error.code)} in line {error.lineno}.",
                "Fetch it again; if it is not a file of the Parallel Bible Corpus, choose another --source.",
            ) from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name, line = tag.rpartition(":")[2], self._parser.CurrentLineNumber
        self._in_language = name == "language"
        self.codes += [(line, attributes[code]) for code in LANGUAGE_CODES.get(name, ()) if code in attributes]
        if name == "seg":
            if self._verse is not None:
                self._refuse("has a verse inside a verse")
            self._place, self._verse = (line, attributes.get("id", "")), []

    def _end(self, tag: str) -> None:
        self._in_language = False
        if tag.rpartition(":")[2] == "seg" and self._verse is not None:
            self._add("".join(self._verse))
            self._verse = None

    def _text(self, data: str) -> None:
        if self._verse is not None:
            self._verse.append(data)
        elif self._in_language:
            self.language_name += data

    def _add(self, raw: str) -> None:
        """Take a verse under its key."""
        line, identifier = self._place
        parts = VERSE.fullmatch(identifier)
        if parts is None:
            self.segments.reject(line, identifier, "its id does not name a verse as b.MAT.5.3 does", raw)
            return
        book, chapter, verse = parts.groups()
        key = f"{USFM.get(book, book)} {int(chapter)}:{int(verse)}"
        self.segments.add(line, key, raw, empty="the verse is empty")

    def _refuse(self, what: str) -> NoReturn:
        raise DataError(
            f"{self.path} {what} in line {self._parser.CurrentLineNumber}.",
            "Files of the Parallel Bible Corpus do not: write the characters themselves, one seg for each verse.",
        )


SOURCE: Final = Source(
    code="pbc",
    name="Parallel Bible Corpus",
    domain="religious",
    citation="Christos Christodouloupoulos and Mark Steedman (2015): A massively parallel corpus: the Bible in 100 "
    "languages. Language Resources and Evaluation 49(2).",
    licence="CC0-1.0",
    read=read,
    patterns=("*.xml",),
    companions=frozenset({"metadata.csv"}),
    unreliable_language=True,
)
