/*
question = "Which attention heads do the subnetworks of all languages share, and which does none need?"
grain = """\
Subnetworks that were found by pruning alike for one task, and an attention head. Of the final checkpoints of classifiers of \
one language each, or of one classifier."""
paper = "Examining modularity Figure C.1"
reason = "First version."
parameters = ["task", "model", "source", "sentences", "seed"]
columns = [
    "model", "task", "source", "pruned.ft_languages", "pruned.sentences", "pruned.seed", "pruned.settings",
    "pruned.pruning", "layer", "attention_head", "languages", "n", "subnetworks",
]

[column]
model = "Pretrained model that the pruned ones started from."
layer = "Layer, from 1."
attention_head = "Attention head of the layer, from 1."
languages = "Languages whose subnetwork enables it, comma-separated; NULL if there are none."
n = "How many there are."
subnetworks = "Of so many subnetworks, one for each language."
*/
SELECT
    s.model,
    s.task,
    s.source,
    s.ft_languages,
    s.sentences,
    s.seed,
    s.settings,
    s.pruning,
    h.layer,
    h.attention_head,
    string_agg(s.language, ',' ORDER BY s.language) FILTER (WHERE h.enabled) AS languages,
    count(*) FILTER (WHERE h.enabled) AS n,
    count(*) AS subnetworks
FROM pruned_subnetworks($task, $model, $source, $sentences, $seed) s
JOIN v_mask_head h USING (mask_id)
GROUP BY ALL
ORDER BY
    s.model, s.task, s.source, s.ft_languages NULLS FIRST, s.sentences, s.seed, s.settings, s.pruning, h.layer,
    h.attention_head
