"""Social groups, the templates of sentences about them, and the stereotypes that people hold of them, as tables.

A list of groups has the columns ``category`` and ``group``, and ``kind`` (people or country) where countries are not
their own category. Templates have ``form``, ``kind`` and ``template``, with ``{group}`` and ``[MASK]``. Stereotypes
have ``prompt``, ``category``, ``group``, ``attribute`` and, where that is known, ``engine``; or the columns of the
collection of Choenni et al. (2021), separated by tabs whatever its name says, with line breaks inside quotes.
"""

import csv
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeVar

from mlv.ingest.readers.report import Rejected
from mlv.ingest.readers.text import clean, stream_lines
from mlv.schema.errors import DataError, joined
from mlv.schema.papers.stereotypes import ENGINES

MASK: Final = "[MASK]"
GROUP: Final = "[GROUP]"
PLACE: Final = "{group}"
"""Where a template has the group."""

KINDS: Final = ("people", "country")

PUBLISHED: Final = {
    "input": "prompt",
    "target_category": "category",
    "target_group": "group",
    "completion": "attribute",
    "search_engine": "engine",
}
"""Columns of the published collection, and what they are."""

_ENGINES: Final = {name.lower(): name for name in ENGINES}


class ReadGroup(NamedTuple):
    """A group of a list."""

    category: str
    name: str
    kind: str


class Template(NamedTuple):
    """A sentence in which groups of a kind are completed."""

    form: str
    kind: str
    text: str


class ReadStereotype(NamedTuple):
    """A row of a collection."""

    line: int
    """Line in the file, from 1."""

    prompt: str
    """The sentence, with :data:`MASK`."""

    category: str
    group: str
    attribute: str
    engine: str


R = TypeVar("R")


@dataclass
class Read(Generic[R]):
    """What a table gave."""

    rows: list[R] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    rows_read: int = 0
    repaired: int = 0

    def reject(self, line: int, item: str, reason: str, fields: Mapping[str, str]) -> None:
        """Leave a row out."""
        self.rejected.append(Rejected(line, reason, item, "\t".join(fields.values())))


class _Row(NamedTuple):
    line: int
    fields: dict[str, str]
    repaired: bool


def read_groups(path: Path) -> Read[ReadGroup]:
    """The groups of a list. Raises DataError if the file is no such table."""
    found: Read[ReadGroup] = Read()
    lines: dict[tuple[str, str], int] = {}
    for line, fields, repaired in _rows(path, found, ("category", "group"), {"name": "group"}):
        category, name = fields["category"], fields["group"]
        kind = fields.get("kind") or ("country" if category == "country" else "people")
        if not category or not name:
            found.reject(line, name, "it has no category or no group", fields)
        elif kind not in KINDS:
            found.reject(line, name, f"its kind is {kind!r}, neither people nor country", fields)
        elif (category, name.lower()) in lines:
            found.reject(line, name, f"the group occurs before, in line {lines[category, name.lower()]}", fields)
        else:
            lines[category, name.lower()] = line
            found.rows.append(ReadGroup(category, name, kind))
            found.repaired += repaired
    return found


def read_templates(path: Path) -> tuple[Template, ...]:
    """Templates. Raises DataError if the file is no such table, or one of them is none."""
    found: Read[Template] = Read()
    for line, fields, _ in _rows(path, found, ("form", "kind", "template"), {}):
        template = Template(fields["form"], fields["kind"], fields["template"])
        faults = (
            (not template.form or "/" in template.form, "has no form, or one with a slash"),
            (template.kind not in KINDS, f"is for {template.kind!r}, neither people nor country"),
            (template.text.count(PLACE) != 1, f"has not one {PLACE}"),
            (template.text.count(MASK) != 1, f"has not one {MASK}"),
            (any(template[:2] == other[:2] for other in found.rows), "has the form of another"),
        )
        for wrong, fault in faults:
            if wrong:
                raise DataError(
                    f"{path}, line {line}: the template {template.text!r} {fault}.",
                    f"Write e.g. why-are-so,people,why are {PLACE} so {MASK} ?",
                )
        found.rows.append(template)
    return tuple(found.rows)


def read_stereotypes(path: Path) -> Read[ReadStereotype]:
    """The rows of a collection. Raises DataError if the file is no such table."""
    found: Read[ReadStereotype] = Read()
    names = ("prompt", "category", "group", "attribute")
    for line, fields, repaired in _rows(path, found, names, PUBLISHED):
        prompt, group, attribute = fields["prompt"], fields["group"], fields["attribute"]
        if not all(fields[name] for name in names):
            missing = joined(name for name in names if not fields[name])
            found.reject(line, prompt, f"it has no {missing}", fields)
            continue
        if prompt.count(MASK) > 1:
            found.reject(line, prompt, f"it has {prompt.count(MASK)} places to fill, not one", fields)
            continue
        text = prompt if MASK in prompt else f"{prompt} {MASK} ?"
        engine = fields.get("engine", "")
        found.rows.append(
            ReadStereotype(line, text, fields["category"], group, attribute, _ENGINES.get(engine.lower(), engine))
        )
        found.repaired += repaired
    return found


def without_group(text: str, group: str) -> str | None:
    """A sentence with :data:`GROUP` for the group's words, whatever their case; None where they do not stand in it."""
    pattern = re.compile(rf"(?<!\w){re.escape(group)}(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda _: GROUP, text, count=1) if pattern.search(text) else None


def _rows(path: Path, found: Read[Any], names: tuple[str, ...], others: Mapping[str, str]) -> Iterator[_Row]:
    """Rows by the names of their columns, cleaned; ``others`` are what columns may be called instead.

    Rows of another number of fields are rejected. Raises DataError if a column is missing or the file is no table.
    """
    records = _records(path)
    header = next(records, None)
    if header is None:
        raise DataError(f"{path} has no row.", "Leave it out.")
    there = [clean(name)[0].lower() for name in header[1]]
    columns = [others.get(name, name) for name in there]
    if missing := [name for name in names if name not in columns]:
        raise DataError(
            f"{path} has no column {joined(missing)}; its columns are {joined(there)}.",
            f"Name them in its first line: {', '.join(names)}.",
        )
    for line, record in records:
        if not any(field.strip() for field in record):
            continue
        found.rows_read += 1
        if len(record) != len(columns):
            found.rejected.append(
                Rejected(line, f"it has {len(record)} fields, not {len(columns)}", "", "\t".join(record))
            )
            continue
        cleaned = [clean(field) for field in record]
        fields = dict(zip(columns, (text for text, _ in cleaned), strict=True))
        # a line break inside quotes is no text either
        broken = any("\n" in field for field in record)
        yield _Row(line, fields, broken or any(repaired for _, repaired in cleaned))


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Records of a table with the lines that they begin on, whatever separates the fields of the first."""
    csv.field_size_limit(sys.maxsize)
    lines = stream_lines(path)
    first = next((line for line in lines if line.strip()), "")
    separator = "\t" if "\t" in first else max(",;", key=first.count)

    def whole() -> Iterator[str]:
        yield f"{first}\n"
        for line in lines:
            yield f"{line}\n"

    reader = csv.reader(whole(), delimiter=separator, strict=True)
    end = 0
    try:
        for record in reader:
            yield end + 1, record
            end = reader.line_num
    except csv.Error as error:
        raise DataError(
            f"{path} is no table: {error}, in the row that begins in line {end + 1}.", "Save it as CSV."
        ) from error
