"""Views of masks: the subnetworks that they are, how pruning found them, and the runs that put texts through them."""

from mlv.schema.views.view import View

_RUN = {"run_id": "Key of the run.", "run": "Name of the run."}

MASKS = (
    View(
        "v_subnetwork",
        "A mask over attention heads with where it comes from. Those that a run being deleted found are not here.",
        {
            "subnetwork_id": "Key of the subnetwork.",
            "subnetwork": "Its name: of a pruned one its run, of a derived one how it is derived.",
            "mask_id": "Key of its mask: two subnetworks may have the same.",
            "origin": "pruned, union, intersection, shuffled, shuffled_in_layers, random or avoiding.",
            "task": "Name of the task whose examples it, or what it is derived from, was pruned for; comma-separated "
            "where there are several; NULL of a random one.",
            "languages": "Languages that it, or what it is derived from, was pruned for, comma-separated in "
            "alphabetical order; NULL of a random one.",
            "pruned_run": "Training run whose checkpoint was pruned; NULL of a derived one.",
            "run_id": "Key of the prune run that found it; NULL of a derived one.",
            "run": "Its name.",
            "layers": "Layers of the model.",
            "heads": "Attention heads of a layer.",
            "enabled": "Heads that take part.",
            "disabled": "Heads that do not.",
            "layers_empty": "Layers in which no head takes part.",
            "parts": "Names of the subnetworks that it is derived from, comma-separated in alphabetical order; NULL "
            "if there are none.",
            "amount": "Heads that a random one enables, or that an avoiding one disables; otherwise NULL.",
            "seed": "Seed of the draw; NULL where nothing is drawn.",
        },
        """
        WITH RECURSIVE descent AS (
            SELECT subnetwork_id, subnetwork_id AS ancestor_id FROM subnetwork
            UNION
            SELECT d.subnetwork_id, p.part_subnetwork_id
            FROM descent d
            JOIN subnetwork_part p ON p.subnetwork_id = d.ancestor_id
        ),
        pruned AS (
            SELECT d.subnetwork_id, string_agg(DISTINCT t.code, ',' ORDER BY t.code) AS task,
                   string_agg(DISTINCT l.code, ',' ORDER BY l.code) AS languages
            FROM descent d
            JOIN subnetwork a ON a.subnetwork_id = d.ancestor_id
            JOIN pruning_run p ON p.run_id = a.run_id
            JOIN task t USING (task_id)
            JOIN "language" l ON l.language_id = p.language_id
            GROUP BY d.subnetwork_id
        ),
        derived AS (
            SELECT p.subnetwork_id, string_agg(s.name, ',' ORDER BY s.name) AS parts
            FROM subnetwork_part p
            JOIN subnetwork s ON s.subnetwork_id = p.part_subnetwork_id
            GROUP BY p.subnetwork_id
        ),
        empty AS (
            SELECT mask_id, count(*) AS layers_empty
            FROM (SELECT mask_id, layer FROM mask_head GROUP BY mask_id, layer HAVING NOT bool_or(enabled))
            GROUP BY mask_id
        )
        SELECT s.subnetwork_id, s.name AS subnetwork, s.mask_id, s.origin, o.task, o.languages, f.name AS pruned_run,
               s.run_id, r.run, m.layers, m.heads, m.enabled, m.layers * m.heads - m.enabled AS disabled,
               coalesce(e.layers_empty, 0) AS layers_empty, d.parts, s.amount, s.seed
        FROM subnetwork s
        JOIN mask m USING (mask_id)
        LEFT JOIN v_run r ON r.run_id = s.run_id
        LEFT JOIN run f ON f.run_id = r.parent_run_id
        LEFT JOIN pruned o ON o.subnetwork_id = s.subnetwork_id
        LEFT JOIN derived d ON d.subnetwork_id = s.subnetwork_id
        LEFT JOIN empty e ON e.mask_id = s.mask_id
        WHERE s.run_id IS NULL OR r.run_id IS NOT NULL
        """,
    ),
    View(
        "v_mask_head",
        "Whether an attention head takes part under a mask.",
        {
            "mask_id": "Key of the mask.",
            "layer": "Layer, from 1.",
            "attention_head": "Attention head of the layer, from 1.",
            "enabled": "Whether it takes part.",
        },
        "SELECT mask_id, layer, attention_head, enabled FROM mask_head",
    ),
    View(
        "v_pruning_step",
        "The iterations of pruning.",
        {
            **_RUN,
            "task": "Name of the task.",
            "language": "Language of the examples.",
            "pruned_run": "Training run whose checkpoint is pruned.",
            "iteration": "Its number, from 1.",
            "enabled": "Heads that take part after it.",
            "score": "Accuracy on the development examples with these.",
            "kept": "Whether that is at or above the threshold; the first that is not is the last iteration.",
            "score_before": "Accuracy with all heads.",
        },
        """
        SELECT r.run_id, r.run, t.code AS task, l.code AS language, f.name AS pruned_run, s.iteration, s.enabled,
               s.score, s.kept, p.score_before
        FROM pruning_step s
        JOIN pruning_run p USING (run_id)
        JOIN v_run r USING (run_id)
        JOIN task t USING (task_id)
        JOIN "language" l USING (language_id)
        LEFT JOIN run f ON f.run_id = r.parent_run_id
        """,
    ),
    View(
        "v_head_importance",
        "How important each head that takes part is at an iteration of pruning.",
        {
            **_RUN,
            "language": "Language of the examples.",
            "iteration": "The iteration, from 1.",
            "layer": "Layer, from 1.",
            "attention_head": "Attention head of the layer, from 1.",
            "importance": "Mean absolute derivative of the loss by the head's gate.",
            "disabled": "Whether this iteration disables it.",
        },
        """
        SELECT r.run_id, r.run, l.code AS language, h.iteration, h.layer, h.attention_head, h.importance, h.disabled
        FROM head_importance h
        JOIN pruning_run p USING (run_id)
        JOIN v_run r USING (run_id)
        JOIN "language" l USING (language_id)
        """,
    ),
    View(
        "v_run_mask",
        "Under which mask a run trains on, predicts or traces texts in a language. Languages without a row: without a "
        "mask.",
        {
            **_RUN,
            "kind": "Kind of job: classify, predict or influence.",
            "language": "Language of the texts.",
            "mask_id": "Key of the mask.",
            "subnetwork": "Name of the subnetwork, as the run was given it.",
            "origin": "Where that comes from; NULL if it was deleted since.",
        },
        """
        SELECT r.run_id, r.run, r.kind, l.code AS language, m.mask_id, m.subnetwork, s.origin
        FROM run_mask m
        JOIN v_run r USING (run_id)
        JOIN "language" l USING (language_id)
        LEFT JOIN v_subnetwork s ON s.subnetwork = m.subnetwork
        """,
    ),
)
