/*
question = "On which themes did fine-tuning on a source leave values as they were?"
grain = """\
A pretrained model, source, number of sentences, epoch, settings, test language and WVS category: the mean over the \
fine-tuning languages, each the mean over its monolingual runs."""
paper = "Echoes Figure 8"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "model", "source", "sentences", "seed", "epoch", "averaged.ci"]
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
        $score, $probe_set, ['monolingual'], $model, $source, $sentences, $seed, $epoch, TRUE, $ci IS NOT NULL
    )
),
languages AS (
    SELECT
        model, source, sentences, epoch, settings, ft_languages, language, category, left_out,
        kept_mean(unchanged, run, left_out) AS unchanged,
        count(*) AS runs,
        sum(probes) AS probes
    FROM runs
    GROUP BY ALL
),
means AS (
    SELECT
        model, source, sentences, epoch, settings, language, category, left_out,
        kept_mean(unchanged, ft_languages, left_out) AS unchanged,
        string_agg(ft_languages, ',' ORDER BY ft_languages) FILTER (WHERE left_out = 0) AS ft_languages,
        sum(runs)::BIGINT AS runs,
        sum(probes)::BIGINT AS probes
    FROM languages
    GROUP BY ALL
),
seeds AS (
    SELECT
        model, source, sentences, epoch, settings, language, category,
        max(seeds) AS seeds,
        seed_spread(list(values)) AS spread
    FROM (
        SELECT
            model, source, sentences, epoch, settings, language, category, ft_languages,
            count(*) AS seeds,
            in_order(unchanged, seed) AS values
        FROM (
            SELECT
                model, source, sentences, epoch, settings, language, category, ft_languages, seed,
                mean(unchanged, run) AS unchanged
            FROM runs
            WHERE left_out = 0 AND $ci IS NOT NULL
            GROUP BY ALL
        )
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
    observed(unchanged, left_out) AS unchanged,
    mean_share_low($ci, replicates(unchanged, probes, left_out), any_value(spread)) AS unchanged_low,
    mean_share_high($ci, replicates(unchanged, probes, left_out), any_value(spread)) AS unchanged_high,
    any_value(seeds) AS seeds,
    any_value(spread.sd) AS seed_sd,
    observed(ft_languages, left_out) AS ft_languages,
    observed(runs, left_out) AS runs,
    observed(probes, left_out) AS probes
FROM means
LEFT JOIN seeds USING (model, source, sentences, epoch, settings, language, category)
GROUP BY model, source, sentences, epoch, settings, language, category
ORDER BY model, source, sentences, epoch, settings, language, category
