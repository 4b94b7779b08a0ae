"""Committing projections: where the profiles of checkpoints and countries lie in the plane that was fitted to them."""

import duckdb
import polars as pl

from mlv.ingest.jobs.lookup import find_checkpoint
from mlv.ingest.jobs.outputs import count_in, output, share_in
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import CHECKPOINT_NAME
from mlv.schema.jobs.pca import ProjectSpec
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.store.rows import append, number

_LOAD = """
INSERT INTO pca_point
SELECT $run, f.profile_id, o.x, o.y
FROM read_parquet($path) o
LEFT JOIN projected_checkpoint k USING (checkpoint)
LEFT JOIN "language" l ON l.code = o.language
LEFT JOIN probe_collection c ON c.code = $collection
LEFT JOIN survey s ON s.code = o.survey
LEFT JOIN country y ON y.code = o.country
JOIN profile f
    ON (f.checkpoint_id = k.checkpoint_id AND f.language_id = l.language_id AND f.score = o.score
        AND f.probe_collection_id = c.probe_collection_id)
    OR (f.survey_id = s.survey_id AND f.country_id = y.country_id AND f.weighting = o.weighting)
"""


def commit_projection(
    connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: ProjectSpec, run_id: int
) -> dict[str, int]:
    """Enter what a projection found; return the rows written, by table.

    Raises JobError where an output is missing, names what the store lacks, or contradicts itself.
    """
    return {
        "pca_run": _enter_run(connection, job, spec, run_id),
        "pca_point": _enter_points(connection, job, spec, run_id),
    }


def _enter_run(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: ProjectSpec, run_id: int) -> int:
    output(job, "run.json")
    known = connection.execute("SELECT probe_set_id FROM probe_set WHERE code = ?", [spec.probe_set]).fetchone()
    if known is None:
        raise JobError(f"The store has no probe set {spec.probe_set}.", "Ingest its probes, then commit again.")
    row = {
        "run_id": run_id,
        "probe_set_id": known[0],
        "score": spec.score,
        "questions": count_in(job, "run.json", "questions"),
        "explained_x": share_in(job, "run.json", "explained_x"),
        "explained_y": share_in(job, "run.json", "explained_y"),
    }
    return append(connection, "pca_run", pl.DataFrame([row], schema_overrides={"score": pl.String}))


def _enter_points(connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: ProjectSpec, run_id: int) -> int:
    path = str(output(job, "points.parquet"))
    given = number(connection, "SELECT count(*) FROM read_parquet(?)", [path])
    keys = [(key, _checkpoint_id(connection, job, key)) for key in spec.checkpoints]
    schema = {"checkpoint": pl.String, "checkpoint_id": pl.Int64}
    connection.register("projected_checkpoint", pl.DataFrame(keys, schema=schema, orient="row"))
    try:
        values = {"run": run_id, "path": path, "collection": spec.collection}
        entered = connection.execute(_LOAD, values).fetchone()
    finally:
        connection.unregister("projected_checkpoint")
    lost = given - int(entered[0] if entered else 0)
    if lost:
        raise JobError(
            f"{lost:,} rows of {path} belong to profiles that the store lacks.",
            "Commit the probing jobs and ingest the survey that it was planned from, then commit again.",
        )
    return given


def _checkpoint_id(connection: duckdb.DuckDBPyConnection, job: JobDirectory, key: str) -> int:
    """Key in the store of a checkpoint by ``checkpoint_key``. Raises JobError where the store does not have it."""
    found = find_checkpoint(connection, ModelRef(name=key, digest=key))
    if found is not None:
        return found[0]
    made_by = CHECKPOINT_NAME.fullmatch(key)
    first = f"mlv runs resume {made_by[1]}" if made_by else "probe the model with: mlv compute probe --model NAME"
    raise JobError(
        f"{job.path.name} projects profiles of {key}, which is not in the store.", f"Commit its probing first: {first}"
    )
