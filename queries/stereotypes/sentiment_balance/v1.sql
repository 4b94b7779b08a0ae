/*
question = "Does a model speak better of groups than ill?"
grain = """\
A checkpoint and a category of groups; and a row `all` for all groups together."""
paper = "Stepmothers are mean and academics are pretentious section 6.5 and appendix D.4"
reason = "First version."
parameters = ["groups", "lexicon", "prior", "model", "source", "share", "seed", "epoch", "grouped.ci"]
columns = ["checkpoint_id", "checkpoint", "model", "source", "share", "seed", "epoch", "lexicon", "category", "positive", "negative", "balance", "groups"]
intervals = ["balance_low", "balance_high"]

[column]
positive = "Percentage of a group's covered words that are positive, mean over the groups."
negative = "Percentage that are negative, likewise."
balance = "The first minus the second, in points."
groups = "Groups."
*/
WITH sentiments AS (
    SELECT
        checkpoint_id, category, social_group_id,
        100 * any_value(score) FILTER (WHERE emotion = 'positive') AS positive,
        100 * any_value(score) FILTER (WHERE emotion = 'negative') AS negative
    FROM v_emotion_score
    WHERE group_list = $groups AND lexicon = $lexicon AND prior = $prior AND emotion IN ('positive', 'negative')
    GROUP BY ALL
    HAVING positive IS NOT NULL AND negative IS NOT NULL
),
every AS (
    FROM sentiments
    UNION ALL
    SELECT checkpoint_id, 'all', social_group_id, positive, negative FROM sentiments
),
means AS (
    SELECT
        checkpoint_id, category,
        mean(positive, social_group_id) AS positive,
        mean(negative, social_group_id) AS negative,
        mean(positive - negative, social_group_id) AS balance,
        CASE WHEN $ci IS NOT NULL THEN mean_without_each(positive - negative, social_group_id) END AS rows,
        count(*) AS n
    FROM every
    GROUP BY ALL
)
SELECT
    k.checkpoint_id, k.checkpoint, k.model, k.source, k.share, k.seed, k.epoch,
    $lexicon AS lexicon,
    category,
    positive,
    negative,
    balance,
    low_end(rows) AS balance_low,
    high_end(rows) AS balance_high,
    n AS "groups"
FROM completing_checkpoints($groups, $prior, $model, $source, $share, $seed, $epoch) k
JOIN means USING (checkpoint_id)
ORDER BY k.place, category = 'all', category
