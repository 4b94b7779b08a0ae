"""Labelled data sets: tables in one of the layouts in which a data set goes around, told by their columns.

A data set is a source, and a split its edition. Which split and language a file has its content says (a column), or its
name: ``dev-de.tsv``, ``deu_Latn.train.tsv``, ``xnli-de-validation.jsonl``, ``de/dev_2k.tsv``; a file whose name and
content contradict each other is refused. Keys are ids of the file, or numbers of rows, and begin with the split where
ids start again in every split. A file without a column of labels is taken without labels.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlv.ingest.readers.columns import NO_LABEL, SPLITS, Columns, Labels, TableTexts, lacking
from mlv.ingest.readers.rows import TableRow, read_rows
from mlv.ingest.readers.text import ReadCorpus, stem
from mlv.ingest.reference.languages import first_language
from mlv.schema.errors import DataError, excerpt, joined

_FOLDER: Final = re.compile(r"[a-z]{2}|[a-z]{3}_[A-Z][a-z]{3}")
"""A folder that is named after a language; other words of three letters are folders first."""


@dataclass(frozen=True)
class Layout:
    """The columns of a table, by name, or by number if it has no header. Where ``{}`` is, a language's code stands."""

    text: str
    label: str
    pair: str | None = None
    key: str | None = None
    language: str | None = None
    """Column of the language, if files have one."""

    unique_keys: bool = False
    """Whether keys do not start again in every split and language."""

    @property
    def has_header(self) -> bool:
        """Whether columns are called by names."""
        return not self.text.isdecimal()

    def columns(self, names: Sequence[str]) -> Columns | None:
        """The columns of a table with these names; None if it has another layout."""
        texts = self._by_language(self.text, names)
        pairs = self._by_language(self.pair, names) if self.pair else {}
        texts = {code: column for code, column in texts.items() if not self.pair or code in pairs}
        if not texts or (self.key is not None and self.key not in names):
            return None
        # a number too many is another layout, and not a column beside those that are read
        if not self.has_header and set(names) - {self.text, self.pair, self.key, self.label}:
            return None
        language, label, split = (name if name in names else None for name in (self.language, self.label, "split"))
        return Columns(texts, self.key, language, {code: pairs[code] for code in texts if pairs}, label, split)

    @staticmethod
    def _by_language(column: str, names: Sequence[str]) -> dict[str | None, str]:
        """The columns that a name means, by language; None for one whose name says none."""
        if "{}" not in column:
            return {} if lacking(column, names) else {None: column}
        before, after = column.split("{}")
        found = {name: name.removeprefix(before).removesuffix(after) for name in names if name.startswith(before)}
        return {first_language(code): name for name, code in found.items() if first_language(code)}

    @property
    def shown(self) -> str:
        """The layout in words, for messages."""
        columns = [name for name in (self.key, self.language, self.text, self.pair, self.label) if name]
        return ", ".join(columns) if self.has_header else f"{len(columns)} columns without a header"


def reader(layouts: Sequence[Layout], labels: Labels, *, translated: bool = True) -> Callable[[Path], list[ReadCorpus]]:
    """A function that reads the files of a data set.

    Args:
        layouts: Those that its files may have.
        labels: Its labels.
        translated: Whether rows with the same number are translations of each other.
    """
    return lambda path: _read(path, layouts, labels, translated=translated)


def _read(path: Path, layouts: Sequence[Layout], labels: Labels, *, translated: bool) -> list[ReadCorpus]:
    """The texts of a file, by language and split. The edition is the split, and empty if nothing says it.

    Raises DataError if the file has none of the layouts, or its name contradicts its content.
    """
    with_header = [layout for layout in layouts if layout.has_header]
    names, rows = read_rows(path, lambda fields: _found(with_header, [name.strip() for name in fields]) is not None)
    found = _found(layouts, names)
    if found is None:
        raise _unknown(path, list(next(rows).fields.values()) if names[:1] == ["1"] else names, layouts)
    layout, columns = found
    texts = TableTexts(columns, labels)
    for number, row in enumerate(rows, start=1):
        if number == 1 and not layout.has_header:
            _refuse_header(path, row, columns, labels, layouts)
        texts.add(number, row)
    by_row = columns.key is None and translated
    return [replace(_placed(path, text), by_row=by_row, local_keys=not layout.unique_keys) for text in texts.finish("")]


def _found(layouts: Sequence[Layout], names: Sequence[str]) -> tuple[Layout, Columns] | None:
    """The first layout that a table with these columns has, and its columns."""
    fitting = ((layout, layout.columns(names)) for layout in layouts)
    return next(((layout, columns) for layout, columns in fitting if columns is not None), None)


def _refuse_header(path: Path, row: TableRow, columns: Columns, labels: Labels, layouts: Sequence[Layout]) -> None:
    """Raise DataError if the first row of a table without a known header seems to be an unknown one."""
    label = row.fields.get(columns.label, "").strip() if columns.label else ""
    if label and label not in NO_LABEL and label not in labels.known:
        raise _unknown(path, list(row.fields.values()), layouts)


def _unknown(path: Path, names: Sequence[str], layouts: Sequence[Layout]) -> DataError:
    known = "; ".join(layout.shown for layout in layouts)
    return DataError(
        f"{path} has none of the layouts of this data set; its first row is {excerpt(joined(names), 500)}.",
        f"Layouts: {known}. Name the columns of another: --source table --columns text=...,label=...",
    )


def _placed(path: Path, text: ReadCorpus) -> ReadCorpus:
    """A text with the split and language that its file's name says, where its content says none.

    Raises DataError if they contradict each other.
    """
    said = _only(path, "split", {SPLITS[word] for word in _words(path) if word in SPLITS})
    spoken = language_of(path)
    for what, by_name, by_content in (("split", said, text.split), ("language", spoken, text.language)):
        if by_name and by_content and by_name != by_content:
            raise DataError(
                f"{path} is of the {what} {by_content!r} by its content, and {by_name!r} by its name.",
                "Rename it if its name is wrong; if not, correct its column.",
            )
    split = text.split or said
    return replace(text, split=split, edition=split or "", language=text.language or spoken)


def _only(path: Path, what: str, found: set[str]) -> str | None:
    """What a name says; None if it says nothing. Raises DataError if it says several things."""
    if len(found) > 1:
        raise DataError(f"The name of {path} says more than one {what}: {joined(sorted(found))}.", "Rename the file.")
    return next(iter(found), None)


def language_of(path: Path) -> str | None:
    """Code of the one language that a file's name says, or else its folder's; None if they do not.

    Codes of two and three letters count, since most words of English are a language's name or code somewhere.
    """
    codes = {first_language(word) for word in _words(path) if re.fullmatch("[a-z]{2,3}", word) and word not in SPLITS}
    found = codes - {None}
    if not found and _FOLDER.fullmatch(path.parent.name):
        found = {first_language(path.parent.name)} - {None}
    return next(iter(found)) if len(found) == 1 else None


def _words(path: Path) -> list[str]:
    return re.split(r"[^a-z0-9]+", stem(path).casefold())
