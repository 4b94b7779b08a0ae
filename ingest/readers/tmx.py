"""TMX, the exchange format of translation memories: units of a sentence in several languages.

    <tu tuid="17"> <tuv xml:lang="en"><seg>text</seg></tuv> <tuv xml:lang="de"><seg>Text</seg></tuv> </tu>

A unit's key is its ``tuid``, or its number in the file where it has none; a file is read as a text for each of its
languages. Formatting codes inside a sentence (``bpt``, ``ept``, ``it``, ``ph``, ``ut``) are not text.
"""

from pathlib import Path
from typing import Final

from mlv.ingest.readers.sources import Source, named_source
from mlv.ingest.readers.text import ReadCorpus, Segments, stem
from mlv.ingest.readers.xml import XmlReader
from mlv.ingest.reference.languages import first_language
from mlv.schema.errors import DataError, excerpt

CODES: Final = frozenset({"bpt", "ept", "it", "ph", "ut"})
"""Elements whose content is formatting."""


def read(path: Path) -> list[ReadCorpus]:
    """The text of each language of a file. The edition is its name. Raises DataError if it has no unit."""
    memory = _Memory(path)
    memory.parse()
    if not memory.texts:
        raise DataError(f"{path} has no tu with a tuv and a seg.", "If it is not TMX, choose another --source.")
    return [segments.finish(language, stem(path)) for language, segments in memory.texts.items()]


class _Memory(XmlReader):
    """What the events of the parser add up to."""

    format = "TMX"
    advice = "TMX needs none: write the characters themselves."

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.texts: dict[str | None, Segments] = {}
        self._units = 0
        self._key = ""
        self._language = ""
        self._sentence: list[str] | None = None
        self._codes = 0
        """Depth of elements whose content is formatting."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Note the unit, its language, and where a sentence begins."""
        if name == "tu":
            self._units += 1
            self._key = attributes.get("tuid", str(self._units))
        elif name == "tuv":
            self._language = attributes.get("xml:lang", attributes.get("lang", ""))
        elif name == "seg":
            self._sentence = []
        self._codes += name in CODES

    def end(self, name: str) -> None:
        """Take the sentence that ends."""
        self._codes -= name in CODES
        if name == "seg" and self._sentence is not None:
            self._add("".join(self._sentence))
            self._sentence = None

    def text(self, data: str) -> None:
        """Collect a sentence."""
        if self._sentence is not None and not self._codes:
            self._sentence.append(data)

    def _add(self, sentence: str) -> None:
        language = first_language(self._language)
        if language is None:
            self.refuse(f"has a tuv in {excerpt(self._language)!r}, which is no language,")
        self.texts.setdefault(language, Segments()).add(self.line, self._key, sentence, empty="the sentence is empty")


SOURCE: Final[Source] = Source(
    code="tmx",
    name="Translation memory",
    domain="other",
    citation="No citation: text of the user.",
    licence="",
    read=read,
    patterns=("*.tmx",),
    multilingual=True,
    of_publication=lambda publication, _: named_source(SOURCE, publication),
)
