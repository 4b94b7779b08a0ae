"""Plain parallel text: one sentence a line, and line *i* of every file of a source is the same sentence.

Pairs of files as Moses has them (``corpus.de`` and ``corpus.sw``) are such text. What is plainly of another format is
refused, with the source that fits.

The key is the line's number. An empty line is rejected, and shifts nothing. The language is the code that the file's
name ends with (``newstest2019-ref.fas.txt``, ``corpus.fa``, ``fa.txt``), as long as the language has a two-letter
code: most short words (``new.txt``) are a three-letter code of some language.
"""

import re
from pathlib import Path
from typing import Final

from mlv.ingest.readers.formats import refuse_other_formats
from mlv.ingest.readers.sources import Source, named_source
from mlv.ingest.readers.text import ReadCorpus, Segments, read_lines
from mlv.ingest.reference.languages import first_language


def read(path: Path) -> ReadCorpus:
    """Read one file. The edition is its name. Raises DataError if it is plainly of another format."""
    name = path.name.removesuffix(".gz").removesuffix(".txt")
    lines = read_lines(path)
    refuse_other_formats(path, lines)
    segments = Segments()
    for number, text in enumerate(lines, start=1):
        segments.add(number, str(number), text, empty="the line is empty")
    return segments.finish(_language(name.rpartition(".")[2]), name)


def _language(code: str) -> str | None:
    """Code of the language that a two- or three-letter code means, if it has one of two letters."""
    found = first_language(code) if re.fullmatch(r"[a-z]{2,3}(_[A-Z][a-z]{3})?", code) else None
    return found if found is not None and len(found) == 2 else None


SOURCE: Final[Source] = Source(
    code="lines",
    name="Parallel lines",
    domain="other",
    citation="No citation: text of the user.",
    licence="",
    read=read,
    patterns=("*.txt",),
    line_aligned=True,
    of_publication=lambda publication, _: named_source(SOURCE, publication),
)
