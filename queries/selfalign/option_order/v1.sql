/*
question = "Does a chat model choose the option that is shown first?"
grain = "A run and the number of the option that was shown first; and a row `all`, the mean of these."
paper = "Self-alignment section 8.4.2"
reason = "First version."
parameters = [
    "run", "model", "language", "form", "options", "seed", "condition", "strategy", "polarity", "probe_set", "ci",
]
columns = [
    "run", "model", "language", "condition", "zero_shot_runs.strategy", "demonstrations", "ordering", "demonstrated",
    "answers", "form", "options", "settings", "seed", "draw", "shown_first", "chosen_first", "probes", "n",
]
intervals = ["chosen_first_low", "chosen_first_high"]

[column]
shown_first = "Number of the option in first place: 1 and 2 are the answers of a probe; all for the mean of the rows above it."
chosen_first = """\
Percentage of the answers that are the option in first place. Without a preference for places it is in the row all what \
chance gives, whichever options the model prefers: 50 for two options."""
probes = "Questions with an answer."
n = "Sampled answers that name an option."
*/
WITH chosen AS (
    FROM selected_response_runs($run, $model, $language, $form, $options, $seed, 'sampled')
    WHERE matches($condition, condition) AND matches($strategy, strategy)
),
asked AS (
    SELECT run_id, prompt_id, question, number AS shown_first
    FROM v_prompt
    JOIN v_prompt_option USING (prompt_id)
    WHERE place = 1
      AND run_id IN (SELECT run_id FROM chosen)
      AND ($polarity = 'all' OR polarity = $polarity)
      AND ($probe_set IS NULL OR question IN (SELECT s.question FROM v_probe_set s WHERE s.probe_set = $probe_set))
),
parts AS MATERIALIZED (
    SELECT
        run_id, shown_first, coalesce(battery, question) AS battery,
        count(DISTINCT question) AS probes,
        count(*) AS n,
        count(*) FILTER (WHERE place = 1) AS hits
    FROM v_response
    JOIN asked USING (run_id, prompt_id, question)
    LEFT JOIN asked_batteries((SELECT list(run_id) FROM chosen)) USING (run_id, question)
    WHERE outcome = 'answer' AND run_id IN (SELECT run_id FROM chosen)
    GROUP BY ALL
),
totals AS MATERIALIZED (
    SELECT run_id, shown_first, sum(probes) AS probes, sum(n) AS n, sum(hits) AS hits FROM parts GROUP BY ALL
),
batteries AS (
    SELECT run_id, battery, dense_rank() OVER (ORDER BY battery) AS left_out
    FROM (SELECT DISTINCT run_id, battery FROM parts)
),
without AS MATERIALIZED (
    SELECT run_id, shown_first, 0 AS left_out, probes, n, hits FROM totals
    UNION ALL
    SELECT
        run_id, shown_first, left_out,
        t.probes - coalesce(p.probes, 0), t.n - coalesce(p.n, 0), t.hits - coalesce(p.hits, 0)
    FROM totals t
    JOIN batteries USING (run_id)
    LEFT JOIN parts p USING (run_id, shown_first, battery)
    WHERE $ci IS NOT NULL
),
rows AS (
    SELECT run_id, shown_first::VARCHAR AS shown_first, left_out, 100 * hits / nullif(n, 0) AS chosen_first, probes, n
    FROM without
    UNION ALL
    SELECT run_id, 'all', left_out, avg(100 * hits / nullif(n, 0) ORDER BY shown_first), sum(probes), sum(n)
    FROM without
    GROUP BY run_id, left_out
),
cells AS (
    SELECT
        run_id, shown_first,
        observed(probes, left_out)::BIGINT AS probes,
        observed(n, left_out)::BIGINT AS n,
        replicates(chosen_first, probes, left_out) AS chosen_rows
    FROM rows
    GROUP BY ALL
)
SELECT
    run,
    model,
    language,
    condition,
    strategy,
    demonstrations,
    ordering,
    country AS demonstrated,
    answers,
    form,
    options,
    settings,
    seed,
    draw,
    shown_first,
    chosen_rows[1].value AS chosen_first,
    share_low(chosen_rows) AS chosen_first_low,
    share_high(chosen_rows) AS chosen_first_high,
    probes,
    n
FROM cells
JOIN chosen USING (run_id)
ORDER BY
    model, language, condition DESC, strategy, demonstrations, ordering, demonstrated, answers, settings, seed, draw, run,
    len(shown_first), shown_first
