/*
question = "On which themes do checkpoints answer alike?"
grain = """\
A pair of checkpoints, the smaller model first, and a WVS category: the share of equal answers in each test language, \
then the mean of the languages."""
paper = "Echoes Figure 7 top; dissertation Figure E.1"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "compared.strategies", "model", "source", "sentences", "seed", "epoch", "ci"]
columns = [
    "compared.checkpoint_id_a", "compared.checkpoint_a", "compared.checkpoint_id_b", "compared.checkpoint_b",
    "category", "agreement", "languages", "probes",
]
intervals = ["agreement_low", "agreement_high"]

[column]
agreement = "Mean over the languages of the percentage of the category's probes with equal answers."
languages = "Languages in the mean."
probes = "Probes that both answered, all languages together."
*/
WITH means AS (
    SELECT
        place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, category, left_out,
        kept_mean(100.0 * alike / probes, language, left_out) AS agreement,
        count(*) AS languages,
        sum(probes)::BIGINT AS probes
    FROM agreement_cells($score, $probe_set, $strategies, $model, $source, $sentences, $seed, $epoch, $ci IS NOT NULL)
    GROUP BY ALL
)
SELECT
    checkpoint_id_a,
    checkpoint_a,
    checkpoint_id_b,
    checkpoint_b,
    category,
    observed(agreement, left_out) AS agreement,
    share_low(replicates(agreement, probes, left_out)) AS agreement_low,
    share_high(replicates(agreement, probes, left_out)) AS agreement_high,
    observed(languages, left_out) AS languages,
    observed(probes, left_out) AS probes
FROM means
GROUP BY place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, category
ORDER BY place_a, place_b, category
