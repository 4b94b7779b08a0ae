/*
question = "Do influence scores predict what training on a part of the examples does?"
grain = """\
A validation run, scores (an attribution or a baseline) and seeds of the retrained models: the linear datamodeling \
score, Spearman's rho between what the scores predict for random halves of the training examples and what models \
trained on them show; mean over the probes, of scores with several draws then over these."""
paper = "Park et al. (2023) section 3, for How do languages influence each other? section 6"
reason = "First version."

[parameters.run]
type = "text"
about = "Only this validation run."
values_from = "v_influence_run.run"

[parameters.model]
type = "text"
about = "Only traced runs from this pretrained model."
values_from = "v_influence_run.model"

[parameters.source]
type = "text"
about = "Only traced runs on this source."
values_from = "v_influence_run.source"

[parameters.sentences]
type = "integer"
about = "Only traced runs with this number of sentences."
values_from = "v_influence_run.sentences"

[parameters.seed]
type = "integer"
about = "Only traced runs with this seed."
values_from = "v_influence_run.traced_seed"

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
rho = "Mean over the probes, then over the draws."
targets = "Probes in the mean."
draws = "Draws of a random baseline; 1 for scores that are not random."
n = "Retrained models behind each rho."
null_mean = "The same of permuted-examples: the first attribution's scores, dealt to the examples at random."
null_sd = "Its standard deviation over the draws; NULL of fewer than two."
z = "Null standard deviations that rho lies above the mean of the null."
share_of_exact = """\
Percentage of the rho of the same attribution with exact gradients; NULL for a baseline, and where the run has no such \
scores or their rho is not positive."""
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, NULL, $sentences, $seed)
),
draws AS (
    SELECT run, seeds, scores, draw, mean(value, [language, question]) AS rho, count(*) AS targets, min(n) AS n
    FROM v_influence_validation
    WHERE test = 'lds' AND run IN (SELECT run FROM chosen)
    GROUP BY ALL
),
quality AS (
    SELECT
        run, seeds, scores,
        mean(rho, draw) AS rho,
        max(targets) AS targets,
        count(*) AS draws,
        min(n) AS n,
        regexp_replace(scores, '-(principal|random|dense)-\d+( |$)', '-exact\2') AS exact
    FROM draws
    GROUP BY ALL
),
nulls AS (
    SELECT run, seeds, mean(rho, draw) AS null_mean, stddev_samp(rho ORDER BY draw) AS null_sd
    FROM draws
    WHERE scores = 'permuted-examples'
    GROUP BY ALL
)
SELECT
    q.run,
    c.traced_run,
    c.model,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.quantity,
    q.seeds,
    q.scores,
    q.rho,
    q.targets,
    q.draws,
    q.n,
    null_mean,
    null_sd,
    (q.rho - null_mean) / nullif(null_sd, 0) AS z,
    CASE WHEN e.rho > 0 THEN 100.0 * q.rho / e.rho END AS share_of_exact
FROM quality q
JOIN chosen c USING (run)
LEFT JOIN nulls USING (run, seeds)
LEFT JOIN (FROM quality WHERE regexp_matches(scores, '-exact( |$)')) e
    ON e.run = q.run AND e.seeds = q.seeds AND e.scores = q.exact
ORDER BY c.model, c.source, c.ft_languages, c.sentences, c.seed, c.quantity, q.run, q.seeds DESC, q.scores
