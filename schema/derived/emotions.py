"""Emotion scores: what completions and lexicons say of groups together (D6 equation 6.4).

The one definition here serves the commit of a run, the ingest of a lexicon and ``mlv db check``, which makes every
score again.
"""

import duckdb

# Words are compared in lower case; an attribute counts once, in however many templates it stands. Sentences of
# collections are no templates.
SCORES = """
WITH said AS (
    SELECT DISTINCT c.run_id, z.social_group_id, lower(c.attribute) AS word
    FROM completion c
    JOIN cloze z USING (cloze_id)
    WHERE z.stereotype_collection_id IS NULL AND ($run IS NULL OR c.run_id = $run)
),
words AS (
    SELECT run_id, social_group_id, count(*) AS words FROM said GROUP BY ALL
)
SELECT s.run_id, v.lexicon_id, s.social_group_id, v.emotion, any_value(w.words)::INTEGER AS words,
       count(*)::INTEGER AS covered, avg(v.value) AS score
FROM said s
JOIN words w USING (run_id, social_group_id)
JOIN lexicon_value v USING (word)
WHERE $lexicon IS NULL OR v.lexicon_id = $lexicon
GROUP BY s.run_id, v.lexicon_id, s.social_group_id, v.emotion
ORDER BY ALL
"""
"""Rows of ``emotion_score`` of a run, of a lexicon, or, where these are NULL, of all."""

TABLE = "emotion_score"

AGAIN = SCORES.replace("$run", "NULL").replace("$lexicon", "NULL")
"""All of its rows, made again."""


def enter_scores(
    connection: duckdb.DuckDBPyConnection, *, run_id: int | None = None, lexicon_id: int | None = None
) -> None:
    """Enter the scores of a run by all lexicons, or those of all runs by a lexicon, which must not be there yet."""
    connection.execute(f"INSERT INTO emotion_score {SCORES}", {"run": run_id, "lexicon": lexicon_id})
