/*
question = "How many attention heads does a language not need?"
grain = "A subnetwork that was found by pruning the final checkpoint of a classifier."
paper = "Examining modularity Table C.1"
reason = "First version."
parameters = ["task", "model", "source", "sentences", "seed"]
columns = [
    "model", "task", "source", "pruned.ft_languages", "pruned.sentences", "pruned.seed", "pruned.settings",
    "pruned.pruning", "language", "run", "disabled", "enabled", "layers_empty", "iterations", "score_before",
    "score_after",
]

[column]
model = "Pretrained model that the pruned one started from."
language = "Language that it was pruned for."
run = "Name of the prune run, and of the subnetwork."
disabled = "Heads that it does without."
enabled = "Heads that it has."
layers_empty = "Layers in which it has none."
iterations = "Iterations of pruning after which enough accuracy was left."
score_before = "Percentage of the development examples in the language that the whole model has right."
score_after = "Percentage that the subnetwork has right."
*/
WITH steps AS (
    SELECT
        run,
        any_value(score_before) AS score_before,
        count(*) FILTER (WHERE kept) AS iterations,
        arg_max(score, iteration) FILTER (WHERE kept) AS score_after
    FROM v_pruning_step
    GROUP BY run
)
SELECT
    s.model,
    s.task,
    s.source,
    s.ft_languages,
    s.sentences,
    s.seed,
    s.settings,
    s.pruning,
    s.language,
    s.run,
    s.disabled,
    s.enabled,
    s.layers_empty,
    t.iterations,
    100 * t.score_before AS score_before,
    100 * coalesce(t.score_after, t.score_before) AS score_after
FROM pruned_subnetworks($task, $model, $source, $sentences, $seed) s
LEFT JOIN steps t USING (run)
ORDER BY
    s.model, s.task, s.source, s.ft_languages NULLS FIRST, s.sentences, s.seed, s.settings, s.pruning, s.language,
    s.run
