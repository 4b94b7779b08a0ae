"""The journal beside a store: what made it, so that it can be made again when its file is lost or damaged.

``mlv.duckdb.journal.jsonl`` has a line of JSON for every ingest (options, files and their SHA-256), every commit of a
run, every deletion of either, and every reading of a run's answers by another parser. A line is appended after the
transaction that it is about, that of a deletion before. If a kill comes between the two, an ingest is noted when its
command is repeated, as it was never reported done; a commit needs no line, since its job directory is there; and what
was to be deleted is in the store, as is the parser of a run. A store in memory has no journal.

Copies of a store have none and need none: what can be opened has rows on what it was made from, on all but where the
sources lay. An older copy in the store's place and the journal complete each other.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import duckdb
from pydantic import TypeAdapter

from mlv.ingest.readers.report import FileReport, file_sha256
from mlv.schema.errors import StoreError
from mlv.schema.files import now, written_aside
from mlv.schema.store.causes import JOURNAL_ENDING, reason


@dataclass(frozen=True)
class SourceFile:
    """A file that an ingest read."""

    path: str
    """File, archive or folder; absolute, unless it is only known by name."""

    sha256: str
    """SHA-256 of the file's or member's bytes."""

    member: str = ""
    """Name in the archive or folder; empty for a file."""

    target: str = ""
    """What it was read into, e.g. ``pbc/fa/Farsi``; empty for a file that was only read beside others."""


@dataclass(frozen=True)
class Ingest:
    """A call that wrote something: ``ingest_probes``, ``ingest_corpus``, ``make_probe_set`` and so on, by ``kind``."""

    EVENT: ClassVar = "ingested"

    kind: str
    """probes, probe_set, codebook, survey, corpus, task, groups, stereotype_collection, lexicon or subnetwork."""

    options: Mapping[str, Any]
    """Keyword arguments of the call."""

    files: tuple[SourceFile, ...]
    at: datetime = field(compare=False)
    """When, UTC."""

    @property
    def targets(self) -> set[str]:
        """What its files were read into."""
        return {file.target for file in self.files}

    @property
    def made(self) -> set[tuple[str, str, str]]:
        """What came of it: kind, SHA-256 of the file and target of each file, or the name of what has no file."""
        files = {(self.kind, file.sha256, file.target) for file in self.files}
        return files or {(self.kind, "", str(self.options.get("name")))}


@dataclass(frozen=True)
class RunEvent:
    """A run that was committed or deleted."""

    event: Literal["committed", "deleted"]
    run: str
    at: datetime = field(compare=False)


@dataclass(frozen=True)
class Removal:
    """What was ingested, and deleted."""

    EVENT: ClassVar = "removed"

    kind: str
    """probes, survey, corpus, task, groups, stereotype_collection or lexicon."""

    name: str
    """Of a corpus ``SOURCE/LANGUAGE/EDITION``, of all others their own."""

    at: datetime = field(compare=False)


@dataclass(frozen=True)
class Reading:
    """The answers of a run, read by another parser."""

    EVENT: ClassVar = "read"

    run: str
    parser: int
    """Its version."""

    at: datetime = field(compare=False)


Making = Ingest | RunEvent | Reading
"""What a store is made of, one after the other."""

Entry = Making | Removal
_ENTRIES: Mapping[str, TypeAdapter[Any]] = {
    Ingest.EVENT: TypeAdapter(Ingest),
    Removal.EVENT: TypeAdapter(Removal),
    Reading.EVENT: TypeAdapter(Reading),
    **dict.fromkeys(("committed", "deleted"), TypeAdapter(RunEvent)),
}


def journal_path(store: Path) -> Path:
    """The journal of the store at ``store``."""
    return store.with_name(store.name + JOURNAL_ENDING)


def note_ingest(
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    options: Mapping[str, Any],
    reports: Sequence[FileReport],
    beside: Iterable[Path] = (),
) -> None:
    """Note an ingest, unless the journal has the same, and it was not deleted; ``beside`` are files that were read with
    the reported ones."""
    store = _store(connection)
    if store is None:
        return
    files = [_source_file(report) for report in reports]
    files += [SourceFile(str(path.absolute()), file_sha256(path)) for path in beside]
    entry = Ingest(kind, dict(options), tuple(files), now())
    if entry not in standing_ingests(read_journal(journal_path(store))[0]):
        _append(journal_path(store), entry)


def _source_file(report: FileReport) -> SourceFile:
    """The file that a report is about."""
    member = report.name.removeprefix(f"{report.path.name}/") if report.name != report.path.name else ""
    return SourceFile(str(report.path.absolute()), report.sha256, member, report.target)


def note_run(connection: duckdb.DuckDBPyConnection, event: Literal["committed", "deleted"], run: str) -> None:
    """Note that a run was committed or deleted."""
    store = _store(connection)
    if store is not None:
        _append(journal_path(store), RunEvent(event, run, now()))


def note_removal(connection: duckdb.DuckDBPyConnection, kind: str, name: str) -> None:
    """Note that what was ingested under a name is deleted."""
    store = _store(connection)
    if store is not None:
        _append(journal_path(store), Removal(kind, name, now()))


def note_reading(connection: duckdb.DuckDBPyConnection, run: str, parser: int) -> None:
    """Note that the answers of a run were read by another parser."""
    store = _store(connection)
    if store is not None:
        _append(journal_path(store), Reading(run, parser, now()))


def standing_ingests(entries: Iterable[Entry]) -> list[Ingest]:
    """The ingests of a journal, each with the files that were read into what was not deleted since.

    A codebook goes with the last survey that was read by it, a probe set with its collection, stereotypes with the list
    of their groups, and a derived subnetwork with the run that it comes from, which its name has in it.
    """
    standing: list[Ingest] = []
    for entry in entries:
        if isinstance(entry, Ingest):
            standing.append(entry)
        elif isinstance(entry, Removal):
            left = [kept for ingest in standing if (kept := _without(ingest, entry))]
            books = {ingest.options.get("codebook") for ingest in left if ingest.kind == "survey"}
            standing = [ingest for ingest in left if ingest.kind != "codebook" or ingest.targets & books]
        elif isinstance(entry, RunEvent) and entry.event == "deleted":
            standing = [
                ingest
                for ingest in standing
                if ingest.kind != "subnetwork" or entry.run not in str(ingest.options.get("name"))
            ]
    return standing


def _without(ingest: Ingest, removal: Removal) -> Ingest | None:
    """What is left of an ingest; files that were only read beside others stay with these."""
    if ingest.kind == "probe_set":
        gone = removal.kind == "probes" and ingest.options.get("collection") == removal.name
        return None if gone else ingest
    if (
        ingest.kind == "stereotype_collection"
        and removal.kind == "groups"
        and ingest.options.get("groups") == removal.name
    ):
        return None
    if ingest.kind != removal.kind:
        return ingest
    left = tuple(file for file in ingest.files if ingested_as(ingest.kind, file.target) != removal.name)
    return replace(ingest, files=left) if any(file.target for file in left) else None


BY_LANGUAGE: Final = ("probes", "groups")
"""Kinds whose files are read into ``NAME/LANGUAGE``."""

INGESTED_AS: Final = f"CASE WHEN kind IN {BY_LANGUAGE} THEN split_part(target, '/', 1) ELSE target END"
""":func:`ingested_as` of a row of ``ingest_file``, as SQL."""


def ingested_as(kind: str, target: str) -> str:
    """The name of what a file was read into: of probes and groups that of all languages."""
    return target.partition("/")[0] if kind in BY_LANGUAGE else target


def _store(connection: duckdb.DuckDBPyConnection) -> Path | None:
    """The file that a connection writes; None if it is in memory."""
    row = connection.execute("SELECT path FROM duckdb_databases() WHERE database_name = current_database()").fetchone()
    return Path(row[0]) if row and row[0] else None


def read_journal(path: Path) -> tuple[list[Entry], list[int]]:
    """The entries of a journal, and the numbers of its damaged lines. A missing journal has no entries."""
    if not path.exists():
        return [], []
    entries: list[Entry] = []
    damaged: list[int] = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            entries.append(_entry(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError):
            damaged.append(number)
    return entries, damaged


def _entry(line: dict[str, Any]) -> Entry:
    """The entry of a line. Raises ValueError, KeyError or TypeError if it is not one."""
    entry: Entry = _ENTRIES[line["event"]].validate_python(line)
    if entry.at.tzinfo is not None:
        raise ValueError("times are UTC without a zone")
    return entry


def _line(entry: Entry) -> bytes:
    event = entry.event if isinstance(entry, RunEvent) else entry.EVENT
    fields = {**asdict(entry), "at": entry.at.isoformat(), "event": event}
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def write_journal(path: Path, entries: Iterable[Entry]) -> None:
    """Write a whole journal, aside and renamed into place."""
    with written_aside(path) as aside:
        aside.write_bytes(b"".join(map(_line, entries)))


def _append(path: Path, entry: Entry) -> None:
    """Add a line, in one write that is on the disk when this returns."""
    try:
        with path.open("a+b") as file:
            # a line that a full disk cut off must not spoil this one
            end = file.seek(0, os.SEEK_END)
            cut_off = end > 0 and file.seek(end - 1) is not None and file.read(1) != b"\n"
            file.write(b"\n" * cut_off + _line(entry))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(
            f"What was done is in the store, but its journal {path} cannot be written: {reason(error)}",
            "Put that right, then repeat the command: what is done is not done again.",
        ) from error
