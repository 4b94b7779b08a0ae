"""Deleting a run: its rows leave the store, then its job directory leaves the disk.

DuckDB cannot delete a parent row and its children in one transaction, so a run is first marked, then emptied table by
table; a deletion that is killed goes on where it stopped when it is asked for again. ``v_run`` and what starts from it
do not show a marked run, and its job cannot be committed or run until the deletion is finished.
"""

import shutil
from pathlib import Path

import duckdb

from mlv.ingest.profiles import build_model_profiles
from mlv.schema.errors import DataError, NotFoundError
from mlv.schema.store import transaction

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

_CHILDREN = (
    "DELETE FROM influence_ranking WHERE influence_target_id IN "
    "(SELECT influence_target_id FROM influence_target WHERE run_id = $run)",
    "DELETE FROM influence_summary WHERE influence_target_id IN "
    "(SELECT influence_target_id FROM influence_target WHERE run_id = $run)",
    "DELETE FROM influence_target WHERE run_id = $run",
    *(f"DELETE FROM {table} WHERE run_id = $run" for table in _BY_RUN),
)


def find_run(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[int, str]:
    """Key and name of the run whose name is or begins with ``name``. Raises NotFoundError where there is not one."""
    rows = connection.execute(
        "SELECT run_id, name FROM run WHERE name = $name OR starts_with(name, $name) ORDER BY name = $name DESC, name",
        {"name": name},
    ).fetchall()
    if not rows:
        raise NotFoundError(f"The store has no run {name}.", "See what is there: mlv runs list")
    if len(rows) > 1 and rows[0][1] != name:
        raise NotFoundError(
            f"{name} is the beginning of {len(rows)} runs: {', '.join(row[1] for row in rows)}.", "Give more of it."
        )
    return int(rows[0][0]), str(rows[0][1])


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


def delete_run(connection: duckdb.DuckDBPyConnection, run_id: int, name: str, jobs: Path) -> None:
    """Delete a run's rows and its job directory.

    Raises DataError where other runs depend on it: they are to be deleted first.
    """
    depending = dependants(connection, run_id)
    if depending:
        raise DataError(
            f"{name} cannot be deleted: {', '.join(depending)} depend on it.", f"mlv runs delete {depending[0]} --yes"
        )
    connection.execute("UPDATE run SET status = 'deleting' WHERE run_id = ?", [run_id])
    with transaction(connection):
        probed = connection.execute(
            "SELECT DISTINCT checkpoint_id FROM probe_logit WHERE run_id = ?", [run_id]
        ).fetchall()
        for statement in _CHILDREN:
            connection.execute(statement, {"run": run_id})
        for (checkpoint_id,) in probed:
            build_model_profiles(connection, checkpoint_id)
        connection.execute("DELETE FROM checkpoint WHERE run_id = ?", [run_id])
    connection.execute(
        "DELETE FROM profile WHERE checkpoint_id IS NOT NULL "
        "AND profile_id NOT IN (SELECT profile_id FROM profile_value)"
    )
    # A base model that nothing descends from any more goes with the run that made it.
    connection.execute("DELETE FROM base_model WHERE base_model_id NOT IN (SELECT base_model_id FROM checkpoint)")
    connection.execute("DELETE FROM run WHERE run_id = ?", [run_id])
    connection.execute("CHECKPOINT")
    shutil.rmtree(jobs / name, ignore_errors=True)
