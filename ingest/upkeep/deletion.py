"""Deleting a run: its rows leave the store, then its job directory leaves the disk.

DuckDB cannot delete a parent row and its children in one transaction, so a run is first marked, then emptied table by
table; a deletion that is killed goes on where it stopped when it is asked for again. ``v_run`` and what starts from it
do not show a marked run, and its job cannot be committed or run until the deletion is finished. Indexes of gradients go
with the last job that uses them.

With a prune run goes the subnetwork that it found, and what is derived from that. Runs that used them stay, and so do
the masks: a specification carries both whole.
"""

import contextlib
import errno
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb

from mlv.ingest.jobs.lookup import find_run
from mlv.ingest.jobs.standing import Active, Standing, standing
from mlv.ingest.journal import note_run
from mlv.ingest.writing.profiles import PROFILES_OF_RUN, build_model_profiles
from mlv.ingest.writing.subnetworks import delete_derived, delete_unused_masks, derived_from_run
from mlv.schema.errors import DataError, JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import spec_hash
from mlv.schema.jobs.kinds import read_spec
from mlv.schema.jobs.spec import Spec
from mlv.schema.store.opening import transaction
from mlv.schema.tables.relations import depending_on, rows_of

ROWS = rows_of("run")
"""Tables and the rows of the run ``$key`` in them, in the order in which they are deleted."""

_DEPENDANTS = f"""
SELECT name FROM run WHERE run_id IN ({depending_on("run", changed={"profile": PROFILES_OF_RUN})}) ORDER BY run_id
"""


def dependants(connection: duckdb.DuckDBPyConnection, run_id: int) -> list[str]:
    """Names of the runs that refer to what goes with this one, e.g. its checkpoints or profiles made of its answers."""
    return [str(name) for (name,) in connection.execute(_DEPENDANTS, {"key": run_id}).fetchall()]


@dataclass(frozen=True)
class Deletion:
    """What goes with a run."""

    run_id: int
    """0 for a job that is not in the store."""

    run: str
    """Name of the run, or of the job."""

    rows: dict[str, int]
    """Rows by table, of those that have any."""

    folders: dict[Path, int]
    """Bytes of the job directory, where it is there, and of the indexes of gradients that no other job uses."""

    dependants: list[str]
    """Runs that have to go first."""


def plan_deletion(connection: duckdb.DuckDBPyConnection, name: str, jobs: Path) -> Deletion:
    """What deleting the run whose name is or begins with ``name`` deletes. Raises NotFoundError where there is none."""
    run_id, run = find_run(connection, name)
    rows = {table: _count(connection, table, condition, run_id) for table, condition in ROWS.items()}
    rows["subnetwork"] += len(derived_from_run(connection, run_id))
    folders = [folder for folder in (jobs / run, *_indexes(connection, run_id, jobs)) if folder.is_dir()]
    return Deletion(
        run_id,
        run,
        {table: count for table, count in rows.items() if count},
        {folder: _folder_bytes(folder) for folder in folders},
        dependants(connection, run_id),
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str, condition: str, run_id: int) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table} WHERE {condition}", {"key": run_id}).fetchone()
    return int(row[0]) if row else 0


def _folder_bytes(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def plan_job_deletion(job: JobDirectory, active: Active) -> Deletion:
    """What deleting a job deletes that is not in the store: its directory, and indexes of gradients.

    Raises DataError where something works on it; what is damaged may go.
    """
    indexes: list[Path] = []
    with contextlib.suppress(JobError):
        _refuse_active(job.path.name, standing(job, active))
        indexes = _indexes_of(job.path.name, job.spec(), job.path.parent)
    needing = [name for name, spec in _readable_jobs(job.path.parent) if job.path.name in spec.builds_on()]
    folders = {folder: _folder_bytes(folder) for folder in (job.path, *indexes)}
    return Deletion(0, job.path.name, {}, folders, needing)


def _refuse_active(name: str, stands: Standing) -> None:
    if stands.state in ("running", "submitted"):
        note = f" ({stands.note})" if stands.note else ""
        raise DataError(f"{name} is {stands.state}{note}: it is not deleted.", "End it first.")


def delete_job(going: Deletion) -> None:
    """Delete the folders of a job that is not in the store. Raises DataError where others build on it."""
    _refuse_dependants(going.run, going.dependants)
    for folder in reversed(going.folders):
        _remove(folder, going.run)


def _refuse_dependants(name: str, depending: list[str]) -> None:
    if depending:
        raise DataError(
            f"{name} cannot be deleted: {', '.join(depending)} depend on it.", f"mlv runs delete {depending[0]} --yes"
        )


def _indexes(connection: duckdb.DuckDBPyConnection, run_id: int, jobs: Path) -> list[Path]:
    """Indexes of the gradients of the examples that a run trained on or traced, but for those that other jobs use."""
    row = connection.execute("SELECT name, spec FROM run WHERE run_id = ?", [run_id]).fetchone()
    return [] if row is None else _indexes_of(row[0], read_spec(row[1]), jobs)


def _indexes_of(job: str, spec: Spec, jobs: Path) -> list[Path]:
    training = spec_hash(spec.traced_run() or spec)
    others = [other for name, other in _readable_jobs(jobs) if name != job]
    found = []
    for about in sorted(jobs.glob("index-*/index.json")):
        identity = json.loads(about.read_text(encoding="utf-8"))
        if identity.get("training") == training and not any(other.reads_index(identity) for other in others):
            found.append(about.parent)
    return found


def _readable_jobs(jobs: Path) -> Iterator[tuple[str, Spec]]:
    """Jobs by name, committed or not; a damaged one can build its index again."""
    for path in jobs.glob("*/job.json"):
        with contextlib.suppress(JobError):
            yield path.parent.name, JobDirectory(path.parent).spec()


def delete_run(connection: duckdb.DuckDBPyConnection, run_id: int, name: str, jobs: Path) -> None:
    """Delete a run's rows, its job directory, and the indexes of gradients that no other job uses.

    Raises DataError where other runs depend on it: they are to be deleted first; or where a folder cannot be removed.
    """
    _refuse_dependants(name, dependants(connection, run_id))
    folders = [*_indexes(connection, run_id, jobs), jobs / name]
    connection.execute("UPDATE run SET status = 'deleting' WHERE run_id = ?", [run_id])
    note_run(connection, "deleted", name)
    with transaction(connection):
        probed = connection.execute(
            "SELECT DISTINCT checkpoint_id FROM probe_logit WHERE run_id = ?", [run_id]
        ).fetchall()
        delete_derived(connection, run_id)
        for table in [table for table in ROWS if table != "run"]:
            connection.execute(f"DELETE FROM {table} WHERE {ROWS[table]}", {"key": run_id})
        for (checkpoint_id,) in probed:
            build_model_profiles(connection, checkpoint_id)
        delete_unused_masks(connection)
    connection.execute(
        "DELETE FROM profile WHERE checkpoint_id IS NOT NULL "
        "AND profile_id NOT IN (SELECT profile_id FROM profile_value)"
    )
    # A base model that nothing descends from any more goes with the run that made it.
    connection.execute("DELETE FROM base_model WHERE base_model_id NOT IN (SELECT base_model_id FROM checkpoint)")
    # Before the run: a job directory without one would be committed again, or is never removed.
    for folder in folders:
        _remove(folder, name)
    connection.execute("DELETE FROM run WHERE run_id = ?", [run_id])
    connection.execute("CHECKPOINT")


def _remove(folder: Path, name: str) -> None:
    try:
        if folder.is_symlink():
            raise OSError(errno.ELOOP, "it is a link: remove it, and what it leads to")
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise DataError(
            f"{error.filename or folder} cannot be removed: {error.strerror}.", f"Then: mlv runs delete {name} --yes"
        ) from error
