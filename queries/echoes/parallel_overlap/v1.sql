/*
question = "When fine-tuning in different languages shifts the same value, do models rely on the same texts?"
grain = """\
A pair of influence runs that are alike but for the fine-tuning languages of the monolingual runs that they trace, in \
alphabetical order of these; direction and test language; over the questions whose value both runs shifted; and per \
setup and direction a row for the fine-tuning languages and the language avg. All checkpoints together."""
paper = "Echoes section 7"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = [
    "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.direction", "traced.k",
    "traced.probe_set", "ci",
]
columns = [
    "model", "source", "sentences", "seed", "settings", "attribution", "tracing", "direction", "ft_language_a", "run_a",
    "ft_language_b", "run_b", "language", "overlap", "common", "chance", "questions",
]
intervals = ["overlap_low", "overlap_high"]

[column]
model = "Pretrained model that the traced runs started from."
sentences = "Sentences each traced run was given."
seed = "Their seed."
settings = "How they were trained: epochs, batch size, learning rate and what else differs between setups."
tracing = "What else the scores depend on: probes, quantity, k and checkpoints."
ft_language_a = "First fine-tuning language; avg. for the mean of the rows above it."
run_a = "Name of its influence run; NULL for avg."
ft_language_b = "Second fine-tuning language; avg. likewise."
run_b = "Name of its influence run; NULL for avg."
language = "Test language; avg. likewise."
overlap = """\
Percentage of the most influential examples of one run whose translation is among those of the other, the mean of \
either way round: mean over the questions."""
common = """\
Percentage of a run's training examples whose translation the other run trained on too, the mean of either way round. \
Pairs of runs with none cannot overlap; they are left out of avg."""
chance = "What rankings by chance would give: the share of examples in common, by k of all training examples."
questions = "Questions in the mean; for avg., of all rows together."
*/
WITH chosen AS (
    FROM selected_influence_runs(NULL, $model, $source, $method, $sentences, $seed) WHERE strategy = 'monolingual'
),
runs AS (
    SELECT
        model, source, sentences, seed, settings, attribution, tracing,
        a.ft_languages AS ft_language_a,
        a.run AS run_a,
        a.examples AS examples_a,
        b.ft_languages AS ft_language_b,
        b.run AS run_b,
        b.examples AS examples_b
    FROM chosen a
    JOIN chosen b USING (model, source, sentences, seed, settings, attribution, tracing)
    WHERE a.ft_languages < b.ft_languages
),
-- keys that a run trained on
trained AS (
    SELECT c.run, list(DISTINCT parallel_key) AS keys
    FROM chosen c
    JOIN v_training_example e ON e.run = c.traced_run
    WHERE e.split = 'train'
    GROUP BY c.run
),
common AS MATERIALIZED (
    SELECT
        run_a, run_b,
        100.0 * len(list_intersect(a.keys, b.keys)) / len(a.keys) AS common_a,
        100.0 * len(list_intersect(a.keys, b.keys)) / len(b.keys) AS common_b
    FROM runs
    JOIN trained a ON a.run = run_a
    JOIN trained b ON b.run = run_b
),
setups AS (
    SELECT
        run,
        ft_languages AS ft_language,
        dense_rank() OVER (ORDER BY model, source, sentences, seed, settings, attribution, tracing) AS setup
    FROM chosen
),
-- a cell is what is compared, in the order of the questions of a test language; first and last are its fine-tuning
-- languages
targets AS (
    SELECT
        influence_target_id, run, ft_language, language, question,
        (dense_rank() OVER (ORDER BY setup, language, question))::INTEGER AS cell,
        min(ft_language) OVER (PARTITION BY setup, language, question) AS first,
        max(ft_language) OVER (PARTITION BY setup, language, question) AS last
    FROM selected_targets((SELECT list(run) FROM chosen), FALSE, TRUE, wanted_probe_set := $probe_set)
    JOIN setups USING (run)
),
-- what all stored rankings share was counted when they were; rows are counted here only where fewer are wanted
ranked AS NOT MATERIALIZED (
    SELECT influence_target_id, cell, ft_language, first, last, direction, parallel_key
    FROM v_influence_ranking
    JOIN v_training_example USING (training_example_id)
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
    FROM (FROM ranked WHERE ft_language < last) a
    JOIN (FROM ranked WHERE ft_language > first) b USING (cell, direction, parallel_key)
    WHERE a.ft_language < b.ft_language
    GROUP BY ALL
),
questions AS (
    SELECT
        runs.*, a.language, a.question, list_a.direction,
        coalesce(shared, 0) AS shared,
        list_a.k AS k_a,
        list_b.k AS k_b
    FROM runs
    JOIN targets a ON a.run = run_a
    JOIN targets b ON b.run = run_b AND b.cell = a.cell
    JOIN lists list_a ON list_a.influence_target_id = a.influence_target_id
    JOIN lists list_b ON list_b.influence_target_id = b.influence_target_id AND list_b.direction = list_a.direction
    LEFT JOIN shared
        ON shared.influence_target_id = a.influence_target_id AND other_target_id = b.influence_target_id
        AND shared.direction = list_a.direction
),
-- average is the row avg. that a pair is in
pairs AS MATERIALIZED (
    SELECT
        model, source, sentences, seed, settings, attribution, tracing, direction, ft_language_a, run_a, ft_language_b,
        run_b, language,
        row_number() OVER () AS pair,
        dense_rank() OVER (
            ORDER BY model, source, sentences, seed, settings, attribution, tracing, direction
        ) AS average,
        list_sort(list(place) FILTER (WHERE $ci IS NOT NULL)) AS places,
        in_order(50.0 * (shared / k_a + shared / k_b), q.question) AS percentages,
        list(1::DOUBLE) FILTER (WHERE $ci IS NOT NULL) AS weights,
        mean(0.5 * (common_a * k_b / examples_b + common_b * k_a / examples_a), q.question) AS chance,
        any_value((common_a + common_b) / 2) AS common,
        count(*) AS questions
    FROM questions q
    JOIN common USING (run_a, run_b)
    LEFT JOIN traced_places((SELECT list(run) FROM chosen), $ci IS NOT NULL) p ON p.run = run_a AND p.question = q.question
    GROUP BY
        model, source, sentences, seed, settings, attribution, tracing, direction, ft_language_a, run_a, ft_language_b,
        run_b, language
),
without AS MATERIALIZED (
    SELECT
        pair, average, common, left_out,
        listed_mean(kept, places, percentages, weights) AS overlap,
        listed_items(kept, places) AS items
    FROM pairs
    CROSS JOIN kept_places((SELECT list(run) FROM chosen), $ci IS NOT NULL)
),
cells AS (
    SELECT
        pair AS cell,
        * EXCLUDE (pair, average, places, percentages, weights, common, chance, questions),
        list_avg(percentages) AS overlap,
        common,
        chance,
        questions
    FROM pairs
    UNION ALL
    SELECT
        -average, model, source, sentences, seed, settings, attribution, tracing, direction,
        'avg.', NULL, 'avg.', NULL, 'avg.',
        mean(list_avg(percentages), [run_a, run_b, language]),
        mean(common, [run_a, run_b, language]),
        mean(chance, [run_a, run_b, language]),
        sum(questions)::BIGINT
    FROM pairs
    WHERE common > 0
    GROUP BY average, model, source, sentences, seed, settings, attribution, tracing, direction
),
intervals AS (
    SELECT cell, replicates(overlap, items, left_out) AS jackknifed
    FROM (
        SELECT pair AS cell, left_out, overlap, items FROM without
        UNION ALL
        SELECT -average, left_out, kept_mean(overlap, pair, left_out), sum(items)
        FROM without
        WHERE common > 0
        GROUP BY average, left_out
    )
    GROUP BY cell
)
SELECT
    model,
    source,
    sentences,
    seed,
    settings,
    attribution,
    tracing,
    direction,
    ft_language_a,
    run_a,
    ft_language_b,
    run_b,
    language,
    overlap,
    share_low(jackknifed) AS overlap_low,
    share_high(jackknifed) AS overlap_high,
    common,
    chance,
    questions
FROM cells
LEFT JOIN intervals USING (cell)
ORDER BY
    model, source, sentences, seed, settings, attribution, tracing, direction DESC, language = 'avg.', ft_language_a,
    run_a, ft_language_b, run_b, language
