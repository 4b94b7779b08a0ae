"""What a text file plainly is, if it is no plain text with a sentence a line: told by its first lines."""

import re
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from mlv.schema.errors import DataError

SAMPLE: Final = 100
"""Lines that are not blank that are looked at."""


class Format(NamedTuple):
    """A format, and how to tell it."""

    name: str
    told: Callable[[Sequence[str]], bool]
    """Whether lines that are not blank, at least one, are of it."""

    advice: str


def _all(pattern: str) -> Callable[[Sequence[str]], bool]:
    """Whether nine lines in ten match, so that a stray line does not hide a format; remarks (``#``) do not count."""
    compiled = re.compile(pattern)

    def told(lines: Sequence[str]) -> bool:
        content = [line for line in lines if not line.startswith("#")]
        return bool(content) and sum(compiled.match(line) is not None for line in content) >= 0.9 * len(content)

    return told


def _begins(pattern: str) -> Callable[[Sequence[str]], bool]:
    """Whether the first three lines match somewhere."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda lines: compiled.search("\n".join(lines[:3])) is not None


def _conllu(lines: Sequence[str]) -> bool:
    words = [line for line in lines if not line.startswith("#")]
    return bool(words) and all(re.match(r"\d+(?:[-.]\d+)?\t(?:[^\t]*\t){8}[^\t]*$", line) for line in words)


FORMATS: Final = (
    Format("TMX", _begins(r"<tmx\b|<!doctype tmx\b"), "Use --source tmx."),
    Format("XML of a Bible", _begins(r"<(cesDoc|TEI)\b"), "Use --source pbc, if it is of the Parallel Bible Corpus."),
    Format("XML or HTML", _begins(r"\A\s*<(\?xml|!doctype|html)\b"), "Take its sentences out, one a line."),
    Format("USFM", _begins(r"^\\id\s"), "Use --source usfm."),
    Format("CoNLL-U", _conllu, "Take its sentences: sed -n 's/^# text = //p' FILE > FILE.txt"),
    Format("a Bible with numbers of verses", _all(r"\d{8}\t"), "Use --source paralleltext."),
    Format("a Quran with numbers of ayas", _all(r"\d{1,3}\|\d{1,3}\|"), "Use --source tanzil."),
    Format(
        "JSON",
        _all(r"\s*(?:[\[{}\]]|\"[^\"]*\":)"),
        "With an object in each line use --source table --columns text=NAME.",
    ),
    Format(
        "a table with tabs",
        _all(r"[^\t]*\t"),
        "Use --source table --columns text=NAME,key=NAME; with numbers where it has no header: text=2,key=1.",
    ),
    Format(
        "text with names of verses before the sentences",
        _all(r"(?:b\.)?[1-6A-Z][A-Za-z0-9]{1,2}[ .]\d{1,3}[:.]\d{1,3}\s"),
        r"Part them by a tab, for --source table --columns key=1,text=2: sed -E 's/(:[0-9]+) /\1\t/' FILE > FILE.tsv",
    ),
)
"""In the order in which they are tried."""


def refuse_other_formats(path: Path, lines: Sequence[str]) -> None:
    """Raise DataError that says which source fits, if lines are plainly of another format than plain text."""
    sample = list(islice((line for line in lines if line.strip()), SAMPLE))
    found = next((form for form in FORMATS if sample and form.told(sample)), None)
    if found is not None:
        raise DataError(f"{path} is {found.name}, not plain text with a sentence a line.", found.advice)
