"""The eBible corpus: ``vref.txt`` names a verse in each line, and line *i* of every Bible is the verse of its line *i*.

An empty line means that the text has no such verse: it is neither a row nor a reject. ``<range>`` marks a verse that
was translated together with the one before; the whole translation stays under the first verse, the others are
rejected. The language is what the file's name begins with (``pes-opv.txt``), the edition is the file's name.
"""

import re
from pathlib import Path
from typing import Final

from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.text import ReadCorpus, Segments, read_lines, stem
from mlv.ingest.reference.languages import first_language
from mlv.schema.errors import DataError, excerpt

KEY_FILE: Final = "vref.txt"
RANGE: Final = "<range>"
VERSE: Final = re.compile(r"[1-6A-Z][A-Z0-9]{2} [0-9]{1,3}:[0-9]{1,3}")


def read(path: Path) -> ReadCorpus:
    """Read one Bible. Raises DataError if there is no ``vref.txt`` beside it, or if their lines differ in number."""
    verses, lines = _verse_names(path), read_lines(path)
    if len(lines) != len(verses):
        raise DataError(
            f"{path} has {len(lines):,} lines, {KEY_FILE} beside it {len(verses):,}: its verses cannot be named.",
            f"Put the {KEY_FILE} that belongs to it into its folder, or fetch the file again.",
        )
    segments, before, edition = Segments(), "", stem(path)
    for number, (verse, text) in enumerate(zip(verses, lines, strict=True), start=1):
        if text.strip() == RANGE:
            segments.reject(number, verse, f"it is translated together with {before}", text)
        elif text.strip():
            segments.add(number, verse, text)
            before = verse
    return segments.finish(first_language(edition.partition("-")[0]), edition)


def _verse_names(path: Path) -> list[str]:
    """The names of all lines, from the file beside ``path``."""
    names = path.with_name(KEY_FILE)
    if not names.exists():
        raise DataError(
            f"There is no {KEY_FILE} beside {path}: its verses cannot be named.",
            f"Put the {KEY_FILE} of the eBible corpus into its folder, or use --source lines.",
        )
    verses = [line.strip() for line in read_lines(names)]
    for number, verse in enumerate(verses, start=1):
        if not VERSE.fullmatch(verse):
            raise DataError(
                f"{names}: line {number} does not name a verse as MAT 5:3 does: {excerpt(verse)!r}.",
                f"Put the {KEY_FILE} of the eBible corpus there.",
            )
    return verses


SOURCE: Final = Source(
    code="ebible",
    name="eBible corpus",
    domain="religious",
    citation="Vesa Akerman et al. (2023): The eBible Corpus: Data and Model Benchmarks for Bible Translation for "
    "Low-Resource Languages. arXiv:2304.09919.",
    licence="",
    read=read,
    patterns=("*.txt",),
    companions=frozenset({KEY_FILE}),
    key_file=KEY_FILE,
    by_hand=(
        "The eBible corpus is published without fixed versions: https://github.com/BibleNLP/ebible",
        "Take metadata/vref.txt and the files of corpus/ into one folder: mlv ingest corpus --source ebible FOLDER",
    ),
)
