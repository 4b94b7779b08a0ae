/*
question = "Do answers change when the most influential examples are left out of the training?"
grain = """\
A validation run, scores (an attribution, or random examples), direction, number k of examples left out and test language, \
and all of these together: the change in the probability of the traced answer, mean over the seeds and draws, then over \
the targets. What tells is the difference to leaving out as many random examples, by the same targets and seeds: any \
other training changes answers."""
paper = "How do languages influence each other? Figures 1, 6, 7 and 8"
reason = """\
The paired difference to random examples, with an interval; several seeds."""
parameters = ["retrained.run", "retrained.model", "retrained.source", "retrained.sentences", "retrained.seed"]
columns = [
    "retrained.run", "retrained.traced_run", "checkpoint.model", "source", "traced.ft_languages", "traced.sentences",
    "traced.seed", "retrained.quantity", "retrained.scores", "direction", "k", "language", "change", "sd",
    "reference", "relative_change", "random_change", "difference", "difference_low", "difference_high", "targets", "draws", "seeds",
]

[column]
direction = "Examples left out: positive ones support the traced answer, negative ones contradict it; NULL for random."
k = "How many of the most influential examples were left out."
language = "Test language; avg. for the targets of all together."
change = "Probability of the traced answer without them, minus that with them: mean over the targets."
sd = "Its standard deviation over the targets; NULL of fewer than two."
reference = "Probability with them: mean over the targets."
relative_change = "Change in percent of a target's probability with them: mean over the targets."
random_change = "Change when as many random examples are left out; NULL where that was not tried, and for random."
difference = "Change minus random change, mean over the targets that have both."
difference_low = """\
Lower end of its 95% interval, by Student's t (Welch and Satterthwaite): over the targets, and over the random draws, \
which all targets share. NULL of fewer than 10 targets or 5 draws."""
difference_high = "Upper end."
draws = "Most draws of a target; 1 for scores that are not random."
seeds = "Seeds of the retrained models, the run's own among them."
*/
WITH chosen AS (
    FROM selected_validation_runs($run, $model, $source, $sentences, $seed)
),
changes AS (
    SELECT run, quantity, scores, direction, k, part, language, question, seed, draw, value, reference
    FROM v_validation_result, (SELECT unnest([language, 'avg.']) AS part)
    WHERE test = 'removal' AND run IN (SELECT run FROM chosen)
),
targets AS (
    SELECT
        run, quantity, scores, direction, k, part, language, question,
        mean(value, [seed, draw]) AS change,
        mean(reference, [seed, draw]) AS reference,
        count(DISTINCT draw) AS draws,
        count(DISTINCT seed) AS seeds
    FROM changes
    GROUP BY ALL
),
effects AS (
    SELECT
        p.run, p.quantity, p.scores, p.direction, p.k, p.part,
        mean(p.change, [p.language, p.question]) AS change,
        stddev_samp(p.change ORDER BY p.language, p.question) AS sd,
        mean(p.reference, [p.language, p.question]) AS reference,
        100 * mean(p.change / nullif(p.reference, 0), [p.language, p.question]) AS relative_change,
        mean(r.change, [p.language, p.question]) AS random_change,
        mean(p.change - r.change, [p.language, p.question]) AS difference,
        var_samp(p.change - r.change ORDER BY p.language, p.question) / count(r.change) AS of_targets,
        count(r.change) AS pairs,
        count(*) AS targets,
        max(p.draws) AS draws,
        max(p.seeds) AS seeds
    FROM targets p
    LEFT JOIN (FROM targets WHERE scores = 'random') r
        ON r.run = p.run AND r.quantity = p.quantity AND r.k = p.k AND r.part = p.part AND r.language = p.language
        AND r.question = p.question AND p.scores <> 'random'
    GROUP BY ALL
),
-- random examples are the same for every target, so that their number, not that of targets, makes them sure
random_draws AS (
    SELECT run, quantity, k, part, var_samp(change ORDER BY draw) / count(*) AS of_draws, count(*) AS draws
    FROM (
        SELECT run, quantity, k, part, draw, mean(value, [language, question, seed::VARCHAR]) AS change
        FROM changes
        WHERE scores = 'random'
        GROUP BY ALL
    )
    GROUP BY ALL
),
errors AS (
    SELECT
        e.*,
        sqrt(of_targets + of_draws) AS se,
        (of_targets + of_draws) ** 2
            / nullif(of_targets ** 2 / (e.pairs - 1) + of_draws ** 2 / (d.draws - 1), 0) AS df
    FROM effects e
    LEFT JOIN random_draws d
        ON d.run = e.run AND d.quantity = e.quantity AND d.k = e.k AND d.part = e.part AND e.pairs >= 10 AND d.draws >= 5
),
-- the quantile of Student's t by that of the normal distribution and powers of 1 / df (Cornish and Fisher)
margins AS (
    SELECT *, se * (1.959963984540054 + 2.3722712 / df + 2.8224986 / df ** 2 + 2.5558497 / df ** 3) AS margin
    FROM errors
)
SELECT
    m.run,
    c.traced_run,
    c.model,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    m.quantity,
    m.scores,
    m.direction,
    m.k,
    m.part AS language,
    m.change,
    m.sd,
    m.reference,
    m.relative_change,
    m.random_change,
    m.difference,
    m.difference - m.margin AS difference_low,
    m.difference + m.margin AS difference_high,
    m.targets,
    m.draws,
    m.seeds
FROM margins m
JOIN chosen c ON c.run = m.run
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, m.run, m.quantity, m.scores, m.direction DESC NULLS LAST, m.k,
    m.part = 'avg.', m.part
