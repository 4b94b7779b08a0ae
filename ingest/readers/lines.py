"""Plain parallel text: one sentence a line, and line *i* of every file of a source says the same.

The key is the line's number. An empty line is rejected, and shifts nothing. The language is the code that the file's
name ends with (``newstest2019-ref.fas.txt``, ``corpus.fa``, ``fa.txt``), as long as the language has a two-letter
code: most short words (``new.txt``) are a three-letter code of some language.
"""

import re
from pathlib import Path

from mlv.ingest.readers.text import ReadCorpus, Segments, read_lines
from mlv.ingest.reference.languages import first_language


def read(path: Path) -> ReadCorpus:
    """Read one file. The edition is its name."""
    name = path.name.removesuffix(".gz").removesuffix(".txt")
    segments = Segments()
    for number, text in enumerate(read_lines(path), start=1):
        segments.add(number, str(number), text, empty="the line is empty")
    return segments.finish(_language(name.rpartition(".")[2]), name)


def _language(code: str) -> str | None:
    """Code of the language that a two- or three-letter code means, where it has one of two letters."""
    found = first_language(code) if re.fullmatch(r"[a-z]{2,3}(_[A-Z][a-z]{3})?", code) else None
    return found if found is not None and len(found) == 2 else None
