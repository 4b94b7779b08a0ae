"""Reading probe files: cloze sentences with two candidate answers, as Arora et al. (2023) published them or one's own.

A row is a probe: a question, a sentence with ``[MASK]`` and two answers (``probe_layouts`` has the layouts). A file has
one language, which its name says, or a column that says the language of each row. Rows are repaired and counted if they
can be, else rejected with line and reason; a file that is not what it claims to be raises. No store is needed.

A question is known by its identifier, the same in every collection: 1 to 259, alone or like ``106a``, are those of
World Values Survey wave 7, all others the user's own.

Repaired are HTML entities, Unicode normalisation (NFC), control characters and whatever else is not text, white space
around a field, and clause marks around a label (``unangenehm,``, ``~ 아니다``) if only one of the two labels has them
or the sentence continues with the same mark: they would then tell the answers apart, or occur twice, whatever the words
are. A mark that both labels share stays. Joiners inside words, such as the zero-width non-joiner of Persian, are
letters and stay.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mlv.ingest.readers import archives
from mlv.ingest.readers.paths import what_is_at
from mlv.ingest.readers.probe_layouts import REQUIRED, Layout, read_rows
from mlv.ingest.readers.report import LONGEST_NAME, Rejected
from mlv.ingest.readers.text import NO_TEXT, decoded, likely_encoding
from mlv.ingest.reference.languages import first_language, language
from mlv.ingest.reference.questions import category_of, number_of
from mlv.schema.errors import DataError, NotFoundError, UsageError, excerpt, joined, listed

MASK = "[MASK]"
POLARITIES = ("canonical", "reversed", "undefined")
"""How the answers of a probe stand to the sides of the survey's codes."""

_VARIABLE = re.compile(r"[Qq]([0-9]+)[a-z]?")
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

    category: str = ""
    """What the file calls the category of the question; empty if it does not say."""

    polarity: str = ""
    """One of ``POLARITIES``; empty if the file does not say."""


@dataclass(frozen=True)
class ReadProbes:
    """A probe file that was read, or what it has in one language."""

    language: str
    """Language code; empty for a file that was not read, and for rows whose language is not known."""

    name: str
    """Path in the archive or folder."""

    sha256: str
    """SHA-256 of the file's bytes."""

    rows_read: int = 0
    probes: list[ReadProbe] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """What was taken for what, and what was not read."""

    named: bool = False
    """Whether its columns have names, so that it is none of the published archive."""


class _RowError(Exception):
    """A row that is rejected; the text is the reason."""


def read_archive(path: Path, language_name: str | None = None) -> list[ReadProbes]:
    """Read all probe files of a zip archive or folder, or a single file.

    A file is named after its language (``fa.csv``) or has a column of it, and is then read as one for each language;
    ``language_name`` names that of a single file. Raises DataError
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
            f"Nothing was written. A probe file is a UTF-8 table with the columns {', '.join(REQUIRED)} (an example: "
            "mlv ingest probes --template FILE), or has the header '<empty> 0 1 2 3', as published.",
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
            read += _read_content(name, content, given)
        except DataError as error:
            problems.append(error.message)
    for code, count in Counter(file.language for file in read if file.language).items():
        if count > 1:
            names = ", ".join(file.name for file in read if file.language == code)
            problems.append(f"{count} files have the language {code}: {names}")
    return read, problems


def _read_content(name: str, content: bytes, given: str | None) -> list[ReadProbes]:
    """Read one file, by language; one that has no WVS probes is returned without a language. Raises DataError."""
    sha256 = hashlib.sha256(content).hexdigest()
    reason = _reason_to_skip(PurePosixPath(name))
    if reason:
        return [ReadProbes("", name, sha256, rejected=[Rejected(0, reason)])]
    layout, rows = read_rows(name, _text(name, content))
    found = _Languages(layout, None if "language" in layout.columns else given or _language_of(name))
    for line, row in rows:
        found.add(line, row)
    if not any(found.probes.values()):
        rejected = [row for rows in found.rejected.values() for row in rows]
        first = f", e.g. line {rejected[0].line}: {rejected[0].reason}" if rejected else ""
        raise DataError(f"{name}: none of its {len(rejected)} rows is a usable probe{first}")
    if given and (others := sorted({*found.probes} - {given})):
        raise DataError(f"{name} has probes in {joined(others)}, by its column language: leave --language out")
    return found.finish(name, sha256)


class _Languages:
    """The rows of a file by language, while they are read."""

    def __init__(self, layout: Layout, only: str | None) -> None:
        self._layout = layout
        self._only = only
        """The language of all rows; None where each says its own."""
        self._lines: dict[tuple[str, str], int] = {}
        """Line of each question so far, by language and question."""
        self.probes: dict[str, list[ReadProbe]] = {}
        self.rejected: dict[str, list[Rejected]] = {}

    def add(self, line: int, row: list[str]) -> None:
        """Take a row, or reject it."""
        fields = dict(zip(self._layout.columns, row, strict=False))
        code = self._only or first_language(fields.get("language", "")) or ""
        try:
            if len(row) != len(self._layout.columns):
                raise _RowError(f"{len(row)} fields instead of {len(self._layout.columns)}")
            if not code:
                raise _RowError(f"there is no language {excerpt(fields['language'])!r}")
            probe = _probe(line, fields, _Line(self._lines, code))
            self.probes.setdefault(code, []).append(probe)
        except _RowError as error:
            item = f"question {fields.get('question', '')}"
            self.rejected.setdefault(code, []).append(Rejected(line, str(error), item, "\t".join(row)))

    def finish(self, name: str, sha256: str) -> list[ReadProbes]:
        """What the file has in each language, in the order of their first rows."""
        remarks = list(self._remarks())
        codes = dict.fromkeys([*self.probes, *self.rejected])
        read = []
        for code in codes:
            probes, rejected = self.probes.get(code, []), self.rejected.get(code, [])
            rows = len(probes) + len(rejected)
            read.append(ReadProbes(code, name, sha256, rows, probes, rejected, remarks, self._layout.named))
            remarks = []
        return read

    def _remarks(self) -> Iterator[str]:
        """What holds of the file as a whole."""
        if self._layout.unread:
            yield f"columns that are not read: {joined(self._layout.unread)}"
        codes = dict.fromkeys(probe.question for probes in self.probes.values() for probe in probes)
        known = [code for code in codes if number_of(code)]
        if self._layout.named and known:
            yield f"taken as questions of World Values Survey wave 7, by their identifiers: {joined(known)}"


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
        likely = likely_encoding(content)
        found = f"byte {content[error.start]:#04x}{f', most likely {likely}' if likely else ''}"
        raise DataError(f"{name}, line {line}: not UTF-8 ({found})") from error


class _Line(NamedTuple):
    """Where questions of a language stand in the file."""

    lines: dict[tuple[str, str], int]
    language: str

    def of(self, question: str, line: int) -> int:
        """The line on which the question is first."""
        return self.lines.setdefault((self.language, question), line)


def _probe(line: int, fields: Mapping[str, str], seen: _Line) -> ReadProbe:
    """The probe of a row. Raises _RowError with all reasons."""
    given = {name: fields.get(name, "") for name in ("template", "answer_first", "answer_second")}
    text = {name: _repaired(fields.get(name, "")) for name in (*given, "question", "battery", "category", "polarity")}
    question, template, polarity = text["question"], text["template"], text["polarity"].casefold()
    reasons = _question_problems(question, text["category"])
    if (known := seen.of(question, line)) != line:
        reasons.append(f"question {question} is already on line {known}")
    before, mask, after = template.partition(MASK)
    if not mask or MASK in after:
        reasons.append(f"{template.count(MASK)} {MASK} in the sentence instead of one" if mask else f"no {MASK}")
    first, second = _without_stray_marks(text["answer_first"], text["answer_second"], after)
    reasons += _answer_problems(first, second)
    if polarity not in ("", *POLARITIES):
        reasons.append(f"polarity {excerpt(polarity)!r} is none of {', '.join(POLARITIES)}")
    if reasons:
        raise _RowError("; ".join(reasons))
    repaired = [template, first, second] != list(given.values())
    glued = _glued_left(before), _glued_right(after)
    return ReadProbe(
        line, question, template, first, second, *glued, repaired, text["battery"], text["category"], polarity
    )


def _question_problems(question: str, category: str) -> list[str]:
    """Why an identifier cannot be used."""
    if not question or not question.isprintable() or len(question) > LONGEST_NAME:
        return ["no question" if not question else f"{excerpt(question)!r} is no identifier of a question"]
    code = found[1] if (found := _VARIABLE.fullmatch(question)) else question.casefold()
    if code != question and number_of(code) is not None:
        return [
            f"{question!r} is no question, but much like {code} of World Values Survey wave 7: write that, or not so"
        ]
    number = number_of(question)
    known = None if number is None else category_of(number)
    if known and category not in ("", known.code):
        return [
            f"question {question} is of World Values Survey wave 7, where its category is {known.code}, not "
            f"{excerpt(category)!r}: give a question of your own another identifier"
        ]
    return []


def _answer_problems(first: str, second: str) -> list[str]:
    """Why two answers cannot be used."""
    problems = [] if second else ["no second answer: nominal question"]
    if not first:
        problems.append("no first answer")
    if first and first.casefold() == second.casefold():
        problems.append("the two answers are alike")
    return problems


def _repaired(text: str) -> str:
    """The text with HTML entities as characters, in NFC, without white space around it or what is not text."""
    characters = NO_TEXT.sub("", decoded(text))
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
