"""Committing influence and validation jobs: what is traced, which training examples that leads to, and how well.

Rows are loaded in bulk straight from the job's files. What must hold of them is looked at in the tables, by the rules
that ``mlv db check`` has for the whole store.
"""

from collections.abc import Mapping

import duckdb
import polars as pl

from mlv.ingest.jobs.outputs import again, count_in, output
from mlv.schema.derived.ranking_sums import sum_rankings
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.validate import ValidationSpec
from mlv.schema.store.rows import append, next_id, number

_LOAD = {
    "targets": """
        INSERT INTO influence_target
        SELECT $first + o.target, $run, p.probe_id, o.epoch, o.answer, o.value
        FROM read_parquet($path) o
        JOIN v_probe p ON p.collection = $collection AND p.language = o.language AND p.question = o.question
    """,
    "rankings": """
        INSERT INTO influence_ranking
        SELECT $first + o.target, o.direction, o.rank, e.training_example_id, o.score
        FROM read_parquet($path) o
        SEMI JOIN influence_target t ON t.run_id = $run AND t.influence_target_id = $first + o.target
        JOIN training_example e ON e.run_id = $traced AND e.split = 'train' AND e.position = o.position
    """,
    "summaries": """
        INSERT INTO influence_summary
        SELECT $first + o.target, l.language_id, o.n, o.score_sum, o.score_sum_squares, o.score_min, o.score_max
        FROM read_parquet($path) o
        SEMI JOIN influence_target t ON t.run_id = $run AND t.influence_target_id = $first + o.target
        JOIN "language" l ON l.code = o.language
    """,
    "validation": """
        INSERT INTO validation_result
        SELECT $run, o.test, o.scores, p.probe_id, o.seeds, o.direction, o.k, o.draw, o.n, o.value
        FROM read_parquet($path) o
        JOIN v_probe p ON p.collection = $collection AND p.language = o.language AND p.question = o.question
    """,
}
"""By output, what enters its rows: those whose natural keys the store lacks stay out, and are missed by ``_load``."""


def commit_influence(
    connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: InfluenceSpec, run_id: int, traced_run_id: int
) -> dict[str, int]:
    """Enter what an influence job found; return the rows written, by table.

    Raises JobError where an output is missing, names what the store lacks, or contradicts itself.
    """
    gradients = spec.attribution.gradients
    run = {
        "run_id": run_id,
        "traced_run_id": traced_run_id,
        "method": spec.attribution.method,
        "similarity": spec.attribution.similarity,
        "quantity": spec.quantity,
        "selection": spec.selection,
        "projection": gradients.projection,
        "dimensions": 0 if gradients.projection == "none" else gradients.dimensions,
        "modules": ",".join(gradients.modules),
        "damping": spec.attribution.damping if spec.attribution.method == "trak" else 0.0,
        "checkpoints": len(spec.checkpoints),
        "examples": _examples(job),
        "top_k": spec.top_k,
    }
    first = next_id(connection, "influence_target")
    keys = {"first": first, "run": run_id}
    rows = {
        "influence_run": append(connection, "influence_run", pl.DataFrame([run])),
        "influence_target": _load(connection, job, "targets", {**keys, "collection": spec.collection}),
        "influence_ranking": _load(connection, job, "rankings", {**keys, "traced": traced_run_id}),
        "influence_summary": _load(connection, job, "summaries", keys),
    }
    return rows | sum_rankings(connection, first)


def commit_validation(
    connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: ValidationSpec, run_id: int, traced_run_id: int
) -> dict[str, int]:
    """Enter what a validation job found; return the rows written, by table. Raises JobError as ``commit_influence``."""
    run = {
        "run_id": run_id,
        "traced_run_id": traced_run_id,
        "quantity": spec.quantity,
        "checkpoints": len(spec.checkpoints),
        "examples": _examples(job),
    }
    return {
        "validation_run": append(connection, "validation_run", pl.DataFrame([run])),
        "validation_result": _load(connection, job, "validation", {"run": run_id, "collection": spec.collection}),
    }


def _examples(job: JobDirectory) -> int:
    """Training examples that a job scored."""
    output(job, "run.json")
    return count_in(job, "run.json", "examples")


def _load(connection: duckdb.DuckDBPyConnection, job: JobDirectory, name: str, values: Mapping[str, int | str]) -> int:
    """Enter the rows of an output; return their number. Raises JobError where the store lacks what one names."""
    path = str(output(job, f"{name}.parquet"))
    given = number(connection, "SELECT count(*) FROM read_parquet(?)", [path])
    entered = connection.execute(_LOAD[name], {**values, "path": path}).fetchone()
    lost = given - int(entered[0] if entered else 0)
    if not lost:
        return given
    if "collection" in values:
        lacking, hint = "probes", f"Ingest the probe collection {values['collection']}, then commit again."
    else:
        lacking, hint = "targets, training examples or languages", again(job)
    raise JobError(f"{lost:,} rows of {path} belong to {lacking} that the store lacks.", hint)
