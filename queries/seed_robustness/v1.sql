/*
question = "Does a figure hold when the fine-tuning is repeated with other seeds?"
grain = """\
A metric (unchanged, language_contribution) and a setup: what makes a row of that query, its seed left out. Runs of \
one seed and setup are averaged first."""
paper = "Echoes Figure 9 and section 7"
reason = "First version."

[parameters.metrics]
type = "text[]"
about = "Figures to repeat, as the queries of these names have them."
default = ["unchanged", "language_contribution"]
values = ["unchanged", "language_contribution"]

[parameters.score]
type = "text"
about = "Of unchanged, way of scoring the answers."
default = "mean"
values = ["sum", "mean", "first"]

[parameters.probe_set]
type = "text"
about = """\
Of unchanged, probe set that the questions are from: echoes-2024 where the store has it, else wvs7-all, else the \
first."""
default_sql = "default_probe_set()"
values_from = "v_probe_set.probe_set"

[parameters.strategies]
type = "text[]"
about = "Only runs of these kinds."
default = ["monolingual", "multilingual"]
values = ["monolingual", "multilingual"]

[parameters.model]
type = "text"
about = "Only runs from this pretrained model."
values_from = "v_checkpoint.model"

[parameters.source]
type = "text"
about = "Only runs on this source."
values_from = "v_checkpoint.source"

[parameters.sentences]
type = "integer"
about = "Only runs with this number of sentences."
values_from = "v_checkpoint.sentences"

[parameters.method]
type = "text"
about = "Of language_contribution, only influence runs by this method."
values = ["trak", "tracin"]

[parameters.direction]
type = "text"
about = """\
Of language_contribution, only examples that support the traced answer (positive), or that contradict it (negative)."""
values = ["positive", "negative"]

[parameters.k]
type = "integer"
about = """\
Of language_contribution, how many of a probe's most influential examples to take in either direction; all that are \
stored unless given."""

[parameters.ci]
type = "boolean"
about = "Whether to add the columns under intervals: 95% intervals by resampling the questions; no unless given."

[columns]
metric = "unchanged or language_contribution."
model = "Pretrained model that the runs started from."
source = "Fine-tuning source."
ft_languages = "Fine-tuning languages, comma-separated."
strategy = "monolingual or multilingual."
sentences = "Sentences each run was given."
settings = "How the runs were trained: epochs, batch size, learning rate and what else differs between setups."
attribution = """\
How examples are scored, and what of it is not the default, e.g. trak-principal-32 corruptions=epoch; NULL for \
unchanged."""
tracing = "What else the scores depend on: probes, quantity, k and checkpoints; NULL for unchanged."
direction = "positive or negative; NULL for unchanged."
language = "Test language."
ft_language = "Fine-tuning language that contributes; NULL for unchanged."
mean = "Mean of the metric, in percent, over the seeds."
sd = "Standard deviation over the seeds, of a sample; NULL of a single one."
min = "Lowest of the seeds."
max = "Highest of the seeds."
seeds = "Seeds."

[intervals]
mean_low = "Lower end of the 95% interval of mean over the questions, the seeds being what they are."
mean_high = "Its upper end."
*/
WITH unchanged AS (
    SELECT
        'unchanged' AS metric, run, seed, model, source, ft_languages, strategy, sentences, settings,
        NULL AS attribution, NULL AS tracing, NULL AS direction, language, NULL AS ft_language, resample,
        100.0 * sum(unchanged) / sum(probes) AS value
    FROM unchanged_counts($score, $probe_set, $strategies, $model, $source, $sentences, NULL, NULL, FALSE, $ci)
    WHERE list_contains($metrics, 'unchanged')
    GROUP BY ALL
),
influence_runs AS (
    FROM selected_influence_runs(NULL, $model, $source, $method, $sentences, NULL)
    WHERE list_contains($metrics, 'language_contribution') AND list_contains($strategies, strategy)
),
shares AS MATERIALIZED (
    FROM listed_shares((SELECT list(run) FROM influence_runs), NULL, $direction, $k, $ci)
),
contributions AS (
    SELECT
        'language_contribution' AS metric, run, c.seed, c.model, c.source, c.ft_languages, c.strategy, c.sentences,
        c.settings, c.attribution, c.tracing, direction, language, ft_language, resample, value
    FROM (
        SELECT run, direction, language, ft_language, 0 AS resample, list_avg(percentages) AS value FROM shares
        UNION ALL
        SELECT run, direction, language, ft_language, resample, listed_mean(times, places, percentages, weights)
        FROM shares
        CROSS JOIN traced_draws((SELECT list(run) FROM influence_runs), $ci)
    )
    JOIN influence_runs c USING (run)
),
seeds AS (
    SELECT * EXCLUDE (run, value), drawn_mean(value, run, 1, resample) AS value
    FROM (FROM unchanged UNION ALL FROM contributions)
    GROUP BY ALL
),
means AS (
    SELECT
        * EXCLUDE (seed, value),
        drawn_mean(value, seed, 1, resample) AS mean,
        stddev_samp(value ORDER BY seed) FILTER (WHERE resample = 0) AS sd,
        min(value) AS min,
        max(value) AS max,
        count(*) AS seeds
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
    observed(mean, resample) AS mean,
    interval_low(mean, resample) AS mean_low,
    interval_high(mean, resample) AS mean_high,
    observed(sd, resample) AS sd,
    observed(min, resample) AS min,
    observed(max, resample) AS max,
    observed(seeds, resample) AS seeds
FROM means
GROUP BY ALL
ORDER BY
    metric DESC, model, source, strategy, ft_languages, sentences, settings, attribution, tracing, direction DESC,
    language, ft_language
