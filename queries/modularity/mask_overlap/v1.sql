/*
question = "How many attention heads do the subnetworks of two languages share?"
grain = """\
Two languages' subnetworks that were found by pruning alike for one task, and a layer; and all layers together (NULL). Of the \
final checkpoints of classifiers of one language each, or of one classifier."""
paper = "Examining modularity Figures 5.8 (left), C.2, C.3 and C.4"
reason = "First version."
parameters = ["task", "model", "source", "sentences", "seed"]
columns = [
    "model", "task", "source", "pruned.ft_languages", "pruned.sentences", "pruned.seed", "pruned.settings",
    "pruned.pruning", "layer", "language_a", "language_b", "subnetwork_a", "subnetwork_b", "heads", "enabled_a",
    "enabled_b", "shared", "share_of_a", "share_of_b", "cosine", "jaccard", "expected_shared", "p_value",
]

[column]
model = "Pretrained model that the pruned ones started from."
layer = "Layer, from 1; NULL for all together."
language_a = "Language that the first one was pruned for."
language_b = "Language of the second."
subnetwork_a = "Name of the first: of its prune run."
subnetwork_b = "Name of the second."
heads = "Attention heads of the layer, or of all."
enabled_a = "Heads that the first enables."
enabled_b = "Heads that the second enables."
shared = "Heads that both enable."
share_of_a = "Shared heads in percent of those that the first enables; NULL where there are none."
share_of_b = "Of those that the second enables."
cosine = "Cosine of the two masks as vectors of 0 and 1; NULL where one of them has no head."
jaccard = "Shared heads over those that either enables."
expected_shared = "Heads that two random masks of these sizes share on average."
p_value = """\
Probability that they share as many or more (hypergeometric distribution); one-sided, not corrected for the number of rows."""
*/
WITH chosen AS (
    FROM pruned_subnetworks($task, $model, $source, $sentences, $seed)
),
pairs AS (
    SELECT
        model, task, source, a.ft_languages, sentences, seed, settings, pruning,
        a.language AS language_a, b.language AS language_b, a.subnetwork AS subnetwork_a, b.subnetwork AS subnetwork_b,
        a.mask_id AS mask_a, b.mask_id AS mask_b
    FROM chosen a
    JOIN chosen b USING (model, task, source, sentences, seed, settings, pruning)
    WHERE a.language < b.language AND a.ft_languages IS NOT DISTINCT FROM b.ft_languages
      AND a.layers = b.layers AND a.heads = b.heads
),
counts AS (
    SELECT
        mask_a, mask_b, a.layer,
        count(*) AS heads,
        count(*) FILTER (WHERE a.enabled) AS enabled_a,
        count(*) FILTER (WHERE b.enabled) AS enabled_b,
        count(*) FILTER (WHERE a.enabled AND b.enabled) AS shared
    FROM (SELECT DISTINCT mask_a, mask_b FROM pairs)
    JOIN v_mask_head a ON a.mask_id = mask_a
    JOIN v_mask_head b ON b.mask_id = mask_b AND b.layer = a.layer AND b.attention_head = a.attention_head
    GROUP BY GROUPING SETS ((mask_a, mask_b, a.layer), (mask_a, mask_b))
)
SELECT
    p.model,
    p.task,
    p.source,
    p.ft_languages,
    p.sentences,
    p.seed,
    p.settings,
    p.pruning,
    c.layer,
    p.language_a,
    p.language_b,
    p.subnetwork_a,
    p.subnetwork_b,
    c.heads,
    c.enabled_a,
    c.enabled_b,
    c.shared,
    100.0 * c.shared / nullif(c.enabled_a, 0) AS share_of_a,
    100.0 * c.shared / nullif(c.enabled_b, 0) AS share_of_b,
    c.shared / nullif(sqrt(c.enabled_a * c.enabled_b), 0) AS cosine,
    c.shared / nullif(c.enabled_a + c.enabled_b - c.shared, 0) AS jaccard,
    c.enabled_a * c.enabled_b / c.heads AS expected_shared,
    hypergeometric_p(c.shared, c.enabled_a, c.enabled_b, c.heads) AS p_value
FROM pairs p
JOIN counts c USING (mask_a, mask_b)
ORDER BY
    p.model, p.task, p.source, p.ft_languages NULLS FIRST, p.sentences, p.seed, p.settings, p.pruning,
    c.layer NULLS FIRST, p.language_a, p.language_b, p.subnetwork_a, p.subnetwork_b
