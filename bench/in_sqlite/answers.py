"""Analyses of answers in SQLite."""

_AGREEMENT_CELLS = """
    SELECT checkpoint_id_a, checkpoint_id_b, language, category, 100.0 * avg(same) AS agreement
    FROM pairs CROSS JOIN questions USING (question) GROUP BY 1, 2, 3, 4
"""

QUERIES = {
    "agreement": """
        SELECT checkpoint_id_a, checkpoint_id_b, language, 100.0 * avg(same) AS agreement FROM pairs GROUP BY 1, 2, 3
    """,
    "agreement_by_category": f"""
        SELECT checkpoint_id_a, checkpoint_id_b, category, avg(agreement) AS agreement
        FROM ({_AGREEMENT_CELLS})
        GROUP BY 1, 2, 3
    """,
    "agreement_by_language": f"""
        SELECT checkpoint_id_a, checkpoint_id_b, language, avg(agreement) AS agreement
        FROM ({_AGREEMENT_CELLS})
        GROUP BY 1, 2, 3
    """,
    "domain_correlation": """
        WITH known AS MATERIALIZED (SELECT * FROM unchanged_categories), pairs AS (
            SELECT a.model, a.sentences, a.category, a.source AS source_a, b.source AS source_b, a.unchanged AS x,
                   b.unchanged AS y
            FROM known a
            JOIN known b USING (model, sentences, category, language)
            WHERE a.source < b.source
        )
        SELECT model, sentences, category, source_a, source_b,
               (count(*) * sum(x * y) - sum(x) * sum(y))
               / sqrt((count(*) * sum(x * x) - sum(x) * sum(x)) * (count(*) * sum(y * y) - sum(y) * sum(y)))
                   AS correlation
        FROM pairs
        GROUP BY 1, 2, 3, 4, 5
    """,
    "shift_overlap_test_languages": """
        WITH known AS MATERIALIZED (
            SELECT checkpoint_id, language, question, shifted FROM shifts
        ), counts AS MATERIALIZED (
            SELECT checkpoint_id, language, sum(shifted) AS n FROM known GROUP BY 1, 2
        ), moved AS MATERIALIZED (
            SELECT checkpoint_id, language, question FROM known WHERE shifted
        ), both AS MATERIALIZED (
            SELECT checkpoint_id, a.language AS language_a, b.language AS language_b, count(*) AS shared
            FROM moved a
            JOIN moved b USING (checkpoint_id, question)
            WHERE a.language < b.language
            GROUP BY 1, 2, 3
        )
        SELECT model, source, sentences, ft_languages, a.language AS language_a, b.language AS language_b,
               avg(1.0 * coalesce(shared, 0) / (a.n + b.n - coalesce(shared, 0))) AS jaccard
        FROM runs
        JOIN counts a USING (checkpoint_id)
        JOIN counts b ON b.checkpoint_id = a.checkpoint_id AND b.language > a.language
        LEFT JOIN both ON both.checkpoint_id = a.checkpoint_id AND language_a = a.language AND language_b = b.language
        GROUP BY 1, 2, 3, 4, 5, 6
    """,
    "shift_uniqueness": """
        WITH questions AS (
            SELECT model, source, sentences, seed, language, question, sum(shifted) AS shifting, count(*) AS runs
            FROM shifts
            WHERE strategy = 'monolingual'
            GROUP BY 1, 2, 3, 4, 5, 6
        )
        SELECT model, source, sentences, language, avg(uniqueness) AS uniqueness
        FROM (
            SELECT model, source, sentences, seed, language, 100.0 * sum(shifting = 1) / sum(shifting > 0) AS uniqueness
            FROM questions
            WHERE runs > 1
            GROUP BY 1, 2, 3, 4, 5
        )
        GROUP BY 1, 2, 3, 4
    """,
    "size_effect": """
        WITH seeds AS MATERIALIZED (
            SELECT model, source, ft_languages, seed, sentences, language, avg(unchanged) AS unchanged
            FROM unchanged
            GROUP BY 1, 2, 3, 4, 5, 6
        )
        SELECT model, source, ft_languages, a.sentences AS few, b.sentences AS many, language,
               avg(b.unchanged - a.unchanged) AS change
        FROM seeds a
        JOIN seeds b USING (model, source, ft_languages, seed, language)
        WHERE a.sentences < b.sentences
        GROUP BY 1, 2, 3, 4, 5, 6
    """,
    "unchanged": "SELECT run, language, unchanged FROM unchanged",
    "unchanged_by_category": "SELECT * FROM unchanged_categories",
    "unchanged_multilingual": """
        WITH known AS MATERIALIZED (SELECT * FROM unchanged), mixed AS (
            SELECT model, source, sentences, ft_languages AS mixture, strategy, ft_languages, language, unchanged
            FROM known
            WHERE strategy = 'multilingual'
        ), mixtures AS (
            SELECT DISTINCT model, source, sentences, mixture FROM mixed
        ), alone AS (
            SELECT model, source, sentences, mixture, 'monolingual_mean', ft_languages, language, unchanged
            FROM mixtures
            JOIN known USING (model, source, sentences)
            WHERE strategy = 'monolingual' AND ',' || mixture || ',' LIKE '%,' || ft_languages || ',%'
        )
        SELECT model, source, sentences, mixture, strategy, language, avg(unchanged) AS unchanged
        FROM (
            SELECT model, source, sentences, mixture, strategy, ft_languages, language, avg(unchanged) AS unchanged
            FROM (SELECT * FROM mixed UNION ALL SELECT * FROM alone)
            GROUP BY 1, 2, 3, 4, 5, 6, 7
        )
        GROUP BY 1, 2, 3, 4, 5, 6
    """,
}
