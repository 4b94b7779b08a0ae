/*
question = "Which share of a model's values did fine-tuning leave as they were?"
grain = """\
A fine-tuned checkpoint (the last of its run) and a test language, over the probes that it and its base \
checkpoint answered."""
paper = "Echoes Figures 2 and 9"
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

[parameters.strategies]
type = "text[]"
about = "Only runs of these kinds."
default = ["monolingual", "multilingual", "continued"]
values = ["monolingual", "multilingual", "continued"]

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
run = "Name of the run."
model = "Pretrained model that the run started from."
source = "Fine-tuning source."
ft_languages = "Fine-tuning languages, comma-separated."
strategy = "monolingual, multilingual, or continued: from a checkpoint of a fine-tuning run."
sentences = "Sentences the run was given, training and development together."
seed = "Seed of the run."
epoch = "Epochs done."
settings = "How the run was trained: epochs, batch size, learning rate and what else differs between setups."
language = "Test language."
unchanged = "Percentage of probes whose answer equals the base checkpoint's."
probes = "Probes that both answered."

[intervals]
unchanged_low = "Lower end of the 95% interval of unchanged."
unchanged_high = "Its upper end."
*/
WITH shares AS (
    SELECT
        run, model, source, ft_languages, strategy, sentences, seed, epoch, settings, language, resample,
        100.0 * sum(unchanged) / sum(probes) AS unchanged,
        sum(probes)::BIGINT AS probes
    FROM unchanged_counts($score, $probe_set, $strategies, $model, $source, $sentences, $seed, $epoch, FALSE, $ci)
    GROUP BY ALL
)
SELECT
    run,
    model,
    source,
    ft_languages,
    strategy,
    sentences,
    seed,
    epoch,
    settings,
    language,
    observed(unchanged, resample) AS unchanged,
    interval_low(unchanged, resample) AS unchanged_low,
    interval_high(unchanged, resample) AS unchanged_high,
    observed(probes, resample) AS probes
FROM shares
GROUP BY ALL
ORDER BY model, source, strategy, ft_languages, sentences, seed, epoch, run, language
