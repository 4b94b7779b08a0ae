"""What must hold of the rows of influence and validation runs, counted at commit and by ``mlv db check``."""

from collections.abc import Sequence

import duckdb

from mlv.schema.derived.ranking_sums import LAST_KEY, SUMS
from mlv.schema.store.rows import number

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


def broken(connection: duckdb.DuckDBPyConnection, rules: Rules, floor: int = 0) -> list[str]:
    """What breaks the rules, counted, among rows with a key of at least ``floor``."""
    counted = [(number(connection, statement.format(floor=floor, ceiling=LAST_KEY)), what) for what, statement in rules]
    return [f"{count:,} {what}" for count, what in counted if count]
