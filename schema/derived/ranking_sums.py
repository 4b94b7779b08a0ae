"""Sums over influence rankings, made when these enter a store: whole rankings are then compared without being read.

A sum is a function of the tables that rankings refer to. The one definition here serves the commit of a run, the
upgrade of older stores, and ``mlv db check``, which makes every sum again. Many rankings are summed up part by part,
so that memory hardly grows with a store.
"""

import duckdb

from mlv.schema.derived import alike

# A language that the traced run was trained on has a row without a ranked example in it too.
_LANGUAGES = """
WITH ranked AS (
    SELECT k.influence_target_id, k.direction, c.language_id, g.parallel_key, c.language_id = p.language_id AS own
    FROM influence_ranking k
    JOIN influence_target t USING (influence_target_id)
    JOIN training_example e USING (training_example_id)
    LEFT JOIN probe p USING (probe_id)
    LEFT JOIN segment g USING (segment_id)
    LEFT JOIN corpus c USING (corpus_id)
    WHERE k.influence_target_id BETWEEN {floor} AND {ceiling}
),
texts AS (
    SELECT DISTINCT influence_target_id, direction, parallel_key, TRUE AS there FROM ranked WHERE own
),
counts AS (
    SELECT influence_target_id, direction, language_id, count(*) AS examples, count(there) AS translated
    FROM ranked
    LEFT JOIN texts USING (influence_target_id, direction, parallel_key)
    GROUP BY ALL
),
lists AS (
    SELECT influence_target_id, direction, sum(examples)::INTEGER AS ranked FROM counts GROUP BY ALL
),
trained AS (
    SELECT DISTINCT i.run_id, language_id
    FROM influence_run i
    JOIN run_corpus rc ON rc.run_id = i.traced_run_id
    JOIN corpus USING (corpus_id)
)
SELECT influence_target_id, direction, language_id, ranked,
       coalesce(examples, 0)::INTEGER AS examples, coalesce(translated, 0)::INTEGER AS translated
FROM lists
JOIN influence_target USING (influence_target_id)
JOIN trained USING (run_id)
LEFT JOIN counts USING (influence_target_id, direction, language_id)
ORDER BY ALL
"""

_LATER = "greatest(influence_target_id, other_target_id)"

# Alike are runs that were traced alike, of runs that were trained alike but for their one language, with one seed.
# Whoever compares them may ask for more, but not for less.
_OVERLAPS = f"""
WITH targets AS (
    SELECT influence_target_id, run_id, probe_id, question_id, l.code AS language
    FROM influence_target
    JOIN probe USING (probe_id)
    JOIN "language" l USING (language_id)
    WHERE epoch IS NULL
),
trained AS (
    SELECT rc.run_id AS traced_run_id, list(DISTINCT source_id ORDER BY source_id) AS sources,
           sum(segments) AS sentences, any_value(l.code) AS language
    FROM run_corpus rc
    JOIN corpus USING (corpus_id)
    JOIN "language" l USING (language_id)
    GROUP BY ALL
    HAVING count(DISTINCT l.code) = 1
),
traces AS (
    SELECT r.run_id, f.seed, k.base_model_id, sources, sentences, language, {alike.training("f.spec")} AS settings,
           {alike.attribution("r.spec")} AS attribution, {alike.tracing("r.spec")} AS tracing
    FROM influence_run i
    JOIN run r USING (run_id)
    JOIN trained USING (traced_run_id)
    JOIN run f ON f.run_id = i.traced_run_id
    JOIN checkpoint k ON k.checkpoint_id = f.start_checkpoint_id
),
alike AS (
    SELECT a.run_id AS run_a, b.run_id AS run_b
    FROM traces a
    JOIN traces b USING (settings, attribution, tracing, seed, base_model_id, sources, sentences)
    WHERE a.language < b.language
),
firsts AS MATERIALIZED (
    SELECT targets.*, run_id AS other_run_id, TRUE AS same_run FROM targets
    UNION ALL
    SELECT targets.*, run_b, FALSE FROM targets JOIN alike ON run_a = run_id
),
pairs AS MATERIALIZED (
    SELECT a.influence_target_id, b.influence_target_id AS other_target_id, same_run
    FROM firsts a
    JOIN targets b ON b.run_id = other_run_id AND b.question_id = a.question_id
    WHERE CASE WHEN same_run THEN a.language < b.language ELSE a.probe_id = b.probe_id END
      AND greatest(a.influence_target_id, b.influence_target_id) BETWEEN {{floor}} AND {{ceiling}}
),
first_examples AS MATERIALIZED (
    SELECT influence_target_id, other_target_id, direction, training_example_id
    FROM pairs
    JOIN influence_ranking USING (influence_target_id)
    WHERE same_run
),
texts AS MATERIALIZED (
    SELECT influence_target_id, direction, parallel_key
    FROM (
        SELECT influence_target_id FROM pairs WHERE NOT same_run
        UNION
        SELECT other_target_id FROM pairs WHERE NOT same_run
    )
    JOIN influence_ranking USING (influence_target_id)
    JOIN training_example USING (training_example_id)
    JOIN segment USING (segment_id)
),
first_texts AS MATERIALIZED (
    SELECT influence_target_id, other_target_id, direction, parallel_key
    FROM pairs
    JOIN texts USING (influence_target_id)
    WHERE NOT same_run
),
same_examples AS (
    SELECT f.influence_target_id, f.other_target_id, f.direction, count(*)::INTEGER AS shared
    FROM first_examples f
    JOIN influence_ranking o ON o.influence_target_id = f.other_target_id AND o.direction = f.direction
        AND o.training_example_id = f.training_example_id
    GROUP BY ALL
),
same_texts AS (
    SELECT influence_target_id, other_target_id, direction, count(*)::INTEGER AS shared
    FROM first_texts
    JOIN (SELECT influence_target_id AS other_target_id, direction, parallel_key FROM texts)
        USING (other_target_id, direction, parallel_key)
    GROUP BY ALL
)
FROM (FROM same_examples UNION ALL FROM same_texts) ORDER BY ALL
"""

SUMS = {"influence_language": ("influence_target_id", _LANGUAGES), "influence_overlap": (_LATER, _OVERLAPS)}
"""By table, the key of a row and the statement that makes the rows with a key from ``{floor}`` to ``{ceiling}``."""

FIRST_KEY, LAST_KEY = -(2**31), 2**31 - 1

ROWS_AT_ONCE = 4_000_000
"""Ranking rows of a part: more need more memory, fewer cost time, since overlaps look at all targets each time."""


def parts(floor: int = FIRST_KEY, rows: int = ROWS_AT_ONCE) -> str:
    """The query of the ranges (first, last) of targets' keys, at least ``floor``, that have about ``rows`` ranking rows
    each and every key together."""
    return f"""
SELECT first, coalesce(lead(first) OVER (ORDER BY first) - 1, {LAST_KEY}) AS last
FROM (
    SELECT {floor} AS first
    UNION ALL
    SELECT min(influence_target_id)
    FROM (
        SELECT influence_target_id, (sum(count(*)) OVER (ORDER BY influence_target_id) - count(*)) // {rows} AS part
        FROM influence_ranking
        WHERE influence_target_id >= {floor}
        GROUP BY influence_target_id
    )
    WHERE part > 0
    GROUP BY part
)
ORDER BY ALL
"""


def sum_rankings(
    connection: duckdb.DuckDBPyConnection, floor: int = FIRST_KEY, rows: int = ROWS_AT_ONCE
) -> dict[str, int]:
    """Make the sums of the targets with a key of at least ``floor``; return the rows written, by table.

    A target with a lower key is compared with those above. The caller's transaction keeps them.
    """
    written = dict.fromkeys(SUMS, 0)
    for first, last in connection.execute(parts(floor, rows)).fetchall():
        for table, (_, statement) in SUMS.items():
            written[table] += _fill(connection, table, statement.format(floor=first, ceiling=last))
    return written


def _fill(connection: duckdb.DuckDBPyConnection, table: str, statement: str) -> int:
    row = connection.execute(f"INSERT INTO {table} {statement}").fetchone()
    return int(row[0]) if row else 0
