/*
question = "How many labelled texts does a classifier have right?"
grain = """\
A checkpoint of a classifier (the final one of its run, unless another epoch is asked for), a split and a test \
language; and a row `all` for its languages together."""
paper = "How do languages influence each other? sections 4.1 and 8.3"
reason = "Classifiers are new."
parameters = ["run", "task", "split", "model", "source", "sentences", "seed", "epoch"]
columns = [
    "run.run", "model", "task", "source", "ft_languages", "left_out", "sentences", "seed", "epoch", "settings", "split",
    "language", "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "macro_f1_low", "macro_f1_high", "majority",
    "texts",
]

[parameter.run]
type = "text"
about = "Name of the run that trained the classifier, or of one that asked it."

[parameter.task]
type = "text"
about = "Name of the task, e.g. xnli-entailment."

[parameter.split]
type = "text"
about = "Edition of the texts, e.g. test."

[column]
model = "Pretrained model that the run started from."
task = "What is told apart."
source = "Source of the labelled texts."
ft_languages = "Languages trained on, comma-separated."
left_out = "Languages that have every training example as well and were not trained on; NULL if there is none."
sentences = "Training examples in all languages together."
seed = "Seed of the run."
settings = "How the run was trained: epochs, batch size, learning rate and what else differs between setups."
split = "Edition of the texts."
language = "Test language; `all` for all together."
accuracy = "Percentage of texts whose class with the highest score is that of their label."
accuracy_low = """\
Lower end of its 95% interval: Wilson's (1927), of as many texts as they are worth, since translations of one text are \
drawn together."""
accuracy_high = "Upper end."
macro_f1 = "F1 of each class that texts or predictions have, in percent, mean over these."
macro_f1_low = """\
Lower end of its 95% interval, by the delta method on the logit scale, translations of one text being drawn together; \
NULL of fewer than 10 texts."""
macro_f1_high = "Upper end."
majority = "Percentage of the most frequent class: what predicting nothing else would have right."
texts = "Labelled texts."
*/
WITH predictions AS (
    SELECT checkpoint_id, task, split, language, key, segment_id, gold, predicted
    FROM v_prediction
    JOIN v_checkpoint k USING (checkpoint_id)
    WHERE gold IS NOT NULL
      AND matches($task, task) AND matches($split, split) AND matches($model, k.model)
      AND matches($source, k.source) AND matches($sentences, k.sentences) AND matches($seed, k.seed)
      AND at_epoch($epoch, k.epoch, k.is_final)
      AND ($run IS NULL OR k.run = $run
           OR checkpoint_id IN (SELECT start_checkpoint_id FROM v_run WHERE run = $run AND kind = 'predict'))
),
every AS (
    SELECT * FROM predictions
    UNION ALL
    SELECT * REPLACE ('all' AS language) FROM predictions
),
rows AS (
    SELECT *, unnest([gold, predicted]) AS class_number, unnest([TRUE, FALSE]) AS is_gold
    FROM every
),
classes AS (
    SELECT
        checkpoint_id, task, split, language, class_number,
        count(*) AS sides,
        count(*) FILTER (is_gold) AS golds,
        count(*) FILTER (is_gold AND gold = predicted) AS hits,
        2.0 * hits / sides AS f1
    FROM rows
    GROUP BY ALL
),
means AS (
    SELECT
        checkpoint_id, task, split, language,
        avg(f1) AS macro_f1, count(*) AS classes, sum(hits) AS hits, sum(golds) AS texts, max(golds) AS most
    FROM classes
    GROUP BY ALL
),
-- how much each text moves accuracy and mean F1: the derivatives by its weight
moves AS (
    SELECT
        checkpoint_id, task, split, language, key, segment_id,
        any_value(((gold = predicted)::INTEGER - m.hits / texts) / texts) AS of_accuracy,
        sum((2 * (is_gold AND gold = predicted)::INTEGER - f1) / sides) / any_value(classes) AS of_f1
    FROM rows
    JOIN classes c USING (checkpoint_id, task, split, language, class_number)
    JOIN means m USING (checkpoint_id, task, split, language)
    GROUP BY ALL
),
-- translations of one text are drawn together
drawn AS (
    SELECT
        checkpoint_id, task, split, language, key,
        sum(of_accuracy) AS of_accuracy, sum(of_f1) AS of_f1, sum(of_accuracy ** 2) AS apart
    FROM moves
    GROUP BY ALL
),
spreads AS (
    SELECT
        checkpoint_id, task, split, language,
        count(*) AS draws,
        coalesce(sum(of_accuracy ** 2) / nullif(sum(apart), 0), any_value(texts) / count(*)) AS design_effect,
        sqrt(sum(of_f1 ** 2) * draws / nullif(draws - 1, 0)) AS se
    FROM drawn
    JOIN means USING (checkpoint_id, task, split, language)
    GROUP BY ALL
)
SELECT
    k.run,
    k.model,
    m.task,
    k.source,
    k.ft_languages,
    t.left_out,
    k.sentences,
    k.seed,
    k.epoch,
    k.settings,
    m.split,
    m.language,
    100.0 * hits / texts AS accuracy,
    100 * wilson(hits / design_effect, texts / design_effect, -1) AS accuracy_low,
    100 * wilson(hits / design_effect, texts / design_effect, 1) AS accuracy_high,
    100 * macro_f1 AS macro_f1,
    100 * CASE WHEN draws >= 10 THEN logit_end(macro_f1, se, draws - 1, -1) END AS macro_f1_low,
    100 * CASE WHEN draws >= 10 THEN logit_end(macro_f1, se, draws - 1, 1) END AS macro_f1_high,
    100.0 * most / texts AS majority,
    texts::BIGINT AS texts
FROM means m
JOIN spreads USING (checkpoint_id, task, split, language)
JOIN v_checkpoint k USING (checkpoint_id)
LEFT JOIN v_classification_run t ON t.run = k.run
ORDER BY k.model, m.task, k.ft_languages, k.sentences, k.seed, k.epoch, k.run, m.split, m.language = 'all', m.language
