/*
question = "On which themes do checkpoints answer alike?"
grain = """\
A pair of checkpoints, the smaller model first, and a WVS category: the share of equal answers in each test \
language, then the mean of the languages."""
paper = "Echoes Figure 7 top; dissertation Table E.1"
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
about = "Only checkpoints made this way; list several to compare them."
default = ["pretrained"]
values = ["pretrained", "monolingual", "multilingual", "continued"]

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
checkpoint_id_a = "Key of the first checkpoint."
checkpoint_a = "Its name: the pretrained model's, or run/epoch-N."
checkpoint_id_b = "Key of the second checkpoint."
checkpoint_b = "Its name."
category = "Short name of the WVS category."
agreement = "Mean over the languages of the percentage of the category's probes with equal answers."
languages = "Languages in the mean."
probes = "Probes that both answered, all languages together."

[intervals]
agreement_low = "Lower end of the 95% interval of agreement."
agreement_high = "Its upper end."
*/
WITH means AS (
    SELECT
        place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, category, resample,
        drawn_mean(100.0 * alike / probes, language, 1, resample) AS agreement,
        count(*) AS languages,
        sum(probes)::BIGINT AS probes
    FROM agreement_cells($score, $probe_set, $strategies, $model, $source, $sentences, $seed, $epoch, $ci)
    GROUP BY ALL
)
SELECT
    checkpoint_id_a,
    checkpoint_a,
    checkpoint_id_b,
    checkpoint_b,
    category,
    observed(agreement, resample) AS agreement,
    interval_low(agreement, resample) AS agreement_low,
    interval_high(agreement, resample) AS agreement_high,
    observed(languages, resample) AS languages,
    observed(probes, resample) AS probes
FROM means
GROUP BY place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, category
ORDER BY place_a, place_b, category
