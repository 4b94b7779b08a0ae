"""Analyses of profiles in SQLite."""

QUERIES = {
    # without p-values and Holm's correction
    "alignment": "SELECT checkpoint_id, language, country, rho FROM rhos",
    "alignment_change": """
        WITH known AS MATERIALIZED (SELECT * FROM rhos)
        SELECT model, source, sentences, strategy, language, country, avg(change) AS change
        FROM (
            SELECT model, source, sentences, strategy, ft_languages, a.language, a.country, avg(a.rho - b.rho) AS change
            FROM runs
            JOIN known a USING (checkpoint_id)
            JOIN known b
                ON b.checkpoint_id = base_checkpoint_id AND b.language = a.language AND b.country = a.country
            WHERE strategy <> 'pretrained'
            GROUP BY 1, 2, 3, 4, 5, 6, 7
        )
        GROUP BY 1, 2, 3, 4, 5, 6
    """,
    "ground_truth_similarity": """
        WITH countries AS MATERIALIZED (SELECT DISTINCT country FROM people)
        SELECT c.country AS country_a, d.country AS country_b,
               sum(a.p_first * b.p_first) / sqrt(sum(a.p_first * a.p_first) * sum(b.p_first * b.p_first)) AS cosine
        FROM countries c
        CROSS JOIN countries d ON d.country > c.country
        CROSS JOIN people a ON a.country = c.country AND a.weighting = 'weighted'
        CROSS JOIN people b ON b.country = d.country AND b.weighting = 'weighted' AND b.question = a.question
        GROUP BY 1, 2
    """,
    # without the permutation test
    "similarity_structure": """
        WITH lengths AS MATERIALIZED (
            SELECT checkpoint_id, language, sqrt(sum(p_first * p_first)) AS length
            FROM profiles WHERE score = 'mean' GROUP BY 1, 2
        ), models AS MATERIALIZED (
            SELECT checkpoint_id, a.language AS language_a, b.language AS language_b, (
                SELECT sum(x.p_first * y.p_first)
                FROM profiles x
                JOIN profiles y USING (score, checkpoint_id, question)
                WHERE score = 'mean' AND checkpoint_id = a.checkpoint_id AND x.language = a.language
                    AND y.language = b.language
            ) / a.length / b.length AS similarity
            FROM lengths a
            JOIN lengths b USING (checkpoint_id)
            WHERE a.language < b.language
        ), countries AS MATERIALIZED (
            SELECT l.language AS language_a, m.language AS language_b,
                   sum(x.p_first * y.p_first) / sqrt(sum(x.p_first * x.p_first) * sum(y.p_first * y.p_first))
                       AS similarity
            FROM languages l
            JOIN languages m ON m.language > l.language
            CROSS JOIN people x ON x.country = l.country
            CROSS JOIN people y ON y.country = m.country AND y.question = x.question AND y.weighting = x.weighting
            WHERE x.weighting = 'weighted'
            GROUP BY 1, 2
        ), ranked AS (
            SELECT checkpoint_id, m.similarity, rank() OVER x + count(*) OVER x AS rank_x,
                   rank() OVER y + count(*) OVER y AS rank_y
            FROM models m JOIN countries c USING (language_a, language_b)
            WINDOW
                x AS (PARTITION BY checkpoint_id ORDER BY round(m.similarity, 12)),
                y AS (PARTITION BY checkpoint_id ORDER BY round(c.similarity, 12))
        )
        SELECT checkpoint_id, avg(similarity) AS similarity,
               (count(*) * sum(rank_x * rank_y) - sum(rank_x) * sum(rank_y))
               / sqrt(1.0 * (count(*) * sum(rank_x * rank_x) - sum(rank_x) * sum(rank_x))
                      * (count(*) * sum(rank_y * rank_y) - sum(rank_y) * sum(rank_y))) AS rho
        FROM ranked
        GROUP BY 1
    """,
}
