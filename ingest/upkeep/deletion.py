"""Deleting a run: its rows leave the store, then its job directory leaves the disk.

DuckDB cannot delete a parent row and its children in one transaction, so a run is first marked, then emptied table by
table; a deletion that is killed goes on where it stopped when it is asked for again. ``v_run`` and what starts from it
do not show a marked run, and its job cannot be committed or run until the deletion is finished. Indexes of gradients go
with the last job that uses them.
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
from mlv.ingest.journal import note_run
from mlv.ingest.writing.profiles import build_model_profiles
from mlv.schema.errors import DataError, JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import spec_hash
from mlv.schema.jobs.kinds import read_spec
from mlv.schema.jobs.spec import Spec
from mlv.schema.store.opening import transaction

_BY_RUN = (
    "probe_logit",
    "probe_answer",
    "run_corpus",
    "run_event",
    "metric",
    "training_example",
    "influence_validation",
    "influence_run",
    "projected_profile",
    "projection_run",
)

_TARGETS = "(SELECT influence_target_id FROM influence_target WHERE run_id = $run)"

_CHILDREN = (
    ("influence_ranking", f"influence_target_id IN {_TARGETS}"),
    ("influence_summary", f"influence_target_id IN {_TARGETS}"),
    ("influence_language", f"influence_target_id IN {_TARGETS}"),
    ("influence_overlap", f"influence_target_id IN {_TARGETS} OR other_target_id IN {_TARGETS}"),
    ("influence_target", "run_id = $run"),
    *((table, "run_id = $run") for table in _BY_RUN),
)
"""Tables and the rows of a run in them, in the order in which they are deleted."""

_ROWS = (*_CHILDREN, ("checkpoint", "run_id = $run"), ("run", "run_id = $run"))

_DEPENDANTS = """
SELECT r.run_id, r.name FROM run r WHERE r.parent_run_id = $run
UNION
SELECT r.run_id, r.name
FROM projected_profile JOIN run r USING (run_id) JOIN profile f USING (profile_id)
WHERE f.checkpoint_id IN (SELECT checkpoint_id FROM checkpoint WHERE run_id = $run)
   OR (f.checkpoint_id, f.language_id, f.probe_collection_id) IN (
       SELECT (checkpoint_id, language_id, probe_collection_id)
       FROM probe_logit JOIN probe USING (probe_id) WHERE probe_logit.run_id = $run
   )
ORDER BY 1
"""


def dependants(connection: duckdb.DuckDBPyConnection, run_id: int) -> list[str]:
    """Names of the runs that start from this run's checkpoints, examine them, or project profiles that it is behind."""
    return [str(name) for _, name in connection.execute(_DEPENDANTS, {"run": run_id}).fetchall()]


@dataclass(frozen=True)
class Deletion:
    """What goes with a run."""

    run_id: int
    run: str
    """Name of the run."""

    rows: dict[str, int]
    """Rows by table, of those that have any."""

    folders: dict[Path, int]
    """Bytes of the job directory, where it is there, and of the indexes of gradients that no other job uses."""

    dependants: list[str]
    """Runs that have to go first."""


def plan_deletion(connection: duckdb.DuckDBPyConnection, name: str, jobs: Path) -> Deletion:
    """What deleting the run whose name is or begins with ``name`` deletes. Raises NotFoundError where there is none."""
    run_id, run = find_run(connection, name)
    rows = {table: _count(connection, table, where, run_id) for table, where in _ROWS}
    folders = [folder for folder in (jobs / run, *_indexes(connection, run_id, jobs)) if folder.is_dir()]
    return Deletion(
        run_id,
        run,
        {table: count for table, count in rows.items() if count},
        {folder: _folder_bytes(folder) for folder in folders},
        dependants(connection, run_id),
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str, where: str, run_id: int) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table} WHERE {where}", {"run": run_id}).fetchone()
    return int(row[0]) if row else 0


def _folder_bytes(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())


def _indexes(connection: duckdb.DuckDBPyConnection, run_id: int, jobs: Path) -> list[Path]:
    """Indexes of the gradients of the examples that a run trained on or traced, but for those that other jobs use."""
    row = connection.execute("SELECT name, spec FROM run WHERE run_id = ?", [run_id]).fetchone()
    if row is None:
        return []
    spec = read_spec(row[1])
    training = spec_hash(spec.traced_run() or spec)
    others = [other for name, other in _readable_jobs(jobs) if name != row[0]]
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
    depending = dependants(connection, run_id)
    if depending:
        raise DataError(
            f"{name} cannot be deleted: {', '.join(depending)} depend on it.", f"mlv runs delete {depending[0]} --yes"
        )
    folders = [*_indexes(connection, run_id, jobs), jobs / name]
    connection.execute("UPDATE run SET status = 'deleting' WHERE run_id = ?", [run_id])
    note_run(connection, "deleted", name)
    with transaction(connection):
        probed = connection.execute(
            "SELECT DISTINCT checkpoint_id FROM probe_logit WHERE run_id = ?", [run_id]
        ).fetchall()
        for table, where in _CHILDREN:
            connection.execute(f"DELETE FROM {table} WHERE {where}", {"run": run_id})
        for (checkpoint_id,) in probed:
            build_model_profiles(connection, checkpoint_id)
        connection.execute("DELETE FROM checkpoint WHERE run_id = ?", [run_id])
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
