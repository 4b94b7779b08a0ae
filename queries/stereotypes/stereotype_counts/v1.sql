/*
question = "How many stereotypes do collections have?"
grain = """\
A collection and a category of groups; and a row `all` for its categories together."""
paper = "Stepmothers are mean and academics are pretentious Table 6.2"
reason = "First version."
parameters = ["groups"]
columns = ["collection", "category", "stereotypes", "pairs", "groups", "prompts", "single_words", "single_pairs"]

[column]
stereotypes = "Rows of the collection."
pairs = "Different pairs of prompt and attribute."
groups = "Groups that have any."
prompts = "Different prompts."
single_words = "Rows whose attribute is a single word: those that recall is about."
single_pairs = "Different pairs of these."
*/
WITH every AS (
    SELECT collection, category, social_group_id, cloze_id, attribute, words FROM v_stereotype WHERE group_list = $groups
    UNION ALL
    SELECT collection, 'all', social_group_id, cloze_id, attribute, words FROM v_stereotype WHERE group_list = $groups
)
SELECT
    collection,
    category,
    count(*) AS stereotypes,
    count(DISTINCT (cloze_id, attribute)) AS pairs,
    count(DISTINCT social_group_id) AS "groups",
    count(DISTINCT cloze_id) AS prompts,
    count(*) FILTER (WHERE words = 1) AS single_words,
    count(DISTINCT (cloze_id, attribute)) FILTER (WHERE words = 1) AS single_pairs
FROM every
GROUP BY collection, category
ORDER BY collection, category = 'all', stereotypes DESC, category
