/*
question = "How much do examples in one language influence values in another, over all of them?"
grain = """\
An influence run, test language and training language: the mean over all pairs of a training example and a probe, \
not of the most influential alone. All checkpoints together."""
paper = "How do languages influence each other? Tables 3 and 6"
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
language = "Test language."
train_language = "Language of the training examples."
influence = "Mean score."
sd = "Standard deviation of the scores, of the population."
targets = "Probes."
n = "Pairs of a training example and a probe."

[intervals]
influence_low = "Lower end of the 95% interval of influence."
influence_high = "Its upper end."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
summaries AS (
    SELECT run, language, train_language, question, n, score_mean, score_sd
    FROM v_influence_summary
    WHERE influence_target_id IN (
        SELECT influence_target_id FROM selected_targets((SELECT list(run) FROM chosen), FALSE, $shifted)
    )
),
cells AS MATERIALIZED (
    SELECT
        run, language, train_language,
        row_number() OVER () AS cell,
        list_sort(list(place) FILTER (WHERE $ci)) AS places,
        in_order(n * score_mean, question) AS products,
        in_order(n::DOUBLE, question) AS weights,
        list_sum(products) / sum(n) AS influence,
        count(*) AS targets,
        sum(n)::BIGINT AS n
    FROM summaries
    LEFT JOIN traced_places((SELECT list(run) FROM chosen), $ci) USING (run, question)
    GROUP BY run, language, train_language
),
deviations AS (
    SELECT
        run, language, train_language,
        sqrt(
            list_sum(in_order(s.n * (score_sd ** 2 + (score_mean - influence) ** 2), question)) / sum(s.n)
        ) AS sd
    FROM summaries s
    JOIN cells USING (run, language, train_language)
    GROUP BY ALL
),
intervals AS (
    SELECT
        cell,
        interval_low(listed_mean(times, places, products, weights), resample) AS influence_low,
        interval_high(listed_mean(times, places, products, weights), resample) AS influence_high
    FROM cells
    CROSS JOIN traced_draws((SELECT list(run) FROM chosen), $ci)
    GROUP BY cell
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
    language,
    train_language,
    influence,
    influence_low,
    influence_high,
    sd,
    targets,
    n
FROM cells
JOIN deviations USING (run, language, train_language)
LEFT JOIN intervals USING (cell)
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, language, train_language
