/*
question = "On which themes did fine-tuning on a source leave values as they were?"
grain = """\
A pretrained model, source, number of sentences, epoch, settings, test language and WVS category: the mean over the \
fine-tuning languages, each the mean over its monolingual runs."""
paper = "Echoes Figure 8"
reason = "First version."
parameters = ["score", "probe_set", "model", "source", "sentences", "seed", "epoch", "ci"]
columns = [
    "model", "source", "sentences", "epoch", "settings", "language", "category", "unchanged", "ft_languages", "runs",
    "probes",
]
intervals = ["unchanged_low", "unchanged_high", "seeds", "seed_sd"]

[column]
unchanged = """\
Percentage of the category's probes whose answer equals the base checkpoint's: mean over the runs of a fine-tuning \
language, then over the languages."""
ft_languages = "Fine-tuning languages of the runs in the mean, comma-separated."
*/
WITH runs AS (
    SELECT * EXCLUDE (unchanged), 100.0 * unchanged / probes AS unchanged
    FROM unchanged_counts(
        $score, $probe_set, ['monolingual'], $model, $source, $sentences, $seed, $epoch, TRUE, $ci
    )
),
languages AS (
    SELECT
        model, source, sentences, epoch, settings, ft_languages, language, category, resample,
        drawn_mean(unchanged, run, 1, resample) AS unchanged,
        count(*) AS runs,
        sum(probes) AS probes
    FROM runs
    GROUP BY ALL
),
means AS (
    SELECT
        model, source, sentences, epoch, settings, language, category, resample,
        drawn_mean(unchanged, ft_languages, 1, resample) AS unchanged,
        string_agg(ft_languages, ',' ORDER BY ft_languages) FILTER (WHERE resample = 0) AS ft_languages,
        sum(runs)::BIGINT AS runs,
        sum(probes)::BIGINT AS probes
    FROM languages
    GROUP BY ALL
),
seeds AS (
    SELECT
        model, source, sentences, epoch, settings, language, category,
        count(*) AS seeds,
        stddev_samp(unchanged ORDER BY seed) AS seed_sd
    FROM (
        SELECT model, source, sentences, epoch, settings, language, category, seed, mean(unchanged, run) AS unchanged
        FROM runs
        WHERE resample = 0 AND $ci
        GROUP BY ALL
    )
    GROUP BY ALL
)
SELECT
    model,
    source,
    sentences,
    epoch,
    settings,
    language,
    category,
    observed(unchanged, resample) AS unchanged,
    interval_low(unchanged, resample) AS unchanged_low,
    interval_high(unchanged, resample) AS unchanged_high,
    any_value(seeds) AS seeds,
    any_value(seed_sd) AS seed_sd,
    observed(ft_languages, resample) AS ft_languages,
    observed(runs, resample) AS runs,
    observed(probes, resample) AS probes
FROM means
LEFT JOIN seeds USING (model, source, sentences, epoch, settings, language, category)
GROUP BY model, source, sentences, epoch, settings, language, category
ORDER BY model, source, sentences, epoch, settings, language, category
