"""Models by the names that a store knows them by."""

import re
from pathlib import Path

import duckdb

from mlv.schema.errors import NotFoundError
from mlv.schema.jobs.identity import CHECKPOINT_NAME
from mlv.schema.jobs.spec import ModelRef


def find_model(connection: duckdb.DuckDBPyConnection, store: Path, name: str) -> Path | None:
    """Folder of the checkpoint that ``name`` means in the store; None where it means none of them.

    ``RUN`` is the last checkpoint of a run, ``RUN/epoch-N`` one of them, and a base model's name the model itself, if
    it was made by a run of this store. Raises NotFoundError where the store knows it but its folder is gone.
    """
    run, _, epoch = name.partition("/epoch-")
    if re.fullmatch(r"\d+", epoch):
        found = connection.execute(
            "SELECT k.path FROM checkpoint k JOIN run r USING (run_id) WHERE r.name = ? AND k.epoch = ?",
            [run, int(epoch)],
        ).fetchone()
    else:
        found = connection.execute(
            "SELECT k.path FROM checkpoint k JOIN run r USING (run_id) JOIN base_model b USING (base_model_id) "
            "WHERE k.is_final AND (r.name = $name OR (r.kind = 'pretrain' AND b.name = $name)) "
            "ORDER BY k.checkpoint_id DESC LIMIT 1",
            {"name": name},
        ).fetchone()
    if found is None:
        return None
    path = store.resolve().parent / str(found[0])
    if not path.is_dir():
        raise NotFoundError(
            f"The checkpoint {name} should be at {path}, and is not.",
            "Put the job directory back, or make it again: mlv runs delete NAME, then run the job anew.",
        )
    return path


def find_checkpoint(connection: duckdb.DuckDBPyConnection, model: ModelRef) -> tuple[int, int, int | None] | None:
    """Keys of a model state's checkpoint, base model and run; None where the store does not know it.

    A checkpoint that a job made is known by job and epoch, any other by its content.
    """
    made = CHECKPOINT_NAME.fullmatch(model.name)
    if made is not None:
        found = connection.execute(
            "SELECT k.checkpoint_id, k.base_model_id, k.run_id FROM checkpoint k JOIN run r USING (run_id) "
            "WHERE r.name = ? AND k.epoch = ?",
            [made[1], int(made[2])],
        ).fetchone()
    else:
        found = connection.execute(
            "SELECT checkpoint_id, base_model_id, run_id FROM checkpoint WHERE digest = ? "
            "ORDER BY checkpoint_id LIMIT 1",
            [model.digest],
        ).fetchone()
    return None if found is None else (int(found[0]), int(found[1]), found[2])


def canonical_name(connection: duckdb.DuckDBPyConnection, model: ModelRef) -> str:
    """The name under which the store knows a model state; the model's own where it knows none."""
    known = find_checkpoint(connection, model)
    if known is None:
        return model.name
    row = connection.execute(
        "SELECT CASE WHEN r.name IS NULL THEN b.name ELSE r.name || '/epoch-' || k.epoch END "
        "FROM checkpoint k JOIN base_model b USING (base_model_id) LEFT JOIN run r ON r.run_id = k.run_id "
        "WHERE k.checkpoint_id = ?",
        [known[0]],
    ).fetchone()
    return model.name if row is None else str(row[0])


def whereabouts(connection: duckdb.DuckDBPyConnection, store: Path, model: ModelRef, recorded: str) -> str:
    """Folder of a model state: ``recorded`` if it is there, else that of the run in the store that made the model.

    Where both are gone it is ``recorded``, which may be empty.
    """
    if recorded and Path(recorded).is_dir():
        return recorded
    known = find_checkpoint(connection, model)
    row = connection.execute(
        "SELECT path FROM checkpoint WHERE checkpoint_id = ? AND run_id IS NOT NULL", [known[0] if known else None]
    ).fetchone()
    path = store.resolve().parent / str(row[0]) if row else None
    return str(path) if path is not None and path.is_dir() else recorded


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
