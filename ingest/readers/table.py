"""Tables of texts: TSV, CSV or JSON lines, with a row for each sentence.

Which column is what is said as ``text=sentence,key=id,language=lang``; if nothing is said, columns are called what they
are. A column of a language is named by that: ``key=id,de=German,sw=Swahili`` takes two texts from each row. Numbers
mean columns of a file without a header, from 1; ``text=title+body`` takes two columns as one text. Inner values of JSON
have dotted names (``translation.de``). The key is the number of the row where there is no column of it: rows with one
number in several files are then translations of each other.

Texts may have a label (``label=class``) and come in pairs (``pair=hypothesis``); a column of the split makes each split
an edition, and goes before the keys, since ids that start again in every split are no translations of each other.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

from mlv.ingest.readers.columns import Columns, TableTexts, lacking
from mlv.ingest.readers.rows import read_rows
from mlv.ingest.readers.sources import Source, named_source
from mlv.ingest.readers.text import ReadCorpus, stem
from mlv.ingest.reference.languages import language
from mlv.schema.errors import DataError, UsageError, excerpt, joined

ROLES: Final = ("text", "pair", "label", "key", "language", "split")
"""What a column can be, beside the text of a language."""

_HOW: Final = "Write e.g. --columns text=sentence,key=id,language=lang, or --columns key=id,de=German,sw=Swahili"


def columns_of(said: str) -> Columns:
    """The columns that an option means. Raises UsageError if it cannot be read or does not say what the text is."""
    pairs = [(name.strip(), column.strip()) for name, _, column in (pair.partition("=") for pair in said.split(","))]
    named = dict(pairs)
    texts: dict[str | None, str] = {language(name).code: column for name, column in pairs if name and name not in ROLES}
    twofold = len(named) < len(pairs) or (texts and {"language", "pair"} & named.keys())
    if not all(chain(*pairs)) or twofold or ("text" in named) == bool(texts):
        raise UsageError(f"--columns {said} does not say which column is which.", _HOW)
    return _columns(texts or {None: named["text"]}, named)


def _columns(texts: dict[str | None, str], named: dict[str, str]) -> Columns:
    """The columns of texts, and others by their roles."""
    pairs: dict[str | None, str] = {None: named["pair"]} if "pair" in named else {}
    return Columns(texts, named.get("key"), named.get("language"), pairs, named.get("label"), named.get("split"))


def _usual(names: Sequence[str]) -> Columns:
    """The columns of a table that are called what they are."""
    return _columns({None: "text"}, {name: name for name in ROLES if name in names})


def read(path: Path, said: str | None = None) -> list[ReadCorpus]:
    """The text of each language and split of a table. The edition is the split, or else the file's name.

    Raises DataError if the file is no table or lacks a column, UsageError if ``said`` cannot be read.
    """
    columns = columns_of(said) if said else None
    names, rows = read_rows(path, lambda _: columns is None or not columns.numbered)
    columns = columns or _usual(names)
    if missing := [part for name in columns.names for part in lacking(name, names)]:
        there = excerpt(joined(names), 500)
        raise DataError(f"{path} has no column {joined(missing)}; its columns are {there}.", _HOW)
    found = TableTexts(columns)
    for number, row in enumerate(rows, start=1):
        found.add(number, row)
    return found.finish(stem(path))


SOURCE: Final[Source] = Source(
    code="table",
    name="Table of texts",
    domain="other",
    citation="No citation: text of the user.",
    licence="",
    read=read,
    patterns=("*.tsv", "*.csv", "*.jsonl"),
    multilingual=True,
    from_hub=True,
    of_publication=lambda publication, _: named_source(SOURCE, publication),
    of_columns=lambda source, said: replace(source, read=lambda path: read(path, said)),
)
