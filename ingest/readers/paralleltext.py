"""The parallel Bible corpus of Mayer and Cysouw: one verse a line, its number before it.

    # language_name: English
    # closest ISO 639-3: eng
    40001001<tab>The book of the generation of Jesus Christ ...

The number is book (two digits), chapter and verse (three each), and becomes a key as eBible has it (``MAT 1:1``);
that of a book beyond the 66 stays as it is. Lines that begin with ``#`` are a header or verses that the editors took
out. A verse without text stands with another one, or is not there: it is rejected.
"""

import re
from pathlib import Path
from typing import Final

from mlv.ingest.readers.books import BOOKS
from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.text import ReadCorpus, Segments, read_lines, stem
from mlv.ingest.reference.languages import first_language
from mlv.schema.errors import DataError

VERSE: Final = re.compile(r"(\d{2})(\d{3})(\d{3})\t(.*)", re.DOTALL)
FACT: Final = re.compile(r"#\s*(language_name|closest ISO 639-3):\s*(\S.{0,99}?)\s*")


def read(path: Path) -> ReadCorpus:
    """Read one Bible. The edition is the file's name. Raises DataError if no line is a verse."""
    segments, facts, edition = Segments(), {}, stem(path)
    for number, line in enumerate(read_lines(path), start=1):
        if fact := FACT.fullmatch(line):
            facts[fact[1]] = fact[2]
        elif verse := VERSE.fullmatch(line):
            segments.add(number, _key(*verse.group(1, 2, 3)), verse[4], empty="the verse has no text of its own")
        elif line.strip() and not line.startswith("#"):
            segments.reject(number, "", "its form is not BBCCCVVV<tab>text", line)
    if not segments.rows:
        raise DataError(
            f"{path} has no line with a verse, as 40001001<tab>text.",
            "If it is not of the parallel Bible corpus of Mayer and Cysouw, choose another --source.",
        )
    codes = facts.get("closest ISO 639-3", ""), facts.get("language_name", ""), edition.partition("-")[0]
    return segments.finish(first_language(*codes), edition)


def _key(book: str, chapter: str, verse: str) -> str:
    if 0 < int(book) <= len(BOOKS):
        return f"{BOOKS[int(book) - 1]} {int(chapter)}:{int(verse)}"
    return f"{book}{chapter}{verse}"


SOURCE: Final = Source(
    code="paralleltext",
    name="Parallel Bible corpus of Mayer and Cysouw",
    domain="religious",
    citation="Thomas Mayer and Michael Cysouw (2014): Creating a massively parallel Bible corpus. LREC.",
    licence="",
    read=read,
    patterns=("*.txt",),
)
