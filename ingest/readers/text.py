"""What every reader of a text format shares: bytes to lines, lines to clean segments, and the reasons for rejects.

Text is normalised in one way for all sources: Unicode NFC, every run of white space one space, none at the ends.
Zero-width (non-)joiners stay, because Persian and Hindi spelling needs them. Control characters, byte order marks,
marks of the direction of writing and characters from the private use areas are not text: they are removed, HTML
entities become the characters that they stand for, and the row counts as repaired.

A line ends at a line feed and nowhere else. Other characters that Unicode calls line breaks occur inside sentences,
and to split at them would shift every line after it against its translation. Only in a file without any line feed
a carriage return ends a line.

A file is read as a stream, and refused if a line has no end or if a gzip file unpacks to far more than it holds.
"""

import gzip
import html
import io
import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.entities import html5
from pathlib import Path
from typing import BinaryIO, Final

import polars as pl

from mlv.ingest.readers.archives import MAX_RATIO, RATIO_FREE_BYTES
from mlv.ingest.readers.paths import what_is_at
from mlv.ingest.readers.report import Rejected
from mlv.schema.errors import DataError

GZIP_MAGIC: Final = b"\x1f\x8b"
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
ARCHIVES: Final = {b"PK\x03\x04": "zip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstandard"}
"""First bytes of archives that are not read, and their names."""

TAR_MAGIC: Final = (257, b"ustar")
"""Offset and first bytes of the mark of a tar archive."""

LONGEST_LINE: Final = 64 << 20
"""Bytes of a line at most; a whole Bible in one line has 10 MiB."""

NO_TEXT: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\ufeff\ue000-\uf8ff]|[\U000f0000-\U0010ffff]"
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Control characters that are not white space, byte order marks, the private use areas, and marks of direction."""

_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|([A-Za-z][A-Za-z0-9]{1,30}));")

SCHEMA: Final = {"line": pl.Int64, "position": pl.Int64, "parallel_key": pl.String, "text": pl.String}


@dataclass(frozen=True)
class ReadCorpus:
    """What a reader took from one file."""

    language: str | None
    """ISO code as the file's content or name gives it; None if neither does."""

    edition: str
    """Edition or translation, e.g. ``fa.makarem``."""

    segments: pl.DataFrame
    """``[line, position, parallel_key, text]``: line in the file from 1, position from 0 without gaps, unique keys.
    Where texts have labels or come in pairs, ``text_pair`` and ``label`` follow, null if a table lacks their column."""

    rejected: list[Rejected]
    rows_read: int
    """Rows in the file: the segments, and the rejected rows. A verse that a text does not have is not a row."""

    rows_repaired: int
    """Segments in which entities were decoded, or from which something that is not text was removed."""

    by_row: bool = False
    """Whether keys are numbers of rows, so that files of the source have to agree in their number."""

    split: str | None = None
    """The split of a labelled data set as the file's content or name gives it; it is the edition."""

    local_keys: bool = False
    """Whether keys start again in every split, so that the split goes before them (and before it the language, unless
    equal keys in two languages are translations)."""

    columns: str = ""
    """Which columns of a labelled table were taken for what, in the words of ``--columns``."""

    remarks: tuple[str, ...] = ()
    """What should be known of rows that were taken."""


@dataclass
class Segments:
    """Collects the rows of one file in their order, and rejects those that are not segments."""

    rows: list[tuple[int, int, str, str]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    repaired: int = 0
    _lines: dict[str, int] = field(default_factory=dict)

    def add(self, line: int, key: str, raw: str, empty: str = "it is empty") -> None:
        """Take a row, or reject it: without text (for the reason ``empty``), without a letter, or with a taken key."""
        text, repaired = clean(raw)
        if not text:
            self.reject(line, key, empty, raw)
        elif not any(map(str.isalnum, text)):
            self.reject(line, key, "it has no letter and no digit", raw)
        else:
            self.keep(line, key, text, raw, repaired=repaired)

    def keep(self, line: int, key: str, text: str, raw: str, *, repaired: bool) -> bool:
        """Take a text that is clean, or reject it if its key is taken; whether it was taken."""
        if key in self._lines:
            self.reject(line, key, f"its key occurs before, in line {self._lines[key]}", raw)
            return False
        self._lines[key] = line
        self.rows.append((line, len(self.rows), key, text))
        self.repaired += repaired
        return True

    def reject(self, line: int, item: str, reason: str, content: str = "") -> None:
        """Keep a row that is not taken, with the reason."""
        self.rejected.append(Rejected(line, reason, item, content.strip()))

    def finish(self, language: str | None, edition: str) -> ReadCorpus:
        """All that was collected."""
        frame = pl.DataFrame(self.rows, schema=SCHEMA, orient="row")
        rows_read = len(self.rows) + len(self.rejected)
        return ReadCorpus(language, edition, frame, self.rejected, rows_read, self.repaired)


def clean(raw: str) -> tuple[str, bool]:
    """Normalised text, and whether entities in it were decoded or something that is not text was removed from it."""
    text = raw
    while (plainer := NO_TEXT.sub("", decoded(text))) != text:
        # some texts were escaped twice
        text = plainer
    return unicodedata.normalize("NFC", " ".join(text.split())), text != raw


def decoded(text: str) -> str:
    """The text with HTML entities as the characters that they stand for; names that HTML lacks stay."""
    return _ENTITY.sub(lambda found: html5.get(f"{found[1]};", found[0]) if found[1] else html.unescape(found[0]), text)


def stem(path: Path) -> str:
    """A file's name without ``.gz`` and without the ending before it: ``pes-opv`` of ``pes-opv.txt.gz``."""
    return Path(path.name.removesuffix(".gz")).stem


def slug(name: str) -> str:
    """A name in small letters and hyphens: ``new-york-times`` of ``New York Times``."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-")


def read_lines(path: Path) -> list[str]:
    """All lines of a UTF-8 file, gzipped or not. See ``stream_lines`` for the errors."""
    return list(stream_lines(path))


def read_items(path: Path) -> list[str]:
    """The lines of a file that are neither empty nor a remark (``#``), without space around them."""
    lines = (line.strip() for line in read_lines(path))
    return [line for line in lines if line and not line.startswith("#")]


def stream_lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file one by one, without their ends and without a byte order mark.

    A file is taken as gzip by its first bytes, whatever its name. Raises DataError if it is empty, cut off, or not
    UTF-8.
    """
    offset = 0
    for number, line in enumerate(_raw_lines(path), start=1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise _not_utf8(path, number, offset + error.start, line) from error
        offset += len(line)
        whole = text.removesuffix("\n").removesuffix("\r")
        yield from whole.split("\r") if number == 1 and not text.endswith("\n") else [whole]
    if offset == 0:
        raise DataError(f"{path} is empty.", "Fetch it again, or leave it out.")


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Undecoded lines."""
    what_is_at(path)
    try:
        with path.open("rb") as opened:
            packed = opened.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            opened.seek(0)
            unpacked = io.BufferedReader(gzip.GzipFile(fileobj=opened)) if packed else opened
            _refuse_archive(path, unpacked.peek(512))
            yield from _bounded(path, unpacked, path.stat().st_size)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path} is not a complete gzip file ({error}): most likely its download was interrupted.",
            "Fetch it again.",
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", "Check its name and permissions.") from error


def _refuse_archive(path: Path, start: bytes) -> None:
    """Raise DataError if a file begins as an archive does."""
    at, mark = TAR_MAGIC
    names = [name for magic, name in ARCHIVES.items() if start.startswith(magic)]
    names += ["tar"] * start.startswith(mark, at)
    if names:
        raise DataError(
            f"{path} is a {names[0]} archive, not a text file.", "Unpack it, and name the files or their folder."
        )


def _bounded(path: Path, unpacked: BinaryIO, size: int) -> Iterator[bytes]:
    """The lines of a file that has ``size`` bytes on disk. Raises DataError if they are too long or too many."""
    total, most = 0, max(RATIO_FREE_BYTES, MAX_RATIO * size)
    while line := unpacked.readline(LONGEST_LINE + 1):
        total += len(line)
        if len(line) > LONGEST_LINE or total > most:
            what = f"unpacks {size:,} bytes to more than {most:,}" if total > most else "has a line of more than 64 MiB"
            raise DataError(f"{path} {what}: it is not a text file.", "Fetch it again from its origin.")
        yield line


def _not_utf8(path: Path, number: int, offset: int, line: bytes) -> DataError:
    """The error for a line that is not UTF-8, with how to convert the file."""
    known = "UTF-16" if number == 1 and line.startswith(UTF16_MARKS) else likely_encoding(line)
    encoding = known or "ENCODING"
    likely = f"it looks like {known}" if known else "most likely an older encoding such as Windows-1256 or KOI8-R"
    plain = path.name.removesuffix(".gz")
    return DataError(
        f"{path} is not UTF-8: line {number}, byte {offset}; {likely}.",
        f"Convert it: iconv -f {encoding} -t UTF-8 {plain} > utf8-{plain}",
    )


def likely_encoding(text: bytes) -> str:
    """Windows-1252 if bytes that are no UTF-8 look like a Latin script; empty if they do not.

    In a Latin script few letters are beyond ASCII and most of these stand beside one that is not; in others nearly all
    are.
    """
    letters = sum(byte < 0x80 and chr(byte).isalpha() for byte in text)
    high = sum(byte >= 0x80 for byte in text)
    undefined = any(byte in text for byte in b"\x81\x8d\x8f\x90\x9d")
    return "Windows-1252" if letters > 2 * high and not undefined else ""
