"""Reading XML as a stream of events. A document type with entity declarations is refused: entities can grow without
bound."""

from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from mlv.ingest.readers.text import stream_lines
from mlv.schema.errors import DataError


class XmlReader:
    """Base of readers of XML: what is to be done at each event of the parser is theirs. Names are without prefix."""

    format = "XML"
    """What the files are, for messages."""

    advice = ""
    """What such files have instead of what is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = lambda tag, attributes: self.start(tag.rpartition(":")[2], attributes)
        self._parser.EndElementHandler = lambda tag: self.end(tag.rpartition(":")[2])
        self._parser.CharacterDataHandler = self.text
        self._parser.EntityDeclHandler = lambda name, *_: self.refuse(f"declares the entity {name!r}")
        self._parser.SkippedEntityHandler = lambda name, _: self.refuse(f"uses the undeclared entity {name!r}")

    @property
    def line(self) -> int:
        """The line that the parser is in, from 1."""
        return self._parser.CurrentLineNumber

    def parse(self) -> None:
        """Read the file. Raises DataError if it is not well-formed or declares entities."""
        try:
            for line in stream_lines(self.path):
                self._parser.Parse(f"{line}\n", False)
            self._parser.Parse("", True)
        except expat.ExpatError as error:
            raise DataError(
                f"{self.path} is not well-formed XML: {expat.ErrorString(error.code)} in line {error.lineno}.",
                f"Fetch it again; if it is not a file of {self.format}, choose another --source.",
            ) from error

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, data: str) -> None:
        """Characters of an element."""

    def refuse(self, what: str) -> NoReturn:
        """Raise DataError for what the file does in this line."""
        raise DataError(f"{self.path} {what} in line {self.line}.", self.advice)
