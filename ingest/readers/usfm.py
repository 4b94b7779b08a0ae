r"""Bibles in USFM, the format of translators: a file for each book, with markers such as ``\c 1`` and ``\v 2``.

The text of a verse is what stands between its marker and the next one, across paragraphs, without notes, cross
references, figures, headings and titles, and without the attributes of words. Its key is that of eBible (``MAT 1:1``).
A marker of several verses (``\v 3-4``) keeps the text under the first; the others are rejected. Files of a folder are
one text, whose edition is the folder's name; the language has to be given.
"""

import re
from pathlib import Path
from typing import Final

from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.text import ReadCorpus, Segments, read_lines
from mlv.schema.errors import DataError

NOTES: Final = re.compile(r"\\(f|fe|ef|x|ex|fig|rq|va|vp|ca|pro)\b(?:(?!\\[cv]\s).)*?\\\1\*", re.DOTALL)
"""Footnotes, endnotes, cross references, figures, and numbers of other editions; none goes on in another verse."""

MILESTONES: Final = re.compile(r"\\[a-z0-9]+-[se]\b[^\\]*\\\*")
ATTRIBUTES: Final = re.compile(r"\|[^\\]*(?=\\)")
MARKER: Final = re.compile(r"\\(\+?[a-z]+)[0-9]*(?:\*|\s?)")
NUMBERS: Final = re.compile(r"\s*([0-9]{1,3})[a-z]?(?:[-–,]([0-9]{1,3})[a-z]?)?\s*")

# fmt: off
PARAGRAPHS: Final = frozenset({
    "p", "m", "po", "pr", "cls", "pmo", "pm", "pmc", "pmr", "pi", "mi", "nb", "pc", "ph", "b", "q", "qr", "qc", "qm",
    "qd", "lh", "li", "lf", "lim", "tr", "tc", "tcr", "th", "thr", "lit",
})
"""Markers of paragraphs, lists and tables, whose text belongs to the verse."""

HEADINGS: Final = frozenset({
    "id", "usfm", "ide", "sts", "rem", "h", "toc", "toca", "imt", "is", "ip", "ipi", "im", "imi", "ipq", "imq", "ipr",
    "iq", "ib", "ili", "iot", "io", "iex", "imte", "ie", "mt", "mte", "ms", "mr", "s", "sr", "r", "d", "sp", "sd", "cl",
    "cd", "cp", "qa", "restore",
})
# fmt: on
"""Markers whose text, up to the next paragraph, verse or chapter, belongs to no verse."""


def read(path: Path) -> ReadCorpus:
    """Read one book. Raises DataError if it does not name its book or has no verse."""
    text = "\n".join(read_lines(path))
    book = re.match(r"\s*\\id\s+([1-6A-Z][A-Z0-9]{2})\b", text)
    if book is None:
        raise DataError(
            f"{path} does not begin with \\id and a code of a book, as \\id MAT does.",
            "If it is not USFM, choose another --source.",
        )
    found = _Book(book[1])
    found.take(text)
    segments = found.segments
    if not segments.rows and not segments.rejected:
        raise DataError(f"{path} has no verse.", "Leave it out.")
    return segments.finish(None, path.absolute().parent.name)


class _Book:
    """The verses of a book, while its markers are read."""

    def __init__(self, code: str) -> None:
        self.segments = Segments()
        self._code = code
        self._chapter = 0
        self._verses = (0, 0)
        """First and last number of the verse that is being read; 0 before the first."""
        self._line = 0
        self._pieces: list[str] = []
        self._heading = False

    def take(self, text: str) -> None:
        """Read the whole book."""
        plain = ATTRIBUTES.sub("", MILESTONES.sub(_line_ends, NOTES.sub(_line_ends, text)))
        markers = list(MARKER.finditer(plain))
        ends = [*(marker.start() for marker in markers[1:]), len(plain)]
        line, counted = 1, 0
        for marker, end in zip(markers, ends, strict=True):
            line, counted = line + plain.count("\n", counted, marker.start()), marker.start()
            self._take(line, marker[1], plain[marker.end() : end])
        self._finish()

    def _take(self, line: int, name: str, content: str) -> None:
        """Take a marker and what follows it."""
        numbers = NUMBERS.match(content) if name in ("c", "v") else None
        if numbers is None:
            self._heading = name in HEADINGS or (self._heading and name not in PARAGRAPHS)
            self._pieces += [] if self._heading else [f" {content}" if name in PARAGRAPHS else content]
            return
        self._heading = False
        first = int(numbers[1])
        if name == "c":
            self._finish()
            self._chapter, self._verses = first, (0, 0)
        else:
            # 3a and 3b are one verse
            if first != self._verses[0]:
                self._finish()
                self._verses, self._line = (first, int(numbers[2] or first)), line
            self._pieces.append(f" {content[numbers.end() :]}")

    def _finish(self) -> None:
        """Enter the verse that was being read, if any; what stands before the first belongs to none."""
        first, last = self._verses
        if first:
            key = f"{self._code} {self._chapter}:{first}"
            self.segments.add(self._line, key, "".join(self._pieces), empty="the verse is empty")
            for verse in range(first + 1, last + 1):
                reason = f"it is translated together with {key}"
                self.segments.reject(self._line, f"{self._code} {self._chapter}:{verse}", reason)
        self._pieces = []


def _line_ends(found: re.Match[str]) -> str:
    """What takes the place of what is cut out: its line ends, so that lines are counted right."""
    return "\n" * found[0].count("\n")


SOURCE: Final = Source(
    code="usfm",
    name="Bible in USFM",
    domain="religious",
    citation="No citation: text of the user.",
    licence="",
    read=read,
    patterns=("*.usfm", "*.sfm", "*.USFM", "*.SFM"),
    in_parts=True,
)
