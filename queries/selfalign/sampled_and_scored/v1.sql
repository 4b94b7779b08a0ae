/*
question = "Do sampled answers and scores of the options say the same of a chat model?"
grain = "A run that has both, and a country whose majority answers count as right."
paper = "none: both are readings of Self-alignment section 8.4.4"
reason = "First version."
parameters = [
    "run", "model", "language", "form", "options", "seed", "condition", "strategy", "unparsed", "polarity", "probe_set",
    "survey", "weighting", "country", "ci",
]
columns = [
    "run", "model", "language", "country", "condition", "zero_shot_runs.strategy", "demonstrations", "ordering",
    "demonstrated", "answers", "form", "options", "settings", "seed", "draw", "rho", "sampled", "scored", "difference",
    "distance", "probes",
]
intervals = ["difference_low", "difference_high"]

[column]
rho = """\
Spearman's correlation over the questions of the share of right answers among the samples with the probability of the right \
options; ties share their average rank; NULL where one side is constant."""
sampled = "Mean percentage of right answers among the samples."
scored = "Mean probability of the right options, in percent."
difference = "sampled minus scored, in points: below 0 where answers that name no option are not in line."
distance = "Mean over the questions of how many points the two are apart."
probes = "Questions that have both."
*/
WITH chosen AS (
    FROM selected_response_runs($run, $model, $language, $form, $options, $seed, 'sampled')
    WHERE scored AND matches($condition, condition) AND matches($strategy, strategy)
),
shares AS MATERIALIZED (
    SELECT run_id, country, question, a.battery, a.right_share AS sampled, b.right_share AS scored
    FROM right_shares(
        (SELECT list(run_id) FROM chosen), 'sampled', $unparsed, $polarity, $probe_set, $survey, $weighting, $country
    ) a
    JOIN right_shares(
        (SELECT list(run_id) FROM chosen), 'scored', $unparsed, $polarity, $probe_set, $survey, $weighting, $country
    ) b USING (run_id, country, question)
),
parts AS MATERIALIZED (
    SELECT run_id, country, battery, count(*) AS probes, sum(sampled - scored ORDER BY question) AS difference
    FROM shares
    GROUP BY ALL
),
totals AS MATERIALIZED (
    SELECT run_id, country, sum(probes) AS probes, sum(difference ORDER BY battery) AS difference FROM parts GROUP BY ALL
),
spreads AS (
    SELECT run_id, country, by_batteries(replicates(100 * difference / nullif(probes, 0), probes, left_out)) AS difference
    FROM (
        SELECT run_id, country, 0 AS left_out, probes, difference FROM totals
        UNION ALL
        SELECT
            run_id, country, dense_rank() OVER (ORDER BY battery), t.probes - p.probes, t.difference - p.difference
        FROM parts p
        JOIN totals t USING (run_id, country)
        WHERE $ci IS NOT NULL
    )
    GROUP BY ALL
),
ranked AS (
    SELECT
        *,
        rank() OVER x + count(*) OVER x AS sampled_rank,
        rank() OVER y + count(*) OVER y AS scored_rank
    FROM shares
    WINDOW
        x AS (PARTITION BY run_id, country ORDER BY sampled),
        y AS (PARTITION BY run_id, country ORDER BY scored)
),
cells AS (
    SELECT
        run_id, country,
        spearman_rho(sampled_rank, scored_rank) AS rho,
        100 * mean(sampled, question) AS sampled,
        100 * mean(scored, question) AS scored,
        100 * mean(abs(sampled - scored), question) AS distance,
        count(*) AS probes
    FROM ranked
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
    rho,
    c.sampled,
    c.scored,
    difference.value AS difference,
    t_low(difference) AS difference_low,
    t_high(difference) AS difference_high,
    distance,
    probes
FROM cells c
JOIN spreads USING (run_id, country)
JOIN chosen r USING (run_id)
ORDER BY
    model, language, c.country, condition DESC, strategy, demonstrations, ordering, demonstrated, answers, settings, seed,
    draw, run
