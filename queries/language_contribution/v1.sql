/*
question = "Which fine-tuning languages do the examples that made values shift come from?"
grain = """\
An influence run, direction, test language and fine-tuning language: the percentage of a probe's most influential \
examples that are in the fine-tuning language, then the mean over the probes. All checkpoints together. The \
percentages of a test language sum to 100; a fine-tuning language without an example among them has a row too."""
paper = "Echoes Figures 6 and 14; How do languages influence each other? Figure 2"
reason = "First version."

[parameters.run]
type = "text"
about = "Only this influence run."
values_from = "v_influence_run.run"

[parameters.model]
type = "text"
about = "Only traced runs from this pretrained model."
values_from = "v_influence_run.model"

[parameters.source]
type = "text"
about = "Only traced runs on this source."
values_from = "v_influence_run.source"

[parameters.method]
type = "text"
about = "Only influence runs by this method."
values = ["trak", "tracin"]

[parameters.sentences]
type = "integer"
about = "Only traced runs with this number of sentences."
values_from = "v_influence_run.sentences"

[parameters.seed]
type = "integer"
about = "Only traced runs with this seed."
values_from = "v_influence_run.traced_seed"

[parameters.shifted]
type = "boolean"
about = "true: only probes whose value shifted; false: only the others; all that were traced unless given."

[parameters.direction]
type = "text"
about = "Only examples that support the traced answer (positive), or that contradict it (negative)."
values = ["positive", "negative"]

[parameters.k]
type = "integer"
about = "How many of a probe's most influential examples to take in either direction; all that are stored unless given."

[parameters.ci]
type = "boolean"
about = "Whether to add the columns under intervals: 95% intervals by resampling the questions; no unless given."

[columns]
run = "Name of the influence run."
traced_run = "Name of the fine-tuning run whose examples are ranked."
model = "Pretrained model that it descends from."
source = "Fine-tuning source."
ft_languages = "Its fine-tuning languages, comma-separated."
sentences = "Sentences it was given, training and development together."
seed = "Its seed."
attribution = "How examples are scored, and what of it is not the default, e.g. trak-principal-32 corruptions=epoch."
quantity = "What is traced: answer, margin or shift."
direction = "positive: examples that support the traced answer; negative: those that contradict it."
language = "Test language."
ft_language = "Fine-tuning language."
contribution = "Percentage of the most influential examples that are in it: mean over the probes."
examples_share = "Percentage of all training examples that are in it: what a ranking by chance would give."
lift = "Contribution over examples_share: 1 by chance."
targets = "Probes in the mean."

[intervals]
contribution_low = "Lower end of the 95% interval of contribution."
contribution_high = "Its upper end."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
cells AS MATERIALIZED (
    SELECT *, row_number() OVER () AS cell
    FROM listed_shares((SELECT list(run) FROM chosen), $shifted, $direction, $k, $ci)
),
intervals AS (
    SELECT
        cell,
        interval_low(listed_mean(times, places, percentages, weights), resample) AS contribution_low,
        interval_high(listed_mean(times, places, percentages, weights), resample) AS contribution_high
    FROM cells
    CROSS JOIN traced_draws((SELECT list(run) FROM chosen), $ci)
    GROUP BY cell
),
sizes AS (
    SELECT run, train_language AS ft_language, max(n) AS n FROM v_influence_summary WHERE epoch IS NULL GROUP BY ALL
)
SELECT
    run,
    c.traced_run,
    c.model,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.attribution,
    c.quantity,
    direction,
    language,
    ft_language,
    list_avg(percentages) AS contribution,
    contribution_low,
    contribution_high,
    100.0 * n / c.examples AS examples_share,
    contribution / examples_share AS lift,
    targets
FROM cells
JOIN chosen c USING (run)
LEFT JOIN intervals USING (cell)
LEFT JOIN sizes USING (run, ft_language)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC, language,
    ft_language
