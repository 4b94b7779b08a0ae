/*
question = "How many of a model's words does a lexicon have?"
grain = """\
A checkpoint and a category of groups; and a row `all` for all groups together."""
paper = "Stepmothers are mean and academics are pretentious section 6.5"
reason = "First version."
parameters = ["groups", "lexicon", "prior", "model", "source", "share", "seed", "epoch"]
columns = ["checkpoint_id", "checkpoint", "model", "source", "share", "seed", "epoch", "lexicon", "is_complete", "category", "words", "covered", "percent", "percent_min", "percent_max", "groups"]

[column]
words = "Different words over the templates of a group, mean over the groups."
covered = "Those that the lexicon has, mean over the groups."
percent = "Percentage that it has of a group's words, mean over the groups."
percent_min = "Of the group with the smallest."
percent_max = "Of the group with the largest."
groups = "Groups that have any such word."
*/
WITH counted AS (
    SELECT checkpoint_id, category, social_group_id, any_value(words) AS words, any_value(covered) AS covered
    FROM v_emotion_score
    WHERE group_list = $groups AND lexicon = $lexicon AND prior = $prior
    GROUP BY ALL
),
every AS (
    FROM counted
    UNION ALL
    SELECT checkpoint_id, 'all', social_group_id, words, covered FROM counted
)
SELECT
    k.checkpoint_id, k.checkpoint, k.model, k.source, k.share, k.seed, k.epoch,
    $lexicon AS lexicon,
    (SELECT is_complete FROM v_lexicon WHERE lexicon = $lexicon) AS is_complete,
    e.category,
    sum(words) / count(*) AS words,
    sum(covered) / count(*) AS covered,
    100 * mean(covered / words, social_group_id) AS percent,
    100 * min(covered / words) AS percent_min,
    100 * max(covered / words) AS percent_max,
    count(*) AS "groups"
FROM completing_checkpoints($groups, $prior, $model, $source, $share, $seed, $epoch) k
JOIN every e USING (checkpoint_id)
GROUP BY k.place, k.checkpoint_id, k.checkpoint, k.model, k.source, k.share, k.seed, k.epoch, e.category
ORDER BY k.place, e.category = 'all', e.category
