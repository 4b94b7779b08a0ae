/*
question = "How large are the errors of a chat model's answers?"
grain = "A run, a country whose majority answers count as right, and a size of the error: 0, 10 ... 100."
paper = "Self-alignment Figures 8.5, F.2 and F.3"
reason = "First version."
parameters = [
    "run", "model", "language", "form", "options", "seed", "condition", "strategy", "method", "unparsed", "polarity",
    "probe_set", "survey", "weighting", "country",
]
columns = [
    "run", "model", "language", "country", "condition", "zero_shot_runs.strategy", "demonstrations", "ordering",
    "demonstrated", "answers", "form", "options", "settings", "seed", "draw", "error", "probes", "share",
]

[column]
error = "Percentage of a question's answers that are not right, to the nearest ten; halves count for the higher."
probes = "Questions with such an error."
share = "The same as a percentage of the run's questions."
*/
WITH chosen AS (
    FROM selected_response_runs($run, $model, $language, $form, $options, $seed, $method)
    WHERE matches($condition, condition) AND matches($strategy, strategy)
),
errors AS MATERIALIZED (
    SELECT run_id, country, (10 * round(round(10 * (1 - right_share), 6)))::INTEGER AS error
    FROM right_shares(
        (SELECT list(run_id) FROM chosen), $method, $unparsed, $polarity, $probe_set, $survey, $weighting, $country
    )
),
bins AS (
    SELECT run_id, country, unnest(range(0, 101, 10))::INTEGER AS error
    FROM (SELECT DISTINCT run_id, country FROM errors)
),
cells AS (
    SELECT run_id, b.country, b.error, count(e.error) AS probes
    FROM bins b
    LEFT JOIN errors e USING (run_id, country, error)
    GROUP BY ALL
)
SELECT
    run,
    model,
    language,
    c.country,
    condition,
    strategy,
    demonstrations,
    ordering,
    r.country AS demonstrated,
    answers,
    form,
    options,
    settings,
    seed,
    draw,
    error,
    probes,
    100 * probes / sum(probes) OVER (PARTITION BY run_id, c.country) AS share
FROM cells c
JOIN chosen r USING (run_id)
ORDER BY
    model, language, c.country, condition DESC, strategy, demonstrations, ordering, demonstrated, answers, settings, seed,
    draw, run, error
