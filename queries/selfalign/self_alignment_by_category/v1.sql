/*
question = "On which themes do demonstrations bring answers in line?"
grain = "A run with demonstrations, a country whose majority answers count as right, and a theme."
paper = "Self-alignment Figures 8.8 and F.1"
reason = "First version."
parameters = [
    "run", "model", "language", "form", "options", "seed", "strategy", "answers", "zero_shot", "method", "unparsed",
    "polarity", "probe_set", "survey", "weighting", "country", "ci",
]
columns = [
    "run", "model", "language", "country", "strategy", "demonstrations", "ordering", "demonstrated", "answers", "form",
    "options", "settings", "seed", "draw", "zero_shot", "control", "category", "probes", "misaligned", "improved_probes",
    "same_probes", "worse_probes", "improved", "same", "worse", "control_improved", "control_same", "control_worse",
    "difference", "sign_p", "sign_p_family",
]
intervals = ["improved_low", "improved_high", "difference_low", "difference_high", "p", "p_family"]

[column]
improved_probes = "Misaligned questions whose share of right answers rose."
same_probes = "Those whose share stayed."
worse_probes = "Those whose share fell."
sign_p_family = "sign_p corrected by Holm (1979) for the themes of the run."
p_family = "p corrected likewise."
*/
WITH chosen AS (
    FROM selected_response_runs($run, $model, $language, $form, $options, $seed, $method)
    WHERE matches($strategy, strategy) AND matches($answers, answers)
),
cells AS MATERIALIZED (
    FROM improvements(
        (SELECT list(run_id) FROM chosen), $zero_shot, $method, $unparsed, $polarity, $probe_set, $survey, $weighting,
        $country, TRUE, $ci IS NOT NULL
    )
),
sign_families AS (
    FROM holm((
        SELECT list({'key': [run_id::VARCHAR, country, category], 'family': [run_id::VARCHAR, country], 'p': sign_p})
        FROM cells
    ))
),
families AS (
    FROM holm((
        SELECT list({
            'key': [run_id::VARCHAR, country, category], 'family': [run_id::VARCHAR, country], 'p': t_p(difference)
        })
        FROM cells
    ))
)
SELECT
    run,
    model,
    language,
    c.country,
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
    zero_shot,
    control,
    category,
    probes,
    misaligned,
    improved AS improved_probes,
    misaligned - improved - worse AS same_probes,
    worse AS worse_probes,
    improved_rows[1].value AS improved,
    share_low(improved_rows) AS improved_low,
    share_high(improved_rows) AS improved_high,
    100 * (misaligned - c.improved - c.worse) / nullif(misaligned, 0) AS same,
    100 * c.worse / nullif(misaligned, 0) AS worse,
    control_rows[1].value AS control_improved,
    100 * (controlled - c.control_improved - c.control_worse) / nullif(controlled, 0) AS control_same,
    100 * c.control_worse / nullif(controlled, 0) AS control_worse,
    difference.value AS difference,
    t_low(difference) AS difference_low,
    t_high(difference) AS difference_high,
    t_p(difference) AS p,
    f.p_family,
    sign_p,
    s.p_family AS sign_p_family
FROM cells c
JOIN compared_response_runs((SELECT list(run_id) FROM chosen), $zero_shot) r USING (run_id)
LEFT JOIN sign_families s ON s.key = [run_id::VARCHAR, c.country, category]
LEFT JOIN families f ON f.key = [run_id::VARCHAR, c.country, category]
ORDER BY
    model, language, c.country, strategy, demonstrations, ordering, demonstrated, answers, settings, seed, draw, run, category
