/*
question = "How much do examples in one language influence values in another, over all of them?"
grain = """\
An influence run, test language and training language: the mean over all pairs of a training example and a probe, not \
of the most influential alone. All checkpoints together."""
paper = "How do languages influence each other? Tables 3 and 6"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.shifted",
    "traced.probe_set", "ci",
]
columns = [
    "traced.run", "traced_run", "traced.model", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "language", "train_language", "influence", "sd", "targets", "n",
]
intervals = ["influence_low", "influence_high"]

[column]
train_language = "Language of the training examples."
influence = "Mean score."
sd = "Standard deviation of the scores, of the population."
targets = "Probes."
n = "Pairs of a training example and a probe."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
summaries AS (
    SELECT run, language, train_language, question, n, score_mean, score_sd
    FROM v_influence_summary
    WHERE influence_target_id IN (
        SELECT influence_target_id
        FROM selected_targets((SELECT list(run) FROM chosen), FALSE, $shifted, wanted_probe_set := $probe_set)
    )
),
cells AS MATERIALIZED (
    SELECT
        run, language, train_language,
        row_number() OVER () AS cell,
        list_sort(list(place) FILTER (WHERE $ci IS NOT NULL)) AS places,
        in_order(n * score_mean, question) AS products,
        in_order(n::DOUBLE, question) AS weights,
        list_sum(products) / sum(n) AS influence,
        count(*) AS targets,
        sum(n)::BIGINT AS n
    FROM summaries
    LEFT JOIN traced_places((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
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
        replicates(listed_mean(kept, places, products, weights), listed_items(kept, places), left_out) AS influences
    FROM cells
    CROSS JOIN kept_places((SELECT list(run) FROM chosen), $ci IS NOT NULL)
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
    low_end(influences) AS influence_low,
    high_end(influences) AS influence_high,
    sd,
    targets,
    n
FROM cells
JOIN deviations USING (run, language, train_language)
LEFT JOIN intervals USING (cell)
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, language, train_language
