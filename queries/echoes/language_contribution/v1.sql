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
),
cells AS MATERIALIZED (
    SELECT *, row_number() OVER () AS cell
    FROM listed_shares(
        (SELECT list(run) FROM chosen), $shifted, $direction, $k, $ci IS NOT NULL, wanted_probe_set := $probe_set
    )
),
intervals AS (
    SELECT
        cell,
        replicates(
            listed_mean(kept, places, percentages, weights), listed_items(kept, places), left_out
        ) AS contributions
    FROM cells
    CROSS JOIN kept_places((SELECT list(run) FROM chosen), $ci IS NOT NULL)
    GROUP BY cell
),
sizes AS (
    SELECT run, train_language AS ft_language, max(n) AS n FROM v_influence_summary WHERE epoch IS NULL GROUP BY ALL
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
    list_avg(percentages) AS contribution,
    share_low(contributions) AS contribution_low,
    share_high(contributions) AS contribution_high,
    100.0 * n / c.examples AS examples_share,
    contribution / examples_share AS lift,
    list_avg(wrong) AS wrong_sign,
    targets
FROM cells
JOIN chosen c USING (run)
LEFT JOIN intervals USING (cell)
LEFT JOIN sizes USING (run, ft_language)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC, language,
    ft_language
