"""Runs that leave a store in one file, and enter another: the job directories that they were committed from.

A job directory names all that it reads by natural key and content, so that a store with the same texts and probes gets
the same rows from it. A run goes with those that it builds on. What is missing or is another here is looked for before
anything is written; then each run is committed as any finished job is, whole or not at all, so that an import that was
killed is finished by repeating it.
"""

import contextlib
import json
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

import duckdb

from mlv.ingest.jobs.committing import Committed, commit_job, committed
from mlv.ingest.jobs.inputs import lacking, other_checkpoints
from mlv.ingest.jobs.lookup import find_run
from mlv.ingest.jobs.order import build_order
from mlv.ingest.readers.archives import MAX_BYTES, MAX_MEMBERS, members, open_zip, unpack_member
from mlv.schema.errors import DataError, JobError, MlvError, excerpt, joined, listed
from mlv.schema.files import written_aside
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import job_name
from mlv.schema.jobs.kinds import read_spec
from mlv.schema.jobs.spec import Spec
from mlv.schema.store.rows import number

_PARTS: Final = ("job.json", "status.json", "provenance.json", "log.jsonl", "inputs", "outputs", "checkpoints")
"""What of a job directory is exchanged; half-finished work and a worker's output are not."""

_MEMBER: Final = re.compile(rf"[a-z][a-z_]*-[0-9a-f]{{12}}/({'|'.join(map(re.escape, _PARTS))})(/.+)?")

_ANSWERED: Final = """
SELECT DISTINCT a.name
FROM pca_point o
JOIN run r USING (run_id)
JOIN profile f USING (profile_id)
JOIN probe_logit l USING (checkpoint_id)
JOIN probe p ON p.probe_id = l.probe_id AND p.language_id = f.language_id
    AND p.probe_collection_id = f.probe_collection_id
JOIN run a ON a.run_id = l.run_id
WHERE r.name = ?
"""
"""The runs whose answers the profiles are made of that a run compares: its specification names the profiles alone."""

LEAVING: Final = ".import"
"""Folder among the job directories in which those that are coming lie until they are committed."""


def export_runs(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], jobs: Path, target: Path, *, checkpoints: bool = False
) -> list[str]:
    """Write the job directories of runs, and of those that they build on, to a zip archive; return the runs' names.

    Args:
        names: Names of runs, or their beginnings.
        jobs: Folder of the job directories.
        target: The archive; one that is there is replaced when the new one is whole.
        checkpoints: Whether model states go along, without which a run can be read but not probed or traced again.

    Raises:
        NotFoundError: There is no such run.
        JobError: A job directory is gone or damaged, or has links that lead out of it.
        DataError: A run is being deleted, or it would be too much for one archive.
    """
    named = [find_run(connection, name)[1] for name in names]
    runs = _with_needed(connection, named)
    if going := set(named) - set(runs):
        raise DataError(f"{joined(sorted(going))} is being deleted.", "Finish that: mlv runs delete NAME --yes")
    files = {name: path for run in runs for name, path in _files(jobs / run, checkpoints=checkpoints)}
    size = sum(path.stat().st_size for path in files.values())
    if size > MAX_BYTES or len(files) > MAX_MEMBERS:
        raise DataError(
            f"{len(files):,} files of {size:,} bytes are too much for one archive, which may have {MAX_MEMBERS:,} of "
            f"{MAX_BYTES:,} bytes.",
            "Export fewer runs at a time, leave --checkpoints out, or copy the folder and take all of it: mlv db merge",
        )
    with (
        written_aside(target) as aside,
        # tables and weights are packed already
        zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive,
    ):
        for name, path in files.items():
            if path.parent.parent == jobs and path.name == "status.json" and not checkpoints:
                status = JobDirectory(path.parent).read_json(path.name)
                archive.writestr(name, json.dumps(status | {JobDirectory.LEFT_OUT: True}))
            else:
                archive.write(path, name)
    return runs


def _with_needed(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> list[str]:
    """Names of runs and of all that they build on, in the order of their commits."""
    rows = connection.execute("SELECT name, spec FROM run WHERE status = 'committed' ORDER BY run_id").fetchall()
    specs = {str(name): str(spec) for name, spec in rows}
    wanted: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in specs and name not in wanted:
            wanted.add(name)
            spec = read_spec(specs[name])
            waiting += spec.builds_on() | spec.takes_from()
            waiting += [str(row[0]) for row in connection.execute(_ANSWERED, [name]).fetchall()]
    return [name for name in specs if name in wanted]


def _files(folder: Path, *, checkpoints: bool) -> Iterator[tuple[str, Path]]:
    """The files of a job directory that are exchanged, by their names in the archive."""
    job = JobDirectory(folder)
    job.spec()
    job.refuse_links()
    for part in _PARTS:
        if part != "checkpoints" or checkpoints:
            found = sorted((folder / part).rglob("*")) if (folder / part).is_dir() else [folder / part]
            for path in found:
                name = path.relative_to(folder)
                if path.is_file() and not any(piece.startswith(".") for piece in name.parts):
                    yield f"{folder.name}/{name.as_posix()}", path


def import_runs(connection: duckdb.DuckDBPyConnection, store: Path, archive: Path, jobs: Path) -> list[Committed]:
    """Commit the runs of an archive that the store at ``store``, open for writing on ``connection``, does not have.

    Their job directories are then in ``jobs``. Returns what was done with each run of the archive.

    Raises:
        DataError: It is no archive of runs, unsafe or damaged; or the store lacks what they need. Nothing is written.
        JobError: What a job found cannot be committed: the runs before it are, it is not.
    """
    with open_zip(archive) as opened:
        foreign = [name for name in members(opened) if not _MEMBER.fullmatch(name)]
        if foreign or not members(opened):
            raise DataError(
                f"{archive} is no archive of runs: it has "
                + (f"{excerpt(foreign[0])!r}, which is no part of a job directory." if foreign else "none."),
                "Make one: mlv runs export NAME -o FILE.zip",
            )
        with coming(jobs) as folder:
            for name in members(opened):
                target = folder / PurePosixPath(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                unpack_member(opened, name, target)
            return enter_runs(connection, store, folder, jobs)


@contextlib.contextmanager
def coming(jobs: Path) -> Iterator[Path]:
    """Give an empty folder, on the disk of the job directories, for those that are to enter; it goes with the block."""
    folder = jobs / LEAVING
    # what a kill left: the store is open for writing, so that nobody else is at it
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def enter_runs(connection: duckdb.DuckDBPyConnection, store: Path, folder: Path, jobs: Path) -> list[Committed]:
    """Commit the job directories in ``folder`` that the store does not have, after moving each to ``jobs``.

    Raises DataError, before anything is written, that names all that keeps them from being committed.
    """
    specs, problems = _specs(folder)
    done = {name: known for name, spec in specs.items() if (known := committed(connection, spec))}
    new = {name: spec for name, spec in specs.items() if name not in done}
    for name, spec in new.items():
        problems += _problems(connection, JobDirectory(folder / name), spec, jobs)
        problems += [
            f"{name} builds on {needed}, which is neither here nor in the file"
            for needed in sorted(spec.builds_on() - specs.keys())
            if not _is_committed(connection, needed)
        ]
    if problems:
        raise DataError(
            f"Nothing was imported:{listed(dict.fromkeys(problems))}",
            "Ingest the same texts, probes and surveys, and export runs together with those that they build on.",
        )
    # what compares profiles does not name the runs that made them, but came after them
    for name in build_order(dict(sorted(new.items(), key=lambda entry: _finished_at(folder / entry[0])))):
        done[name] = enter_run(connection, store, folder / name, jobs / name)
    return list(done.values())


def _finished_at(job: Path) -> str:
    return str(JobDirectory(job).read_json("status.json").get("at", ""))


def _specs(folder: Path) -> tuple[dict[str, Spec], list[str]]:
    """The specifications of job directories by name, and what is wrong with those that have none of their own."""
    specs: dict[str, Spec] = {}
    problems: list[str] = []
    for path in sorted(folder.iterdir()):
        try:
            specs[path.name] = JobDirectory(path).spec()
        except JobError as error:
            problems.append(error.message)
            continue
        if job_name(specs[path.name]) != path.name:
            problems.append(f"{path.name} has the specification of {job_name(specs[path.name])}")
    return specs, problems


def _problems(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: Spec, jobs: Path) -> Iterator[str]:
    """What keeps a job directory from being committed, but for the runs that it builds on."""
    try:
        yield from in_the_way(jobs / job.path.name)
        if job.state() != "finished":
            yield f"{job.path.name} is not finished"
        if gone := [name for name in spec.OUTPUTS if not (job.outputs / name).exists()]:
            yield f"{job.path.name} lacks its outputs {', '.join(gone)}"
        if gone := [name for name in (*spec.probe_inputs(), *spec.PROFILE_INPUTS) if not (job.inputs / name).exists()]:
            yield f"{job.path.name} lacks its inputs {', '.join(gone)}"
        yield from lacking(connection, job, spec)
        yield from other_checkpoints(connection, spec)
    except JobError as error:
        yield error.message


def in_the_way(place: Path) -> Iterator[str]:
    """What keeps a job directory from being moved to its place. Raises JobError where what is there is damaged."""
    if place.exists() and (state := JobDirectory(place).state()) != "finished":
        yield f"{place} is here, and {state}: mlv runs resume {place.name}, or delete it"


def _is_committed(connection: duckdb.DuckDBPyConnection, run: str) -> bool:
    return bool(number(connection, "SELECT count(*) FROM run WHERE name = ? AND status = 'committed'", [run]))


def enter_run(connection: duckdb.DuckDBPyConnection, store: Path, coming_from: Path, place: Path) -> Committed:
    """Move a job directory into its place and commit it; one that is there, finished, is committed as it is.

    Raises JobError where it cannot be committed; it is not in its place then.
    """
    moved = not place.exists()
    if moved:
        coming_from.rename(place)
    try:
        return commit_job(connection, JobDirectory(place), store)
    except MlvError:
        if moved:
            shutil.rmtree(place)
        raise
