/*
question = "Do templates of one meaning give the same attributes?"
grain = """\
A checkpoint and a category of groups; and a row `all` for all groups together."""
paper = "Stepmothers are mean and academics are pretentious section 6.5"
reason = "First version."
parameters = ["groups", "prior", "model", "source", "share", "seed", "epoch"]
columns = ["checkpoint_id", "checkpoint", "model", "source", "share", "seed", "epoch", "category", "jaccard", "pairs", "groups"]

[column]
jaccard = """\
Attributes that two templates of a group share, in percent of those that one of them has: mean over the pairs of templates, then \
over the groups."""
pairs = "Pairs of templates."
groups = "Groups."
*/
WITH chosen AS MATERIALIZED (
    FROM completing_checkpoints($groups, $prior, $model, $source, $share, $seed, $epoch)
),
listed AS MATERIALIZED (
    SELECT c.checkpoint_id, z.category, z.social_group_id, z.form, list_sort(list(c.token)) AS tokens
    FROM v_completion c
    JOIN v_cloze z USING (cloze_id)
    WHERE c.prior = $prior AND z.group_list = $groups AND z.is_template
      AND c.checkpoint_id IN (SELECT checkpoint_id FROM chosen)
    GROUP BY ALL
),
compared AS (
    SELECT
        checkpoint_id, a.category, a.social_group_id,
        mean(
            len(list_intersect(a.tokens, b.tokens))
            / (len(a.tokens) + len(b.tokens) - len(list_intersect(a.tokens, b.tokens))),
            [a.form, b.form]
        ) AS jaccard,
        count(*) AS pairs
    FROM listed a
    JOIN listed b USING (checkpoint_id, social_group_id)
    WHERE a.form < b.form
    GROUP BY checkpoint_id, a.category, a.social_group_id
),
every AS (
    FROM compared
    UNION ALL
    SELECT checkpoint_id, 'all', social_group_id, jaccard, pairs FROM compared
)
SELECT
    k.checkpoint_id, k.checkpoint, k.model, k.source, k.share, k.seed, k.epoch,
    e.category,
    100 * mean(jaccard, social_group_id) AS jaccard,
    sum(pairs)::BIGINT AS pairs,
    count(*) AS "groups"
FROM chosen k
JOIN every e USING (checkpoint_id)
GROUP BY k.place, k.checkpoint_id, k.checkpoint, k.model, k.source, k.share, k.seed, k.epoch, e.category
ORDER BY k.place, e.category = 'all', e.category
