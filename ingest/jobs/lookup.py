"""Runs and models by the names that a store knows them by."""

import re
from pathlib import Path
from typing import Literal, cast

import duckdb

from mlv.queries import install_macros
from mlv.schema.errors import NotFoundError
from mlv.schema.jobs.spec import ModelRef

Weighting = Literal["weighted", "unweighted"]
"""Whether shares of people are by the respondents' weights."""


def find_run(connection: duckdb.DuckDBPyConnection, name: str) -> tuple[int, str]:
    """Key and name of the run whose name is or begins with ``name``. Raises NotFoundError if there is not one."""
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


def find_model(connection: duckdb.DuckDBPyConnection, store: Path, name: str) -> ModelRef | None:
    """The checkpoint that ``name`` means in the store, with its folder and recorded digest; None if it means none.

    ``RUN`` is the final checkpoint of a run, ``RUN/epoch-N`` one of them, and a base model's name the model itself, if
    it was made by a run of this store.
    """
    run, _, epoch = name.partition("/epoch-")
    columns = "SELECT r.name, k.epoch, k.digest, k.path FROM checkpoint k JOIN run r USING (run_id) "
    if re.fullmatch(r"\d+", epoch):
        where = "WHERE r.name = ? AND k.epoch = ?"
        found = connection.execute(f"{columns} {where}", [run, int(epoch)]).fetchone()
    else:
        where = (
            "JOIN base_model b USING (base_model_id) "
            "WHERE k.is_final AND (r.name = $name OR (r.start_checkpoint_id IS NULL AND b.name = $name)) "
            "ORDER BY k.checkpoint_id DESC LIMIT 1"
        )
        found = connection.execute(f"{columns} {where}", {"name": name}).fetchone()
    if found is None:
        return None
    made_by, at, digest, path = found
    return ModelRef(name=f"{made_by}/epoch-{at}", digest=digest, path=str(store.resolve().parent / path))


def check_folder(model: ModelRef) -> None:
    """Raise NotFoundError if the folder of a checkpoint of the store is gone."""
    if not Path(model.path).is_dir():
        raise NotFoundError(
            f"The checkpoint {model.name} should be at {model.path}, and is not.",
            "Put the job directory back, or make it again: mlv runs delete NAME, then run the job anew.",
        )


def find_checkpoint(connection: duckdb.DuckDBPyConnection, model: ModelRef) -> tuple[int, int, int | None] | None:
    """Keys of a model state's checkpoint, base model and run; None if the store does not know it.

    A checkpoint that a job made is known by job and epoch, any other by its content.
    """
    columns = "SELECT k.checkpoint_id, k.base_model_id, k.run_id FROM checkpoint k "
    if made := model.made_by:
        statement = f"{columns} JOIN run r USING (run_id) WHERE r.name = ? AND k.epoch = ?"
        found = connection.execute(statement, [made.job, made.epoch]).fetchone()
    else:
        statement = f"{columns} WHERE k.digest = ? ORDER BY k.checkpoint_id LIMIT 1"
        found = connection.execute(statement, [model.digest]).fetchone()
    return None if found is None else (int(found[0]), int(found[1]), found[2])


def canonical_name(connection: duckdb.DuckDBPyConnection, model: ModelRef) -> str:
    """The name under which the store knows a model state; the model's own if it does not know it."""
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


def locate_model(connection: duckdb.DuckDBPyConnection, store: Path, model: ModelRef, recorded: str) -> str:
    """Folder of a model state: ``recorded`` if it is there, otherwise that of the run in the store that made the model.

    If both are gone it is ``recorded``, which may be empty.
    """
    if recorded and Path(recorded).is_dir():
        return recorded
    known = find_checkpoint(connection, model)
    row = connection.execute(
        "SELECT path FROM checkpoint WHERE checkpoint_id = ? AND run_id IS NOT NULL", [known[0] if known else None]
    ).fetchone()
    path = store.resolve().parent / str(row[0]) if row else None
    return str(path) if path is not None and path.is_dir() else recorded


def default_probe_set(connection: duckdb.DuckDBPyConnection) -> str:
    """The probe set that is taken where none is named: that of queries. Raises NotFoundError if there is none."""
    install_macros(connection)
    row = connection.execute("SELECT echoes_probe_set()").fetchone()
    if row is None or row[0] is None:
        raise NotFoundError("The store has no probes.", "Ingest some: mlv ingest probes PATH")
    return str(row[0])


def find_survey(
    connection: duckdb.DuckDBPyConnection, survey: str | None, weighting: str | None, what: str
) -> tuple[str, Weighting]:
    """A survey and weighting that the store has country profiles of; those of queries where none is named.

    Raises NotFoundError if there are none, which ``what`` says in a word.
    """
    install_macros(connection)
    found = connection.execute(
        "SELECT survey, weighting FROM v_country_profile WHERE survey = coalesce($survey, default_survey()) "
        "AND weighting = coalesce($weighting, default_weighting(survey)) LIMIT 1",
        {"survey": survey, "weighting": weighting},
    ).fetchone()
    if found is None:
        asked = " ".join(filter(None, (weighting, what, "of", survey or "any survey")))
        raise NotFoundError(f"The store has no {asked}.", "Ingest a survey: mlv ingest survey PATH")
    return str(found[0]), cast(Weighting, found[1])
