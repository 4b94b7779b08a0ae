/*
question = "Does fine-tuning bring a model's values in a language nearer to those of the people of a country?"
grain = """\
A pretrained model, checkpoint that the runs started from, source, number of sentences, strategy, epoch, settings, \
test language and country, and except for the monolingual strategy a set of fine-tuning languages: the mean over the \
fine-tuning languages, each the mean over its runs."""
paper = "Echoes Table 3"
reason = "First version."
parameters = [
    "score", "probe_set", "survey", "weighting", "countries", "strategies", "model", "source", "sentences", "seed",
    "epoch", "ci",
]
columns = [
    "model", "base", "source", "sentences", "run.strategy", "epoch", "settings", "language", "country", "change",
    "rho_before", "rho_after", "ft_languages", "runs", "n",
]
intervals = ["change_low", "change_high", "seeds", "seed_sd", "p", "p_holm"]

[parameter.strategies]
values = ["monolingual", "multilingual", "continued"]

[column]
model = "Pretrained model that the runs descend from."
base = "Name of the checkpoint that they started from: the model's own, or run/epoch-N for continued runs."
change = """\
Rho after fine-tuning minus rho before, each as in alignment: mean over the runs of a fine-tuning language, then over \
the languages; positive is nearer."""
rho_before = "Rho of the base checkpoints, the same mean."
rho_after = "Rho of the fine-tuned checkpoints, the same mean."
ft_languages = "Fine-tuning languages of the runs in the mean, separated by semicolons."
runs = "Runs in the mean: those where both rho are defined."
n = "Fewest questions behind any rho in the mean."
p = "Two-sided p-value of change by the resamples: by chance, it would be on either side of 0."
*/
WITH chosen AS (
    FROM selected_checkpoints($strategies, $model, $source, $sentences, $seed, $epoch)
),
involved AS (
    SELECT checkpoint_id FROM chosen
    UNION
    SELECT base_checkpoint_id FROM chosen
),
correlations AS (
    SELECT checkpoint_id, language, country, 0 AS resample, rho, n
    FROM profile_correlations(
        (SELECT list(checkpoint_id) FROM involved), $score, $probe_set, $survey, $weighting, $countries
    )
    UNION ALL
    SELECT checkpoint_id, language, country, resample, rho, NULL
    FROM resampled_correlations(
        (SELECT list(checkpoint_id) FROM involved), $score, $probe_set, $survey, $weighting, $countries, $ci
    )
),
runs AS (
    SELECT
        k.model,
        checkpoint_name(base.model, base.run, base.epoch) AS base,
        k.source,
        k.sentences,
        k.strategy,
        k.epoch,
        k.settings,
        k.ft_languages,
        k.seed,
        k.run,
        a.language,
        a.country,
        a.resample,
        a.rho - b.rho AS change,
        b.rho AS rho_before,
        a.rho AS rho_after,
        least(a.n, b.n) AS n,
        CASE WHEN k.strategy = 'monolingual' THEN '' ELSE k.ft_languages END AS mixture
    FROM chosen k
    JOIN v_checkpoint base ON base.checkpoint_id = k.base_checkpoint_id
    JOIN correlations a ON a.checkpoint_id = k.checkpoint_id
    JOIN correlations b
        ON b.checkpoint_id = k.base_checkpoint_id AND b.language = a.language AND b.country = a.country
        AND b.resample = a.resample
    -- of the difference: a condition on either rho would be moved into its computation, and take it twice
    WHERE a.rho - b.rho IS NOT NULL
),
languages AS (
    SELECT
        * EXCLUDE (seed, run, change, rho_before, rho_after, n),
        drawn_mean(change, run, 1, resample) AS change,
        drawn_mean(rho_before, run, 1, resample) AS rho_before,
        drawn_mean(rho_after, run, 1, resample) AS rho_after,
        count(*) AS runs,
        min(n) AS n
    FROM runs
    GROUP BY ALL
),
means AS (
    SELECT
        * EXCLUDE (ft_languages, change, rho_before, rho_after, runs, n),
        drawn_mean(change, ft_languages, 1, resample) AS change,
        drawn_mean(rho_before, ft_languages, 1, resample) AS rho_before,
        drawn_mean(rho_after, ft_languages, 1, resample) AS rho_after,
        string_agg(ft_languages, ';' ORDER BY ft_languages) FILTER (WHERE resample = 0) AS ft_languages,
        sum(runs)::BIGINT AS runs,
        min(n) AS n
    FROM languages
    GROUP BY ALL
),
seeds AS (
    SELECT
        * EXCLUDE (seed, change),
        count(*) AS seeds,
        stddev_samp(change ORDER BY seed) AS seed_sd
    FROM (
        SELECT
            * EXCLUDE (ft_languages, run, resample, change, rho_before, rho_after, n),
            mean(change, run) AS change
        FROM runs
        WHERE resample = 0 AND $ci
        GROUP BY ALL
    )
    GROUP BY ALL
),
cells AS (
    SELECT
        model, base, source, sentences, strategy, epoch, settings, mixture, language, country,
        observed(change, resample) AS change,
        interval_low(change, resample) AS change_low,
        interval_high(change, resample) AS change_high,
        bootstrap_p(change, resample) AS p,
        observed(rho_before, resample) AS rho_before,
        observed(rho_after, resample) AS rho_after,
        observed(ft_languages, resample) AS ft_languages,
        observed(runs, resample) AS runs,
        observed(n, resample) AS n
    FROM means
    GROUP BY ALL
),
steps AS (
    SELECT *, holm_step(p) AS step FROM cells
)
SELECT
    model,
    base,
    source,
    sentences,
    strategy,
    epoch,
    settings,
    language,
    country,
    change,
    change_low,
    change_high,
    p,
    holm(step, p) AS p_holm,
    seeds,
    seed_sd,
    rho_before,
    rho_after,
    ft_languages,
    runs,
    n
FROM steps
LEFT JOIN seeds USING (model, base, source, sentences, strategy, epoch, settings, mixture, language, country)
ORDER BY model, base, source, sentences, strategy, epoch, settings, mixture, language, country
