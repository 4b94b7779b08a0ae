/*
question = "Does a figure hold when the fine-tuning is repeated with other seeds?"
grain = """\
A metric (unchanged, language_contribution) and a setup: what makes a row of that query, its seed left out. Runs of \
one seed and setup are averaged first."""
paper = "Echoes Figure 9 and section 7"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = [
    "metrics", "score", "probe_set", "strategies", "model", "source", "sentences", "traced.method", "traced.direction",
    "k", "averaged.ci",
]
columns = [
    "metric", "model", "source", "ft_languages", "strategy", "sentences", "settings", "attribution", "tracing",
    "direction", "language", "ft_language", "mean", "sd", "min", "max", "seeds",
]
intervals = ["mean_low", "mean_high"]

[parameter.metrics]
type = "text[]"
about = "Figures to repeat, as the queries of these names have them."
default = ["unchanged", "language_contribution"]
values = ["unchanged", "language_contribution"]

[parameter.score]
about = "Of unchanged, way of scoring the answers."

[parameter.probe_set]
about = """\
Of unchanged, probe set that the questions are from: echoes-2024 where the store has it, else wvs7-all, else the \
first. Of language_contribution, all that was traced counts."""

[parameter.model]
about = "Only runs from this pretrained model."

[parameter.method]
about = "Of language_contribution, only influence runs by this method."

[parameter.direction]
about = """\
Of language_contribution, only the examples with the highest scores (positive), or with the lowest (negative)."""

[parameter.k]
type = "integer"
about = """\
Of language_contribution, how many of a probe's most influential examples to take in either direction; all that are \
stored unless given."""

[column]
metric = "unchanged or language_contribution."
attribution = """\
How examples are scored, and what of it is not the default, e.g. trak-principal-32 corruptions=epoch; NULL for \
unchanged."""
tracing = "What else the scores depend on: probes, quantity, k and checkpoints; NULL for unchanged."
direction = "positive or negative; NULL for unchanged."
ft_language = "Fine-tuning language that contributes; NULL for unchanged."
mean = "Mean of the metric, in percent, over the seeds."
sd = "Standard deviation over the seeds, of a sample; NULL of a single one."
min = "Lowest of the seeds."
max = "Highest of the seeds."
seeds = "Seeds."
*/
WITH unchanged AS (
    SELECT
        'unchanged' AS metric, run, seed, model, source, ft_languages, strategy, sentences, settings,
        NULL AS attribution, NULL AS tracing, NULL AS direction, language, NULL AS ft_language, left_out,
        100.0 * sum(unchanged) / sum(probes) AS value,
        sum(probes)::BIGINT AS items
    FROM unchanged_counts($score, $probe_set, $strategies, $model, $source, $sentences, NULL, NULL, FALSE, $ci IS NOT NULL)
    WHERE list_contains($metrics, 'unchanged')
    GROUP BY ALL
),
influence_runs AS (
    FROM selected_influence_runs(NULL, $model, $source, $method, $sentences, NULL)
    WHERE list_contains($metrics, 'language_contribution') AND list_contains($strategies, strategy)
),
shares AS MATERIALIZED (
    FROM listed_shares((SELECT list(run) FROM influence_runs), NULL, $direction, $k, $ci IS NOT NULL)
),
contributions AS (
    SELECT
        'language_contribution' AS metric, run, c.seed, c.model, c.source, c.ft_languages, c.strategy, c.sentences,
        c.settings, c.attribution, c.tracing, direction, language, ft_language, left_out, value, items
    FROM (
        SELECT run, direction, language, ft_language, 0 AS left_out, list_avg(percentages) AS value, targets AS items
        FROM shares
        UNION ALL
        SELECT
            run, direction, language, ft_language, left_out,
            listed_mean(kept, places, percentages, weights),
            listed_items(kept, places)
        FROM shares
        CROSS JOIN kept_places((SELECT list(run) FROM influence_runs), $ci IS NOT NULL)
        WHERE left_out > 0
    )
    JOIN influence_runs c USING (run)
),
seeds AS (
    SELECT * EXCLUDE (run, value, items), kept_mean(value, run, left_out) AS value, sum(items) AS items
    FROM (FROM unchanged UNION ALL FROM contributions)
    GROUP BY ALL
),
means AS (
    SELECT
        * EXCLUDE (seed, value, items),
        kept_mean(value, seed, left_out) AS mean,
        in_order(value, seed) AS by_seed,
        min(value) AS min,
        max(value) AS max,
        count(*) AS seeds,
        sum(items)::BIGINT AS items
    FROM seeds
    GROUP BY ALL
)
SELECT
    metric,
    model,
    source,
    ft_languages,
    strategy,
    sentences,
    settings,
    attribution,
    tracing,
    direction,
    language,
    ft_language,
    observed(mean, left_out) AS mean,
    mean_share_low($ci, replicates(mean, items, left_out), seed_spread([observed(by_seed, left_out)])) AS mean_low,
    mean_share_high($ci, replicates(mean, items, left_out), seed_spread([observed(by_seed, left_out)])) AS mean_high,
    seed_spread([observed(by_seed, left_out)]).sd AS sd,
    observed(min, left_out) AS min,
    observed(max, left_out) AS max,
    observed(seeds, left_out) AS seeds
FROM means
GROUP BY
    metric, model, source, ft_languages, strategy, sentences, settings, attribution, tracing, direction, language,
    ft_language
ORDER BY
    metric DESC, model, source, strategy, ft_languages, sentences, settings, attribution, tracing, direction DESC,
    language, ft_language
