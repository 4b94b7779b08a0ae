/*
question = "Do different sources shift the same themes in the same languages?"
grain = """\
A pretrained model, number of sentences, epoch, settings, WVS category and pair of sources, in alphabetical order, \
over the test languages that both have, in the monolingual runs."""
paper = "Echoes Figure 3"
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

[parameters.model]
type = "text"
about = "Only checkpoints of this pretrained model."
values_from = "v_checkpoint.model"

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
model = "Pretrained model that the runs started from."
sentences = "Sentences each run was given."
epoch = "Epochs done."
settings = "How the runs were trained: epochs, batch size, learning rate and what else differs between setups."
category = "Short name of the WVS category."
source_a = "First fine-tuning source."
source_b = "Second fine-tuning source."
correlation = """\
Pearson's correlation over test languages of the two sources' percentages of the category's probes whose answer equals \
the base checkpoint's, each as in unchanged_by_category: mean over the runs of a fine-tuning language, then over the \
languages; NULL where one source's percentages are all alike."""
n = "Test languages in it."
ft_languages_a = "Fine-tuning languages of the first source's runs, comma-separated."
ft_languages_b = "Those of the second source's."

[intervals]
correlation_low = "Lower end of the 95% interval of correlation."
correlation_high = "Its upper end."
p = "Two-sided p-value of correlation by the resamples: by chance, it would be on either side of 0."
p_holm = "p corrected for the number of rows after Holm."
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
