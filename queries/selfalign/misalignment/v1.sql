/*
question = "How many answers of a chat model are not in line with the majority of a country?"
grain = "A zero-shot run and a country whose majority answers count as right."
paper = "Self-alignment section 8.6.1 and Figure 8.7"
reason = "First version."
parameters = [
    "run", "model", "language", "form", "options", "seed", "method", "unparsed", "polarity", "probe_set", "survey",
    "weighting", "country", "ci",
]
columns = [
    "run", "model", "language", "country", "form", "options", "settings", "seed", "draw", "probes", "misaligned",
    "misaligned_share", "right_share", "unparsed_share",
]
intervals = ["misaligned_share_low", "misaligned_share_high", "right_share_low", "right_share_high"]

[column]
probes = "Questions that were asked, and that the survey has."
misaligned = "Those whose answers are not all right."
misaligned_share = "The same as a percentage."
right_share = "Mean over the questions of the percentage of right answers."
unparsed_share = """\
Percentage of the sampled answers that name no option, or several, whatever the question; NULL of scores."""
*/
WITH chosen AS (
    FROM selected_response_runs($run, $model, $language, $form, $options, $seed, $method)
    WHERE condition = 'zero_shot' AND coalesce(only_of, '') = ''
),
parts AS MATERIALIZED (
    SELECT
        run_id, country, battery,
        count(*) AS probes,
        count(*) FILTER (WHERE is_misaligned(right_share, $method)) AS misaligned,
        sum(right_share ORDER BY question) AS right_sum
    FROM right_shares(
        (SELECT list(run_id) FROM chosen), $method, $unparsed, $polarity, $probe_set, $survey, $weighting, $country
    )
    GROUP BY ALL
),
totals AS MATERIALIZED (
    SELECT
        run_id, country, sum(probes) AS probes, sum(misaligned) AS misaligned, sum(right_sum ORDER BY battery) AS right_sum
    FROM parts
    GROUP BY ALL
),
without AS (
    SELECT run_id, country, 0 AS left_out, probes, misaligned, right_sum FROM totals
    UNION ALL
    SELECT
        run_id, country, dense_rank() OVER (ORDER BY battery),
        t.probes - p.probes, t.misaligned - p.misaligned, t.right_sum - p.right_sum
    FROM parts p
    JOIN totals t USING (run_id, country)
    WHERE $ci IS NOT NULL
),
cells AS (
    SELECT
        run_id, country,
        observed(probes, left_out)::BIGINT AS probes,
        observed(misaligned, left_out)::BIGINT AS misaligned,
        replicates(100 * misaligned / nullif(probes, 0), probes, left_out) AS misaligned_rows,
        replicates(100 * right_sum / nullif(probes, 0), probes, left_out) AS right_rows
    FROM without
    GROUP BY ALL
),
unparsed AS (
    SELECT run_id, 100 * count(*) FILTER (WHERE outcome <> 'answer') / count(*) AS share
    FROM v_response
    WHERE $method = 'sampled' AND run_id IN (SELECT run_id FROM chosen)
    GROUP BY run_id
)
SELECT
    run,
    model,
    language,
    c.country,
    form,
    options,
    settings,
    seed,
    draw,
    probes,
    misaligned,
    misaligned_rows[1].value AS misaligned_share,
    share_low(misaligned_rows) AS misaligned_share_low,
    share_high(misaligned_rows) AS misaligned_share_high,
    right_rows[1].value AS right_share,
    share_low(right_rows) AS right_share_low,
    share_high(right_rows) AS right_share_high,
    u.share AS unparsed_share
FROM cells c
JOIN chosen USING (run_id)
LEFT JOIN unparsed u USING (run_id)
ORDER BY model, language, c.country, settings, seed, draw, run
