/*
question = "How many stereotypes that people hold are among what a model finds typical?"
grain = """\
A checkpoint, a category of groups and a number k of attributes; and a row `mean` for the mean over its categories."""
paper = "Stepmothers are mean and academics are pretentious Figures 6.1 and 6.4"
reason = "First version."
parameters = ["groups", "collection", "prior", "model", "source", "share", "seed", "epoch", "rows", "k", "grouped.ci"]
columns = ["checkpoint_id", "checkpoint", "model", "source", "share", "seed", "epoch", "category", "k", "recall", "found", "pairs", "groups"]
intervals = ["recall_low", "recall_high"]

[parameter.rows]
type = "text"
about = """\
pairs: each pair of prompt and attribute once; published: rows of the data as often as they are there, and only groups that \
have templates."""
default = "pairs"
values = ["pairs", "published"]

[parameter.k]
type = "integer[]"
about = "How many attributes of a prompt are taken."
default = [1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 100, 105, 110, 115, 120, 125, 130, 135, 140, 145, 150, 155, 160, 165, 170, 175, 180, 185, 190, 195, 200]

[column]
category = "Category of the groups; mean for the mean over the categories."
k = "How many attributes of a prompt are taken, those that the group raises most."
recall = "Percentage of the stereotypes of a single word whose attribute is among them."
found = "Stereotypes that are found; NULL of means."
pairs = "Stereotypes: pairs of prompt and attribute, or rows; of means the sum."
groups = "Groups that they are of."
*/
WITH chosen AS (
    FROM completing_checkpoints($groups, $prior, $model, $source, $share, $seed, $epoch)
),
templates AS (
    SELECT DISTINCT social_group_id FROM v_cloze WHERE group_list = $groups AND is_template
),
-- the authors' list lacks some groups of their data, and repeated rows count as often as they are there
said AS (
    SELECT cloze_id, category, social_group_id, attribute, CASE WHEN $rows = 'pairs' THEN 1 ELSE count(*) END AS n
    FROM v_stereotype
    WHERE collection = $collection AND group_list = $groups AND words = 1
      AND ($rows = 'pairs' OR social_group_id IN (SELECT social_group_id FROM templates))
    GROUP BY ALL
),
cuts AS (
    SELECT DISTINCT unnest($k) AS k
),
asked AS (
    SELECT DISTINCT c.checkpoint_id, c.cloze_id
    FROM v_completion c
    WHERE c.prior = $prior AND c.rank = 1
      AND c.checkpoint_id IN (SELECT checkpoint_id FROM chosen)
      AND c.cloze_id IN (SELECT cloze_id FROM said)
),
places AS MATERIALIZED (
    SELECT a.checkpoint_id, s.category, s.social_group_id, s.n, min(coalesce(c.typicality_rank, c.rank)) AS place
    FROM asked a
    JOIN said s USING (cloze_id)
    LEFT JOIN v_completion c
        ON c.checkpoint_id = a.checkpoint_id AND c.prior = $prior AND c.cloze_id = s.cloze_id
        AND c.attribute = s.attribute
    GROUP BY a.checkpoint_id, s.category, s.social_group_id, s.n, s.cloze_id, s.attribute
),
by_group AS (
    SELECT
        checkpoint_id, category, social_group_id, cut.k,
        coalesce(sum(n) FILTER (WHERE place <= cut.k), 0)::BIGINT AS hits,
        sum(n)::BIGINT AS pairs
    FROM places
    CROSS JOIN cuts cut
    GROUP BY ALL
),
by_category AS (
    SELECT checkpoint_id, category, k, sum(hits)::BIGINT AS hits, sum(pairs)::BIGINT AS pairs, count(*) AS n
    FROM by_group
    GROUP BY ALL
),
means AS (
    SELECT
        checkpoint_id, k, sum(pairs)::BIGINT AS pairs, sum(n)::BIGINT AS n,
        mean(hits / pairs, category) AS ratio, count(*) AS categories
    FROM by_category
    GROUP BY ALL
),
-- without a group; of a category of one group the mean is over the others
without AS (
    SELECT
        checkpoint_id, c.category, k, g.social_group_id AS left_out,
        (c.hits - g.hits) / nullif(c.pairs - g.pairs, 0) AS left_ratio,
        CASE
            WHEN c.n > 1 THEN m.ratio + (left_ratio - c.hits / c.pairs) / m.categories
            ELSE (m.ratio * m.categories - c.hits / c.pairs) / nullif(m.categories - 1, 0)
        END AS mean_ratio,
        c.pairs - g.pairs AS pairs,
        m.pairs - g.pairs AS all_pairs
    FROM by_group g
    JOIN by_category c USING (checkpoint_id, category, k)
    JOIN means m USING (checkpoint_id, k)
    WHERE $ci IS NOT NULL
),
intervals AS (
    SELECT checkpoint_id, category, k, replicates(100 * ratio, pairs, left_out) AS rows
    FROM (
        SELECT checkpoint_id, category, k, 0 AS left_out, hits / pairs AS ratio, pairs FROM by_category
        UNION ALL
        SELECT checkpoint_id, 'mean', k, 0, ratio, pairs FROM means
        UNION ALL
        SELECT checkpoint_id, category, k, left_out, left_ratio, pairs FROM without
        UNION ALL
        SELECT checkpoint_id, 'mean', k, left_out, mean_ratio, all_pairs FROM without
    )
    WHERE $ci IS NOT NULL
    GROUP BY ALL
)
SELECT
    c.checkpoint_id, c.checkpoint, c.model, c.source, c.share, c.seed, c.epoch,
    r.category,
    r.k,
    100 * ratio AS recall,
    share_low(rows) AS recall_low,
    share_high(rows) AS recall_high,
    hits AS found,
    pairs,
    n AS "groups"
FROM chosen c
JOIN (
    SELECT checkpoint_id, category, k, hits, pairs, n, hits / pairs AS ratio FROM by_category
    UNION ALL
    SELECT checkpoint_id, 'mean', k, NULL, pairs, n, ratio FROM means
) r USING (checkpoint_id)
LEFT JOIN intervals USING (checkpoint_id, category, k)
ORDER BY c.place, r.category = 'mean', r.category, r.k
