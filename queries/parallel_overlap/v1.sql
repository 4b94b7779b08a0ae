/*
question = "When fine-tuning in different languages shifts the same value, do models rely on the same texts?"
grain = """\
A pair of influence runs that are alike but for the fine-tuning languages of the monolingual runs that they trace, in \
alphabetical order of these; direction and test language; over the questions whose value both runs shifted; and per \
setup and direction a row for the fine-tuning languages and the language avg. All checkpoints together."""
paper = "Echoes section 7"
reason = "First version."

[parameters.model]
type = "text"
about = "Only traced runs from this pretrained model."
values_from = "v_influence_run.model"

[parameters.source]
type = "text"
about = "Only traced runs on this source."
values_from = "v_influence_run.source"

[parameters.method]
type = "text"
about = "Only influence runs by this method."
values = ["trak", "tracin"]

[parameters.sentences]
type = "integer"
about = "Only traced runs with this number of sentences."
values_from = "v_influence_run.sentences"

[parameters.seed]
type = "integer"
about = "Only traced runs with this seed."
values_from = "v_influence_run.traced_seed"

[parameters.direction]
type = "text"
about = "Only examples that support the traced answer (positive), or that contradict it (negative)."
values = ["positive", "negative"]

[parameters.k]
type = "integer"
about = "How many of a probe's most influential examples to take in either direction; all that are stored unless given."

[parameters.ci]
type = "boolean"
about = "Whether to add the columns under intervals: 95% intervals by resampling the questions; no unless given."

[columns]
model = "Pretrained model that the traced runs started from."
source = "Fine-tuning source."
sentences = "Sentences each traced run was given."
seed = "Their seed."
settings = "How they were trained: epochs, batch size, learning rate and what else differs between setups."
attribution = "How examples are scored, and what of it is not the default, e.g. trak-principal-32 corruptions=epoch."
tracing = "What else the scores depend on: probes, quantity, k and checkpoints."
direction = "positive: examples that support the traced answer; negative: those that contradict it."
ft_language_a = "First fine-tuning language; avg. for the mean of the rows above it."
run_a = "Name of its influence run; NULL for avg."
ft_language_b = "Second fine-tuning language; avg. likewise."
run_b = "Name of its influence run; NULL for avg."
language = "Test language; avg. likewise."
overlap = """\
Percentage of the most influential examples of one run whose translation is among those of the other, the mean of \
either way round: mean over the questions."""
chance = "What rankings by chance would give, were every example translated: k of all training examples."
questions = "Questions in the mean; for avg., of all rows together."

[intervals]
overlap_low = "Lower end of the 95% interval of overlap."
overlap_high = "Its upper end."
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
    FROM selected_targets((SELECT list(run) FROM chosen), FALSE, TRUE)
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
        list_sort(list(place) FILTER (WHERE $ci)) AS places,
        in_order(50.0 * (shared / k_a + shared / k_b), q.question) AS percentages,
        list(1::DOUBLE) FILTER (WHERE $ci) AS weights,
        mean(50.0 * (k_a / examples_a + k_b / examples_b), q.question) AS chance,
        count(*) AS questions
    FROM questions q
    LEFT JOIN traced_places((SELECT list(run) FROM chosen), $ci) p ON p.run = run_a AND p.question = q.question
    GROUP BY
        model, source, sentences, seed, settings, attribution, tracing, direction, ft_language_a, run_a, ft_language_b,
        run_b, language
),
resampled AS MATERIALIZED (
    SELECT pair, average, resample, listed_mean(times, places, percentages, weights) AS overlap
    FROM pairs
    CROSS JOIN traced_draws((SELECT list(run) FROM chosen), $ci)
),
cells AS (
    SELECT
        pair AS cell,
        * EXCLUDE (pair, average, places, percentages, weights, chance, questions),
        list_avg(percentages) AS overlap,
        chance,
        questions
    FROM pairs
    UNION ALL
    SELECT
        -average, model, source, sentences, seed, settings, attribution, tracing, direction,
        'avg.', NULL, 'avg.', NULL, 'avg.',
        mean(list_avg(percentages), [run_a, run_b, language]),
        mean(chance, [run_a, run_b, language]),
        sum(questions)::BIGINT
    FROM pairs
    GROUP BY average, model, source, sentences, seed, settings, attribution, tracing, direction
),
intervals AS (
    SELECT cell, interval_low(overlap, resample) AS overlap_low, interval_high(overlap, resample) AS overlap_high
    FROM (
        SELECT pair AS cell, resample, overlap FROM resampled
        UNION ALL
        SELECT -average, resample, resampled_mean(overlap) FROM resampled GROUP BY average, resample
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
    overlap_low,
    overlap_high,
    chance,
    questions
FROM cells
LEFT JOIN intervals USING (cell)
ORDER BY
    model, source, sentences, seed, settings, attribution, tracing, direction DESC, language = 'avg.', ft_language_a,
    run_a, ft_language_b, run_b, language
