/*
question = "Does fine-tuning on several languages at once leave as many values as they were as fine-tuning on one?"
grain = """\
A pretrained model, source, number of sentences in all, epoch, settings, mixture of fine-tuning languages, strategy \
(multilingual, monolingual_mean) and test language. monolingual_mean is over the runs on one of the mixture's \
languages alone that are alike otherwise."""
paper = "Echoes Table 2 and Figure 10"
reason = "First version."
parameters = ["score", "probe_set", "model", "source", "sentences", "seed", "epoch", "ci"]
columns = [
    "model", "source", "sentences", "epoch", "settings", "mixture", "strategy", "language", "unchanged", "ft_languages",
    "runs", "probes",
]
intervals = ["unchanged_low", "unchanged_high", "seeds", "seed_sd"]

[column]
sentences = "Sentences each run was given, all languages together."
mixture = "Fine-tuning languages of the multilingual runs, comma-separated."
strategy = "multilingual: runs on the mixture; monolingual_mean: runs on each of its languages."
unchanged = """\
Percentage of probes whose answer equals the base checkpoint's: mean over the runs of a fine-tuning language, then \
over the languages; of the mixture, mean over its runs."""
ft_languages = "Fine-tuning languages of the runs in the mean, separated by semicolons."
*/
WITH runs AS (
    SELECT
        model, source, sentences, epoch, settings, strategy, ft_languages, seed, run, language, resample,
        100.0 * sum(unchanged) / sum(probes) AS unchanged,
        sum(probes)::BIGINT AS probes
    FROM unchanged_counts(
        $score, $probe_set, ['monolingual', 'multilingual'], $model, $source, $sentences, $seed, $epoch, FALSE, $ci
    )
    GROUP BY ALL
),
mixtures AS (
    SELECT DISTINCT model, source, sentences, epoch, settings, ft_languages AS mixture
    FROM runs
    WHERE strategy = 'multilingual'
),
compared AS (
    SELECT
        r.* REPLACE (CASE strategy WHEN 'multilingual' THEN strategy ELSE 'monolingual_mean' END AS strategy), mixture
    FROM runs r
    JOIN mixtures USING (model, source, sentences, epoch, settings)
    WHERE r.ft_languages = mixture
       OR r.strategy = 'monolingual' AND list_contains(string_split(mixture, ','), r.ft_languages)
),
languages AS (
    SELECT
        * EXCLUDE (seed, run, unchanged, probes),
        drawn_mean(unchanged, run, 1, resample) AS unchanged,
        count(*) AS runs,
        sum(probes) AS probes
    FROM compared
    GROUP BY ALL
),
means AS (
    SELECT
        model, source, sentences, epoch, settings, mixture, strategy, language, resample,
        drawn_mean(unchanged, ft_languages, 1, resample) AS unchanged,
        string_agg(ft_languages, ';' ORDER BY ft_languages) FILTER (WHERE resample = 0) AS ft_languages,
        sum(runs)::BIGINT AS runs,
        sum(probes)::BIGINT AS probes
    FROM languages
    GROUP BY ALL
),
seeds AS (
    SELECT * EXCLUDE (seed, unchanged), count(*) AS seeds, stddev_samp(unchanged ORDER BY seed) AS seed_sd
    FROM (
        SELECT * EXCLUDE (ft_languages, run, resample, unchanged, probes), mean(unchanged, run) AS unchanged
        FROM compared
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
    mixture,
    strategy,
    language,
    observed(unchanged, resample) AS unchanged,
    interval_low(unchanged, resample) AS unchanged_low,
    interval_high(unchanged, resample) AS unchanged_high,
    any_value(seeds) AS seeds,
    any_value(seed_sd) AS seed_sd,
    observed(ft_languages, resample) AS ft_languages,
    observed(runs, resample) AS runs,
    observed(probes, resample) AS probes
FROM means
LEFT JOIN seeds USING (model, source, sentences, epoch, settings, mixture, strategy, language)
GROUP BY model, source, sentences, epoch, settings, mixture, strategy, language
ORDER BY model, source, sentences, epoch, settings, mixture, strategy DESC, language
