/*
question = "Do the most influential examples have the class of the text that they influence?"
grain = """\
An influence run of a classifier, direction and test language: the percentage of a text's most influential examples that \
have its class, then the mean over the texts. All checkpoints together."""
paper = "How do languages influence each other? appendix A"
reason = "Classifiers are traced."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.direction",
    "traced.k", "ci",
]
columns = [
    "traced.run", "traced_run", "traced.model", "task", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "direction", "language", "same_class", "chance", "lift", "targets",
]
intervals = ["same_class_low", "same_class_high"]

[column]
task = "What is told apart."
same_class = "Percentage of the most influential examples with the class of the text: mean over the texts."
chance = "Percentage of all training examples with the class of the text: mean over the texts."
lift = "Same class over chance: 1 by chance."
targets = "Texts in the mean."
*/
WITH chosen AS (
    FROM traced_classifiers($run, $model, $source, $method, $sentences, $seed)
),
texts AS (
    FROM traced_texts((SELECT list(run) FROM chosen))
),
sizes AS (
    SELECT c.traced_run, b.class_number, count(*) AS n
    FROM (SELECT DISTINCT traced_run, task, source FROM chosen) c
    JOIN v_training_example e ON e.run = c.traced_run AND e.split = 'train'
    JOIN v_task b ON b.task = c.task AND b.source = c.source AND b.label = e.label
    GROUP BY ALL
),
lists AS (
    SELECT
        influence_target_id, direction,
        100.0 * count(*) FILTER (WHERE train_class = class_number) / count(*) AS same_class
    FROM ranked_texts((SELECT list(run) FROM chosen), $direction, $k)
    JOIN texts USING (influence_target_id)
    GROUP BY ALL
),
shares AS (
    SELECT
        run, direction, language, left_out,
        kept_mean(same_class, question, left_out) AS same_class,
        kept_mean(100.0 * n / examples, question, left_out) AS chance,
        count(*) AS targets
    FROM lists
    JOIN texts USING (influence_target_id)
    JOIN (SELECT run, examples FROM chosen) USING (run)
    JOIN sizes USING (traced_run, class_number)
    JOIN kept_targets((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
    GROUP BY ALL
),
cells AS (
    SELECT
        run, direction, language,
        observed(same_class, left_out) AS same_class,
        share_low(replicates(same_class, targets, left_out)) AS same_class_low,
        share_high(replicates(same_class, targets, left_out)) AS same_class_high,
        observed(chance, left_out) AS chance,
        observed(targets, left_out) AS targets
    FROM shares
    GROUP BY ALL
)
SELECT
    run,
    c.traced_run,
    c.model,
    c.task,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.attribution,
    c.quantity,
    direction,
    language,
    same_class,
    same_class_low,
    same_class_high,
    chance,
    same_class / chance AS lift,
    targets
FROM cells
JOIN chosen c USING (run)
ORDER BY
    c.model, c.task, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC,
    language
