/*
question = "Do chat models answer what they are asked?"
grain = "A run that sampled answers."
paper = "none: Self-alignment does not say what becomes of other answers"
reason = "First version."
parameters = ["run", "model", "language", "form", "options", "seed", "condition", "strategy", "polarity", "probe_set"]
columns = [
    "run", "model", "language", "condition", "zero_shot_runs.strategy", "demonstrations", "ordering", "demonstrated",
    "answers", "form", "options", "settings", "seed", "draw", "probes", "responses", "missing", "answered", "refused",
    "named_none", "named_several", "truncated", "filtered", "empty", "tokens",
]

[column]
probes = "Questions that were asked."
responses = "Sampled answers."
missing = "Percentage of the samples that were wanted and are not there."
answered = "Percentage of the answers that name one option, which is how they are read."
refused = "Percentage that refuse to answer."
named_none = "Percentage that name no option."
named_several = "Percentage that name several options, none of them clearly."
truncated = "Percentage that are cut off before an option is named: above 5 a run should be repeated with more tokens."
filtered = "Percentage that a filter of the model's provider held back."
empty = "Percentage that have no text."
tokens = "Mean number of tokens; NULL where that is not known."
*/
WITH chosen AS (
    FROM selected_response_runs($run, $model, $language, $form, $options, $seed, 'sampled')
    WHERE matches($condition, condition) AND matches($strategy, strategy)
),
asked AS MATERIALIZED (
    SELECT run_id, prompt_id, question, samples
    FROM v_prompt
    WHERE run_id IN (SELECT run_id FROM chosen)
      AND ($polarity = 'all' OR polarity = $polarity)
      AND ($probe_set IS NULL OR question IN (SELECT s.question FROM v_probe_set s WHERE s.probe_set = $probe_set))
),
wanted AS (
    SELECT run_id, count(DISTINCT question) AS probes, sum(samples) AS samples FROM asked GROUP BY run_id
),
outcomes AS (
    SELECT
        run_id,
        count(*) AS responses,
        100 * count(*) FILTER (WHERE outcome = 'answer') / count(*) AS answered,
        100 * count(*) FILTER (WHERE outcome = 'refusal') / count(*) AS refused,
        100 * count(*) FILTER (WHERE outcome = 'none') / count(*) AS named_none,
        100 * count(*) FILTER (WHERE outcome = 'both') / count(*) AS named_several,
        100 * count(*) FILTER (WHERE outcome = 'truncated') / count(*) AS truncated,
        100 * count(*) FILTER (WHERE outcome = 'filtered') / count(*) AS filtered,
        100 * count(*) FILTER (WHERE outcome = 'empty') / count(*) AS empty,
        avg(tokens) AS tokens
    FROM v_response
    JOIN asked USING (run_id, prompt_id)
    GROUP BY run_id
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
    probes,
    coalesce(responses, 0) AS responses,
    100 * (w.samples - coalesce(responses, 0)) / nullif(w.samples, 0) AS missing,
    answered,
    refused,
    named_none,
    named_several,
    truncated,
    filtered,
    empty,
    o.tokens
FROM wanted w
JOIN chosen USING (run_id)
LEFT JOIN outcomes o USING (run_id)
ORDER BY
    model, language, condition DESC, strategy, demonstrations, ordering, demonstrated, answers, settings, seed, draw, run
