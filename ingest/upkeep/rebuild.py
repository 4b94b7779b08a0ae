"""Making a store again from the job directories and the sources.

What was ingested, committed and deleted, and in which order, is in the journal (``mlv.ingest.journal``), and, where it
still opens, in the old store: each completes the other. Finished jobs that neither knows are committed last, or named
as left out. Everything that is needed is looked for before anything is written, and all that is missing named together.
The new store is made aside; the old one is kept beside it. A store of an older schema is made again in the newest.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.jobs.order import build_order
from mlv.ingest.journal import (
    Entry,
    Ingest,
    Making,
    Reading,
    RunEvent,
    SourceFile,
    journal_path,
    read_journal,
    standing_ingests,
    write_journal,
)
from mlv.ingest.readers.groups import Template
from mlv.ingest.upkeep.fingerprint import differing
from mlv.ingest.upkeep.old_store import OldStore, read_old
from mlv.ingest.upkeep.reparsing import repeat_reading
from mlv.ingest.upkeep.source_files import SourceFinder, placed
from mlv.ingest.writing.codebooks import ingest_codebook
from mlv.ingest.writing.corpora import ingest_corpus
from mlv.ingest.writing.groups import ingest_groups, ingest_lexicon, ingest_stereotypes
from mlv.ingest.writing.probe_sets import make_probe_set
from mlv.ingest.writing.probes import ingest_probes
from mlv.ingest.writing.reference import ensure_reference
from mlv.ingest.writing.subnetworks import make_subnetwork
from mlv.ingest.writing.surveys import ingest_survey
from mlv.ingest.writing.tasks import ingest_task
from mlv.migrations import upgrade
from mlv.migrations.copying import kept_beside, make_same_store
from mlv.schema.errors import DataError, MlvError, StoreError, StoreLockedError, UsageError, joined
from mlv.schema.files import now, real_path, take_over
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.store.opening import connect, open_store, transaction
from mlv.schema.store.rows import number

INGESTS: Mapping[str, Callable[[duckdb.DuckDBPyConnection, Sequence[Path], dict[str, Any]], object]] = {
    "probes": lambda connection, paths, options: ingest_probes(connection, paths[0], **options),
    "codebook": lambda connection, paths, options: ingest_codebook(connection, paths[0], **options),
    "survey": lambda connection, paths, options: ingest_survey(connection, paths[0], **options),
    "subnetwork": lambda connection, _, options: make_subnetwork(connection, **options),
    "probe_set": lambda connection, _, options: make_probe_set(connection, **options),
    "task": lambda connection, paths, options: ingest_task(connection, paths[0], **options),
    "groups": lambda connection, paths, options: ingest_groups(
        connection, paths[0], templates=[Template(*form) for form in options.pop("templates")], **options
    ),
    "stereotype_collection": lambda connection, paths, options: ingest_stereotypes(connection, paths[0], **options),
    "lexicon": lambda connection, paths, options: ingest_lexicon(connection, paths[0], **options),
    "corpus": lambda connection, paths, options: ingest_corpus(connection, options.pop("source"), paths, **options),
}
"""By kind of ingest, what repeats it from its files and options."""


@dataclass(frozen=True)
class Step:
    """Something to do again."""

    entry: Making
    files: Mapping[SourceFile, Path] = field(default_factory=dict)
    """Where the files of an ingest are now."""

    known: bool = True
    """Whether the journal or the old store has it; a finished job that neither knows may be left out."""

    @property
    def description(self) -> str:
        """What is done, in words."""
        if isinstance(self.entry, Ingest):
            targets = dict.fromkeys(file.target for file in self.entry.files if file.target)
            return f"ingest {self.entry.kind} {joined(targets or [str(self.entry.options.get('name'))], most=3)}"
        if isinstance(self.entry, Reading):
            return f"read the answers of {self.entry.run} by parser {self.entry.parser}"
        return f"commit {self.entry.run}"


@dataclass(frozen=True)
class Plan:
    """How a store is made again."""

    store: Path
    jobs: Path
    steps: list[Step]
    remarks: list[str]
    """What should be known of it."""

    left_out: list[str]
    """What the journal tells of and cannot be done again."""

    comparable: bool
    """Whether the old store can be read and is not empty, so that the new one is compared with it."""


@dataclass(frozen=True)
class Rebuilt:
    """A store that was made again."""

    path: Path
    kept: Path | None
    """Where the store that was there before is now; None where there was none."""

    remarks: list[str]
    left_out: list[str]
    """What is not in it, and why."""

    differing: dict[str, tuple[int, int]] | None
    """Rows before and after of tables that differ from the old store's; None where there is none to compare with."""


@contextlib.contextmanager
def write_locked(store: Path) -> Iterator[None]:
    """Keep other processes from writing a store until the block ends, if it can be opened at all.

    Raises StoreLockedError if one writes it already.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(contextlib.closing(connect(store)))
        except StoreLockedError:
            raise
        except StoreError:
            pass
        yield


def plan_rebuild(store: Path, jobs: Path, folders: Sequence[Path] = ()) -> Plan:
    """Find everything that the store was made from.

    Args:
        store: The store; it may be gone or damaged.
        jobs: Folder of the job directories.
        folders: Where sources are looked for, by content, that are not where they were.

    Raises:
        StoreError: Neither the journal nor a store that can be read says what it was made from.
        DataError: Sources or job directories are gone, changed or unfinished; all are named.
        StoreLockedError: Another process writes the store.
    """
    entries, damaged = read_journal(journal_path(store))
    unread = [f"line {line} of {journal_path(store)} is damaged and left out" for line in damaged]
    old, why = read_old(store)
    comparable = old is not None and not old.is_empty
    # what is damaged in the journal, the old store tells
    remarks, left_out = (unread, []) if comparable else ([], unread)
    if old is None:
        remarks.append(f"the old store cannot be read, its journal is all there is: {why}")
    if not entries and not comparable:
        raise StoreError(
            f"Nothing says what {store} was made from: there is no {journal_path(store)}, and {why or 'it is empty'}",
            "Make a new store (mlv db upgrade), ingest the sources, then commit the finished jobs: mlv runs resume",
        )
    made, gone = history(entries, old, jobs)
    steps, problems = steps_of(made, jobs, SourceFinder(folders))
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise DataError(
            f"{store} cannot be made again, {len(problems)} things are missing; nothing was written:{listed}",
            "Put them back, or name folders where sources are now (found by content): mlv db rebuild --sources FOLDER",
        )
    steps += _unknown_jobs(steps, entries, old, jobs)
    if old is not None and comparable and (added := [step.description for step in steps if not old.has(step.entry)]):
        remarks.append(f"the old store lacks what is done here, so that its tables differ: {joined(added)}")
    return Plan(store, jobs, steps, remarks, [*left_out, *gone], comparable)


def history(entries: Sequence[Entry], old: OldStore | None, jobs: Path) -> tuple[list[Making], list[str]]:
    """What is to be done again, in order: ingests, commits and readings of what was not deleted after; and what cannot.

    ``entries`` are of the journal, ``old`` is the store itself, where that can be read.
    """
    noted = list(_in_order(entries))
    ingests = standing_ingests(noted)
    runs: dict[str, datetime] = {}
    for entry in noted:
        if isinstance(entry, RunEvent) and entry.event == "committed":
            runs[entry.run] = entry.at
        elif isinstance(entry, RunEvent):
            runs.pop(entry.run, None)
    readings = {entry.run: entry for entry in noted if isinstance(entry, Reading)}
    gone: list[str] = []
    if old is not None:
        there = set().union(*(entry.made for entry in ingests))
        ingests += [entry for entry in old.ingests if entry.made - there]
        if not old.is_empty:
            known = old.committed.keys() | old.deleting
            gone = [run for run in runs if run not in known and not (jobs / run).exists()]
        runs = {run: at for run, at in {**runs, **old.committed}.items() if run not in old.deleting}
        readings = {entry.run: entry for entry in old.readings} | readings
    commits = [RunEvent("committed", run, at) for run, at in runs.items() if run not in gone]
    why = "only the journal has it, and its job directory is gone: deleted, or made after this copy of the store"
    read = [entry for run, entry in readings.items() if run in runs and run not in gone]
    # what is derived comes after the runs that found what it is derived from, however coarse the clock
    derived = [entry for entry in ingests if entry.kind == "subnetwork"]
    others = [entry for entry in ingests if entry.kind != "subnetwork"]
    made: list[Making] = [*others, *commits, *read, *derived]
    return sorted(made, key=lambda entry: entry.at), [f"{run}: {why}" for run in gone]


def _in_order(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Entries with times in their order: a clock that was set back does not change that of the journal."""
    latest = datetime.min  # noqa: DTZ901 the journal is in UTC throughout
    for entry in entries:
        latest = max(latest, entry.at)
        yield replace(entry, at=latest)


def steps_of(made: Sequence[Making], jobs: Path, finder: SourceFinder) -> tuple[list[Step], list[str]]:
    """The steps that make what was made, and what is missing for them."""
    steps: list[Step] = []
    problems: list[str] = []
    for entry in made:
        if isinstance(entry, Ingest) and entry.kind not in INGESTS:
            problems.append(f"an ingest of a kind that this mlv does not know: {entry.kind}")
        elif isinstance(entry, Ingest):
            found = finder.find(entry)
            problems += _gone(entry, [file for file, path in found.items() if path is None])
            steps.append(Step(entry, {file: path for file, path in found.items() if path}))
        else:
            steps.append(Step(entry))
        if isinstance(entry, RunEvent):
            problems += _job_problem(jobs / entry.run)
    return steps, list(dict.fromkeys(problems))


def _gone(ingest: Ingest, files: Sequence[SourceFile]) -> list[str]:
    """What is missing of an ingest: each file, but an archive or folder of probes as one."""
    if ingest.kind == "probes" and files and files[0].member:
        state = "has changed" if Path(files[0].path).exists() else "is gone"
        members = ", ".join(f"{file.member} {file.sha256}" for file in files if file.target.count("/") == 1)
        return [f"the source {files[0].path} {state}, of which these were read (SHA-256): {members}"]
    return [_file_gone(file) for file in files]


def _file_gone(file: SourceFile) -> str:
    state = "has changed" if Path(file.path).exists() else "is gone"
    use = f"read into {file.target}" if file.target else "read beside others"
    return f"the source {file.path} {state} (SHA-256 {file.sha256}, {use})"


def _job_problem(path: Path) -> list[str]:
    """What keeps a job that was committed from being committed again, if anything does."""
    try:
        job = JobDirectory(path)
        job.spec()
        state = job.state()
    except MlvError as error:
        return [f"the job directory of a committed run: {error.message}"]
    stands = "not finished" if state == "running" else state
    return [] if state == "finished" else [f"the job directory {path} is {stands}: mlv runs resume {path.name}"]


def _unknown_jobs(steps: Sequence[Step], entries: Sequence[Entry], old: OldStore | None, jobs: Path) -> list[Step]:
    """Finished jobs that neither journal nor store knows of, those that others build on first."""
    known = {step.entry.run for step in steps if isinstance(step.entry, RunEvent)}
    known |= {entry.run for entry in entries if isinstance(entry, RunEvent)} | (old.deleting if old else set())
    found = []
    for path in sorted(jobs.glob("*/job.json")):
        job = JobDirectory(path.parent)
        with contextlib.suppress(MlvError):
            if path.parent.name not in known and job.state() == "finished":
                found.append((str(job.read_json("status.json").get("at", "")), path.parent.name, job.spec()))
    by_time = {name: spec for _, name, spec in sorted(found, key=lambda entry: entry[:2])}
    return [Step(RunEvent("committed", name, now()), known=False) for name in build_order(by_time)]


def rebuild(plan: Plan, output: Path, narrate: Callable[[str], None] = lambda _: None) -> Rebuilt:
    """Make the store again at ``output``: in place of the old one, which is kept beside it, or elsewhere.

    Raises UsageError where another file is at ``output``, and what ingest and commit raise; the old store stays then.
    """
    if output.exists() and output.resolve() != plan.store.resolve():
        raise UsageError(f"{output} exists already.", "Name another file, or delete it first.")
    place = real_path(output)
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".rebuild-") as folder:
        aside = Path(folder) / output.name
        steps, left_out = _repeat_all(plan, aside, output, narrate)
        differences = _compare(plan.store, aside, output.parent) if plan.comparable else None
        make_same_store(aside, plan.store)
        kept = _set_aside(output) if place.exists() else None
        if kept:
            take_over(aside, kept.stat())
        aside.replace(place)
    write_journal(journal_path(output), [_as_done(step) for step in steps])
    return Rebuilt(output, kept, plan.remarks, [*plan.left_out, *left_out], differences)


def _repeat_all(plan: Plan, aside: Path, output: Path, narrate: Callable[[str], None]) -> tuple[list[Step], list[str]]:
    """Take all steps in a new store; those that were taken, and which finished jobs were left out and why."""
    upgrade(aside)
    done: list[Step] = []
    left_out: list[str] = []
    with open_store(aside, read_only=False) as connection:
        with transaction(connection):
            ensure_reference(connection)
        for step in plan.steps:
            narrate(step.description)
            try:
                _repeat(connection, step, plan.jobs, output, aside.parent / "sources" / str(len(done)))
                done.append(step)
            except MlvError as error:
                if step.known:
                    raise type(error)(f"Could not {step.description} again: {error.message}", error.hint) from error
                left_out.append(f"{step.description}: {error.line}")
    return done, left_out


def _repeat(connection: duckdb.DuckDBPyConnection, step: Step, jobs: Path, output: Path, sources: Path) -> None:
    """Take a step, and keep the time at which it was taken first."""
    entry = step.entry
    if isinstance(entry, RunEvent):
        commit_job(connection, JobDirectory(jobs / entry.run), output)
        connection.execute("UPDATE run SET committed_at = ? WHERE name = ?", [entry.at, entry.run])
        return
    if isinstance(entry, Reading):
        repeat_reading(connection, entry)
        return
    before = number(connection, "SELECT coalesce(max(ingest_file_id), 0) FROM ingest_file")
    paths = placed(dict(step.files), sources)
    INGESTS[entry.kind](connection, paths, dict(entry.options))
    connection.execute("UPDATE ingest_file SET ingested_at = ? WHERE ingest_file_id > ?", [entry.at, before])


def _as_done(step: Step) -> Making:
    """A step for the new journal, with its files where they are now."""
    if not isinstance(step.entry, Ingest):
        return step.entry
    files = tuple(replace(file, path=str(path.absolute())) for file, path in step.files.items())
    return replace(step.entry, files=files)


def _compare(store: Path, aside: Path, folder: Path) -> dict[str, tuple[int, int]] | None:
    """How the new store differs from the old one, where that can be read: paths are relative to a store's folder."""
    but = () if folder.resolve() == store.parent.resolve() else ("path",)
    try:
        with contextlib.closing(connect(store)) as before, contextlib.closing(connect(aside)) as after:
            return differing(before, after, but)
    except StoreLockedError:
        raise
    except (StoreError, duckdb.Error):
        return None


def _set_aside(store: Path) -> Path:
    """Give the old store, its log and its journal another name; return the store's."""
    kept = kept_beside(store, "before-rebuild")
    with contextlib.suppress(FileNotFoundError):
        shutil.copyfile(journal_path(store), journal_path(kept))
    return kept
