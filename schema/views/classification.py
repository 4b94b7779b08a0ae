"""Views of classifiers: what they were trained on, and what they predict."""

from mlv.schema.views.view import View

_PREDICTION_COLUMNS = {
    "checkpoint_id": "Key of the checkpoint.",
    "segment_id": "Key of the text or pair of texts.",
    "task": "Name of the task.",
    "source": "Source of the text.",
    "split": "Edition of the text: the split of the data set.",
    "language": "Test language.",
    "key": "Key shared by translations.",
    "gold": "Class of its label, from 1; NULL where it has none.",
    "predicted": "Class with the highest score, from 1.",
    "correct": "Whether they are the same; NULL where it has no label.",
    "p_gold": "Probability of the class of its label; NULL where it has none.",
    "p_predicted": "Probability of the predicted class.",
    "margin": "Score of the predicted class minus the next highest, nats.",
}

_PREDICTED = """
               g.checkpoint_id, g.segment_id, t.code AS task, s.code AS source, c.edition AS split,
               l.code AS language, e.parallel_key AS key, b.class_number AS gold, g.predicted,
               g.predicted = b.class_number AS correct, exp(g.logprobs[b.class_number]) AS p_gold,
               exp(g.logprobs[g.predicted]) AS p_predicted, g.highest[1] - g.highest[2] AS margin"""

_PREDICTIONS = """
        FROM (
            SELECT run_id, checkpoint_id, mask_id, segment_id, list(logprob ORDER BY class_number) AS logprobs,
                   list_reverse_sort(list(logit)) AS highest,
                   first(class_number ORDER BY logit DESC, class_number) AS predicted
            FROM class_logit
            WHERE mask_id {masked}
            GROUP BY ALL
        ) g
        JOIN prediction_run p USING (run_id)
        JOIN task t USING (task_id)
        JOIN segment e USING (segment_id)
        JOIN corpus c USING (corpus_id)
        JOIN source s ON s.source_id = c.source_id
        JOIN "language" l USING (language_id)
        LEFT JOIN task_label b ON b.task_id = t.task_id AND b.label = e.label
        """

CLASSIFICATION = (
    View(
        "v_classification_run",
        "A run that trained a classifier, and what on.",
        {
            "run_id": "Key of the run.",
            "run": "Name of the run.",
            "task": "Name of the task, e.g. xnli-entailment.",
            "source": "Source of the labelled texts.",
            "ft_languages": "Languages trained on, comma-separated in alphabetical order.",
            "examples": "Training examples of a language, added ones not counted.",
            "sentences": "Training examples in all languages together.",
            "left_out": "Languages that have every example as well and are not trained on, comma-separated; NULL if "
            "there is none.",
            "added_language": "Language of which there are more examples; NULL if there is none.",
            "added_percent": "How many more, in percent of the examples of a language; NULL if there are none.",
            "seed": "Seed of the run.",
        },
        """
        SELECT r.run_id, r.run, t.code AS task, r.source, r.ft_languages, c.examples, r.sentences, c.left_out,
               l.code AS added_language, c.added_percent, r.seed
        FROM classification_run c
        JOIN v_run r USING (run_id)
        JOIN task t USING (task_id)
        LEFT JOIN "language" l ON l.language_id = c.added_language_id
        """,
    ),
    View(
        "v_class_logit",
        "How checkpoints score each class of labelled texts, under masks and without.",
        {
            "checkpoint_id": "Key of the checkpoint.",
            "segment_id": "Key of the text or pair of texts.",
            "task": "Name of the task.",
            "class_number": "Class, from 1, in the order of the classifier's outputs.",
            "class_name": "Its name.",
            "logit": "Its logit.",
            "logprob": "Its log-probability, nats.",
            "mask_id": "Key of the mask that the checkpoint was under; NULL for none.",
        },
        """
        SELECT g.checkpoint_id, g.segment_id, t.code AS task, g.class_number, b.class_name, g.logit, g.logprob,
               g.mask_id
        FROM class_logit g
        JOIN prediction_run p USING (run_id)
        JOIN task t USING (task_id)
        LEFT JOIN (SELECT DISTINCT task_id, class_number, class_name FROM task_label) b
            USING (task_id, class_number)
        """,
    ),
    View(
        "v_prediction",
        "What checkpoints predict of labelled texts, without a mask. Equal scores count for the first class.",
        _PREDICTION_COLUMNS,
        f"SELECT {_PREDICTED} {_PREDICTIONS.format(masked='IS NULL')}",
    ),
    View(
        "v_masked_prediction",
        "What checkpoints predict of labelled texts under masks. Equal scores count for the first class.",
        {**_PREDICTION_COLUMNS, "mask_id": "Key of the mask."},
        f"SELECT {_PREDICTED}, g.mask_id {_PREDICTIONS.format(masked='IS NOT NULL')}",
    ),
)
