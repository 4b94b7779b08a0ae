/*
question = "Do different sources shift the same themes in the same languages?"
grain = """\
A pretrained model, number of sentences, epoch, settings, WVS category and pair of sources, in alphabetical order, \
over the test languages that both have, in the monolingual runs."""
paper = "Echoes Figure 3"
reason = "First version."
parameters = ["score", "probe_set", "model", "sentences", "seed", "epoch", "ci"]
columns = [
    "model", "sentences", "epoch", "settings", "category", "source_a", "source_b", "correlation", "n", "ft_languages_a",
    "ft_languages_b",
]
intervals = ["correlation_low", "correlation_high", "p", "p_holm"]

[column]
source_a = "First fine-tuning source."
source_b = "Second fine-tuning source."
correlation = """\
Pearson's correlation over test languages of the two sources' percentages of the category's probes whose answer \
equals the base checkpoint's, each as in unchanged_by_category: mean over the runs of a fine-tuning language, then \
over the languages; NULL where one source's percentages are all alike."""
n = "Test languages in it."
ft_languages_a = "Fine-tuning languages of the first source's runs, comma-separated."
ft_languages_b = "Those of the second source's."
p = "Two-sided p-value of correlation by the resamples: by chance, it would be on either side of 0."
*/
WITH runs AS (
    SELECT * EXCLUDE (unchanged), 100.0 * unchanged / probes AS unchanged
    FROM unchanged_counts(
        $score, $probe_set, ['monolingual'], $model, NULL, $sentences, $seed, $epoch, TRUE, $ci
    )
),
languages AS (
    SELECT
        model, source, sentences, epoch, settings, ft_languages, language, category, resample,
        drawn_mean(unchanged, run, 1, resample) AS unchanged
    FROM runs
    GROUP BY ALL
),
means AS (
    SELECT
        model, source, sentences, epoch, settings, language, category, resample,
        drawn_mean(unchanged, ft_languages, 1, resample) AS unchanged,
        list(ft_languages) FILTER (WHERE resample = 0) AS ft_languages
    FROM languages
    GROUP BY ALL
),
correlations AS (
    SELECT
        model, sentences, epoch, settings, category,
        a.source AS source_a,
        b.source AS source_b,
        resample,
        pearson(a.unchanged, b.unchanged, language) AS correlation,
        count(*) AS n,
        array_to_string(list_sort(list_distinct(flatten(list(a.ft_languages)))), ',') AS ft_languages_a,
        array_to_string(list_sort(list_distinct(flatten(list(b.ft_languages)))), ',') AS ft_languages_b
    FROM means a
    JOIN means b USING (model, sentences, epoch, settings, language, category, resample)
    WHERE a.source < b.source
    GROUP BY ALL
),
cells AS (
    SELECT
        model, sentences, epoch, settings, category, source_a, source_b,
        observed(correlation, resample) AS correlation,
        interval_low(correlation, resample) AS correlation_low,
        interval_high(correlation, resample) AS correlation_high,
        bootstrap_p(correlation, resample) AS p,
        observed(n, resample) AS n,
        observed(ft_languages_a, resample) AS ft_languages_a,
        observed(ft_languages_b, resample) AS ft_languages_b
    FROM correlations
    GROUP BY ALL
),
steps AS (
    SELECT *, holm_step(p) AS step FROM cells
)
SELECT
    model,
    sentences,
    epoch,
    settings,
    category,
    source_a,
    source_b,
    correlation,
    correlation_low,
    correlation_high,
    p,
    holm(step, p) AS p_holm,
    n,
    ft_languages_a,
    ft_languages_b
FROM steps
ORDER BY model, sentences, epoch, settings, category, source_a, source_b
