"""Lexicons of emotions: a row for each word and emotion, or a column for each emotion.

``word<TAB>emotion<TAB>0|1`` without a header is how the NRC word-emotion association lexicon comes; a table with a
header has the words in its first column and 0 or 1 in those of the emotions, whatever they are. The package ``nrclex``
has the words with an emotion in a file of JSON, and lacks those without.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.text import clean, stream_lines
from mlv.schema.errors import DataError, UsageError, joined
from mlv.schema.papers.stereotypes import EMOTIONS, SENTIMENTS

PACKAGES: Final = {"nrclex": ("nrclex", "data/nrc_en.json")}
"""By name of a package, its module and the file in it."""

_VALUES: Final = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}


@dataclass
class ReadLexicon:
    """Words, in lower case, with the emotions that each is associated with."""

    emotions: tuple[str, ...] = ()
    words: dict[str, frozenset[str]] = field(default_factory=dict)
    rejected: list[Rejected] = field(default_factory=list)
    rows_read: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether it has words without any emotion."""
        return any(not found for found in self.words.values())

    @property
    def sha256(self) -> str:
        """SHA-256 of its content."""
        content = {"emotions": self.emotions, "words": {word: sorted(found) for word, found in self.words.items()}}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_lexicon(path: Path) -> ReadLexicon:
    """The words of a file. Raises DataError if it is no lexicon."""
    lines = ((number, line) for number, line in enumerate(stream_lines(path), start=1) if line.strip())
    first = next(lines, (0, ""))
    if first[1].lstrip().startswith("{"):
        return _of_package(path)
    separator = "\t" if "\t" in first[1] else max(",;", key=first[1].count)
    fields = [clean(name)[0] for name in first[1].split(separator)]
    if len(fields) < 2:
        raise DataError(f"{path} has one column, not words and emotions.", "Separate columns by tabs or commas.")
    rows = _split(lines, separator)
    if len(fields) == 3 and fields[2] in _VALUES:
        return _long(path, [(first[0], fields), *rows])
    return _wide(fields[1:], rows)


def _split(lines: Iterator[tuple[int, str]], separator: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in lines:
        yield number, [clean(text)[0] for text in line.split(separator)]


def _long(path: Path, rows: list[tuple[int, list[str]]]) -> ReadLexicon:
    """Rows of word, emotion and value; a word that lacks an emotion is rejected."""
    found = ReadLexicon(rows_read=len(rows))
    values: dict[str, dict[str, int]] = {}
    lines: dict[str, int] = {}
    emotions: dict[str, None] = {}
    contradictory: set[str] = set()
    for line, fields in rows:
        if len(fields) != 3 or fields[2] not in _VALUES or not fields[0]:
            found.rejected.append(Rejected(line, "it is not word, emotion, and 0 or 1", fields[0], "\t".join(fields)))
            continue
        word, emotion, value = fields[0].lower(), fields[1].lower(), _VALUES[fields[2]]
        emotions[emotion] = None
        if values.setdefault(word, {}).setdefault(emotion, value) != value:
            contradictory.add(word)
        lines.setdefault(word, line)
    found.emotions = tuple(emotions)
    for word, of_word in values.items():
        missing = [emotion for emotion in emotions if emotion not in of_word]
        reason = f"it lacks {joined(missing)}" if missing else "it is associated with an emotion and is not"
        if missing or word in contradictory:
            found.rejected.append(Rejected(lines[word], reason, word))
        else:
            found.words[word] = frozenset(emotion for emotion, value in of_word.items() if value)
    if not found.words:
        raise DataError(f"{path} has no word with a value for every emotion.", "Look at its first lines.")
    return found


def _wide(emotions: list[str], rows: Iterator[tuple[int, list[str]]]) -> ReadLexicon:
    """Rows of a word and a value for each emotion."""
    found = ReadLexicon(emotions=tuple(emotion.lower() for emotion in emotions))
    if len(set(found.emotions)) < len(emotions) or not all(emotions):
        raise DataError("Two emotions have one name, or one has none.", "Give each column a name of its own.")
    lines: dict[str, int] = {}
    for line, fields in rows:
        found.rows_read += 1
        word = fields[0].lower()
        reason = ""
        if len(fields) != len(emotions) + 1:
            reason = f"it has {len(fields)} fields, not {len(emotions) + 1}"
        elif not word:
            reason = "it has no word"
        elif not all(value in _VALUES for value in fields[1:]):
            reason = "it has a value that is neither 0 nor 1"
        with_it = frozenset(e for e, value in zip(found.emotions, fields[1:], strict=False) if _VALUES.get(value))
        if not reason and found.words.get(word, with_it) != with_it:
            reason = f"the word has other values in line {lines[word]}"
        if reason:
            found.rejected.append(Rejected(line, reason, fields[0], "\t".join(fields)))
            continue
        lines.setdefault(word, line)
        found.words[word] = with_it
    return found


def package_file(name: str) -> tuple[Path, str]:
    """The file of words in a package, which is never imported, and the package's version.

    Raises UsageError if no words are known to be in it, or it is not installed.
    """
    if name not in PACKAGES:
        raise UsageError(f"No lexicon is known to be in a package {name}.", f"There is {joined(PACKAGES)}.")
    module, inner = PACKAGES[name]
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"The package {name} is not installed.", f"pip install {name}")
    return Path(spec.submodule_search_locations[0]) / inner, importlib.metadata.version(name)


def _of_package(path: Path) -> ReadLexicon:
    """Words as the package has them: each with a list of its emotions."""
    known = {*EMOTIONS, *SENTIMENTS}
    try:
        content = json.loads("\n".join(stream_lines(path)))
    except ValueError as error:
        raise DataError(f"{path} is no valid JSON: {error}", "Install the package again.") from error
    if not isinstance(content, Mapping) or not all(isinstance(found, list) for found in content.values()):
        raise DataError(f"{path} does not have words with lists of emotions.", "Its version may be unknown here.")
    words = {str(word).lower(): frozenset(map(str, found)) & known for word, found in content.items()}
    return ReadLexicon((*EMOTIONS, *SENTIMENTS), words, rows_read=len(words))
