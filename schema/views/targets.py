"""What a model is asked and what is traced: a probe, a labelled text, and whatever else may become a target."""

TARGET_COLUMNS = {
    "run": "Name of the influence run.",
    "traced_run": "Name of the run whose examples are ranked.",
    "collection": "Where the probe is from; of a labelled text its source.",
    "language": "Test language.",
    "question": "Identifier of the question; of a labelled text the key that it shares with its translations.",
}
"""Columns of views of a target and the runs that trace it."""


def of_targets(table: str) -> str:
    """The rows of a table with what each is about: one SELECT for each kind of target, here and nowhere else.

    Adds ``language_id`` and the names ``collection``, ``language``, ``question`` and ``category``.
    """
    return f"""
        SELECT t.*, p.language_id, c.code AS collection, l.code AS language, q.code AS question, y.code AS category
        FROM {table} t
        JOIN probe p USING (probe_id)
        JOIN probe_collection c USING (probe_collection_id)
        JOIN "language" l USING (language_id)
        JOIN question q USING (question_id)
        JOIN category y USING (category_id)
        UNION ALL
        SELECT t.*, c.language_id, s.code AS collection, l.code AS language, g.parallel_key AS question,
               g.label AS category
        FROM {table} t
        JOIN segment g USING (segment_id)
        JOIN corpus c USING (corpus_id)
        JOIN source s USING (source_id)
        JOIN "language" l USING (language_id)
        """
