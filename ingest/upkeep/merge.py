"""Taking over what another store has: its ingests are repeated from their sources, its runs committed again.

That is how a store is made again (``mlv.ingest.upkeep.rebuild``), in one that has something already. So the journal
tells of all of it, and the store can be made again with it. What is there already is left alone; what has a name that
stands for other content here is a conflict. Conflicts and what is missing are all named before anything is written;
then each ingest and each run enters whole, so that a merge that was killed is finished by repeating it.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import duckdb

from mlv.ingest.journal import Ingest, Making, Reading, RunEvent, journal_path, read_journal, write_journal
from mlv.ingest.upkeep.exchange import coming, enter_run, in_the_way
from mlv.ingest.upkeep.old_store import probe_sets, read_old
from mlv.ingest.upkeep.rebuild import INGESTS, Step, history, steps_of
from mlv.ingest.upkeep.reparsing import repeat_reading
from mlv.ingest.upkeep.source_files import SourceFinder, placed
from mlv.schema.errors import DataError, StoreError, UsageError, listed
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.store.opening import open_store

Content = Mapping[tuple[str, str], str]
"""By kind and name of what has a content, its digest."""

_CONTENT: Final = """
SELECT 'corpus', concat_ws('/', s.code, l.code, c.edition), c.sha256
FROM corpus c JOIN source s USING (source_id) JOIN "language" l USING (language_id)
UNION ALL SELECT 'survey', code, sha256 FROM survey
UNION ALL SELECT 'codebook', code, sha256 FROM codebook
UNION ALL SELECT 'task', code, sha256 FROM task
UNION ALL SELECT 'stereotype_collection', code, sha256 FROM stereotype_collection
UNION ALL SELECT 'lexicon', code, sha256 FROM lexicon
UNION ALL
SELECT 'groups', group_list || '/' || language, sha256(string_agg(
    concat_ws(chr(31), category, group_name, form, text), chr(30) ORDER BY category, group_name, form, text))
FROM v_cloze WHERE is_template GROUP BY group_list, language
UNION ALL
SELECT 'probes', collection || '/' || language, sha256(string_agg(
    concat_ws(chr(31), question, template, answer_first, answer_second), chr(30) ORDER BY question))
FROM v_probe GROUP BY collection, language
UNION ALL
SELECT 'subnetwork', n.name, m.digest FROM subnetwork n JOIN mask m USING (mask_id)
UNION ALL SELECT 'checkpoint', r.name || '/epoch-' || k.epoch, k.digest FROM checkpoint k JOIN run r USING (run_id)
"""
"""Ingests by the targets of their files, and checkpoints and subnetworks by what specifications call them."""


class Merge(NamedTuple):
    """What a store takes over from another."""

    steps: list[Step]
    jobs: Path
    """Folder of the other's job directories."""

    left_out: list[str]
    """What the other's journal tells of and cannot be taken."""


def plan_merge(
    connection: duckdb.DuckDBPyConnection, store: Path, jobs: Path, other: Path, other_jobs: Path, folders: list[Path]
) -> Merge:
    """What the store at ``store``, open on ``connection``, lacks of the one at ``other``, in the order of its making.

    Args:
        jobs: Folder of the store's own job directories.
        other_jobs: Folder of the other's.
        folders: Where sources are looked for, by content, that are not where they were.

    Raises:
        UsageError: It is the same store.
        StoreError: The other cannot be read.
        DataError: Contents differ under the same name, or sources or job directories are missing; all are named.
    """
    if other.resolve() == store.resolve():
        raise UsageError(f"{other} is the store itself.", "Name another one.")
    with open_store(other) as opened:
        here, there = _content(connection), _content(opened)
    old, why = read_old(other)
    if old is None:
        raise StoreError(f"{other} cannot be read: {why}", "Check it: mlv db check")
    made, left_out = history(read_journal(journal_path(other))[0], old, other_jobs)
    runs = {str(name) for (name,) in connection.execute("SELECT name FROM run").fetchall()}
    lacking = [entry for entry in made if not _has(entry, here, there, runs)]
    steps, problems = steps_of(lacking, other_jobs, SourceFinder(folders))
    problems += [
        problem for step in steps if isinstance(step.entry, RunEvent) for problem in in_the_way(jobs / step.entry.run)
    ]
    problems += _conflicts(here, there)
    if problems:
        raise DataError(
            f"Nothing was merged:{listed(problems)}",
            "Name folders in which sources are (--sources FOLDER); delete what is wrong in one of the stores (mlv runs "
            "delete, mlv ingest delete); or take single runs: mlv runs export",
        )
    return Merge(steps, other_jobs, left_out)


def _content(connection: duckdb.DuckDBPyConnection) -> Content:
    content = {(kind, name): digest for kind, name, digest in connection.execute(_CONTENT).fetchall()}
    sets = [made.options for made in probe_sets(connection)]
    return content | {("probe_set", chosen["name"]): " ".join(chosen["questions"]) for chosen in sets}


def _has(entry: Making, here: Content, there: Content, runs: set[str]) -> bool:
    """Whether a store has a run, whose answers are left as they were read, or all that an ingest brought elsewhere."""
    if isinstance(entry, Ingest):
        return {(kind, name) for kind, _, name in entry.made} & there.keys() <= here.keys()
    return entry.run in runs


def _conflicts(here: Content, there: Content) -> Iterator[str]:
    for kind, name in sorted(here.keys() & there.keys()):
        if here[kind, name] != there[kind, name]:
            yield f"the {kind} {name} differs: {here[kind, name]} here, {there[kind, name]} there"


def merge(
    connection: duckdb.DuckDBPyConnection,
    store: Path,
    jobs: Path,
    plan: Merge,
    narrate: Callable[[str], None] = lambda _: None,
) -> None:
    """Take all steps of a plan in the store at ``store``, open for writing on ``connection``.

    Raises what ingest and commit raise: the steps before are taken then, and a repetition goes on there.
    """
    with coming(jobs) as folder:
        # first what takes the disk
        for step in plan.steps:
            if isinstance(step.entry, RunEvent):
                _copy(plan.jobs / step.entry.run, folder / step.entry.run)
        for place, step in enumerate(plan.steps):
            narrate(step.description)
            if isinstance(step.entry, Ingest):
                _ingest(connection, store, step.entry, step, folder / "sources" / str(place))
            elif isinstance(step.entry, Reading):
                repeat_reading(connection, step.entry)
            else:
                enter_run(connection, store, folder / step.entry.run, jobs / step.entry.run)


def _copy(job: Path, target: Path) -> None:
    """Copy a job directory but for half-finished work. Raises JobError where it has links that lead out of it."""
    JobDirectory(job).refuse_links()
    shutil.copytree(job, target, ignore=shutil.ignore_patterns("work", ".*"))


def _ingest(connection: duckdb.DuckDBPyConnection, store: Path, entry: Ingest, step: Step, sources: Path) -> None:
    """Repeat an ingest; files that were renamed or moved apart are noted by the names that they were read under."""
    paths = placed(dict(step.files), sources)
    INGESTS[entry.kind](connection, paths, dict(entry.options))
    if any(path.is_relative_to(sources) for path in paths):
        entries, _ = read_journal(journal_path(store))
        write_journal(journal_path(store), [*entries[:-1], replace(entry, at=entries[-1].at)])
