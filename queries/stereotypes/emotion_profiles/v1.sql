/*
question = "Which emotions are in what a model says of groups?"
grain = """\
A checkpoint, a group and an emotion."""
paper = "Stepmothers are mean and academics are pretentious Figures 6.2, 6.6 and D.2"
reason = "First version."
parameters = ["groups", "lexicon", "prior", "model", "source", "share", "seed", "epoch", "category", "group_name"]
columns = ["checkpoint_id", "checkpoint", "model", "source", "share", "seed", "epoch", "lexicon", "category", "group_name", "emotion", "score", "covered", "words"]

[column]
emotion = "The emotion."
score = "Percentage of the covered words that stand for it."
covered = "Words that the lexicon has."
words = "Different words over the templates of the group."
*/
SELECT
    k.checkpoint_id,
    k.checkpoint,
    k.model,
    k.source,
    k.share,
    k.seed,
    k.epoch,
    e.lexicon,
    e.category,
    e.group_name,
    e.emotion,
    100 * e.score AS score,
    e.covered,
    e.words
FROM completing_checkpoints($groups, $prior, $model, $source, $share, $seed, $epoch) k
JOIN v_emotion_score e ON e.checkpoint_id = k.checkpoint_id AND e.prior = $prior
WHERE e.group_list = $groups AND e.lexicon = $lexicon
  AND matches($category, e.category) AND matches($group_name, e.group_name)
ORDER BY k.place, e.category, e.group_name, e.emotion
