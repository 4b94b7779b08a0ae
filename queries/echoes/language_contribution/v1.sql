/*
question = "Which fine-tuning languages do the examples that made values shift come from?"
grain = """\
An influence run, direction, test language and fine-tuning language: the percentage of a probe's most influential \
examples that are in the fine-tuning language, then the mean over the probes. All checkpoints together. The \
percentages of a test language sum to 100; a fine-tuning language without an example among them has a row too."""
paper = "Echoes Figures 6 and 14; How do languages influence each other? Figure 2"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.shifted",
    "traced.probe_set", "traced.direction", "traced.k", "ci",
]
columns = [
    "traced.run", "traced_run", "traced.model", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "direction", "language", "ft_language", "contribution", "examples_share", "lift",
    "wrong_sign", "targets",
]
intervals = ["contribution_low", "contribution_high"]

[column]
ft_language = "Fine-tuning language."
contribution = "Percentage of the most influential examples that are in it: mean over the probes."
examples_share = "Percentage of all training examples that are in it: what a ranking by chance would give."
lift = "Contribution over examples_share: 1 by chance."
wrong_sign = """\
What of the contribution is from scores of the other sign: percentage of the most influential examples that are in it with a \
score below 0 among the highest, or above 0 among the lowest; mean over the probes. Where it is not near 0, k is too large for the \
run's examples: highest scores then do not mean support, nor lowest ones contradiction."""
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
)
SELECT
    run,
    c.traced_run,
    c.model,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.attribution,
    c.quantity,
    direction,
    language,
    ft_language,
    contribution,
    contribution_low,
    contribution_high,
    100.0 * n / c.examples AS examples_share,
    contribution / examples_share AS lift,
    wrong_sign,
    targets
FROM contributions(
    (SELECT list(run) FROM chosen), $shifted, $direction, $k, $ci IS NOT NULL, wanted_probe_set := $probe_set
)
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC, language,
    ft_language
