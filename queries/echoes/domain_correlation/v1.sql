/*
question = "Do different sources shift the same themes in the same languages?"
grain = """\
A pretrained model, number of sentences, epoch, settings, WVS category and pair of sources, in alphabetical order, \
over the test languages that both have, in the monolingual runs."""
paper = "Echoes Figure 3"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "model", "sentences", "seed", "epoch", "averaged", "permutations", "draw", "ci"]
columns = [
    "model", "sentences", "epoch", "settings", "category", "source_a", "source_b", "correlation", "n", "ft_languages_a",
    "ft_languages_b",
]
intervals = ["correlation_low", "correlation_high", "p", "p_family"]

[parameter.averaged]
type = "text"
about = """\
What the mean over fine-tuning languages is of. percentages: means of percentages are correlated, as the dissertation's caption \
has it (Figure 7.3); correlations: Pearson's r of each fine-tuning language that both sources have, then the mean, as the \
paper's text can be read."""
default = "percentages"
values = ["percentages", "correlations"]

[column]
source_a = "First fine-tuning source."
source_b = "Second fine-tuning source."
correlation = """\
Pearson's correlation over test languages of the two sources' percentages of the category's probes whose answer \
equals the base checkpoint's, each as in unchanged_by_category: mean over the runs of a fine-tuning language, then \
over the languages; or of each fine-tuning language by itself, then the mean of those that are defined. NULL where one source's \
percentages are all alike."""
n = "Test languages in it; the fewest of any fine-tuning language where correlations are averaged."
ft_languages_a = "Fine-tuning languages of the first source's runs, comma-separated."
ft_languages_b = "Those of the second source's."
correlation_low = """\
Lower end of the 95% interval over languages, the questions being what they are: by Fisher's z; NULL below 10 languages, and where correlations are averaged."""
correlation_high = "Upper end."
p = """\
Two-sided p-value of correlation: share of the permutations of one source's languages, the one as it is among them, that \
give a correlation at least as far from 0. Questions whose answers are close shift under any training, so that a positive \
correlation does not say that sources agree."""
*/
WITH runs AS (
    SELECT * EXCLUDE (unchanged), 100.0 * unchanged / probes AS unchanged
    FROM unchanged_counts(
        $score, $probe_set, ['monolingual'], $model, NULL, $sentences, $seed, $epoch, TRUE, FALSE
    )
),
languages AS (
    SELECT
        model, source, sentences, epoch, settings, ft_languages, language, category, mean(unchanged, run) AS unchanged
    FROM runs
    GROUP BY ALL
),
-- what is correlated: the mean of all fine-tuning languages, or each by itself
means AS (
    SELECT
        model, source, sentences, epoch, settings, language, category,
        CASE WHEN $averaged = 'correlations' THEN ft_languages ELSE '' END AS member,
        mean(unchanged, ft_languages) AS unchanged,
        list(ft_languages) AS ft_languages
    FROM languages
    GROUP BY ALL
),
members AS MATERIALIZED (
    SELECT
        model, sentences, epoch, settings, category, member,
        a.source AS source_a,
        b.source AS source_b,
        dense_rank() OVER (ORDER BY model, sentences, epoch, settings, category, a.source, b.source) AS cell,
        pearson(a.unchanged, b.unchanged, language) AS correlation,
        count(*) AS n,
        list(language ORDER BY language) AS compared,
        in_order(a.unchanged, language) AS unchanged_a,
        in_order(b.unchanged, language) AS unchanged_b,
        flatten(list(a.ft_languages)) AS ft_languages_a,
        flatten(list(b.ft_languages)) AS ft_languages_b
    FROM means a
    JOIN means b USING (model, sentences, epoch, settings, language, category, member)
    WHERE a.source < b.source
    GROUP BY model, sentences, epoch, settings, category, member, a.source, b.source
),
cells AS MATERIALIZED (
    SELECT
        model, sentences, epoch, settings, category, source_a, source_b, cell,
        mean(correlation, member) AS correlation,
        min(n) AS n,
        array_to_string(list_sort(list_distinct(flatten(list(ft_languages_a)))), ',') AS ft_languages_a,
        array_to_string(list_sort(list_distinct(flatten(list(ft_languages_b)))), ',') AS ft_languages_b
    FROM members
    GROUP BY ALL
),
permuted AS (
    SELECT cell, permutation, mean(permuted_correlation(unchanged_a, unchanged_b, shuffle), member) AS correlation
    FROM members
    JOIN shuffles((SELECT list(DISTINCT compared) FROM members), CASE WHEN $ci IS NULL THEN 0 ELSE $permutations END, $draw) s
        ON s.labels = compared
    WHERE correlation IS NOT NULL
    GROUP BY ALL
),
tests AS MATERIALIZED (
    SELECT
        cell,
        round(abs(any_value(c.correlation)), 9) AS statistic,
        in_order(round(abs(p.correlation), 9), permutation) AS by_chance
    FROM permuted p
    JOIN cells c USING (cell)
    GROUP BY cell
),
families AS (
    FROM step_down((
        SELECT list({
            'key': cell,
            'family': [model, sentences::VARCHAR, epoch::VARCHAR, settings],
            'statistic': statistic,
            'by_chance': by_chance
        })
        FROM tests
        JOIN cells USING (cell)
    ))
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
    CASE WHEN n >= 10 AND $averaged = 'percentages' THEN tanh(fisher_z(correlation) - normal_quantile() / sqrt(n - 3)) END AS correlation_low,
    CASE WHEN n >= 10 AND $averaged = 'percentages' THEN tanh(fisher_z(correlation) + normal_quantile() / sqrt(n - 3)) END AS correlation_high,
    permutation_p(statistic, by_chance) AS p,
    p_family,
    n,
    ft_languages_a,
    ft_languages_b
FROM cells
LEFT JOIN tests USING (cell)
LEFT JOIN families ON key = cell
ORDER BY model, sentences, epoch, settings, category, source_a, source_b
