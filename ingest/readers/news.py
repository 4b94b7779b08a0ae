"""News articles in the CSV layouts of All-The-News, of which one outlet is read at a time and split into sentences.

Version 1 has the text in ``content``, version 2 in ``article``; both name the outlet in ``publication`` and may begin
with index columns. A sentence's key is made from its article's text (``9f86d081884c:3``, the third sentence), so that
it depends neither on the file nor on the order of rows. Rows of other outlets do not count as rows of this corpus.

The release has up to 840 thousand articles of one outlet, while a study takes thousands of sentences: reading stops
after ``articles`` of them, and the report says so.
"""

import csv
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.sentences import split_sentences
from mlv.ingest.readers.sources import Source
from mlv.ingest.readers.text import ReadCorpus, Segments, clean, slug, stream_lines
from mlv.schema.errors import DataError, UsageError, excerpt, joined

ARTICLES: Final = 5000
"""Articles that are read by default: above 100,000 sentences, ten times what the largest run takes."""

EDITIONS: Final = {"article": "all-the-news-2", "content": "all-the-news-1"}
"""Release by the column that holds the text."""

OUTLETS: Final = {"fox": "Fox News", "new-yorker": "New Yorker", "reuters": "Reuters"}
"""The study's outlets (Echoes section 4.1) by short name, as the release spells them."""


def outlet(publication: str) -> str:
    """Short name of an outlet: ``fox`` of ``Fox News``, ``new-york-times`` of ``New York Times``."""
    short = slug(publication).removeprefix("news-")
    known = {slug(name): code for code, name in OUTLETS.items()}
    return known.get(short, short)


def read(path: Path, publication: str, articles: int = ARTICLES) -> ReadCorpus:
    """Read the articles of one outlet, at most ``articles``. The edition is the release, known by its columns.

    Raises DataError if the file is not a CSV of All-The-News, UsageError if it has nothing of the outlet.
    """
    rows = _rows(path)
    header = next(rows)[1]
    column = next((name for name in EDITIONS if name in header), None)
    if column is None or "publication" not in header:
        raise DataError(
            f"{path} has no columns publication and article (or content); it has {excerpt(', '.join(header), 500)}.",
            "Give a CSV file of All-The-News, or use --source lines.",
        )
    found = _Articles(outlet(publication), header.index("publication"), header.index(column), len(header))
    truncated = found.take(rows, articles)
    if not found.lines and not found.segments.rejected:
        outlets = excerpt(joined(sorted(found.others)), 500)
        raise UsageError(f"{path} has nothing of the outlet {publication!r}.", f"Its outlets: {outlets}")
    corpus = found.segments.finish("en", EDITIONS[column])
    return replace(corpus, rejected=[*corpus.rejected, *truncated])


class _Articles:
    """The articles of one outlet, while the rows are read."""

    def __init__(self, wanted: str, outlet_column: int, text_column: int, columns: int) -> None:
        self.wanted = wanted
        self.outlet_column = outlet_column
        self.text_column = text_column
        self.columns = columns
        self.segments = Segments()
        self.lines: dict[str, int] = {}
        """Line of every article taken, by the hash of its text."""
        self.others: set[str] = set()
        """Outlets of the rows that were skipped."""

    def take(self, rows: Iterator[tuple[int, list[str]]], limit: int) -> list[Rejected]:
        """Take articles up to the limit; return what says that there are more, if there are."""
        for line, row in rows:
            if len(row) != self.columns:
                self.segments.reject(
                    line, "row", f"it has {len(row)} columns, the header {self.columns}", ",".join(row)
                )
            elif outlet(row[self.outlet_column]) != self.wanted:
                self.others.add(row[self.outlet_column])
            elif len(self.lines) == limit:
                reason = f"reading stopped after {limit:,} articles; --articles takes more"
                return [Rejected(line, reason, "the rest of the file")]
            else:
                self._add(line, row[self.text_column])
        return []

    def _add(self, line: int, article: str) -> None:
        """Split an article into segments, or reject it."""
        text, _ = clean(article)
        key = hashlib.sha256(text.encode()).hexdigest()[:12]
        if not text:
            self.segments.reject(line, "article", "the article is missing")
        elif key in self.lines:
            self.segments.reject(line, key, f"the same article is in line {self.lines[key]}", text)
        else:
            self.lines[key] = line
            for number, sentence in enumerate(split_sentences(article), start=1):
                self.segments.add(line, f"{key}:{number}", sentence)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line that a row begins in, from 1, and its fields. Raises DataError if the file is not valid CSV."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader((f"{line}\n" for line in stream_lines(path)), strict=True)
    line = 1
    try:
        for row in reader:
            yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path} is not valid CSV: {error}, in the row that begins in line {line}.",
            "If its download was interrupted, fetch it again.",
        ) from error


def of_publication(publication: str | None, articles: int) -> Source:
    """The source of one outlet. Raises UsageError if none is named."""
    if publication is None:
        raise UsageError(
            "News articles are read one outlet at a time.",
            f"Name it: --publication {' | '.join(OUTLETS)} or as the file spells it",
        )
    short = outlet(publication)
    return replace(
        SOURCE,
        code=f"news-{short}",
        name=f"{SOURCE.name}: {OUTLETS.get(short, publication)}",
        read=lambda path: read(path, publication, articles),
    )


SOURCE: Final = Source(
    code="news",
    name="All-The-News",
    domain="news",
    citation="Andrew Thompson: All the News 2.0. https://components.one/datasets/all-the-news-2-news-articles-dataset",
    licence="articles are under the copyright of their publishers",
    read=lambda path: read(path, ""),
    patterns=("*.csv",),
    in_parts=True,
    translated=False,
    by_hand=(
        "All-The-News has no address for programs: "
        "https://components.one/datasets/all-the-news-2-news-articles-dataset",
        "Download and unzip it there: mlv ingest corpus --source news --publication fox all-the-news-2-1.csv",
    ),
    of_publication=of_publication,
)
