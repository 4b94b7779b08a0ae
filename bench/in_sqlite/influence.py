"""Analyses of influence in SQLite."""

_CONTRIBUTIONS = """
    SELECT run, epoch, language, positive, ft_language, avg(share) AS contribution
    FROM (
        SELECT t.run, t.epoch, t.language, k.positive, r.ft_language,
               100.0 * avg(e.ft_language = r.ft_language) AS share
        FROM targets t
        JOIN trained r USING (run)
        JOIN rankings k USING (influence_target_id)
        JOIN examples e USING (training_example_id)
        WHERE epoch IS {epoch}
        GROUP BY t.influence_target_id, r.ft_language, k.positive
    )
    GROUP BY 1, 2, 3, 4, 5
"""

_LISTS = "SELECT influence_target_id, positive, count(*) AS k FROM rankings GROUP BY 1, 2"

_DIRECTION = "iif(positive, 'positive', 'negative') AS direction"

QUERIES = {
    # without Wilcoxon's test between epochs
    "influence_by_epoch": f"""
        SELECT run, epoch, {_DIRECTION}, language, ft_language, contribution
        FROM ({_CONTRIBUTIONS.format(epoch="NOT NULL")})
    """,
    "influence_consistency": f"""
        WITH lists AS MATERIALIZED ({_LISTS}), pairs AS (
            SELECT a.run, la.positive, a.language AS language_a, b.language AS language_b, la.k AS k_a, lb.k AS k_b, (
                SELECT count(*)
                FROM rankings x
                JOIN rankings y
                    ON y.influence_target_id = b.influence_target_id AND y.positive = x.positive
                    AND y.training_example_id = x.training_example_id
                WHERE x.influence_target_id = a.influence_target_id AND x.positive = la.positive
            ) AS shared
            FROM targets a
            CROSS JOIN targets b ON b.run = a.run AND b.question = a.question AND b.language > a.language
            CROSS JOIN lists la ON la.influence_target_id = a.influence_target_id
            CROSS JOIN lists lb ON lb.influence_target_id = b.influence_target_id AND lb.positive = la.positive
            WHERE a.epoch IS NULL AND b.epoch IS NULL
        )
        SELECT run, {_DIRECTION}, language_a, language_b, avg(50.0 * shared * (1.0 / k_a + 1.0 / k_b)) AS consistency
        FROM pairs
        GROUP BY 1, 2, 3, 4
    """,
    "influence_mean": """
        SELECT run, language, train_language, influence,
               sqrt(squares / total - influence * influence) AS sd
        FROM (
            SELECT run, language, train_language, sum(n) AS total, sum(n * score_mean) / sum(n) AS influence,
                   sum(n * (score_sd * score_sd + score_mean * score_mean)) AS squares
            FROM summaries
            WHERE epoch IS NULL
            GROUP BY 1, 2, 3
        )
    """,
    # from every probe's: intervals and nulls are a worker's
    "influence_quality": """
        SELECT run, quantity, seeds, scores, avg(value) AS lds FROM validations GROUP BY 1, 2, 3, 4
    """,
    "language_contribution": f"""
        SELECT run, {_DIRECTION}, language, ft_language, contribution FROM ({_CONTRIBUTIONS.format(epoch="NULL")})
    """,
    "parallel_overlap": f"""
        WITH lists AS MATERIALIZED ({_LISTS}), alike AS MATERIALIZED (
            SELECT a.run AS run_a, b.run AS run_b, b.traced_run AS traced_b
            FROM influence_runs a
            JOIN influence_runs b USING (model, source, sentences, seed, attribution, strategy)
            WHERE strategy = 'monolingual' AND a.ft_languages < b.ft_languages
        ), pairs AS (
            SELECT run_a, run_b, la.positive, a.language, la.k AS k_a, lb.k AS k_b, (
                SELECT count(*)
                FROM rankings x
                JOIN examples e USING (training_example_id)
                JOIN examples f ON f.traced_run = traced_b AND f.parallel_key = e.parallel_key
                JOIN rankings y
                    ON y.influence_target_id = b.influence_target_id AND y.positive = x.positive
                    AND y.training_example_id = f.training_example_id
                WHERE x.influence_target_id = a.influence_target_id AND x.positive = la.positive
            ) AS shared
            FROM alike
            CROSS JOIN targets a ON a.run = run_a
            CROSS JOIN targets b ON b.run = run_b AND b.question = a.question AND b.language = a.language
            CROSS JOIN lists la ON la.influence_target_id = a.influence_target_id
            CROSS JOIN lists lb ON lb.influence_target_id = b.influence_target_id AND lb.positive = la.positive
            WHERE a.epoch IS NULL AND b.epoch IS NULL
        )
        SELECT run_a, run_b, {_DIRECTION}, language, avg(50.0 * shared * (1.0 / k_a + 1.0 / k_b)) AS overlap
        FROM pairs
        GROUP BY 1, 2, 3, 4
    """,
    "seed_robustness": f"""
        WITH figures AS (
            SELECT 'unchanged' AS metric, model, source, sentences, ft_languages, seed, NULL AS attribution,
                   NULL AS direction, language, NULL AS ft_language, unchanged AS value
            FROM unchanged
            UNION ALL
            SELECT 'language_contribution', model, source, sentences, ft_languages, seed, attribution,
                   {_DIRECTION}, language, ft_language, contribution
            FROM ({_CONTRIBUTIONS.format(epoch="NULL")})
            JOIN influence_runs USING (run)
        ), seeds AS (
            SELECT metric, model, source, sentences, ft_languages, attribution, direction, language, ft_language,
                   avg(value) AS value
            FROM figures
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, seed
        ), means AS (
            SELECT *, avg(value) OVER (
                PARTITION BY metric, model, source, sentences, ft_languages, attribution, direction, language,
                             ft_language
            ) AS mean
            FROM seeds
        )
        SELECT metric, model, source, sentences, ft_languages, attribution, direction, language, ft_language,
               mean, sqrt(sum((value - mean) * (value - mean)) / (count(*) - 1)) AS sd,
               min(value) AS min, max(value) AS max
        FROM means
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
    """,
    "translation_share": f"""
        SELECT run, {_DIRECTION}, language, avg(share) AS translations
        FROM (
            SELECT t.run, t.language, k.positive, 100.0 * avg(EXISTS (
                SELECT 1
                FROM examples f
                JOIN rankings y
                    ON y.influence_target_id = k.influence_target_id AND y.positive = k.positive
                    AND y.training_example_id = f.training_example_id
                WHERE f.traced_run = e.traced_run AND f.parallel_key = e.parallel_key AND f.ft_language = t.language
            )) AS share
            FROM influence_runs i
            JOIN targets t USING (run)
            JOIN trained r ON r.run = t.run AND r.ft_language = t.language
            JOIN rankings k USING (influence_target_id)
            JOIN examples e ON e.training_example_id = k.training_example_id
            WHERE i.strategy = 'multilingual' AND t.epoch IS NULL AND e.ft_language <> t.language
            GROUP BY t.influence_target_id, k.positive
        )
        GROUP BY 1, 2, 3
    """,
}
