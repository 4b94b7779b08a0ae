/*
question = "Does fine-tuning bring a model's values in a language nearer to those of the people of a country?"
grain = """\
A pretrained model, source, number of sentences, strategy, epoch, test language and country: the mean over the \
runs, which for the monolingual strategy are one or more per fine-tuning language."""
paper = "Echoes Table 3"
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
about = "Only runs of these kinds."
default = ["monolingual", "multilingual"]
values = ["monolingual", "multilingual"]

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

[columns]
model = "Pretrained model that the runs started from."
source = "Fine-tuning source."
sentences = "Sentences each run was given."
strategy = "monolingual or multilingual."
epoch = "Epochs done."
language = "Test language."
country = "Country (ISO 3166-1 alpha-2)."
change = "Mean over the runs of rho after fine-tuning minus rho before, each rho as in alignment; positive is nearer."
rho_before = "Mean rho of the runs' base checkpoints."
rho_after = "Mean rho of the fine-tuned checkpoints."
ft_languages = "Fine-tuning languages of the runs in the mean, separated by semicolons."
runs = "Runs in the mean: those where both rho are defined."
n = "Fewest questions behind any rho in the mean."
*/
WITH chosen AS (
    FROM v_checkpoint
    WHERE list_contains($strategies, strategy)
      AND at_epoch($epoch, epoch, is_final)
      AND matches($model, model)
      AND matches($source, source)
      AND matches($sentences, sentences)
      AND matches($seed, seed)
),
involved AS (
    SELECT checkpoint_id FROM chosen
    UNION
    SELECT base_checkpoint_id FROM chosen
),
correlations AS (
    FROM profile_correlations(
        (SELECT list(checkpoint_id) FROM involved), $score, $probe_set, $survey, $weighting, $countries
    )
    WHERE rho IS NOT NULL
)
SELECT
    k.model,
    k.source,
    k.sentences,
    k.strategy,
    k.epoch,
    a.language,
    a.country,
    mean(a.rho - b.rho, k.run) AS change,
    mean(b.rho, k.run) AS rho_before,
    mean(a.rho, k.run) AS rho_after,
    string_agg(DISTINCT k.ft_languages, ';' ORDER BY k.ft_languages) AS ft_languages,
    count(*) AS runs,
    min(least(a.n, b.n)) AS n
FROM chosen k
JOIN correlations a ON a.checkpoint_id = k.checkpoint_id
JOIN correlations b
    ON b.checkpoint_id = k.base_checkpoint_id AND b.language = a.language AND b.country = a.country
GROUP BY k.model, k.source, k.sentences, k.strategy, k.epoch, a.language, a.country
ORDER BY k.model, k.source, k.sentences, k.strategy, k.epoch, a.language, a.country
