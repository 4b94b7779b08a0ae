/*
question = "Do influence scores differ between the epochs of a fine-tuning?"
grain = """\
An influence run, test language and pair of traced epochs, over the probes or labelled texts: for each of them \
Wilcoxon's signed-rank test of the scores of all training examples at the one and at the other epoch, two-sided, by the \
normal approximation. The tests take examples for independent, which translations and texts alike are not, so that p is \
too small; of thousands of examples it is below 0.05 for differences of no account. The sign and size of z say more."""
paper = "How do languages influence each other? Section 8.2 and appendix C"
reason = "First version."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.shifted",
    "traced.probe_set",
]
columns = [
    "traced.run", "traced_run", "traced.model", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "language", "epoch_a", "epoch_b", "targets", "significant", "significant_holm",
    "median_z",
]

[column]
epoch_a = "The earlier epoch."
epoch_b = "The later one."
targets = "Probes or labelled texts."
significant = "Those whose scores differ with p < 0.05, not corrected; where no score differs they do not."
significant_holm = """\
Those with p < 0.05 corrected by Holm (1979) for all tests of the run in the test language: of every returned pair of \
epochs and every probe or text."""
median_z = """\
Median of z over them, the standardised rank sum: above 0 where the scores of the later epoch are the higher ones; \
of those with a score that differs."""
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
tests AS MATERIALIZED (
    SELECT t.run, t.language, epoch_a, epoch_b, z, p, [influence_target_id, other_target_id] AS key
    FROM v_influence_epoch_test
    JOIN selected_targets(
        (SELECT list(run) FROM chosen), TRUE, $shifted, wanted_probe_set := $probe_set
    ) t USING (influence_target_id)
),
corrected AS (
    FROM holm((SELECT list({'key': key, 'family': [run, language], 'p': p}) FROM tests))
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
    epoch_a,
    epoch_b,
    count(*) AS targets,
    count(*) FILTER (WHERE p < 0.05) AS significant,
    count(*) FILTER (WHERE p_family < 0.05) AS significant_holm,
    median(z) AS median_z
FROM tests
LEFT JOIN corrected USING (key)
JOIN chosen c USING (run)
GROUP BY ALL
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, language, epoch_a, epoch_b
