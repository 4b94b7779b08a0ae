/*
question = "How are the scores of all training examples distributed, by training and test language?"
grain = """\
An influence run, test language, training language and bin of scores: pairs of a training example and a probe or \
labelled text, all checkpoints together. Bins of positive and of negative scores are rows of their own; a bin without \
pairs is none."""
paper = "How do languages influence each other? Figures 9, 10 and 11"
reason = "First version."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.shifted",
    "traced.probe_set",
]
columns = [
    "traced.run", "traced_run", "traced.model", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "language", "train_language", "sign", "low", "high", "n", "share", "targets",
]

[column]
train_language = "Language of the training examples."
sign = "positive: scores of 0 and above; negative: those below."
low = "Lowest score of the bin."
high = "Upper end of the bin, which belongs to the next. All bins of a run have one width: of v_influence_run, bin_width."
n = "Pairs of a training example and a probe or labelled text."
share = "Percentage of all pairs in the test and training language, of either sign, that are in the bin."
targets = "Probes or labelled texts."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
targets AS (
    FROM selected_targets((SELECT list(run) FROM chosen), FALSE, $shifted, wanted_probe_set := $probe_set)
),
bins AS (
    SELECT run, language, train_language, bin, low, high, sum(n)::BIGINT AS n
    FROM v_influence_histogram
    JOIN targets USING (influence_target_id)
    GROUP BY ALL
),
tested AS (
    SELECT run, language, count(*) AS targets
    FROM targets
    SEMI JOIN v_influence_histogram USING (influence_target_id)
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
    CASE WHEN bin < 0 THEN 'negative' ELSE 'positive' END AS sign,
    low,
    high,
    n,
    100.0 * n / sum(n) OVER (PARTITION BY run, language, train_language) AS share,
    targets
FROM bins
JOIN tested USING (run, language)
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, language, train_language, bin
