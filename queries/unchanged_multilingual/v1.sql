/*
question = "Does fine-tuning on several languages at once leave as many values as they were as fine-tuning on one?"
grain = """\
A pretrained model, source, number of sentences in all, epoch, settings, mixture of fine-tuning languages, strategy \
(multilingual, monolingual_mean) and test language. monolingual_mean is over the runs on one of the mixture's \
languages alone that are alike otherwise."""
paper = "Echoes Table 2 and Figure 10"
reason = "First version."

[parameters.score]
type = "text"
about = "Way of scoring the answers."
default = "mean"
values = ["sum", "mean", "first"]

[parameters.probe_set]
type = "text"
about = "Probe set that the questions are from: echoes-2024 where the store has it, else wvs7-all, else the first."
default_sql = "default_probe_set()"
values_from = "v_probe_set.probe_set"

[parameters.model]
type = "text"
about = "Only checkpoints of this pretrained model."
values_from = "v_checkpoint.model"

[parameters.source]
type = "text"
about = "Only runs on this source."
values_from = "v_checkpoint.source"

[parameters.sentences]
type = "integer"
about = "Only runs with this number of sentences."
values_from = "v_checkpoint.sentences"

[parameters.seed]
type = "integer"
about = "Only runs with this seed."
values_from = "v_checkpoint.seed"

[parameters.epoch]
type = "integer"
about = "Checkpoints after this epoch; the last of every run unless given."
values_from = "v_checkpoint.epoch"

[parameters.ci]
type = "boolean"
about = "Whether to add the columns under intervals: 95% intervals by resampling the questions; no unless given."

[columns]
model = "Pretrained model that the runs started from."
source = "Fine-tuning source."
sentences = "Sentences each run was given, all languages together."
epoch = "Epochs done."
settings = "How the runs were trained: epochs, batch size, learning rate and what else differs between setups."
mixture = "Fine-tuning languages of the multilingual runs, comma-separated."
strategy = "multilingual: runs on the mixture; monolingual_mean: runs on each of its languages."
language = "Test language."
unchanged = """\
Percentage of probes whose answer equals the base checkpoint's: mean over the runs of a fine-tuning language, then \
over the languages; of the mixture, mean over its runs."""
ft_languages = "Fine-tuning languages of the runs in the mean, separated by semicolons."
runs = "Runs in the mean."
probes = "Probes, all runs together."

[intervals]
unchanged_low = "Lower end of the 95% interval of unchanged."
unchanged_high = "Its upper end."
seeds = "Seeds of the runs in the mean."
seed_sd = "Standard deviation over the seeds of the mean over a seed's runs, of a sample; NULL of a single seed."
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
