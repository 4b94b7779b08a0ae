/*
question = "Does a language rely more on its own examples where it has more of them than the others?"
grain = """\
An influence run of a classifier with more examples of a language, and that language; and of one without, with 0 percent, \
each of its languages: the percentage of a text's most influential examples that are in its own language, then the mean \
over the texts. All checkpoints together."""
paper = "How do languages influence each other? Figure 5"
reason = "Classifiers are traced."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.direction",
    "traced.k", "ci",
]
columns = [
    "traced.run", "traced_run", "traced.model", "task", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "language", "added_percent", "direction", "own_contribution",
    "examples_share", "lift", "targets",
]
intervals = ["own_contribution_low", "own_contribution_high"]

[column]
task = "What is told apart."
language = "Test language, of whose training examples there are more."
added_percent = "How many more, in percent of those of the other languages."
own_contribution = "Percentage of the most influential examples that are in it: mean over the texts."
examples_share = "Percentage of all training examples that are in it: what a ranking by chance would give."
lift = "Own contribution over examples share: 1 by chance."
targets = "Texts in the mean."
*/
WITH chosen AS (
    FROM traced_classifiers($run, $model, $source, $method, $sentences, $seed)
    WHERE left_out IS NULL
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
    language,
    coalesce(c.added_percent, 0) AS added_percent,
    direction,
    contribution AS own_contribution,
    contribution_low AS own_contribution_low,
    contribution_high AS own_contribution_high,
    100.0 * n / c.examples AS examples_share,
    own_contribution / examples_share AS lift,
    targets
FROM contributions((SELECT list(run) FROM chosen), NULL, $direction, $k, $ci IS NOT NULL)
JOIN chosen c USING (run)
WHERE language = ft_language AND (c.added_language IS NULL OR c.added_language = language)
ORDER BY
    c.model, c.task, c.source, language, added_percent, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity,
    run, direction DESC
