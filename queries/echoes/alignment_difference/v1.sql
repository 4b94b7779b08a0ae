/*
question = "Are values nearer to those of the people of a country in one model, or after one source, than in another?"
grain = """\
Two pretrained models or sources, number of sentences, strategy, epoch, settings, test language and country, and for the \
multilingual strategy a set of fine-tuning languages: the mean over the fine-tuning languages, each the mean over pairs \
of runs that are alike in all else, seed included."""
paper = "Echoes sections 5.1 and 6.1"
reason = "First version."
parameters = [
    "profile.score", "probe_set", "survey", "weighting", "countries", "source_a", "source_b", "model_a", "model_b",
    "compared.strategies", "sentences", "seed", "epoch", "averaged.ci",
]
columns = [
    "model_a", "model_b", "source_a", "source_b", "sentences", "strategy", "epoch", "settings", "language", "country",
    "difference", "rho_a", "rho_b", "ft_languages", "pairs", "n",
]
intervals = ["difference_low", "difference_high", "seeds", "seed_sd", "p", "p_family"]

[parameter.source_a]
type = "text"
about = """\
First source. Not given, the first by name if a single pretrained model has profiles, else none: models are compared, each \
on the same source."""
default_sql = """\
(SELECT CASE WHEN count(DISTINCT model) = 1 THEN min(source) END FROM v_checkpoint WHERE \
checkpoint_id IN (SELECT checkpoint_id FROM model_profiles($score)))"""
values_from = "v_checkpoint.source"

[parameter.source_b]
type = "text"
about = "Second source: the last by name, likewise."
default_sql = """\
(SELECT CASE WHEN count(DISTINCT model) = 1 THEN max(source) END FROM v_checkpoint WHERE \
checkpoint_id IN (SELECT checkpoint_id FROM model_profiles($score)))"""
values_from = "v_checkpoint.source"

[parameter.model_a]
type = "text"
about = "First pretrained model: the first by name, unless sources are compared, each with the same model."
default_sql = """\
(SELECT min(model) FROM v_checkpoint WHERE $source_a IS NULL AND checkpoint_id IN (SELECT checkpoint_id FROM model_profiles($score)))"""
values_from = "v_checkpoint.model"

[parameter.model_b]
type = "text"
about = "Second pretrained model: the last by name, likewise."
default_sql = """\
(SELECT max(model) FROM v_checkpoint WHERE $source_b IS NULL AND checkpoint_id IN (SELECT checkpoint_id FROM model_profiles($score)))"""
values_from = "v_checkpoint.model"

[parameter.strategies]
about = "Only checkpoints made this way."
default = ["pretrained", "monolingual", "multilingual"]

[column]
model_a = "First pretrained model, or that which the first runs started from."
model_b = "Second."
source_a = "Source of the first runs; NULL of pretrained models."
source_b = "Source of the second."
strategy = "pretrained, monolingual, multilingual, or continued: from a checkpoint of a fine-tuning run."
sentences = "Sentences each run was given; NULL of pretrained models."
settings = "How the runs were trained; NULL of pretrained models."
difference = """\
First rho minus second, each as in alignment: mean over the pairs of a fine-tuning language, then over the languages; \
positive if the first is nearer."""
rho_a = "First rho, the same mean."
rho_b = "Second rho, the same mean."
ft_languages = "Fine-tuning languages of the runs in the mean, separated by semicolons; NULL of pretrained models."
pairs = "Pairs in the mean: those where both rho are defined."
n = "Fewest questions behind any rho in the mean."
p = "Two-sided p-value of difference by the standard error of its interval; NULL where there is none."
p_family = "p corrected by Holm (1979) for the rows of the same two models or sources, setup and strategy that are returned."
*/
WITH chosen AS (
    FROM selected_checkpoints($strategies, NULL, NULL, $sentences, $seed, $epoch)
),
pairs AS (
    SELECT
        a.checkpoint_id AS checkpoint_a,
        b.checkpoint_id AS checkpoint_b,
        a.model AS model_a,
        b.model AS model_b,
        a.source AS source_a,
        b.source AS source_b,
        a.sentences,
        a.strategy,
        a.epoch,
        a.settings,
        a.ft_languages,
        a.seed,
        CASE WHEN a.strategy <> 'monolingual' THEN a.ft_languages END AS mixture,
        concat_ws(' ', a.run, b.run) AS pair
    FROM chosen a
    JOIN chosen b
        ON b.strategy = a.strategy AND b.epoch = a.epoch
        AND b.sentences IS NOT DISTINCT FROM a.sentences
        AND b.settings IS NOT DISTINCT FROM a.settings
        AND b.ft_languages IS NOT DISTINCT FROM a.ft_languages
        AND b.seed IS NOT DISTINCT FROM a.seed
        AND (b.model, b.source) IS DISTINCT FROM (a.model, a.source)
    WHERE matches($model_a, a.model) AND matches($model_b, b.model)
      AND matches($source_a, a.source) AND matches($source_b, b.source)
      -- what is not compared is the same
      AND (a.model = b.model OR ($model_a IS NOT NULL AND $model_b IS NOT NULL))
      AND (a.source IS NOT DISTINCT FROM b.source OR ($source_a IS NOT NULL AND $source_b IS NOT NULL))
),
involved AS (
    SELECT checkpoint_a AS checkpoint_id FROM pairs
    UNION
    SELECT checkpoint_b FROM pairs
),
correlations AS MATERIALIZED (
    FROM profile_correlations(
        (SELECT list(checkpoint_id) FROM involved), $score, $probe_set, $survey, $weighting, $countries,
        CASE WHEN $ci IS NOT NULL THEN 'answers' END
    )
),
runs AS MATERIALIZED (
    SELECT
        k.*,
        a.language,
        a.country,
        a.left_out,
        a.rho - b.rho AS difference,
        a.rho AS rho_a,
        b.rho AS rho_b,
        least(a.n, b.n) AS n,
        least(a.effective_batteries, b.effective_batteries) AS effective_batteries,
        dense_rank() OVER (
            ORDER BY
                model_a, model_b, source_a, source_b, sentences, strategy, epoch, settings, mixture, a.language, a.country
        ) AS cell
    FROM pairs k
    JOIN correlations a ON a.checkpoint_id = k.checkpoint_a
    JOIN correlations b
        ON b.checkpoint_id = k.checkpoint_b AND b.language = a.language AND b.country = a.country
        AND b.left_out = a.left_out
    -- without a battery it may be undefined: then there is no standard error
    WHERE a.left_out > 0 OR a.rho - b.rho IS NOT NULL
),
languages AS (
    SELECT
        cell, ft_languages, left_out,
        kept_mean(difference, pair, left_out) AS difference,
        kept_mean(rho_a, pair, left_out) AS rho_a,
        kept_mean(rho_b, pair, left_out) AS rho_b,
        count(*) AS pairs,
        min(n) AS n,
        sum(n) AS items,
        min(effective_batteries) AS effective_batteries
    FROM runs
    GROUP BY cell, ft_languages, left_out
),
means AS (
    SELECT
        cell, left_out,
        kept_mean(difference, ft_languages, left_out) AS difference,
        kept_mean(rho_a, ft_languages, left_out) AS rho_a,
        kept_mean(rho_b, ft_languages, left_out) AS rho_b,
        string_agg(ft_languages, ';' ORDER BY ft_languages) FILTER (WHERE left_out = 0) AS ft_languages,
        sum(pairs)::BIGINT AS pairs,
        min(n) AS n,
        sum(items) AS items,
        min(effective_batteries) AS effective_batteries
    FROM languages
    GROUP BY cell, left_out
),
seeds AS (
    SELECT cell, max(seeds) AS seeds, seed_spread(list(values)) AS spread
    FROM (
        SELECT cell, ft_languages, count(*) AS seeds, in_order(difference, seed) AS values
        FROM (
            SELECT cell, ft_languages, seed, mean(difference, pair) AS difference
            FROM runs
            WHERE left_out = 0 AND $ci IS NOT NULL AND seed IS NOT NULL
            GROUP BY cell, ft_languages, seed
        )
        GROUP BY cell, ft_languages
    )
    GROUP BY cell
),
cells AS MATERIALIZED (
    SELECT
        cell,
        observed(difference, left_out) AS difference,
        by_answers(replicates(difference, items, left_out), min(effective_batteries)) AS answers,
        observed(rho_a, left_out) AS rho_a,
        observed(rho_b, left_out) AS rho_b,
        observed(ft_languages, left_out) AS ft_languages,
        observed(pairs, left_out) AS pairs,
        observed(n, left_out) AS n
    FROM means
    GROUP BY cell
),
setups AS (
    SELECT DISTINCT
        cell, model_a, model_b, source_a, source_b, sentences, strategy, epoch, settings, language, country
    FROM runs
    WHERE left_out = 0
),
estimates AS MATERIALIZED (
    SELECT cell, varied($ci, answers, spread, 1) AS estimate, seeds, spread.sd AS seed_sd
    FROM cells
    LEFT JOIN seeds USING (cell)
),
families AS (
    FROM holm((
        SELECT list({
            'key': cell,
            'family': [model_a, model_b, source_a, source_b, sentences::VARCHAR, strategy, epoch::VARCHAR, settings],
            'p': t_p({'value': estimate.value, 'se': estimate.se, 'df': estimate.fewest})
        })
        FROM estimates
        JOIN setups USING (cell)
    ))
)
SELECT
    model_a,
    model_b,
    source_a,
    source_b,
    sentences,
    strategy,
    epoch,
    settings,
    language,
    country,
    difference,
    t_low(estimate) AS difference_low,
    t_high(estimate) AS difference_high,
    t_p(estimate) AS p,
    p_family,
    seeds,
    seed_sd,
    rho_a,
    rho_b,
    ft_languages,
    pairs,
    n
FROM cells
JOIN setups USING (cell)
JOIN estimates USING (cell)
LEFT JOIN families ON key = cell
ORDER BY cell
