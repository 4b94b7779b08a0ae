/*
question = "By how much do demonstrations shrink the errors that they shrink?"
grain = """\
A run with demonstrations, a country whose majority answers count as right, and a bin of 20 points of the reduction: above the \
first number, at most the second; and a row `total`."""
paper = "Self-alignment equation 8.1, Figures 8.3 and 8.6"
reason = "First version."
parameters = [
    "run", "model", "language", "form", "options", "seed", "strategy", "answers", "zero_shot", "method", "unparsed",
    "polarity", "probe_set", "survey", "weighting", "country", "ci",
]
columns = [
    "run", "model", "language", "country", "strategy", "demonstrations", "ordering", "demonstrated", "answers", "form",
    "options", "settings", "seed", "draw", "zero_shot", "control", "reduction", "improved", "share", "control_improved",
    "control_share", "difference", "mean", "median", "control_mean", "control_median",
]
intervals = ["share_low", "share_high", "difference_low", "difference_high"]

[column]
reduction = "Bin of how much of the zero-shot error is gone, in percent; total for all."
improved = "Misaligned questions whose share of right answers rose, with such a reduction."
share = "The same as a percentage of those of all reductions."
control_improved = "Misaligned questions whose share rose in the control, with such a reduction."
control_share = "The same as a percentage of those of all reductions in the control."
difference = "share minus control_share; in the row total mean minus control_mean. In points."
mean = "Mean reduction in percent; NULL of bins, as the next three."
median = "Its median."
control_mean = "Mean reduction in the control."
control_median = "Its median."
*/
WITH chosen AS (
    FROM selected_response_runs($run, $model, $language, $form, $options, $seed, $method)
    WHERE matches($strategy, strategy) AND matches($answers, answers)
),
-- of misaligned questions: the reduction where there is one, and its bin from 1; 0 stands for all bins
reductions AS MATERIALIZED (
    SELECT
        run_id, country, question, battery,
        CASE WHEN moved(before, after) > 0 THEN 100 * error_reduction(before, after) END AS reduction,
        CASE WHEN moved(before, control) > 0 THEN 100 * error_reduction(before, control) END AS control_reduction,
        control IS NOT NULL AS controlled,
        unnest([0, 1, 2, 3, 4, 5]) AS bin,
        bin = 0 OR bin = ceil(round(reduction / 20, 6)) AS within,
        bin = 0 OR bin = ceil(round(control_reduction / 20, 6)) AS control_within
    FROM demonstrated_changes(
        (SELECT list(run_id) FROM chosen), $zero_shot, $method, $unparsed, $polarity, $probe_set, $survey, $weighting,
        $country
    )
    WHERE misaligned
),
-- reductions are summed in steps of 1e-9, as integers: the order of rows does not matter
parts AS MATERIALIZED (
    SELECT
        run_id, country, bin, battery,
        count(*) AS misaligned,
        count(reduction) AS improved,
        count(reduction) FILTER (WHERE within) AS binned,
        coalesce(sum((1e9 * reduction)::BIGINT), 0) AS reduced,
        bool_or(controlled) AS controlled,
        count(control_reduction) AS control_improved,
        count(control_reduction) FILTER (WHERE control_within) AS control_binned,
        coalesce(sum((1e9 * control_reduction)::BIGINT), 0) AS control_reduced
    FROM reductions
    GROUP BY ALL
),
totals AS MATERIALIZED (
    SELECT
        run_id, country, bin,
        sum(misaligned) AS misaligned,
        sum(improved) AS improved,
        sum(binned) AS binned,
        sum(reduced) AS reduced,
        bool_or(controlled) AS controlled,
        sum(control_improved) AS control_improved,
        sum(control_binned) AS control_binned,
        sum(control_reduced) AS control_reduced
    FROM parts
    GROUP BY ALL
),
without AS (
    SELECT run_id, country, bin, 0 AS left_out, * EXCLUDE (run_id, country, bin, controlled) FROM totals
    UNION ALL
    SELECT
        run_id, country, bin,
        dense_rank() OVER (ORDER BY battery),
        t.misaligned - p.misaligned,
        t.improved - p.improved,
        t.binned - p.binned,
        t.reduced - p.reduced,
        t.control_improved - p.control_improved,
        t.control_binned - p.control_binned,
        t.control_reduced - p.control_reduced
    FROM parts p
    JOIN totals t USING (run_id, country, bin)
    WHERE $ci IS NOT NULL
),
spreads AS (
    SELECT
        run_id, country, bin,
        replicates(100 * binned / nullif(improved, 0), improved, left_out) AS share_rows,
        by_batteries(
            replicates(
                CASE
                    WHEN bin = 0
                    THEN (reduced / nullif(improved, 0) - control_reduced / nullif(control_improved, 0)) / 1e9
                    ELSE 100 * binned / nullif(improved, 0) - 100 * control_binned / nullif(control_improved, 0)
                END,
                misaligned,
                left_out
            )
        ) AS difference
    FROM without
    GROUP BY ALL
),
medians AS (
    SELECT run_id, country, median(reduction) AS median, median(control_reduction) AS control_median
    FROM reductions
    WHERE bin = 0
    GROUP BY ALL
)
SELECT
    run,
    model,
    language,
    t.country,
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
    CASE WHEN bin = 0 THEN 'total' ELSE (20 * bin - 20) || '-' || 20 * bin END AS reduction,
    binned::BIGINT AS improved,
    share_rows[1].value AS share,
    share_low(share_rows) AS share_low,
    share_high(share_rows) AS share_high,
    CASE WHEN t.controlled THEN control_binned::BIGINT END AS control_improved,
    CASE WHEN t.controlled THEN 100 * control_binned / nullif(t.control_improved, 0) END AS control_share,
    difference.value AS difference,
    t_low(difference) AS difference_low,
    t_high(difference) AS difference_high,
    CASE WHEN bin = 0 THEN reduced / 1e9 / nullif(t.improved, 0) END AS mean,
    CASE WHEN bin = 0 THEN m.median END AS median,
    CASE WHEN bin = 0 THEN control_reduced / 1e9 / nullif(t.control_improved, 0) END AS control_mean,
    CASE WHEN bin = 0 THEN m.control_median END AS control_median
FROM totals t
JOIN spreads USING (run_id, country, bin)
JOIN medians m USING (run_id, country)
JOIN compared_response_runs((SELECT list(run_id) FROM chosen), $zero_shot) r USING (run_id)
ORDER BY
    model, language, t.country, strategy, demonstrations, ordering, demonstrated, answers, settings, seed, draw, run,
    bin = 0, bin
