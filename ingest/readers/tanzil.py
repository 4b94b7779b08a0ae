"""Tanzil's translations of the Quran, in both layouts of its downloads.

"Text" has one aya a line, 6,236 of them, which only the table of suras can number. "Text with aya numbers" has lines
``sura|aya|text`` and may be a part. Both end with a footer of ``#`` lines that name the language and the translation.
An aya's key is ``2:255``. A blank aya is rejected under its key, and shifts nothing.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.text import ReadCorpus, Segments, read_lines, stem
from mlv.ingest.reference.languages import first_language
from mlv.schema.errors import DataError

# fmt: off
AYAS: Final = (
    7, 286, 200, 176, 120, 165, 206, 75, 129, 109, 123, 111, 43, 52, 99, 128, 111, 110, 98, 135,
    112, 78, 118, 64, 77, 227, 93, 88, 69, 60, 34, 30, 73, 54, 45, 83, 182, 88, 75, 85,
    54, 53, 89, 59, 37, 35, 38, 29, 18, 45, 60, 49, 62, 55, 78, 96, 29, 22, 24, 13,
    14, 11, 11, 18, 12, 12, 30, 52, 52, 44, 28, 28, 20, 56, 40, 31, 50, 40, 46, 42,
    29, 19, 36, 25, 22, 17, 19, 26, 30, 20, 15, 21, 11, 8, 8, 19, 5, 8, 8, 11,
    11, 8, 3, 9, 5, 4, 7, 3, 6, 3, 5, 4, 5, 6,
)
# fmt: on
"""Ayas of each of the 114 suras, in the Kufan count that Tanzil uses."""

KEYS: Final = tuple(f"{sura}:{aya}" for sura, ayas in enumerate(AYAS, start=1) for aya in range(1, ayas + 1))
"""Keys of all 6,236 ayas, in the order of the text."""

FOOTER: Final = re.compile(r"#\s*(Language|ID):\s*(\S.{0,99}?)\s*")
NUMBERED: Final = re.compile(r"\s*([0-9]{1,3})\|([0-9]{1,3})\|(.*)", re.DOTALL)


def read(path: Path) -> ReadCorpus:
    """Read one translation. The edition is its id in the footer, else the file's name.

    Raises DataError if a text without numbers does not have one line for each aya.
    """
    lines = read_lines(path)
    end = next((index for index, line in enumerate(lines) if line.startswith("#")), len(lines))
    body = lines[:end]
    facts = {found[1]: found[2] for line in lines[end:] if (found := FOOTER.fullmatch(line))}
    edition = facts.get("ID", stem(path))
    numbered = NUMBERED.match(next(filter(str.strip, body), "")) is not None
    segments = _numbered(body) if numbered else _plain(path, body)
    return segments.finish(first_language(edition.partition(".")[0], facts.get("Language", "")), edition)


def _plain(path: Path, body: Sequence[str]) -> Segments:
    """Segments of a text that has one aya a line."""
    ayas = list(body)
    while ayas and not ayas[-1].strip():
        ayas.pop()
    if len(ayas) != len(KEYS):
        raise DataError(
            f"{path} has {len(ayas):,} lines of text; the Quran has {len(KEYS):,} ayas, one a line.",
            "Fetch it again from tanzil.net/trans, as Text or as Text with aya numbers.",
        )
    segments = Segments()
    for number, (key, text) in enumerate(zip(KEYS, ayas, strict=True), start=1):
        segments.add(number, key, text, empty="the aya is blank")
    return segments


def _numbered(body: Sequence[str]) -> Segments:
    """Segments of a text that has sura and aya in each line."""
    segments, known = Segments(), frozenset(KEYS)
    for number, line in enumerate(body, start=1):
        found = NUMBERED.match(line)
        key = f"{int(found[1])}:{int(found[2])}" if found else ""
        if found and key in known:
            segments.add(number, key, found[3], empty="the aya is blank")
        elif line.strip():
            segments.reject(number, key, "there is no such aya" if found else "its form is not sura|aya|text", line)
    return segments


SOURCE: Final = Source(
    code="tanzil",
    name="Tanzil Quran translations",
    domain="religious",
    citation="Tanzil Project (2007-2024): Quran translations. https://tanzil.net/trans; Jörg Tiedemann (2012): "
    "Parallel Data, Tools and Interfaces in OPUS. LREC.",
    licence="Tanzil terms of use: non-commercial purposes only",
    read=read,
    patterns=("*.txt",),
)
