/*
question = "Are influential examples in a language written in its script alone?"
grain = """\
An influence run of a classifier, direction and training language: of the most influential examples of all texts that are \
in the language, those whose letters are all of its script. All checkpoints together."""
paper = "How do languages influence each other? section 7.1"
reason = "Classifiers are traced."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.direction",
    "traced.k", "ci",
]
columns = [
    "traced.run", "traced_run", "traced.model", "task", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "direction", "train_language", "fully_in_script", "of_all_examples", "n",
    "targets",
]
intervals = ["fully_in_script_low", "fully_in_script_high"]

[column]
task = "What is told apart."
train_language = "Language of the training examples."
fully_in_script = """\
Percentage without a letter of another script. An example counts once for each text that it is among the most influential of."""
of_all_examples = "The same of all training examples in the language: what a ranking by chance would give."
n = "Examples of the language among the most influential ones of all texts together."
targets = "Texts that have one."
*/
WITH chosen AS (
    FROM traced_classifiers($run, $model, $source, $method, $sentences, $seed)
),
scripts AS MATERIALIZED (
    SELECT
        e.training_example_id, e.run AS traced_run, e.language AS train_language,
        fully_in_script(e.text, e.text_pair, e.language) AS in_script
    FROM v_training_example e
    WHERE e.split = 'train' AND e.run IN (SELECT traced_run FROM chosen)
),
lists AS (
    SELECT
        run, question, direction, train_language,
        count(*) FILTER (WHERE in_script) AS scripted,
        count(*) AS n
    FROM v_influence_ranking
    JOIN traced_texts((SELECT list(run) FROM chosen)) t USING (influence_target_id)
    JOIN scripts USING (training_example_id)
    WHERE matches($direction, direction) AND ($k IS NULL OR rank <= $k)
    GROUP BY influence_target_id, run, question, direction, train_language
),
parts AS (
    SELECT
        run, direction, train_language, left_out,
        100.0 * sum(scripted) / sum(n) AS share,
        sum(n)::BIGINT AS n,
        count(*) AS targets
    FROM lists
    JOIN kept_targets((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
    GROUP BY ALL
),
cells AS (
    SELECT
        run, direction, train_language,
        observed(share, left_out) AS share,
        share_low(replicates(share, targets, left_out)) AS share_low,
        share_high(replicates(share, targets, left_out)) AS share_high,
        observed(n, left_out) AS n,
        observed(targets, left_out) AS targets
    FROM parts
    GROUP BY ALL
),
everything AS (
    SELECT traced_run, train_language, 100.0 * count(*) FILTER (WHERE in_script) / count(*) AS of_all_examples
    FROM scripts
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
    train_language,
    share AS fully_in_script,
    share_low AS fully_in_script_low,
    share_high AS fully_in_script_high,
    e.of_all_examples,
    n,
    targets
FROM cells
JOIN chosen c USING (run)
JOIN everything e USING (traced_run, train_language)
ORDER BY
    c.model, c.task, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC,
    train_language
