/*
question = "Do answers change when the most influential examples are left out of the training?"
grain = """\
A validation run, scores (an attribution or a baseline), seeds of the retrained models, direction and number k of \
examples left out: the change in the probability of the traced answer, mean over the draws, then over the probes."""
paper = "How do languages influence each other? Figures 1, 6, 7 and 8"
reason = "First version."

[parameters.run]
type = "text"
about = "Only this validation run."
values_from = "v_validation_run.run"

[parameters.model]
type = "text"
about = "Only traced runs from this pretrained model."
values_from = "v_validation_run.model"

[parameters.source]
type = "text"
about = "Only traced runs on this source."
values_from = "v_validation_run.source"

[parameters.sentences]
type = "integer"
about = "Only traced runs with this number of sentences."
values_from = "v_validation_run.sentences"

[parameters.seed]
type = "integer"
about = "Only traced runs with this seed."
values_from = "v_validation_run.traced_seed"

[columns]
run = "Name of the validation run."
traced_run = "Name of the fine-tuning run whose examples are left out."
model = "Pretrained model that it descends from."
source = "Fine-tuning source."
ft_languages = "Its fine-tuning languages, comma-separated."
sentences = "Sentences it was given, training and development together."
seed = "Its seed."
quantity = "What is traced: answer, margin or shift."
seeds = "Seeds of the retrained models: same as the traced run's, or other."
scores = "An attribution such as trak-principal-32, or a baseline such as random."
direction = "Examples left out: positive ones support the traced answer, negative ones contradict it; NULL for random."
k = "How many of the most influential examples were left out."
change = "Probability of the traced answer without them, minus that with them: mean over the probes."
sd = "Its standard deviation over the probes; NULL of fewer than two."
targets = "Probes in the mean."
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
