/*
question = "Do more fine-tuning sentences shift more values?"
grain = """\
A pretrained model, source, set of fine-tuning languages, two numbers of sentences, epoch, settings and test \
language: the mean over the seeds that both numbers were run with. Runs of one seed and setup are averaged first."""
paper = "Echoes section 5.2.1"
reason = "First version."
parameters = ["score", "probe_set", "strategies", "model", "source", "few", "many", "seed", "epoch", "ci"]
columns = [
    "model", "source", "ft_languages", "strategy", "few", "many", "epoch", "settings", "language", "change",
    "unchanged_few", "unchanged_many", "seeds", "probes",
]
intervals = ["change_low", "change_high", "p", "p_holm", "seed_sd"]

[parameter.few]
type = "integer"
about = "Only comparisons of this number of sentences with a larger one."
values_from = "v_checkpoint.sentences"

[parameter.many]
type = "integer"
about = "Only comparisons of this number of sentences with a smaller one."
values_from = "v_checkpoint.sentences"

[column]
few = "The smaller number of sentences, e.g. 2000."
many = "The larger number of sentences, e.g. 10000."
change = "unchanged_many minus unchanged_few, in percentage points; negative where more sentences shift more values."
unchanged_few = """\
Percentage of probes whose answer equals the base checkpoint's after fine-tuning on few sentences: mean over the \
seeds."""
unchanged_many = "The same after fine-tuning on many."
seeds = "Seeds in the mean."
p = "Two-sided p-value of change by the resamples: by chance, it would be on either side of 0."
seed_sd = "Standard deviation of change over the seeds, of a sample; NULL of a single seed."
*/
WITH runs AS (
    SELECT
        model, source, ft_languages, strategy, sentences, epoch, settings, seed, run, language, resample,
        100.0 * sum(unchanged) / sum(probes) AS unchanged,
        sum(probes)::BIGINT AS probes
    FROM unchanged_counts($score, $probe_set, $strategies, $model, $source, NULL, $seed, $epoch, FALSE, $ci)
    GROUP BY ALL
),
seeds AS (
    SELECT
        * EXCLUDE (run, unchanged, probes), drawn_mean(unchanged, run, 1, resample) AS unchanged, sum(probes) AS probes
    FROM runs
    GROUP BY ALL
),
means AS (
    SELECT
        model, source, ft_languages, strategy,
        a.sentences AS few,
        b.sentences AS many,
        epoch, settings, language, resample,
        drawn_mean(b.unchanged - a.unchanged, seed, 1, resample) AS change,
        stddev_samp(b.unchanged - a.unchanged ORDER BY seed) FILTER (WHERE resample = 0) AS seed_sd,
        drawn_mean(a.unchanged, seed, 1, resample) AS unchanged_few,
        drawn_mean(b.unchanged, seed, 1, resample) AS unchanged_many,
        count(*) AS seeds,
        sum(a.probes + b.probes)::BIGINT AS probes
    FROM seeds a
    JOIN seeds b USING (model, source, ft_languages, strategy, epoch, settings, seed, language, resample)
    WHERE a.sentences < b.sentences
      AND matches($few, a.sentences)
      AND matches($many, b.sentences)
    GROUP BY ALL
),
cells AS (
    SELECT
        model, source, ft_languages, strategy, few, many, epoch, settings, language,
        observed(change, resample) AS change,
        interval_low(change, resample) AS change_low,
        interval_high(change, resample) AS change_high,
        bootstrap_p(change, resample) AS p,
        observed(seed_sd, resample) AS seed_sd,
        observed(unchanged_few, resample) AS unchanged_few,
        observed(unchanged_many, resample) AS unchanged_many,
        observed(seeds, resample) AS seeds,
        observed(probes, resample) AS probes
    FROM means
    GROUP BY ALL
),
steps AS (
    SELECT *, holm_step(p) AS step FROM cells
)
SELECT
    model,
    source,
    ft_languages,
    strategy,
    few,
    many,
    epoch,
    settings,
    language,
    change,
    change_low,
    change_high,
    p,
    holm(step, p) AS p_holm,
    seed_sd,
    unchanged_few,
    unchanged_many,
    seeds,
    probes
FROM steps
ORDER BY model, source, strategy, ft_languages, few, many, epoch, settings, language
