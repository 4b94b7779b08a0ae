/*
question = "On which themes do checkpoints answer alike?"
grain = """\
A pair of checkpoints, the smaller model first, and a WVS category: the share of equal answers in each test language, \
then the mean of the languages."""
paper = "Echoes Figure 7 top; dissertation Table E.1"
reason = "First version."
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
        place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, category, resample,
        drawn_mean(100.0 * alike / probes, language, 1, resample) AS agreement,
        count(*) AS languages,
        sum(probes)::BIGINT AS probes
    FROM agreement_cells($score, $probe_set, $strategies, $model, $source, $sentences, $seed, $epoch, $ci)
    GROUP BY ALL
)
SELECT
    checkpoint_id_a,
    checkpoint_a,
    checkpoint_id_b,
    checkpoint_b,
    category,
    observed(agreement, resample) AS agreement,
    interval_low(agreement, resample) AS agreement_low,
    interval_high(agreement, resample) AS agreement_high,
    observed(languages, resample) AS languages,
    observed(probes, resample) AS probes
FROM means
GROUP BY place_a, place_b, checkpoint_id_a, checkpoint_a, checkpoint_id_b, checkpoint_b, category
ORDER BY place_a, place_b, category
