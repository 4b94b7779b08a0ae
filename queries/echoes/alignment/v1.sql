/*
question = "How near are a model's values in a language to those of the people of a country?"
grain = """\
A checkpoint (pretrained, or the last of its run), a test language and a country, over the questions that both \
profiles have."""
paper = "Echoes sections 5.1 and 6"
reason = """\
Intervals and p-values by batteries of questions, joined where they have the same two answers; before, questions were \
taken for independent."""
parameters = [
    "profile.score", "probe_set", "survey", "weighting", "countries", "compared.strategies", "model", "source",
    "sentences", "seed", "epoch", "own_country_only", "ci",
]
columns = [
    "checkpoint.checkpoint_id", "checkpoint.checkpoint", "checkpoint.model", "checkpoint.source",
    "checkpoint.ft_languages", "checkpoint.strategy", "checkpoint.sentences", "checkpoint.seed", "checkpoint.epoch",
    "language", "country", "own_country", "rho", "n",
]
intervals = ["rho_low", "rho_high", "p_value", "p_family", "design_effect"]

[parameter.strategies]
about = "Only checkpoints made in one of these ways."
default = ["pretrained", "monolingual", "multilingual", "continued"]

[parameter.own_country_only]
type = "boolean"
about = "true: of each test language the countries where it is spoken, whatever countries says; no unless given."

[column]
own_country = "Whether the test language is spoken there, as the probes' languages are assigned to countries."
rho = "Spearman's correlation of the two profiles, ties sharing their average rank; NULL where one profile is constant."
n = "Questions that both have."
p_value = """\
Two-sided p-value of rho by its standard error, over batteries of questions joined where they have the same two answers in \
the test language; not corrected for the number of rows. NULL below 10 effective batteries or 2 effective pairs of answers."""
p_family = """\
p_value corrected by Holm (1979) for the rows of the same table that are returned: those of one pretrained model, source, \
number of sentences, epoch, settings and strategy."""
design_effect = "Squared standard error of rho, the same, over that of as many independent questions."
*/
WITH chosen AS (
    FROM selected_checkpoints($strategies, $model, $source, $sentences, $seed, $epoch)
),
correlations AS MATERIALIZED (
    FROM profile_correlations(
        (SELECT list(checkpoint_id) FROM chosen), $score, $probe_set, $survey, $weighting,
        CASE WHEN $own_country_only THEN probed_countries() ELSE $countries END,
        CASE WHEN $ci IS NOT NULL THEN 'answers' END
    )
    WHERE $own_country_only IS DISTINCT FROM TRUE
       OR (language, country) IN (SELECT (l.language, l.country) FROM v_language_country l)
),
cells AS MATERIALIZED (
    SELECT
        checkpoint_id, language, country,
        row_number() OVER (ORDER BY checkpoint_id, language, country) AS cell,
        observed(rho, left_out) AS rho,
        observed(n, left_out) AS n,
        by_answers(on_fisher_scale(replicates(rho, n, left_out)), any_value(effective_batteries)) AS z
    FROM correlations
    GROUP BY checkpoint_id, language, country
),
families AS (
    FROM holm((
        SELECT list({
            'key': cell,
            'family': [model, source, sentences::VARCHAR, epoch::VARCHAR, settings, strategy],
            'p': t_p(z)
        })
        FROM cells
        JOIN chosen USING (checkpoint_id)
    ))
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
    (c.language, c.country) IN (SELECT (l.language, l.country) FROM v_language_country l) AS own_country,
    c.rho,
    tanh(t_low(c.z)) AS rho_low,
    tanh(t_high(c.z)) AS rho_high,
    c.n,
    t_p(c.z) AS p_value,
    f.p_family,
    rho_design_effect(c.z, c.n) AS design_effect
FROM cells c
JOIN chosen k USING (checkpoint_id)
LEFT JOIN families f ON f.key = c.cell
ORDER BY
    k.model, k.source NULLS FIRST, k.strategy, k.ft_languages, k.sentences, k.seed, k.epoch, k.run, k.digest,
    c.language, c.country
