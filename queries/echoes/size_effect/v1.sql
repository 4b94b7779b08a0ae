/*
question = "Do more fine-tuning sentences shift more values?"
grain = """\
A pretrained model, source, set of fine-tuning languages, two numbers of sentences, epoch, settings and test \
language: the mean over the seeds that both numbers were run with. Runs of one seed and setup are averaged first."""
paper = "Echoes section 5.2.1"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "strategies", "model", "source", "few", "many", "seed", "epoch", "averaged.ci"]
columns = [
    "model", "source", "ft_languages", "strategy", "few", "many", "epoch", "settings", "language", "change",
    "unchanged_few", "unchanged_many", "seeds", "probes",
]
intervals = ["change_low", "change_high", "p", "p_family", "seed_sd"]

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
p = "Two-sided p-value of change by the standard error of its interval; NULL where there is none."
seed_sd = "Standard deviation of change over the seeds, of a sample; NULL of a single seed."
*/
WITH runs AS (
    SELECT
        model, source, ft_languages, strategy, sentences, epoch, settings, seed, run, language, left_out,
        100.0 * sum(unchanged) / sum(probes) AS unchanged,
        sum(probes)::BIGINT AS probes
    FROM unchanged_counts($score, $probe_set, $strategies, $model, $source, NULL, $seed, $epoch, FALSE, $ci IS NOT NULL)
    GROUP BY ALL
),
seeds AS (
    SELECT
        * EXCLUDE (run, unchanged, probes), kept_mean(unchanged, run, left_out) AS unchanged, sum(probes) AS probes
    FROM runs
    GROUP BY ALL
),
means AS (
    SELECT
        model, source, ft_languages, strategy,
        a.sentences AS few,
        b.sentences AS many,
        epoch, settings, language, left_out,
        kept_mean(b.unchanged - a.unchanged, seed, left_out) AS change,
        in_order(b.unchanged - a.unchanged, seed) AS by_seed,
        kept_mean(a.unchanged, seed, left_out) AS unchanged_few,
        kept_mean(b.unchanged, seed, left_out) AS unchanged_many,
        count(*) AS seeds,
        sum(a.probes + b.probes)::BIGINT AS probes
    FROM seeds a
    JOIN seeds b USING (model, source, ft_languages, strategy, epoch, settings, seed, language, left_out)
    WHERE a.sentences < b.sentences
      AND matches($few, a.sentences)
      AND matches($many, b.sentences)
    GROUP BY ALL
),
cells AS MATERIALIZED (
    SELECT
        model, source, ft_languages, strategy, few, many, epoch, settings, language,
        row_number() OVER (
            ORDER BY model, source, ft_languages, strategy, few, many, epoch, settings, language
        ) AS cell,
        observed(change, left_out) AS change,
        replicates(change, probes, left_out) AS changes,
        seed_spread([observed(by_seed, left_out)]) AS spread,
        observed(unchanged_few, left_out) AS unchanged_few,
        observed(unchanged_many, left_out) AS unchanged_many,
        observed(seeds, left_out) AS seeds,
        observed(probes, left_out) AS probes
    FROM means
    GROUP BY model, source, ft_languages, strategy, few, many, epoch, settings, language
),
families AS (
    FROM family_over(
        $ci,
        (
            SELECT list({
                'key': cell,
                'family': [model, source, strategy, few::VARCHAR, many::VARCHAR, epoch::VARCHAR, settings],
                'rows': changes,
                'spread': spread
            })
            FROM cells
        ),
        $probe_set
    )
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
    mean_low($ci, changes, spread) AS change_low,
    mean_high($ci, changes, spread) AS change_high,
    mean_p($ci, changes, spread) AS p,
    p_family,
    spread.sd AS seed_sd,
    unchanged_few,
    unchanged_many,
    seeds,
    probes
FROM cells
LEFT JOIN families ON key = cell
ORDER BY model, source, strategy, ft_languages, few, many, epoch, settings, language
