/*
question = "Do influence scores predict what training on a part of the examples does?"
grain = """\
A validation run, a test, a traced quantity, scores (an attribution or a baseline) and seeds of the retrained models: the \
linear datamodeling score, Spearman's rho between what the scores predict for subsets of the training examples and what \
models trained on them show; mean over the probes, of scores with several draws then over these. Subsets are random \
halves, or all examples but those in one of the run's languages: what language_contribution says of these. Models with \
seeds of their own come first: they say what data do, those with the run's seed what data do given the run's order and \
corruption. Intervals are of 95%, from resamples of the models and the probes; they tell between scores by difference, \
not by whether two intervals overlap."""
paper = "Park et al. (2023) section 3, for How do languages influence each other? section 6"
reason = """\
By traced quantity; with intervals, differences and a null of each score. Before, the null of the \
first attribution stood for all, and a ratio of two noisy numbers had no interval."""
parameters = ["retrained.run", "retrained.model", "retrained.source", "retrained.sentences", "retrained.seed"]
columns = [
    "retrained.run", "retrained.traced_run", "checkpoint.model", "source", "traced.ft_languages", "traced.sentences",
    "traced.seed", "test", "retrained.quantity", "retrained.seeds", "retrained.scores", "reading", "lds", "lds_low", "lds_high",
    "difference", "difference_low", "difference_high", "targets", "draws", "n", "null_mean", "null_sd", "z",
]

[column]
test = """\
lds: models are trained on random halves; language: without one of the run's languages, where the scores also stand for \
whether an example is among the highest (top 100), as language_contribution counts."""
reading = """\
headline: models with seeds of their own; given the seed: with the run's; smoke test: 16 models or fewer, whose LDS has \
a standard deviation of some 0.07."""
lds = "Linear datamodeling score: mean over the probes, then over the draws."
lds_low = """\
Lower end of its interval: other models, and other probes. NULL for random baselines, and of fewer than 10 models or \
probes."""
lds_high = "Upper end."
difference = "lds minus that of the run's first attribution; NULL for it and for random baselines."
difference_low = "Lower end of its interval, from the same resamples of both: the two differ if it does not contain 0."
difference_high = "Upper end."
draws = "Draws of a random baseline; 1 for scores that are not random."
n = "Retrained models behind each rho; 16 or fewer are a smoke test."
null_mean = "lds of the same scores dealt to the examples at random, mean of 200 draws; NULL for random baselines."
null_sd = "Its standard deviation over the draws."
z = "Null standard deviations that lds lies above the mean of its null: against chance, not the error of lds."
*/
SELECT
    l.run,
    c.traced_run,
    c.model,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    l.test,
    l.quantity,
    l.seeds,
    l.scores,
    CASE WHEN l.n <= 16 THEN 'smoke test' WHEN l.seeds = 'other' THEN 'headline' ELSE 'given the seed' END AS reading,
    l.lds,
    l.lds_low,
    l.lds_high,
    l.difference,
    l.difference_low,
    l.difference_high,
    l.targets,
    l.draws,
    l.n,
    l.null_mean,
    l.null_sd,
    (l.lds - l.null_mean) / nullif(l.null_sd, 0) AS z
FROM v_validation_lds l
JOIN selected_validation_runs($run, $model, $source, $sentences, $seed) c USING (run)
ORDER BY c.model, c.source, c.ft_languages, c.sentences, c.seed, l.run, l.test DESC, l.quantity, l.seeds, l.scores
