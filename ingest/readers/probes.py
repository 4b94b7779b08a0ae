"""Reading probe files: cloze sentences with two candidate answers, as Arora et al. (2023) published them.

A file has one language, is tab-separated whatever its ending, and has one probe a row: row index, question identifier,
sentence with ``[MASK]``, first answer, second answer, and if the header says so the battery that the question is of.
Rows are repaired and counted if they can be, else rejected with line and reason; a file that is not what it claims to
be raises. No store is needed.

Repaired are HTML entities, Unicode normalisation (NFC), control characters and whatever else is not text, white space
around a field, and clause marks around a label (``unangenehm,``, ``~ 아니다``) if only one of the two labels has them
or the sentence continues with the same mark: they would then tell the answers apart, or occur twice, whatever the words
are. A mark that both labels share stays. Joiners inside words, such as the zero-width non-joiner of Persian, are
letters and stay.
"""

import csv
import hashlib
import html
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePosixPath

from mlv.ingest.readers import archives
from mlv.ingest.readers.paths import what_is_at
from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.text import NO_TEXT
from mlv.ingest.reference.languages import language
from mlv.ingest.reference.questions import number_of
from mlv.schema.errors import DataError, NotFoundError, UsageError, excerpt, listed

MASK = "[MASK]"
HEADER = ["", "0", "1", "2", "3"]
WITH_BATTERIES = [*HEADER, "battery"]
"""Header of a file that says which questions were asked together (docs/statistics.md)."""

_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_ZERO_WIDTH_JOINERS = "\u200c\u200d"
_WORD_JOINERS = _ZERO_WIDTH_JOINERS + "'’-"
_CLAUSE_MARKS = ".,;:!?…~،؛؟۔।。、，；：！？～ "


@dataclass(frozen=True)
class ReadProbe:
    """A probe as the store keeps it."""

    line: int
    question: str
    template: str
    answer_first: str
    answer_second: str
    mask_prefix: str
    mask_suffix: str
    repaired: bool
    """Whether any field differs from the file's."""

    battery: str = ""
    """What the file calls the battery of the question; empty if it does not say."""


@dataclass(frozen=True)
class ReadProbes:
    """A probe file that was read."""

    language: str
    """Language code from the file's name; empty if the file has no WVS probes and was not read."""

    name: str
    """Path in the archive or folder."""

    sha256: str
    """SHA-256 of the file's bytes."""

    rows_read: int = 0
    probes: list[ReadProbe] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


class _RowError(Exception):
    """A row that is rejected; the text is the reason."""


def read_archive(path: Path, language_name: str | None = None) -> list[ReadProbes]:
    """Read all probe files of a zip archive or folder, or a single file.

    A file is named after its language (``fa.csv``); ``language_name`` names that of a single file. Raises DataError
    that lists the problems of all files together, UsageError if ``language_name`` fits no language or no file.
    """
    contents = list(_contents(path))
    given = language(language_name).code if language_name else None
    if given and sum(not _reason_to_skip(PurePosixPath(name)) for name, _ in contents) > 1:
        raise UsageError(
            f"{path} has several probe files, so --language cannot name the language of each.",
            "Name one of its files, or name the files after their languages and leave --language out.",
        )
    read, problems = _read_all(contents, given)
    if not any(file.language for file in read) and not problems:
        problems = [f"{path.name} has no probe file (.csv or .tsv, named after its language)"]
    if problems:
        raise DataError(
            f"{path} cannot be read as probes:{listed(problems)}",
            "Nothing was written. A probe file is UTF-8, tab-separated, with the header '<empty> 0 1 2 3': row "
            "index, question, sentence with [MASK], first answer, second answer; a sixth column may be battery.",
        )
    return read


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file at ``path``, without leftovers of file managers."""
    there = what_is_at(path)
    if there == "folder":
        names = (file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        yield from ((name, _content(path / name)) for name in sorted(names) if not archives.is_junk(name))
    elif there == "none":
        raise NotFoundError(f"There is no probe file at {path}.", "Name probes.zip, a folder or a .csv file.")
    elif path.suffix.lower() == ".zip":
        with archives.open_zip(path) as archive:
            yield from ((name, archives.read_member(archive, name)) for name in archives.members(archive))
    else:
        yield path.name, _content(path)


def _content(path: Path) -> bytes:
    what_is_at(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error


def _read_all(contents: list[tuple[str, bytes]], given: str | None) -> tuple[list[ReadProbes], list[str]]:
    """Every file that can be read, and what is wrong with the others and with all of them together."""
    read: list[ReadProbes] = []
    problems = []
    for name, content in contents:
        try:
            read.append(_read_content(name, content, given))
        except DataError as error:
            problems.append(error.message)
    for code, count in Counter(file.language for file in read if file.language).items():
        if count > 1:
            names = ", ".join(file.name for file in read if file.language == code)
            problems.append(f"{count} files have the language {code}: {names}")
    return read, problems


def _read_content(name: str, content: bytes, given: str | None) -> ReadProbes:
    """Read one file; one that has no WVS probes is returned without a language. Raises DataError."""
    sha256 = hashlib.sha256(content).hexdigest()
    reason = _reason_to_skip(PurePosixPath(name))
    if reason:
        return ReadProbes("", name, sha256, rejected=[Rejected(0, reason)])
    seen: dict[str, int] = {}
    probes: list[ReadProbe] = []
    rejected: list[Rejected] = []
    for line, fields, row in _rows(name, content):
        try:
            probes.append(_probe(line, fields, row, seen))
        except _RowError as error:
            rejected.append(Rejected(line, str(error), f"question {'' if len(row) < 2 else row[1]}", "\t".join(row)))
    if not probes:
        first = f", e.g. line {rejected[0].line}: {rejected[0].reason}" if rejected else ""
        raise DataError(f"{name}: none of its {len(rejected)} rows is a usable probe{first}")
    rows_read = len(probes) + len(rejected)
    return ReadProbes(given or _language_of(name), name, sha256, rows_read, probes, rejected)


def _rows(name: str, content: bytes) -> Iterator[tuple[int, int, list[str]]]:
    """The rows below the header that are not blank, each with the line it begins on and the header's number of fields.
    Raises DataError."""
    reader = csv.reader(io.StringIO(_text(name, content), newline=""), delimiter="\t", strict=True)
    try:
        header = next(reader, [])
        if header not in (HEADER, WITH_BATTERIES):
            shown = excerpt(str(header[:8]))
            raise DataError(f"{name}: the header is {shown}, not {HEADER} separated by tabs")
        end = reader.line_num
        for row in reader:
            start, end = end + 1, reader.line_num
            if any(row):
                yield start, len(header), row
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error} (a quote that is not closed?)") from error


def _language_of(name: str) -> str:
    try:
        return language(PurePosixPath(name).stem).code
    except UsageError as error:
        raise DataError(f"{name}: its name is not a language. {error.message} Give it with --language.") from error


def _reason_to_skip(name: PurePosixPath) -> str:
    """Why a file of the archive is not a probe file of the World Values Survey; empty if it may be one."""
    if "hofstede" in (part.lower() for part in name.parts):
        return "not read: Hofstede's questions are not of the World Values Survey"
    if name.suffix.lower() not in (".csv", ".tsv"):
        return "not read: its name does not end in .csv or .tsv"
    return ""


def _text(name: str, content: bytes) -> str:
    if not content.strip():
        raise DataError(f"{name} is empty")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}, line {line}: not UTF-8 (byte {error.object[error.start]:#04x})") from error


def _probe(line: int, fields: int, row: list[str], seen: dict[str, int]) -> ReadProbe:
    """The probe of a row; ``seen`` has the line of each question so far. Raises _RowError with all reasons."""
    if len(row) != fields:
        raise _RowError(f"{len(row)} fields instead of {fields}")
    question, template, first, second, battery = (_repaired(text) for text in [*row, ""][1:6])
    reasons = _question_problems(question, line, seen)
    before, mask, after = template.partition(MASK)
    if not mask or MASK in after:
        reasons.append(f"{template.count(MASK)} {MASK} in the sentence instead of one" if mask else f"no {MASK}")
    if not second:
        reasons.append("no second answer: nominal question")
    if not first:
        reasons.append("no first answer")
    first, second = _without_stray_marks(first, second, after)
    if first and first.casefold() == second.casefold():
        reasons.append("the two answers are alike")
    if reasons:
        raise _RowError("; ".join(reasons))
    repaired = [template, first, second] != row[2:5]
    glued = _glued_left(before), _glued_right(after)
    return ReadProbe(line, question, template, first, second, *glued, repaired, battery)


def _question_problems(question: str, line: int, seen: dict[str, int]) -> list[str]:
    if number_of(question) is None:
        return [f"{excerpt(question)!r} is not a question of World Values Survey wave 7 (1 to 259, or like 106a)"]
    if seen.setdefault(question, line) != line:
        return [f"question {question} is already on line {seen[question]}"]
    return []


def _repaired(text: str) -> str:
    """The text with HTML entities as characters, in NFC, without white space around it or what is not text."""
    characters = NO_TEXT.sub("", _ENTITY.sub(lambda found: html.unescape(found[0]), text))
    return unicodedata.normalize("NFC", characters).strip()


def _without_stray_marks(first: str, second: str, after: str) -> tuple[str, str]:
    """The labels without clause marks that only one of them has, or that the sentence repeats after the mask."""
    bare = first.strip(_CLAUSE_MARKS), second.strip(_CLAUSE_MARKS)
    if not all(bare):
        return first, second
    marks = [label.split(core) for label, core in zip((first, second), bare, strict=True)]
    trailing = marks[0][-1]
    if marks[0] != marks[1] or (trailing and after.startswith(trailing)):
        return bare
    return first, second


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character in _WORD_JOINERS


def _glued_right(after: str) -> str:
    """Letters that follow the mask without a space: ``dir`` in ``[MASK]dir.``, without the punctuation."""
    return "".join(takewhile(_is_letter, after)).rstrip(_WORD_JOINERS)


def _glued_left(before: str) -> str:
    """Letters that end at the mask: ``ber`` in ``saya ber[MASK]``."""
    run = "".join(takewhile(_is_letter, reversed(before)))[::-1].lstrip(_WORD_JOINERS)
    return run if run.strip(_WORD_JOINERS) else ""
