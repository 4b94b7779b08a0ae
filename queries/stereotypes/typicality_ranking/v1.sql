/*
question = "Which attributes does a group raise most?"
grain = """\
A checkpoint, a prompt of a collection and one of its first k attributes by typicality."""
paper = "Stepmothers are mean and academics are pretentious Table 6.3"
reason = "First version."
parameters = ["groups", "collection", "prior", "model", "source", "share", "seed", "epoch", "category", "group_name", "k"]
columns = ["checkpoint_id", "checkpoint", "model", "source", "share", "seed", "epoch", "prompt", "category", "group_name", "typicality_rank", "attribute", "rank", "p", "prior_p", "typicality", "in_data"]

[parameter.k]
type = "integer"
about = "How many attributes of a prompt."
default = 10

[column]
typicality_rank = "Rank by typicality among the attributes that were kept; by probability where the sentence has no prior."
attribute = "Text of the token."
rank = "Rank by probability."
p = "Probability in the sentence."
prior_p = "Probability with the group masked too; NULL where the group does not stand in the sentence."
typicality = "Logarithm of the first over the second, nats."
in_data = "Whether people complete the prompt so."
*/
SELECT
    k.checkpoint_id,
    k.checkpoint,
    k.model,
    k.source,
    k.share,
    k.seed,
    k.epoch,
    z.text AS prompt,
    z.category,
    z.group_name,
    coalesce(c.typicality_rank, c.rank) AS typicality_rank,
    c.attribute,
    c.rank,
    exp(c.logprob) AS p,
    exp(c.logprob_prior) AS prior_p,
    c.typicality,
    EXISTS (
        FROM v_stereotype s
        WHERE s.collection = $collection AND s.cloze_id = c.cloze_id AND s.attribute = c.attribute
    ) AS in_data
FROM completing_checkpoints($groups, $prior, $model, $source, $share, $seed, $epoch) k
JOIN v_completion c ON c.checkpoint_id = k.checkpoint_id AND c.prior = $prior
JOIN v_cloze z USING (cloze_id)
WHERE z.group_list = $groups AND z.form = $collection
  AND matches($category, z.category) AND matches($group_name, z.group_name)
  AND coalesce(c.typicality_rank, c.rank) <= $k
ORDER BY k.place, z.category, z.group_name, z.text, coalesce(c.typicality_rank, c.rank)
