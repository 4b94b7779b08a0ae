/*
question = "How near are a model's values in a language to those of the people of a country?"
grain = """\
A checkpoint (pretrained, or the last of its run), a test language and a country, over the questions that both \
profiles have."""
paper = "Echoes sections 5.1 and 6"
reason = "First version."
parameters = [
    "score", "probe_set", "survey", "weighting", "countries", "compared.strategies", "model", "source", "sentences",
    "seed", "epoch", "ci",
]
columns = [
    "checkpoint.checkpoint_id", "checkpoint.checkpoint", "checkpoint.model", "checkpoint.source",
    "checkpoint.ft_languages", "checkpoint.strategy", "checkpoint.sentences", "checkpoint.seed", "checkpoint.epoch",
    "language", "country", "rho", "n", "p_value",
]
intervals = ["rho_low", "rho_high", "p_holm"]

[parameter.strategies]
about = "Only checkpoints made in one of these ways."
default = ["pretrained", "monolingual", "multilingual", "continued"]

[column]
rho = "Spearman's correlation of the two profiles, ties sharing their average rank; NULL where one profile is constant."
n = "Questions that both have."
p_value = "Two-sided p-value of rho by Student's t with n - 2 degrees of freedom; not corrected for the number of rows."
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
