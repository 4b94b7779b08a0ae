/*
question = "Where were stereotypes found?"
grain = """\
A collection and an engine."""
paper = "Stepmothers are mean and academics are pretentious Figure D.1"
reason = "First version."
parameters = ["groups"]
columns = ["collection", "engine", "stereotypes", "percent"]

[column]
engine = "Where rows were found; multiple for more than one; empty where it is not said."
stereotypes = "Rows of the collection from there."
percent = "Percentage of its rows."
*/
SELECT
    collection,
    engine,
    count(*) AS stereotypes,
    100.0 * count(*) / sum(count(*)) OVER (PARTITION BY collection) AS percent
FROM v_stereotype
WHERE group_list = $groups
GROUP BY collection, engine
ORDER BY collection, stereotypes DESC, engine
