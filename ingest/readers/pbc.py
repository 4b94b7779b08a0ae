"""The Parallel Bible Corpus of Christodouloupoulos and Steedman: one Bible a file, in CES XML or in TEI.

    <body lang="fa"> <div id="b.MAR" type="book"> <div id="b.MAR.1" type="chapter">
    <seg id="b.MAR.1.1" type="verse"> text </seg>    or    <ab xml:id="b.MAR.1.1"> text </ab>

Verses get the keys of eBible (``MRK 1:1``, book codes of USFM), so that both sources name a verse alike. A verse
number that no other translation has (Zulu numbers Romans 12 up to verse 36) stays as it is and is parallel to
nothing. Elements inside a verse are notes on its form: their text belongs to the verse.

The language is what the header calls it by name, since the codes beside the name are wrong in places (Swahili has
``ss`` and ``ssw``, which is Swati); then the file's name; then those codes. A code that contradicts the language taken
is kept among the rejects, though it is not a row of the file.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.text import ReadCorpus, Segments, stem
from mlv.ingest.readers.xml import XmlReader
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

LANGUAGE_CODES: Final = {
    "language": ("id", "iso639", "ident"),
    "body": ("lang", "xml:lang"),
    "text": ("xml:lang",),
    "TEI": ("xml:lang",),
}
"""Attributes that name the language by code, by element."""

VERSE: Final = re.compile(r"b\.([1-3A-Z][A-Z0-9]{2})\.([0-9]{1,3})\.([0-9]{1,3})")


def read(path: Path) -> ReadCorpus:
    """Read one Bible. The edition is the file's name. Raises DataError if the file is not XML of the corpus."""
    bible = _Bible(path)
    bible.parse()
    if not bible.segments.rows and not bible.segments.rejected:
        raise DataError(
            f"{path} has no verse: no seg or ab element with an id such as b.MAT.5.3.",
            "If it is not a file of the Parallel Bible Corpus, choose another --source.",
        )
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


class _Bible(XmlReader):
    """What the events of the parser add up to."""

    format = "the Parallel Bible Corpus"
    advice = "Files of the Parallel Bible Corpus do not: write the characters themselves, one seg for each verse."

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.segments = Segments()
        self.language_name = ""
        """Text of the header's ``language`` element."""
        self.codes: list[tuple[int, str]] = []
        """Line and value of every language code in the file."""
        self._place = (0, "")
        self._element = ""
        """Name of the element that holds the verse that is being read."""
        self._verse: list[str] | None = None
        self._in_language = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Note codes of languages, and where a verse begins."""
        self._in_language = name == "language"
        self.codes += [(self.line, attributes[code]) for code in LANGUAGE_CODES.get(name, ()) if code in attributes]
        identifier = attributes.get("id", attributes.get("xml:id", ""))
        if name == "seg" or (name == "ab" and VERSE.fullmatch(identifier)):
            if self._verse is not None:
                self.refuse("has a verse inside a verse")
            self._place, self._verse, self._element = (self.line, identifier), [], name

    def end(self, name: str) -> None:
        """Take the verse that ends."""
        self._in_language = False
        if name == self._element and self._verse is not None:
            self._add("".join(self._verse))
            self._verse = None

    def text(self, data: str) -> None:
        """Collect a verse, or the name of the language."""
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
