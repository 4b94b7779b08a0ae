/*
question = "How near are a model's values in a language to those of the people of a country?"
grain = """\
A checkpoint (pretrained, or the last of its run), a test language and a country, over the questions that both \
profiles have."""
paper = "Echoes sections 5.1 and 6"
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

[parameters.survey]
type = "text"
about = "Survey of the countries' profiles: the last by name, an illustrative one only where there is no other."
default_sql = "default_survey()"
values_from = "v_country_profile.survey"

[parameters.weighting]
type = "text"
about = "Whether interviewees are weighted: weighted where the survey has weights."
default_sql = "default_weighting($survey)"
values = ["weighted", "unweighted"]

[parameters.countries]
type = "text[]"
about = """\
Countries to align with (ISO 3166-1 alpha-2): DE, PK, RS, VN where the survey has them, else those of the \
languages with probes."""
default_sql = "alignment_countries($survey)"
values_from = "v_country_profile.country"

[parameters.strategies]
type = "text[]"
about = "Only checkpoints made in one of these ways."
default = ["pretrained", "monolingual", "multilingual", "continued"]
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
checkpoint_id = "Key of the checkpoint."
checkpoint = "Its name: the pretrained model's, or run/epoch-N."
model = "Pretrained model that it descends from."
source = "Fine-tuning source; NULL for a pretrained model."
ft_languages = "Fine-tuning languages, comma-separated; NULL for a pretrained model."
strategy = "pretrained, monolingual, multilingual, or continued: from a checkpoint of a fine-tuning run."
sentences = "Sentences the run was given; NULL for a pretrained model."
seed = "Seed of the run; NULL for a pretrained model."
epoch = "Epochs done; 0 for a pretrained model."
language = "Test language."
country = "Country (ISO 3166-1 alpha-2)."
rho = """\
Spearman's correlation of the two profiles, ties sharing their average rank; NULL where one profile is constant."""
n = "Questions that both have."
p_value = """\
Two-sided p-value of rho by Student's t with n - 2 degrees of freedom; not corrected for the number of rows."""

[intervals]
rho_low = "Lower end of the 95% interval of rho."
rho_high = "Its upper end."
p_holm = "p_value corrected for the number of rows after Holm."
*/
WITH chosen AS (
    FROM selected_checkpoints($strategies, $model, $source, $sentences, $seed, $epoch)
),
correlations AS (
    SELECT checkpoint_id, language, country, rho, n, spearman_p(rho, n) AS p_value
    FROM profile_correlations(
        (SELECT list(checkpoint_id) FROM chosen), $score, $probe_set, $survey, $weighting, $countries
    )
),
intervals AS (
    SELECT
        checkpoint_id, language, country,
        interval_low(rho, resample) AS rho_low,
        interval_high(rho, resample) AS rho_high
    FROM resampled_correlations(
        (SELECT list(checkpoint_id) FROM chosen), $score, $probe_set, $survey, $weighting, $countries, $ci
    )
    GROUP BY ALL
),
steps AS (
    SELECT *, holm_step(p_value) AS step FROM correlations
)
SELECT
    checkpoint_id,
    checkpoint_name(k.model, k.run, k.epoch) AS checkpoint,
    k.model,
    k.source,
    k.ft_languages,
    k.strategy,
    k.sentences,
    k.seed,
    k.epoch,
    c.language,
    c.country,
    c.rho,
    i.rho_low,
    i.rho_high,
    c.n,
    c.p_value,
    holm(c.step, c.p_value) AS p_holm
FROM steps c
JOIN chosen k USING (checkpoint_id)
LEFT JOIN intervals i USING (checkpoint_id, language, country)
ORDER BY
    k.model, k.source NULLS FIRST, k.strategy, k.ft_languages, k.sentences, k.seed, k.epoch, k.run, k.digest,
    c.language, c.country
