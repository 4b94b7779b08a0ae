/*
question = "Which answers do demonstrations bring in line, and what do they show?"
grain = "A run with demonstrations, a country whose majority answers count as right, and a question that improved; those that improved most."
paper = "Self-alignment Figure 8.1 and Table 8.2"
reason = "First version."
parameters = [
    "run", "model", "language", "form", "options", "seed", "strategy", "answers", "zero_shot", "method", "unparsed",
    "polarity", "probe_set", "survey", "weighting", "country", "k",
]
columns = [
    "run", "model", "language", "country", "strategy", "demonstrations", "ordering", "demonstrated", "answers", "form",
    "options", "settings", "seed", "draw", "zero_shot", "control", "rank", "question", "category", "gain", "reduction",
    "right_before", "right_after", "right_control", "shown", "sentence", "answers_before", "answers_after", "explanation",
]

[parameter.k]
type = "integer"
about = "How many questions of a run to take."
default = 10

[column]
rank = "Place by gain, equal gains in the order of questions; from 1."
gain = "By how many points the share of right answers rose."
reduction = "How much of the zero-shot error is gone, in percent."
right_before = "Percentage of right answers, zero-shot."
right_after = "The same with demonstrations."
right_control = "The same in the control; NULL where it has none."
shown = "The demonstrations, a line each, as the first prompt of the question has them."
sentence = "The question, with an underscore for the gap."
answers_before = "How often the options were answered zero-shot, the most frequent first; those not read by their outcome."
answers_after = "The same with demonstrations."
explanation = "What was answered first with a right option, in full; NULL of scores."
*/
WITH chosen AS (
    FROM selected_response_runs($run, $model, $language, $form, $options, $seed, $method)
    WHERE matches($strategy, strategy) AND matches($answers, answers)
),
compared AS MATERIALIZED (
    FROM compared_response_runs((SELECT list(run_id) FROM chosen), $zero_shot)
),
examples AS MATERIALIZED (
    SELECT run_id, country, question, category, before, after, control, rank
    FROM (
        SELECT *, row_number() OVER (PARTITION BY run_id, country ORDER BY round(before - after, 6), question) AS rank
        FROM demonstrated_changes(
            (SELECT list(run_id) FROM chosen), $zero_shot, $method, $unparsed, $polarity, $probe_set, $survey, $weighting,
            $country
        )
        WHERE misaligned AND moved(before, after) > 0
    )
    WHERE rank <= $k
),
prompts AS (
    SELECT run_id, question, probe_id, prompt_id
    FROM v_prompt
    WHERE variant = 1 AND run_id IN (SELECT run_id FROM examples)
),
shown AS (
    SELECT prompt_id, string_agg(sentence, chr(10) ORDER BY position) AS shown
    FROM v_demonstration
    WHERE prompt_id IN (SELECT prompt_id FROM prompts)
    GROUP BY prompt_id
),
tallies AS (
    SELECT run_id, question, string_agg(said || ' ' || n, ', ' ORDER BY n DESC, said) AS tally
    FROM (
        SELECT run_id, question, coalesce(answer_text, '(' || outcome || ')') AS said, count(*) AS n
        FROM v_response
        WHERE $method = 'sampled'
          AND run_id IN (SELECT run_id FROM compared UNION SELECT zero_shot_id FROM compared)
        GROUP BY ALL
    )
    GROUP BY ALL
),
first_right AS (
    SELECT run_id, e.country, e.question, first(text ORDER BY prompt_id, sample) AS text
    FROM v_response e_response
    JOIN examples e USING (run_id, question)
    JOIN v_response_run USING (run_id)
    JOIN right_answers($survey, $weighting, $country) a
        ON a.language = v_response_run.language AND a.country = e.country AND a.question = e.question
        AND a.side = e_response.side
    WHERE $method = 'sampled'
    GROUP BY ALL
)
SELECT
    run,
    model,
    r.language,
    e.country,
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
    r.control,
    rank,
    e.question,
    e.category,
    100 * (after - before) AS gain,
    100 * error_reduction(before, after) AS reduction,
    100 * before AS right_before,
    100 * after AS right_after,
    100 * e.control AS right_control,
    shown,
    replace(p.template, '[MASK]', '_') AS sentence,
    z.tally AS answers_before,
    d.tally AS answers_after,
    f.text AS explanation
FROM examples e
JOIN compared r USING (run_id)
JOIN prompts q USING (run_id, question)
JOIN v_probe p USING (probe_id)
LEFT JOIN shown s ON s.prompt_id = q.prompt_id
LEFT JOIN tallies d ON d.run_id = e.run_id AND d.question = e.question
LEFT JOIN tallies z ON z.run_id = r.zero_shot_id AND z.question = e.question
LEFT JOIN first_right f ON f.run_id = e.run_id AND f.country = e.country AND f.question = e.question
ORDER BY
    model, r.language, e.country, strategy, demonstrations, ordering, demonstrated, answers, settings, seed, draw, run, rank
