"""What the columns of a table are, and the texts that its rows make up by them: one for each language and split.

A text stands alone, or with a label, a second text (a pair of sentences), or both. Rows of labelled texts are rejected
if a text or the label is missing, and kept as they are else: a hypothesis may be three dots, a review an emoji.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.rows import TableRow
from mlv.ingest.readers.text import ReadCorpus, Segments, clean
from mlv.ingest.reference.languages import first_language
from mlv.schema.errors import excerpt, joined

NO_LABEL: Final = frozenset({"-1", "-"})
"""What stands for a label that is not there: in data sets of the Hugging Face hub, and in those of NLI."""

SPLITS: Final = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "development": "dev",
    "valid": "dev",
    "validation": "dev",
    "val": "dev",
    "test": "test",
}
"""Names of splits, and the edition that each is in the store."""


def lacking(column: str, names: Sequence[str]) -> list[str]:
    """What a table with columns of these names has not of a column, or of the columns in ``title+body``."""
    return [] if column in names else [part for part in column.split("+") if part not in names]


@dataclass(frozen=True)
class Columns:
    """Which column of a table is what: its name, or its number from 1 in a file without a header."""

    texts: Mapping[str | None, str]
    """Columns of text, by language; None for a text whose language is said elsewhere. ``title+body`` means both texts,
    one after the other."""

    key: str | None = None
    language: str | None = None
    pairs: Mapping[str | None, str] = field(default_factory=dict)
    """Columns of the second text of a pair, for the same languages; empty if texts stand alone."""

    label: str | None = None
    split: str | None = None

    @property
    def names(self) -> list[str]:
        """All columns that are read."""
        single = (self.key, self.language, self.label, self.split)
        return [name for name in (*self.texts.values(), *self.pairs.values(), *single) if name is not None]

    @property
    def numbered(self) -> bool:
        """Whether columns are given by their numbers."""
        return all(name.replace("+", "").isdecimal() for name in self.names)

    @property
    def labelled(self) -> bool:
        """Whether texts are labelled or come in pairs."""
        return bool(self.pairs) or self.label is not None

    @property
    def said(self) -> str:
        """The same in the words of ``--columns``."""
        texts = {code or "text": column for code, column in self.texts.items()}
        texts |= {f"{code}.pair" if code else "pair": column for code, column in self.pairs.items()}
        single = {"label": self.label, "key": self.key, "language": self.language, "split": self.split}
        return ",".join(f"{role}={column}" for role, column in {**texts, **single}.items() if column is not None)


@dataclass(frozen=True)
class Labels:
    """What labels and texts a data set may have."""

    known: tuple[str, ...] = ()
    """Its labels as its files spell them; any label if there are none."""

    no_text: str | None = None
    """What its files have in place of a text that is missing."""

    def problem(self, text: str, pair: str | None, label: str | None) -> str:
        """Why a row is rejected, by the first reason that there is; empty if it is taken."""
        no_text = self.no_text is not None and self.no_text in (text, pair)
        unknown = bool(self.known) and label is not None and label not in self.known
        reasons = (
            (no_text, f"it has no sentence: {self.no_text!r} stands where none was written"),
            (not text, "its text is empty" if pair is None else "its first text is empty"),
            (pair == "", "its second text is empty"),
            (label == "", "its label is empty"),
            (label in NO_LABEL, f"its label {label!r} means that it has none"),
            (unknown, f"its label {excerpt(label or '')!r} is not one of those known: {joined(self.known)}"),
        )
        return next((reason for holds, reason in reasons if holds), "")


ANY_LABEL: Final = Labels()


class LabelledSegments(Segments):
    """Collects labelled texts in their order, and rejects rows that lack a part."""

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self._labels = labels
        self._parts: list[tuple[str | None, str | None]] = []
        """Second text and label of each row that was taken."""

    def add_row(self, row: TableRow, key: str, raw: str, raw_pair: str | None, raw_label: str | None) -> None:
        """Take a row, or reject it. ``raw_pair`` and ``raw_label`` are None if its table does not have them."""
        text, repaired = clean(raw)
        pair, pair_repaired = (None, False) if raw_pair is None else clean(raw_pair)
        label = None if raw_label is None else clean(raw_label)[0]
        if problem := self._labels.problem(text, pair, label):
            self.reject(row.line, key, problem, row.raw)
        elif self.keep(row.line, key, text, row.raw, repaired=repaired or pair_repaired or row.unquoted):
            self._parts.append((pair, label))

    def finish(self, language: str | None, edition: str) -> ReadCorpus:
        """All that was collected, and a remark on rows that are the same as others."""
        read = super().finish(language, edition)
        parts = pl.DataFrame(self._parts, {"text_pair": pl.String, "label": pl.String}, orient="row")
        return replace(read, segments=pl.concat([read.segments, parts], how="horizontal"), remarks=tuple(self._twice()))

    def _twice(self) -> list[str]:
        texts = [(row[3], pair) for row, (pair, _) in zip(self.rows, self._parts, strict=True)]
        labelled = {(text, part[1]) for text, part in zip(texts, self._parts, strict=True)}
        labels = Counter(text for text, _ in labelled)
        several = sum(count > 1 for count in labels.values())
        remarks = []
        if repeated := len(texts) - len(set(texts)):
            remarks.append(f"rows with the texts of a row before: {repeated:,}, kept")
        if several:
            remarks.append(f"texts with more than one label: {several:,}, kept")
        return remarks


class TableTexts:
    """The texts of a table by language and split, while its rows are read."""

    def __init__(self, columns: Columns, labels: Labels = ANY_LABEL) -> None:
        self._columns = columns
        self._labels = labels
        self._texts: dict[tuple[str | None, str | None], Segments] = {}
        self._unplaced: list[Rejected] = []
        """Rows that belong to no text."""

    def add(self, number: int, row: TableRow) -> None:
        """Take what a row has in each language; ``number`` counts rows from 1 and is the key if no column is."""
        columns = self._columns
        key = str(number) if columns.key is None else clean(row.fields.get(columns.key, ""))[0]
        spoken = row.fields.get(columns.language, "") if columns.language else None
        split = _split(row.fields.get(columns.split, "")) if columns.split else None
        if not row.fields:
            self._unplaced.append(Rejected(row.line, "it has not as many fields as the header", "", row.raw))
        elif split == "":
            self._unplaced.append(Rejected(row.line, "its split is empty", key, row.raw))
        elif spoken is not None and first_language(spoken) is None:
            self._unplaced.append(Rejected(row.line, f"there is no language {excerpt(spoken)!r}", key, row.raw))
        else:
            for code in columns.texts:
                self._add(row, key, code, code if spoken is None else first_language(spoken), split)

    def _add(self, row: TableRow, key: str, column: str | None, language: str | None, split: str | None) -> None:
        """Take the text of the columns of a language."""
        columns = self._columns
        text = _text(row.fields, columns.texts[column])
        segments = self._segments(language, split)
        if not key:
            segments.reject(row.line, "", "its key is empty", row.raw)
        elif isinstance(segments, LabelledSegments):
            pair = row.fields.get(columns.pairs[column], "") if columns.pairs else None
            label = row.fields.get(columns.label, "") if columns.label else None
            segments.add_row(row, key, text, pair, label)
        else:
            segments.add(row.line, key, text, empty="its text is empty")

    def _segments(self, language: str | None, split: str | None) -> Segments:
        new = LabelledSegments(self._labels) if self._columns.labelled else Segments()
        return self._texts.setdefault((language, split), new)

    def finish(self, edition: str) -> list[ReadCorpus]:
        """All texts, of the edition if no column says the split; what belongs to none is with the first."""
        texts = self._texts or {(None, None): self._segments(None, None)}
        next(iter(texts.values())).rejected += self._unplaced
        return [
            replace(
                segments.finish(language, split or edition),
                by_row=self._columns.key is None,
                split=split,
                local_keys=split is not None,
                columns=self._columns.said if self._columns.labelled else "",
            )
            for (language, split), segments in texts.items()
        ]


def _text(fields: Mapping[str, str], column: str) -> str:
    """What a row has in a column, or in the columns of ``title+body``."""
    if column in fields:
        return fields[column]
    parts = (fields.get(part, "").strip() for part in column.split("+"))
    return " ".join(part for part in parts if part)


def _split(written: str) -> str:
    """The edition that a split is in the store; other names stay."""
    name = clean(written)[0]
    return SPLITS.get(name.casefold(), name)
