"""Committing influence and validation jobs: what is traced, which training examples that leads to, and how well.

Rows are loaded in bulk straight from the job's files. What must hold of them is then counted in the tables, by rules
that ``mlv db check`` counts over the whole store: a job whose rows break one is not committed.
"""

from collections.abc import Mapping, Sequence

import duckdb
import polars as pl

from mlv.ingest.jobs.outputs import again, count_in, output
from mlv.schema.derived.ranking_sums import LAST_KEY, SUMS, sum_rankings
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.validate import ValidationSpec
from mlv.schema.store.rows import append, next_id, number

Rules = Sequence[tuple[str, str]]
"""(what, statement): counts what must not be, among rows whose key is at least ``{floor}``.

One that has ``{ceiling}``, too, the highest key, counts in parts of a store what it counts in the whole.
"""

RUN_RULES: Rules = (
    (
        "influence runs that examine a checkpoint of another run than the one they trace",
        "SELECT count(*) FROM influence_run JOIN run USING (run_id) "
        "WHERE run_id >= {floor} AND parent_run_id IS DISTINCT FROM traced_run_id",
    ),
    (
        "influence runs that scored other training examples than the run they trace has",
        "SELECT count(*) FROM influence_run i WHERE i.run_id >= {floor} AND i.examples <> "
        "(SELECT count(*) FROM training_example e WHERE e.run_id = i.traced_run_id AND e.split = 'train')",
    ),
    (
        "validation values that occur twice",
        "SELECT count(*) FROM (SELECT 1 FROM influence_validation WHERE run_id >= {floor} "
        "GROUP BY run_id, test, scores, probe_id, seeds, direction, k, draw HAVING count(*) > 1)",
    ),
    (
        "validation values outside [-1, 1]",
        "SELECT count(*) FROM influence_validation WHERE run_id >= {floor} AND NOT abs(value) <= 1 + 1e-9",
    ),
    (
        "validation values whose direction or k does not fit the test",
        "SELECT count(*) FROM influence_validation WHERE run_id >= {floor} AND CASE test "
        "WHEN 'removal' THEN k IS NULL ELSE k IS NOT NULL OR direction IS NOT NULL END",
    ),
)
"""The key is that of the influence or validation run."""

TARGET_RULES: Rules = (
    (
        "influence targets that occur twice",
        "SELECT 2 * count(*) - count(DISTINCT influence_target_id) - count(DISTINCT (run_id, probe_id, epoch)) "
        "FROM influence_target WHERE influence_target_id >= {floor}",
    ),
    (
        "influence targets whose value is not finite",
        "SELECT count(*) FROM influence_target WHERE influence_target_id >= {floor} AND NOT isfinite(value)",
    ),
    (
        "influence targets without ranked examples",
        "SELECT count(*) FROM influence_target t ANTI JOIN influence_ranking USING (influence_target_id) "
        "WHERE t.influence_target_id >= {floor}",
    ),
    (
        "ranked examples whose score is not finite",
        "SELECT count(*) FROM influence_ranking WHERE influence_target_id >= {floor} AND NOT isfinite(score)",
    ),
    # one window tells gaps, doubles and the order: it takes as long as all other rules together
    (
        "ranked examples out of place (ranks go up by 1 from 1, positive scores down, negative ones up)",
        "SELECT count(*) FROM (SELECT direction, rank, score, lag(rank, 1, 0) OVER place AS above, "
        "lag(score) OVER place AS before "
        "FROM influence_ranking WHERE influence_target_id BETWEEN {floor} AND {ceiling} "
        "WINDOW place AS (PARTITION BY influence_target_id, direction ORDER BY rank)) "
        "WHERE rank <> above + 1 OR CASE direction WHEN 'positive' THEN score > before ELSE score < before END",
    ),
    (
        "examples ranked twice in one direction of a target",
        "SELECT count(*) FROM (SELECT count(*) AS times FROM influence_ranking "
        "WHERE influence_target_id BETWEEN {floor} AND {ceiling} "
        "GROUP BY influence_target_id, direction, training_example_id) WHERE times > 1",
    ),
    (
        "ranked examples beyond the run's top k",
        "SELECT count(*) FROM influence_ranking JOIN influence_target USING (influence_target_id) "
        "JOIN influence_run USING (run_id) WHERE influence_target_id >= {floor} AND rank > top_k",
    ),
    (
        "influence targets whose sums are not over every training example once",
        "SELECT count(*) FROM (SELECT 1 FROM influence_target t JOIN influence_run i USING (run_id) "
        "LEFT JOIN influence_summary s USING (influence_target_id) WHERE t.influence_target_id >= {floor} "
        "GROUP BY t.influence_target_id, i.examples "
        "HAVING coalesce(sum(s.n), 0) <> i.examples OR count(DISTINCT s.language_id) <> count(s.language_id))",
    ),
    (
        "influence sums whose mean is not between the lowest and the highest score",
        "SELECT count(*) FROM (SELECT score_sum / n AS mean, score_min, score_max, "
        "1e-9 * greatest(abs(score_min), abs(score_max)) AS rounding "
        "FROM influence_summary WHERE influence_target_id >= {floor}) "
        "WHERE (isfinite(mean) AND mean BETWEEN score_min - rounding AND score_max + rounding) IS NOT TRUE",
    ),
)
"""The key is that of the target."""

SUM_RULES: Rules = tuple(
    (
        f"rows of {table} that differ from the rankings they sum up",
        f"WITH made AS ({statement}), kept AS (FROM {table} WHERE {key} BETWEEN {{floor}} AND {{ceiling}}) "
        "SELECT count(*) FROM ((FROM made EXCEPT ALL FROM kept) UNION ALL (FROM kept EXCEPT ALL FROM made))",
    )
    for table, (key, statement) in SUMS.items()
)
"""Of the whole store, since sums compare the targets of several runs; a commit makes them and need not look again."""

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
        INSERT INTO influence_validation
        SELECT $run, o.test, o.scores, p.probe_id, o.seeds, o.direction, o.k, o.draw, o.n, o.value
        FROM read_parquet($path) o
        JOIN v_probe p ON p.collection = $collection AND p.language = o.language AND p.question = o.question
    """,
}
"""By output, what enters its rows: those whose natural keys the store lacks stay out, and are missed by ``_load``."""


def broken(connection: duckdb.DuckDBPyConnection, rules: Rules, floor: int = 0) -> list[str]:
    """What breaks the rules, counted, among rows with a key of at least ``floor``."""
    counted = [(number(connection, statement.format(floor=floor, ceiling=LAST_KEY)), what) for what, statement in rules]
    return [f"{count:,} {what}" for count, what in counted if count]


def commit_influence(
    connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: InfluenceSpec, run_id: int, traced_run_id: int
) -> dict[str, int]:
    """Enter what an influence job found; return the rows written, by table.

    Raises JobError where an output is missing, names what the store lacks, or contradicts itself.
    """
    gradients = spec.attribution.gradients
    how = {
        "method": spec.attribution.method,
        "similarity": spec.attribution.similarity,
        "selection": spec.selection,
        "projection": gradients.projection,
        "dimensions": 0 if gradients.projection == "none" else gradients.dimensions,
        "modules": ",".join(gradients.modules),
        "damping": spec.attribution.damping if spec.attribution.method == "trak" else 0.0,
        "top_k": spec.top_k,
    }
    first = next_id(connection, "influence_target")
    keys = {"first": first, "run": run_id}
    rows = {
        "influence_run": _enter_run(connection, job, spec, run_id, traced_run_id, how),
        "influence_target": _load(connection, job, "targets", {**keys, "collection": spec.collection}),
        "influence_ranking": _load(connection, job, "rankings", {**keys, "traced": traced_run_id}),
        "influence_summary": _load(connection, job, "summaries", keys),
    }
    refuse(job, broken(connection, RUN_RULES, run_id) + broken(connection, TARGET_RULES, first))
    return rows | sum_rankings(connection, first)


def commit_validation(
    connection: duckdb.DuckDBPyConnection, job: JobDirectory, spec: ValidationSpec, run_id: int, traced_run_id: int
) -> dict[str, int]:
    """Enter what a validation job found; return the rows written, by table. Raises JobError as ``commit_influence``."""
    how = {
        "method": "validation",
        "similarity": "",
        "selection": "chosen",
        "projection": "",
        "dimensions": 0,
        "modules": "",
        "damping": 0.0,
        "top_k": 0,
    }
    rows = {
        "influence_run": _enter_run(connection, job, spec, run_id, traced_run_id, how),
        "influence_validation": _load(connection, job, "validation", {"run": run_id, "collection": spec.collection}),
    }
    refuse(job, broken(connection, RUN_RULES, run_id))
    return rows


def _enter_run(
    connection: duckdb.DuckDBPyConnection,
    job: JobDirectory,
    spec: InfluenceSpec | ValidationSpec,
    run_id: int,
    traced_run_id: int,
    how: Mapping[str, object],
) -> int:
    output(job, "run.json")
    row = {
        **how,
        "run_id": run_id,
        "traced_run_id": traced_run_id,
        "quantity": spec.quantity,
        "checkpoints": len(spec.checkpoints),
        "examples": count_in(job, "run.json", "examples"),
    }
    return append(connection, "influence_run", pl.DataFrame([row]))


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


def refuse(job: JobDirectory, problems: list[str]) -> None:
    """Raise JobError where a job's results have any."""
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise JobError(f"The results in {job.outputs} cannot be true; the store is unchanged:{listed}", again(job))
