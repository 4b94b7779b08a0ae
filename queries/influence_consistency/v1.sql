/*
question = "Does a model rely on the same examples when a value shifts in several test languages?"
grain = """\
An influence run, direction and pair of test languages, in alphabetical order, over the questions that were traced \
in both; and per run and direction a row for the languages avg. All checkpoints together."""
paper = "Echoes section 7"
reason = "First version."

[parameters.run]
type = "text"
about = "Only this influence run."
values_from = "v_influence_run.run"

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

[parameters.shifted]
type = "boolean"
about = "true: only probes whose value shifted; false: only the others; all that were traced unless given."

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
run = "Name of the influence run."
traced_run = "Name of the fine-tuning run whose examples are ranked."
model = "Pretrained model that it descends from."
source = "Fine-tuning source."
ft_languages = "Its fine-tuning languages, comma-separated."
sentences = "Sentences it was given, training and development together."
seed = "Its seed."
attribution = "How examples are scored, and what of it is not the default, e.g. trak-principal-32 corruptions=epoch."
quantity = "What is traced: answer, margin or shift."
direction = "positive: examples that support the traced answer; negative: those that contradict it."
language_a = "First test language; avg. for the mean of the pairs above it."
language_b = "Second test language; avg. likewise."
consistency = """\
Percentage of the most influential examples in one language that are among those in the other, the mean of either way \
round: mean over the questions."""
chance = "What rankings by chance would give: k of all training examples."
questions = "Questions in the mean; for avg., of all pairs together."

[intervals]
consistency_low = "Lower end of the 95% interval of consistency."
consistency_high = "Its upper end."
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
    FROM selected_targets((SELECT list(run) FROM chosen), FALSE, $shifted)
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
        list_sort(list(place) FILTER (WHERE $ci)) AS places,
        in_order(50.0 * (shared / k_a + shared / k_b), question) AS percentages,
        list(1::DOUBLE) FILTER (WHERE $ci) AS weights,
        mean(50.0 * (k_a + k_b) / examples, question) AS chance,
        count(*) AS questions
    FROM questions
    JOIN chosen USING (run)
    LEFT JOIN traced_places((SELECT list(run) FROM chosen), $ci) USING (run, question)
    GROUP BY run, direction, language_a, language_b
),
resampled AS MATERIALIZED (
    SELECT pair, average, resample, listed_mean(times, places, percentages, weights) AS consistency
    FROM pairs
    CROSS JOIN traced_draws((SELECT list(run) FROM chosen), $ci)
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
        interval_low(consistency, resample) AS consistency_low,
        interval_high(consistency, resample) AS consistency_high
    FROM (
        SELECT pair AS cell, resample, consistency FROM resampled
        UNION ALL
        SELECT -average, resample, resampled_mean(consistency) FROM resampled GROUP BY average, resample
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
    consistency_low,
    consistency_high,
    chance,
    questions
FROM cells
JOIN chosen c USING (run)
LEFT JOIN intervals USING (cell)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC,
    language_a = 'avg.', language_a, language_b
