/*
question = "Do checkpoints, such as pretrained models of different sizes, answer alike?"
grain = """\
A pair of checkpoints, the smaller model first, and a test language, over the probes that both answered; and per pair \
a row for the language avg."""
paper = "Echoes Table 1"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "compared.strategies", "model", "source", "sentences", "seed", "epoch", "ci"]
columns = [
    "compared.checkpoint_id_a", "compared.checkpoint_a", "compared.checkpoint_id_b", "compared.checkpoint_b",
    "language", "agreement", "probes",
]
intervals = ["agreement_low", "agreement_high"]

[column]
language = "Test language; avg. for the mean of the languages above it."
agreement = "Percentage of probes with equal answers."
probes = "Probes that both answered; for avg., of all languages together."
*/
WITH languages AS (
    SELECT
        place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, language, left_out,
        100.0 * sum(alike) / sum(probes) AS agreement,
        sum(probes)::BIGINT AS probes
    FROM agreement_cells($score, $probe_set, $strategies, $model, $source, $sentences, $seed, $epoch, $ci IS NOT NULL)
    GROUP BY ALL
),
pairs AS (
    FROM languages
    UNION ALL
    SELECT
        place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, 'avg.', left_out,
        kept_mean(agreement, language, left_out),
        sum(probes)::BIGINT
    FROM languages
    GROUP BY ALL
)
SELECT
    checkpoint_id_a,
    checkpoint_a,
    checkpoint_id_b,
    checkpoint_b,
    language,
    observed(agreement, left_out) AS agreement,
    share_low(replicates(agreement, probes, left_out)) AS agreement_low,
    share_high(replicates(agreement, probes, left_out)) AS agreement_high,
    observed(probes, left_out) AS probes
FROM pairs
GROUP BY place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, language
ORDER BY place_a, place_b, language = 'avg.', language
