/*
question = "Does fine-tuning on several languages at once leave as many values as they were as fine-tuning on one?"
grain = """\
A pretrained model, source, number of sentences in all, epoch, settings, mixture of fine-tuning languages, strategy \
(multilingual, monolingual_mean, difference) and test language. monolingual_mean is over the runs on one of the \
mixture's languages alone that are alike otherwise; difference is the first less the second, in percentage points, over \
the seeds in which the mixture and each of these languages have runs."""
paper = "Echoes Table 2 and Figure 10"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "model", "source", "sentences", "seed", "epoch", "averaged.ci"]
columns = [
    "model", "source", "sentences", "epoch", "settings", "mixture", "strategy", "language", "unchanged", "ft_languages",
    "runs", "probes",
]
intervals = ["unchanged_low", "unchanged_high", "p", "p_family", "seeds", "seed_sd"]

[column]
sentences = "Sentences each run was given, all languages together."
mixture = "Fine-tuning languages of the multilingual runs, comma-separated."
strategy = "multilingual: runs on the mixture; monolingual_mean: runs on each of its languages; difference: between these."
unchanged = """\
Percentage of probes whose answer equals the base checkpoint's: mean over the runs of a fine-tuning language, then \
over the languages; of the mixture, mean over its runs."""
p = "Two-sided p-value of a difference by the standard error of its interval; NULL of other rows."
ft_languages = "Fine-tuning languages of the runs in the mean, separated by semicolons."
*/
WITH runs AS (
    SELECT
        model, source, sentences, epoch, settings, strategy, ft_languages, seed, run, language, left_out,
        100.0 * sum(unchanged) / sum(probes) AS unchanged,
        sum(probes)::BIGINT AS probes
    FROM unchanged_counts(
        $score, $probe_set, ['monolingual', 'multilingual'], $model, $source, $sentences, $seed, $epoch, FALSE,
        $ci IS NOT NULL
    )
    GROUP BY ALL
),
mixtures AS (
    SELECT DISTINCT model, source, sentences, epoch, settings, ft_languages AS mixture
    FROM runs
    WHERE strategy = 'multilingual'
),
compared AS (
    SELECT
        r.* REPLACE (CASE strategy WHEN 'multilingual' THEN strategy ELSE 'monolingual_mean' END AS strategy), mixture
    FROM runs r
    JOIN mixtures USING (model, source, sentences, epoch, settings)
    WHERE r.ft_languages = mixture
       OR r.strategy = 'monolingual' AND list_contains(string_split(mixture, ','), r.ft_languages)
),
languages AS (
    SELECT
        * EXCLUDE (seed, run, unchanged, probes),
        kept_mean(unchanged, run, left_out) AS unchanged,
        count(*) AS runs,
        sum(probes) AS probes
    FROM compared
    GROUP BY ALL
),
means AS (
    SELECT
        model, source, sentences, epoch, settings, mixture, strategy, language, left_out,
        kept_mean(unchanged, ft_languages, left_out) AS unchanged,
        string_agg(ft_languages, ';' ORDER BY ft_languages) FILTER (WHERE left_out = 0) AS ft_languages,
        sum(runs)::BIGINT AS runs,
        sum(probes)::BIGINT AS probes
    FROM languages
    GROUP BY ALL
),
seeds AS (
    SELECT * EXCLUDE (ft_languages, values, seeds), max(seeds) AS seeds, seed_spread(list(values)) AS spread
    FROM (
        SELECT * EXCLUDE (seed, unchanged), count(*) AS seeds, in_order(unchanged, seed) AS values
        FROM (
            SELECT * EXCLUDE (run, left_out, unchanged, probes), mean(unchanged, run) AS unchanged
            FROM compared
            WHERE left_out = 0 AND $ci IS NOT NULL
            GROUP BY ALL
        )
        GROUP BY ALL
    )
    GROUP BY ALL
),
-- seed by seed: those in which the mixture and all of its languages that were run alone have runs
by_seed AS (
    SELECT
        * EXCLUDE (ft_languages, unchanged, runs, probes),
        kept_mean(unchanged, ft_languages, left_out) AS unchanged,
        string_agg(ft_languages, ';' ORDER BY ft_languages) AS ft_languages,
        sum(runs)::BIGINT AS runs,
        sum(probes)::BIGINT AS probes
    FROM (
        SELECT
            * EXCLUDE (run, unchanged, probes),
            kept_mean(unchanged, run, left_out) AS unchanged,
            count(*) AS runs,
            sum(probes) AS probes
        FROM compared
        GROUP BY ALL
    )
    GROUP BY ALL
),
differences AS (
    SELECT
        model, source, sentences, epoch, settings, mixture, 'difference' AS strategy, language, left_out,
        kept_mean(a.unchanged - b.unchanged, seed, left_out) AS unchanged,
        any_value(b.ft_languages) AS ft_languages,
        sum(a.runs + b.runs)::BIGINT AS runs,
        sum(a.probes + b.probes)::BIGINT AS probes,
        count(*) AS seeds,
        in_order(a.unchanged - b.unchanged, seed) AS by_seed
    FROM (FROM by_seed WHERE strategy = 'multilingual') a
    JOIN (FROM by_seed WHERE strategy = 'monolingual_mean') b
        USING (model, source, sentences, epoch, settings, mixture, language, seed, left_out)
    JOIN (FROM means WHERE strategy = 'monolingual_mean' AND left_out = 0) m
        USING (model, source, sentences, epoch, settings, mixture, language)
    WHERE b.ft_languages = m.ft_languages
    GROUP BY ALL
),
rows AS (
    SELECT means.*, seeds, spread
    FROM means
    LEFT JOIN seeds USING (model, source, sentences, epoch, settings, mixture, strategy, language)
    UNION ALL
    SELECT * REPLACE (seed_spread([by_seed]) AS by_seed) FROM differences
),
cells AS MATERIALIZED (
    SELECT
        model, source, sentences, epoch, settings, mixture, strategy, language,
        row_number() OVER (
            ORDER BY model, source, sentences, epoch, settings, mixture, strategy, language
        ) AS cell,
        observed(unchanged, left_out) AS unchanged,
        replicates(unchanged, probes, left_out) AS percentages,
        observed(seeds, left_out) AS seeds,
        observed(spread, left_out) AS spread,
        observed(ft_languages, left_out) AS ft_languages,
        observed(runs, left_out) AS runs,
        observed(probes, left_out) AS probes
    FROM rows
    GROUP BY model, source, sentences, epoch, settings, mixture, strategy, language
),
families AS (
    FROM family_over(
        $ci,
        (
            SELECT list({
                'key': cell,
                'family': [model, source, sentences::VARCHAR, epoch::VARCHAR, settings, mixture],
                'rows': percentages,
                'spread': spread
            })
            FROM cells
            WHERE strategy = 'difference'
        ),
        $probe_set
    )
)
SELECT
    model,
    source,
    sentences,
    epoch,
    settings,
    mixture,
    strategy,
    language,
    unchanged,
    CASE strategy
        WHEN 'difference' THEN mean_low($ci, percentages, spread) ELSE mean_share_low($ci, percentages, spread)
    END AS unchanged_low,
    CASE strategy
        WHEN 'difference' THEN mean_high($ci, percentages, spread) ELSE mean_share_high($ci, percentages, spread)
    END AS unchanged_high,
    CASE strategy WHEN 'difference' THEN mean_p($ci, percentages, spread) END AS p,
    p_family,
    CASE WHEN $ci IS NOT NULL THEN seeds END AS seeds,
    CASE WHEN $ci IS NOT NULL THEN spread.sd END AS seed_sd,
    ft_languages,
    runs,
    probes
FROM cells
LEFT JOIN families ON key = cell
ORDER BY
    model, source, sentences, epoch, settings, mixture,
    list_position(['multilingual', 'monolingual_mean', 'difference'], strategy), language
