/*
question = "In which test languages do checkpoints answer alike, each theme counting the same?"
grain = """\
A pair of checkpoints, the smaller model first, and a test language: the share of equal answers in each WVS category, \
then the mean of the categories. Not the number of agreement, where each probe counts the same."""
paper = "Echoes Figure 7 bottom; dissertation Figure E.2"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "compared.strategies", "model", "source", "sentences", "seed", "epoch", "ci"]
columns = [
    "compared.checkpoint_id_a", "compared.checkpoint_a", "compared.checkpoint_id_b", "compared.checkpoint_b",
    "language", "agreement", "categories", "probes",
]
intervals = ["agreement_low", "agreement_high"]

[column]
agreement = "Mean over the WVS categories of the percentage of a category's probes with equal answers."
categories = "Categories in the mean."
probes = "Probes that both answered, all categories together."
*/
WITH means AS (
    SELECT
        place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, language, left_out,
        kept_mean(100.0 * alike / probes, category, left_out) AS agreement,
        count(*) AS categories,
        sum(probes)::BIGINT AS probes
    FROM agreement_cells($score, $probe_set, $strategies, $model, $source, $sentences, $seed, $epoch, $ci IS NOT NULL)
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
    observed(categories, left_out) AS categories,
    observed(probes, left_out) AS probes
FROM means
GROUP BY place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, language
ORDER BY place_a, place_b, language
