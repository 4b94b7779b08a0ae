/*
question = "Does a model rely on the same examples when a value shifts in several test languages?"
grain = """\
An influence run, direction and pair of test languages, in alphabetical order, over the questions that were traced in \
both; and per run and direction a row for the languages avg. All checkpoints together."""
paper = "Echoes section 7"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.shifted",
    "traced.probe_set", "traced.direction", "traced.k", "ci",
]
columns = [
    "traced.run", "traced_run", "traced.model", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "direction", "compared.language_a", "compared.language_b", "consistency", "chance",
    "questions",
]
intervals = ["consistency_low", "consistency_high"]

[column]
consistency = """\
Percentage of the most influential examples in one language that are among those in the other, the mean of either way \
round: mean over the questions."""
chance = "What rankings by chance would give: k of all training examples."
questions = "Questions in the mean; for avg., of all pairs together."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
-- a cell is what is compared, in the order of the questions of a run; first and last are its languages
targets AS (
    SELECT
        influence_target_id, run, language, question,
        (dense_rank() OVER (ORDER BY run, question))::INTEGER AS cell,
        min(language) OVER (PARTITION BY run, question) AS first,
        max(language) OVER (PARTITION BY run, question) AS last
    FROM selected_targets((SELECT list(run) FROM chosen), FALSE, $shifted, wanted_probe_set := $probe_set)
),
-- what all stored rankings share was counted when they were; rows are counted here only where fewer are wanted
ranked AS NOT MATERIALIZED (
    SELECT influence_target_id, cell, language, first, last, direction, training_example_id
    FROM v_influence_ranking
    JOIN targets USING (influence_target_id)
    WHERE matches($direction, direction) AND rank <= $k
),
lists AS (
    SELECT influence_target_id, direction, any_value(ranked) AS k
    FROM v_influence_language
    WHERE matches($direction, direction) AND $k IS NULL
    GROUP BY ALL
    UNION ALL
    SELECT influence_target_id, direction, count(*) FROM ranked GROUP BY ALL
),
shared AS (
    SELECT influence_target_id, other_target_id, direction, shared FROM v_influence_overlap WHERE $k IS NULL
    UNION ALL
    SELECT a.influence_target_id, b.influence_target_id, direction, count(*)
    FROM (FROM ranked WHERE language < last) a
    JOIN (FROM ranked WHERE language > first) b USING (cell, direction, training_example_id)
    WHERE a.language < b.language
    GROUP BY ALL
),
questions AS (
    SELECT
        a.run, a.question, list_a.direction,
        a.language AS language_a,
        b.language AS language_b,
        coalesce(shared, 0) AS shared,
        list_a.k AS k_a,
        list_b.k AS k_b
    FROM targets a
    JOIN targets b USING (cell)
    JOIN lists list_a ON list_a.influence_target_id = a.influence_target_id
    JOIN lists list_b ON list_b.influence_target_id = b.influence_target_id AND list_b.direction = list_a.direction
    LEFT JOIN shared
        ON shared.influence_target_id = a.influence_target_id AND other_target_id = b.influence_target_id
        AND shared.direction = list_a.direction
    WHERE a.language < b.language
),
-- average is the row avg. that a pair is in
pairs AS MATERIALIZED (
    SELECT
        run, direction, language_a, language_b,
        row_number() OVER () AS pair,
        dense_rank() OVER (ORDER BY run, direction) AS average,
        list_sort(list(place) FILTER (WHERE $ci IS NOT NULL)) AS places,
        in_order(50.0 * (shared / k_a + shared / k_b), question) AS percentages,
        list(1::DOUBLE) FILTER (WHERE $ci IS NOT NULL) AS weights,
        mean(50.0 * (k_a + k_b) / examples, question) AS chance,
        count(*) AS questions
    FROM questions
    JOIN chosen USING (run)
    LEFT JOIN traced_places((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
    GROUP BY run, direction, language_a, language_b
),
without AS MATERIALIZED (
    SELECT
        pair, average, left_out,
        listed_mean(kept, places, percentages, weights) AS consistency,
        listed_items(kept, places) AS items
    FROM pairs
    CROSS JOIN kept_places((SELECT list(run) FROM chosen), $ci IS NOT NULL)
),
cells AS (
    SELECT pair AS cell, run, direction, language_a, language_b, list_avg(percentages) AS consistency, chance, questions
    FROM pairs
    UNION ALL
    SELECT
        -average, run, direction, 'avg.', 'avg.',
        mean(list_avg(percentages), [language_a, language_b]),
        mean(chance, [language_a, language_b]),
        sum(questions)::BIGINT
    FROM pairs
    GROUP BY average, run, direction
),
intervals AS (
    SELECT
        cell,
        replicates(consistency, items, left_out) AS consistencys
    FROM (
        SELECT pair AS cell, left_out, consistency, items FROM without
        UNION ALL
        SELECT -average, left_out, kept_mean(consistency, pair, left_out), sum(items) FROM without GROUP BY average, left_out
    )
    GROUP BY cell
)
SELECT
    run,
    c.traced_run,
    c.model,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.attribution,
    c.quantity,
    direction,
    language_a,
    language_b,
    consistency,
    share_low(consistencys) AS consistency_low,
    share_high(consistencys) AS consistency_high,
    chance,
    questions
FROM cells
JOIN chosen c USING (run)
LEFT JOIN intervals USING (cell)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC,
    language_a = 'avg.', language_a, language_b
