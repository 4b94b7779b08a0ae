/*
question = "Would a model that copies what most demonstrations answer be right?"
grain = "Demonstrations of a country's answers, chosen by a strategy, in a language; and a country whose majority answers count as right."
paper = "none: what Self-alignment Table 8.1 has to be compared with"
reason = "First version."
parameters = [
    "run", "language", "seed", "strategy", "answers", "polarity", "probe_set", "survey", "weighting", "country", "ci",
]
columns = [
    "language", "country", "strategy", "demonstrations", "demonstrated", "answers", "seed", "probes", "right_vote",
    "agreeing", "most_frequent",
]
intervals = ["right_vote_low", "right_vote_high"]

[column]
probes = "Questions with demonstrations."
seed = "Seed of the run that they are of."
right_vote = """\
Percentage of the questions to which most of their demonstrations answer on the side of the country's majority; a tie \
counts half."""
agreeing = "Mean percentage of a question's demonstrations that are on that side."
most_frequent = "Percentage of the questions whose majority is on the side where most are: what one answer to all would have right."
*/
WITH chosen AS (
    FROM chosen_demonstrations($run, $language, $strategy, $answers, $seed)
),
votes AS (
    SELECT
        run_id, m.question,
        count(*) AS shown,
        count(*) FILTER (WHERE d.side = 'first') AS on_first
    FROM v_prompt m
    JOIN v_demonstration d USING (prompt_id)
    WHERE m.variant = 1
      AND m.run_id IN (SELECT run_id FROM chosen)
      AND ($polarity = 'all' OR m.polarity = $polarity)
      AND ($probe_set IS NULL OR m.question IN (SELECT s.question FROM v_probe_set s WHERE s.probe_set = $probe_set))
    GROUP BY ALL
),
parts AS MATERIALIZED (
    SELECT
        run_id, a.country, coalesce(battery, question) AS battery,
        count(*) AS probes,
        sum(sign(2 * agreeing - shown) + 1) / 2 AS right_votes,
        sum(agreeing / shown ORDER BY question) AS agreeing,
        count(*) FILTER (WHERE side = 'first') AS on_first
    FROM (
        SELECT
            run_id, v.question, a.country, a.side, shown,
            CASE a.side WHEN 'first' THEN on_first ELSE shown - on_first END AS agreeing
        FROM votes v
        JOIN (SELECT run_id, language FROM chosen) USING (run_id)
        JOIN right_answers($survey, $weighting, $country) a USING (language, question)
    ) a
    LEFT JOIN asked_batteries((SELECT list(run_id) FROM chosen)) USING (run_id, question)
    GROUP BY ALL
),
totals AS MATERIALIZED (
    SELECT
        run_id, country,
        sum(probes) AS probes,
        sum(right_votes) AS right_votes,
        sum(agreeing ORDER BY battery) AS agreeing,
        sum(on_first) AS on_first
    FROM parts
    GROUP BY ALL
),
without AS (
    SELECT run_id, country, 0 AS left_out, probes, right_votes FROM totals
    UNION ALL
    SELECT
        run_id, country, dense_rank() OVER (ORDER BY battery), t.probes - p.probes, t.right_votes - p.right_votes
    FROM parts p
    JOIN totals t USING (run_id, country)
    WHERE $ci IS NOT NULL
),
spreads AS (
    SELECT run_id, country, replicates(100 * right_votes / nullif(probes, 0), probes, left_out) AS vote_rows
    FROM without
    GROUP BY ALL
)
SELECT
    language,
    t.country,
    strategy,
    demonstrations,
    r.country AS demonstrated,
    answers,
    seed,
    probes::BIGINT AS probes,
    vote_rows[1].value AS right_vote,
    share_low(vote_rows) AS right_vote_low,
    share_high(vote_rows) AS right_vote_high,
    100 * agreeing / probes AS agreeing,
    100 * greatest(on_first, probes - on_first) / probes AS most_frequent
FROM totals t
JOIN spreads USING (run_id, country)
JOIN chosen r USING (run_id)
ORDER BY language, t.country, strategy, demonstrations, demonstrated, answers, seed, run
