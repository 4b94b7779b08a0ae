/*
question = "Which attributes of a group does fine-tuning remove, add and keep?"
grain = """\
A fine-tuned checkpoint, a group and an attribute that is among the first before or after, over the sentences that both \
states of the model completed."""
paper = "Stepmothers are mean and academics are pretentious Figure 6.7"
reason = "First version."
parameters = ["groups", "prior", "model", "source", "share", "seed", "epoch", "category", "group_name", "n"]
columns = ["checkpoint_id", "checkpoint", "model", "source", "share", "seed", "epoch", "category", "group_name", "change", "attribute", "templates_before", "templates_after"]

[parameter.n]
type = "integer"
about = "How many attributes of each template are its first."
default = 15

[column]
change = "removed, added or kept."
attribute = "Text of the token."
templates_before = "Templates in which it is among the first of the pretrained model, by probability."
templates_after = "Templates in which it is among the first of the fine-tuned one."
*/
WITH chosen AS MATERIALIZED (
    FROM completing_checkpoints($groups, $prior, $model, $source, $share, $seed, $epoch) WHERE run IS NOT NULL
),
sentences AS MATERIALIZED (
    SELECT cloze_id, category, group_name, social_group_id
    FROM v_cloze
    WHERE group_list = $groups AND is_template AND matches($category, category) AND matches($group_name, group_name)
),
firsts AS MATERIALIZED (
    SELECT checkpoint_id, cloze_id, attribute
    FROM v_completion
    WHERE prior = $prior AND rank <= $n
      AND cloze_id IN (SELECT cloze_id FROM sentences)
      AND checkpoint_id IN (SELECT unnest([checkpoint_id, base_checkpoint_id]) FROM chosen)
),
completed AS (
    SELECT DISTINCT checkpoint_id, cloze_id FROM firsts
),
compared AS MATERIALIZED (
    SELECT k.checkpoint_id, k.base_checkpoint_id, cloze_id
    FROM chosen k
    JOIN completed a ON a.checkpoint_id = k.checkpoint_id
    JOIN completed b USING (cloze_id)
    WHERE b.checkpoint_id = k.base_checkpoint_id
),
moved AS (
    SELECT
        c.checkpoint_id, s.category, s.group_name, f.attribute,
        count(DISTINCT cloze_id) FILTER (WHERE f.checkpoint_id = c.base_checkpoint_id) AS templates_before,
        count(DISTINCT cloze_id) FILTER (WHERE f.checkpoint_id = c.checkpoint_id) AS templates_after
    FROM compared c
    JOIN sentences s USING (cloze_id)
    JOIN firsts f USING (cloze_id)
    WHERE f.checkpoint_id IN (c.checkpoint_id, c.base_checkpoint_id)
    GROUP BY c.checkpoint_id, s.social_group_id, s.category, s.group_name, f.attribute
)
SELECT
    k.checkpoint_id, k.checkpoint, k.model, k.source, k.share, k.seed, k.epoch,
    m.category,
    m.group_name,
    CASE WHEN templates_after = 0 THEN 'removed' WHEN templates_before = 0 THEN 'added' ELSE 'kept' END AS change,
    m.attribute,
    templates_before,
    templates_after
FROM moved m
JOIN chosen k USING (checkpoint_id)
ORDER BY k.place, m.category, m.group_name, change, greatest(templates_before, templates_after) DESC, m.attribute
