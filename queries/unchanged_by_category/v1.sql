/*
question = "On which themes did fine-tuning on a source leave values as they were?"
grain = """\
A pretrained model, source, number of sentences, epoch, settings, test language and WVS category: the mean over the \
fine-tuning languages, each the mean over its monolingual runs."""
paper = "Echoes Figure 8"
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
sentences = "Sentences each run was given."
epoch = "Epochs done."
settings = "How the runs were trained: epochs, batch size, learning rate and what else differs between setups."
language = "Test language."
category = "Short name of the WVS category."
unchanged = """\
Percentage of the category's probes whose answer equals the base checkpoint's: mean over the runs of a fine-tuning \
language, then over the languages."""
ft_languages = "Fine-tuning languages of the runs in the mean, comma-separated."
runs = "Runs in the mean."
probes = "Probes, all runs together."

[intervals]
unchanged_low = "Lower end of the 95% interval of unchanged."
unchanged_high = "Its upper end."
seeds = "Seeds of the runs in the mean."
seed_sd = "Standard deviation over the seeds of the mean over a seed's runs, of a sample; NULL of a single seed."
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
