/*
question = "Do demonstrations of a country's answers bring those of a chat model in line with its majority?"
grain = "A run with demonstrations, and a country whose majority answers count as right."
paper = "Self-alignment Table 8.1, Figures 8.2 and 8.4, section 8.5.2"
reason = "First version."
parameters = [
    "run", "model", "language", "form", "options", "seed", "strategy", "answers", "zero_shot", "method", "unparsed",
    "polarity", "probe_set", "survey", "weighting", "country", "ci",
]
columns = [
    "run", "model", "language", "country", "strategy", "demonstrations", "ordering", "demonstrated", "answers", "form",
    "options", "settings", "seed", "draw", "zero_shot", "control", "misaligned", "improved", "same", "worse",
    "control_improved", "control_same", "control_worse", "difference", "sign_p", "sign_p_family", "probes",
    "right_before", "right_after", "improved_of_all", "same_of_all", "worse_of_all",
]
intervals = [
    "improved_low", "improved_high", "control_improved_low", "control_improved_high", "difference_low",
    "difference_high", "p", "p_family",
]

[column]
sign_p_family = """\
sign_p corrected by Holm (1979) for the rows of the same table that are returned: those of one strategy, ordering, answers \
shown, wording and kind of options."""
probes = "Questions that were asked in both runs; NULL of a run that was asked the misaligned ones alone, as the next five."
right_before = "Mean over these questions of the percentage of right answers, zero-shot."
right_after = "The same with demonstrations. No question was chosen by its answers, so that it does not rise by chance."
improved_of_all = "Percentage of these questions, misaligned or not, whose share of right answers rose."
same_of_all = "Percentage of them whose share stayed."
worse_of_all = "Percentage of them whose share fell."
p_family = "p corrected likewise."
*/
WITH chosen AS (
    FROM selected_response_runs($run, $model, $language, $form, $options, $seed, $method)
    WHERE matches($strategy, strategy) AND matches($answers, answers)
),
cells AS MATERIALIZED (
    FROM improvements(
        (SELECT list(run_id) FROM chosen), $zero_shot, $method, $unparsed, $polarity, $probe_set, $survey, $weighting,
        $country, FALSE, $ci IS NOT NULL
    )
),
compared AS MATERIALIZED (
    SELECT *, [strategy, ordering, answers, form, options] AS family
    FROM compared_response_runs((SELECT list(run_id) FROM chosen), $zero_shot)
),
sign_families AS (
    FROM holm((
        SELECT list({'key': [run, c.country], 'family': family, 'p': sign_p}) FROM cells c JOIN compared USING (run_id)
    ))
),
families AS (
    FROM holm((
        SELECT list({'key': [run, c.country], 'family': family, 'p': t_p(difference)})
        FROM cells c
        JOIN compared USING (run_id)
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
    misaligned,
    improved_rows[1].value AS improved,
    share_low(improved_rows) AS improved_low,
    share_high(improved_rows) AS improved_high,
    100 * (misaligned - improved - worse) / nullif(misaligned, 0) AS same,
    100 * worse / nullif(misaligned, 0) AS worse,
    control_rows[1].value AS control_improved,
    share_low(control_rows) AS control_improved_low,
    share_high(control_rows) AS control_improved_high,
    100 * (controlled - c.control_improved - c.control_worse) / nullif(controlled, 0) AS control_same,
    100 * c.control_worse / nullif(controlled, 0) AS control_worse,
    difference.value AS difference,
    t_low(difference) AS difference_low,
    t_high(difference) AS difference_high,
    t_p(difference) AS p,
    f.p_family,
    sign_p,
    s.p_family AS sign_p_family,
    CASE WHEN whole THEN probes END AS probes,
    CASE WHEN whole THEN 100 * c.right_before END AS right_before,
    CASE WHEN whole THEN 100 * c.right_after END AS right_after,
    CASE WHEN whole THEN 100 * risen / probes END AS improved_of_all,
    CASE WHEN whole THEN 100 * (probes - risen - fallen) / probes END AS same_of_all,
    CASE WHEN whole THEN 100 * fallen / probes END AS worse_of_all
FROM cells c
JOIN (SELECT *, coalesce(only_of, '') = '' AS whole FROM compared) r USING (run_id)
LEFT JOIN sign_families s ON s.key = [run, c.country]
LEFT JOIN families f ON f.key = [run, c.country]
ORDER BY
    model, language, c.country, strategy, demonstrations, ordering, demonstrated, answers, settings, seed, draw, run
