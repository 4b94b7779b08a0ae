/*
question = "What do people say of a group?"
grain = """\
A prompt of a collection."""
paper = "Stepmothers are mean and academics are pretentious Table 6.1"
reason = "First version."
parameters = ["groups", "collection", "category", "group_name"]
columns = ["prompt", "category", "group_name", "attributes", "engines", "stereotypes"]

[column]
attributes = "Its attributes, those that were found more often first, separated by semicolons."
engines = "Where they were found, separated by commas."
stereotypes = "Rows of the collection."
*/
WITH said AS (
    SELECT cloze_id, prompt, category, group_name, attribute, count(*) AS n
    FROM v_stereotype
    WHERE group_list = $groups AND collection = $collection
      AND matches($category, category) AND matches($group_name, group_name)
    GROUP BY ALL
),
found AS (
    SELECT cloze_id, string_agg(DISTINCT engine, ', ' ORDER BY engine) FILTER (WHERE engine <> '') AS engines
    FROM v_stereotype
    WHERE group_list = $groups AND collection = $collection
    GROUP BY cloze_id
)
SELECT
    prompt,
    category,
    group_name,
    string_agg(attribute, '; ' ORDER BY n DESC, attribute) AS attributes,
    any_value(engines) AS engines,
    sum(n)::BIGINT AS stereotypes
FROM said
JOIN found USING (cloze_id)
GROUP BY cloze_id, prompt, category, group_name
ORDER BY category, group_name, prompt
