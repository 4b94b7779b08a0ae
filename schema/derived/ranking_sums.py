"""Sums over influence rankings, made when these enter a store: whole rankings are then compared without being read.

A sum is a function of the rows that rankings refer to, through ``v_target`` and ``v_example``. The one definition here
serves the commit of a run and ``mlv db check``, which makes every sum again. Many rankings are summed up part by part,
so that memory hardly grows with a store.
"""

from typing import NamedTuple

import duckdb

from mlv.schema.derived import alike
from mlv.schema.store.ranges import FIRST_KEY, ROWS_AT_ONCE, ranges
from mlv.schema.store.rows import number

# A language that the traced run was trained on has a row without a ranked example in it too.
_LANGUAGES = """
WITH ranked AS (
    SELECT k.influence_target_id, k.direction, e.language_id, e.parallel_key, e.language_id = t.language_id AS own,
           CASE k.direction WHEN 'positive' THEN k.score < 0 ELSE k.score > 0 END AS wrong
    FROM influence_ranking k
    JOIN v_target t USING (influence_target_id)
    JOIN v_example e USING (training_example_id)
    WHERE k.influence_target_id BETWEEN {first} AND {last}
),
texts AS (
    SELECT DISTINCT influence_target_id, direction, parallel_key, TRUE AS there FROM ranked WHERE own
),
counts AS (
    SELECT influence_target_id, direction, language_id, count(*) AS examples, count(there) AS translated,
           count(*) FILTER (WHERE wrong) AS wrong_sign
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
       coalesce(examples, 0)::INTEGER AS examples, coalesce(translated, 0)::INTEGER AS translated,
       coalesce(wrong_sign, 0)::INTEGER AS wrong_sign
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
    SELECT influence_target_id, run_id, collection, question, language
    FROM v_target
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
    JOIN targets b ON b.run_id = other_run_id AND b.collection = a.collection AND b.question = a.question
    WHERE CASE WHEN same_run THEN a.language < b.language ELSE a.language = b.language END
      AND greatest(a.influence_target_id, b.influence_target_id) BETWEEN {{first}} AND {{last}}
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
    JOIN v_example USING (training_example_id)
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


class Sums(NamedTuple):
    """A table of sums."""

    table: str
    key: str
    """Key of a row: the later of the targets that it is about."""

    statement: str
    """Makes the rows whose key is from ``{first}`` to ``{last}``."""


SUMS = (Sums("influence_language", "influence_target_id", _LANGUAGES), Sums("influence_overlap", _LATER, _OVERLAPS))

PARTS = "influence_ranking.influence_target_id"
"""Column by ranges of which they are made."""


def sum_rankings(
    connection: duckdb.DuckDBPyConnection, floor: int = FIRST_KEY, rows: int = ROWS_AT_ONCE
) -> dict[str, int]:
    """Make the sums of the targets with a key of at least ``floor``; return the rows written, by table.

    A target with a lower key is compared with those above. The caller's transaction keeps them.
    """
    written = dict.fromkeys((sums.table for sums in SUMS), 0)
    for first, last in connection.execute(ranges(PARTS, floor, rows)).fetchall():
        for table, _, statement in SUMS:
            made = statement.format(first=first, last=last)
            written[table] += number(connection, f"INSERT INTO {table} {made}")
    return written
