/*
question = "Does fine-tuning bring a model's values in a language nearer to those of the people of a country?"
grain = """\
A pretrained model, checkpoint that the runs started from, source, number of sentences, strategy, epoch, settings, \
test language and country, and except for the monolingual strategy a set of fine-tuning languages: the mean over the \
fine-tuning languages, each the mean over its runs."""
paper = "Echoes Table 3"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = [
    "profile.score", "probe_set", "survey", "weighting", "countries", "strategies", "model", "source", "sentences",
    "seed", "epoch", "averaged.ci",
]
columns = [
    "model", "base", "source", "sentences", "run.strategy", "epoch", "settings", "language", "country", "change",
    "rho_before", "rho_after", "ft_languages", "runs", "n",
]
intervals = ["change_low", "change_high", "seeds", "seed_sd", "p", "p_family"]

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
p = "Two-sided p-value of change by the standard error of its interval; NULL where there is none."
*/
WITH chosen AS (
    FROM selected_checkpoints($strategies, $model, $source, $sentences, $seed, $epoch)
),
involved AS (
    SELECT checkpoint_id FROM chosen
    UNION
    SELECT base_checkpoint_id FROM chosen
),
correlations AS MATERIALIZED (
    FROM profile_correlations(
        (SELECT list(checkpoint_id) FROM involved), $score, $probe_set, $survey, $weighting, $countries,
        CASE WHEN $ci IS NOT NULL THEN 'battery' END
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
        a.left_out,
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
        AND b.left_out = a.left_out
    -- without a battery it may be undefined: then there is no standard error
    WHERE a.left_out > 0 OR a.rho - b.rho IS NOT NULL
),
languages AS (
    SELECT
        * EXCLUDE (seed, run, change, rho_before, rho_after, n),
        kept_mean(change, run, left_out) AS change,
        kept_mean(rho_before, run, left_out) AS rho_before,
        kept_mean(rho_after, run, left_out) AS rho_after,
        count(*) AS runs,
        min(n) AS n,
        sum(n) AS items
    FROM runs
    GROUP BY ALL
),
means AS (
    SELECT
        * EXCLUDE (ft_languages, change, rho_before, rho_after, runs, n, items),
        kept_mean(change, ft_languages, left_out) AS change,
        kept_mean(rho_before, ft_languages, left_out) AS rho_before,
        kept_mean(rho_after, ft_languages, left_out) AS rho_after,
        string_agg(ft_languages, ';' ORDER BY ft_languages) FILTER (WHERE left_out = 0) AS ft_languages,
        sum(runs)::BIGINT AS runs,
        min(n) AS n,
        sum(items) AS items
    FROM languages
    GROUP BY ALL
),
seeds AS (
    SELECT * EXCLUDE (ft_languages, values, seeds), max(seeds) AS seeds, seed_spread(list(values)) AS spread
    FROM (
        SELECT * EXCLUDE (seed, change), count(*) AS seeds, in_order(change, seed) AS values
        FROM (
            SELECT * EXCLUDE (run, left_out, change, rho_before, rho_after, n), mean(change, run) AS change
            FROM runs
            WHERE left_out = 0 AND $ci IS NOT NULL
            GROUP BY ALL
        )
        GROUP BY ALL
    )
    GROUP BY ALL
),
cells AS MATERIALIZED (
    SELECT
        model, base, source, sentences, strategy, epoch, settings, mixture, language, country,
        row_number() OVER (
            ORDER BY model, base, source, sentences, strategy, epoch, settings, mixture, language, country
        ) AS cell,
        observed(change, left_out) AS change,
        replicates(change, items, left_out) AS changes,
        observed(rho_before, left_out) AS rho_before,
        observed(rho_after, left_out) AS rho_after,
        observed(ft_languages, left_out) AS ft_languages,
        observed(runs, left_out) AS runs,
        observed(n, left_out) AS n
    FROM means
    GROUP BY model, base, source, sentences, strategy, epoch, settings, mixture, language, country
),
families AS (
    FROM family_over(
        $ci,
        (
            SELECT list({
                'key': cell,
                'family': [model, base, source, sentences::VARCHAR, strategy, epoch::VARCHAR, settings],
                'rows': changes,
                'spread': spread
            })
            FROM cells
            LEFT JOIN seeds USING (model, base, source, sentences, strategy, epoch, settings, mixture, language, country)
        ),
        $probe_set
    )
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
    mean_low($ci, changes, spread) AS change_low,
    mean_high($ci, changes, spread) AS change_high,
    mean_p($ci, changes, spread) AS p,
    p_family,
    seeds,
    spread.sd AS seed_sd,
    rho_before,
    rho_after,
    ft_languages,
    runs,
    n
FROM cells
LEFT JOIN families ON key = cell
LEFT JOIN seeds USING (model, base, source, sentences, strategy, epoch, settings, mixture, language, country)
ORDER BY model, base, source, sentences, strategy, epoch, settings, mixture, language, country
