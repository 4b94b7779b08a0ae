/*
question = "Do answers change when the most influential examples are left out of the training?"
grain = """\
A validation run, scores (an attribution or a baseline), seeds of the retrained models, direction and number k of \
examples left out: the change in the probability of the traced answer, mean over the draws, then over the probes."""
paper = "How do languages influence each other? Figures 1, 6, 7 and 8"
reason = "First version."
parameters = ["retrained.run", "retrained.model", "retrained.source", "retrained.sentences", "retrained.seed"]
columns = [
    "retrained.run", "retrained.traced_run", "checkpoint.model", "source", "traced.ft_languages", "traced.sentences",
    "traced.seed", "quantity", "retrained.seeds", "retrained.scores", "direction", "k", "change", "sd", "targets",
    "draws", "random_change",
]

[column]
direction = "Examples left out: positive ones support the traced answer, negative ones contradict it; NULL for random."
k = "How many of the most influential examples were left out."
change = "Probability of the traced answer without them, minus that with them: mean over the probes."
sd = "Its standard deviation over the probes; NULL of fewer than two."
draws = "Most draws of a probe; 1 for scores that are not random."
random_change = "Change when as many random examples are left out; NULL where that was not tried, and for random."
*/
WITH chosen AS (
    FROM selected_validation_runs($run, $model, $source, $sentences, $seed)
),
probes AS (
    SELECT run, seeds, scores, direction, k, language, question, mean(value, draw) AS change, count(*) AS draws
    FROM v_validation_result
    WHERE test = 'removal' AND run IN (SELECT run FROM chosen)
    GROUP BY ALL
),
effects AS (
    SELECT
        run, seeds, scores, direction, k,
        mean(change, [language, question]) AS change,
        stddev_samp(change ORDER BY language, question) AS sd,
        count(*) AS targets,
        max(draws) AS draws
    FROM probes
    GROUP BY ALL
)
SELECT
    e.run,
    c.traced_run,
    c.model,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.quantity,
    e.seeds,
    e.scores,
    e.direction,
    e.k,
    e.change,
    e.sd,
    e.targets,
    e.draws,
    r.change AS random_change
FROM effects e
JOIN chosen c ON c.run = e.run
-- random examples serve either direction
LEFT JOIN (FROM effects WHERE scores = 'random') r
    ON r.run = e.run AND r.seeds = e.seeds AND r.k = e.k AND coalesce(r.direction, e.direction) = e.direction
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.quantity, e.run, e.seeds DESC, e.scores,
    e.direction DESC NULLS LAST, e.k
