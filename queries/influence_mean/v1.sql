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
attribution = "How examples are scored, e.g. trak-principal-32."
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
    SELECT run, language, train_language, question, s.n, s.score_mean, s.score_sd
    FROM v_influence_summary s
    JOIN v_influence_target t USING (run, collection, language, question)
    WHERE run IN (SELECT run FROM chosen) AND s.epoch IS NULL AND t.epoch IS NULL AND matches($shifted, t.shifted)
),
means AS (
    SELECT
        run, language, train_language, resample,
        sum(times * n * score_mean ORDER BY question) / sum(times * n) AS influence,
        count(*) AS targets,
        sum(n)::BIGINT AS n
    FROM summaries
    JOIN drawn_targets((SELECT list(run) FROM chosen), $ci) USING (run, question)
    GROUP BY ALL
),
cells AS (
    SELECT
        run, language, train_language,
        observed(influence, resample) AS influence,
        interval_low(influence, resample) AS influence_low,
        interval_high(influence, resample) AS influence_high,
        observed(targets, resample) AS targets,
        observed(n, resample) AS n
    FROM means
    GROUP BY ALL
),
deviations AS (
    SELECT
        run, language, train_language,
        sqrt(sum(s.n * (score_sd ** 2 + (score_mean - influence) ** 2) ORDER BY question) / sum(s.n)) AS sd
    FROM summaries s
    JOIN cells USING (run, language, train_language)
    GROUP BY ALL
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
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, language, train_language
