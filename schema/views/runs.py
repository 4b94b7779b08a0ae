"""Views of runs: what they start from, are trained on and leave behind."""

from mlv.schema.derived import alike
from mlv.schema.views.view import View

TRAINED = "('finetune', 'classify')"
"""Kinds of run that train a model on texts of which there are questions."""

_CHECKPOINT_COLUMNS = {
    "model": "Name of the pretrained model that the checkpoint descends from.",
    "parameters": "Number of parameters.",
    "run": "Name of the run that made it; NULL for a pretrained model.",
    "source": "Fine-tuning source; NULL for a pretrained model.",
    "ft_languages": "Fine-tuning languages, comma-separated in alphabetical order; NULL for a pretrained model.",
    "strategy": "pretrained, monolingual, multilingual, or continued: from a checkpoint of a fine-tuning run; NULL if "
    "another kind of job made it.",
    "sentences": "Sentences the run was given, training and development together.",
    "share": "Share of the articles of its source that a run was given, 0 to 1; NULL if it was given sentences.",
    "seed": "Seed of the run.",
    "epoch": "Epochs done; 0 for a pretrained model.",
    "settings": "How the run was trained, all that counts of it, e.g. epochs=5 batch_size=8: a mean over runs with "
    "others says little.",
}

RUNS = (
    View(
        "v_run",
        "A run with the names behind its keys.",
        {
            "run_id": "Key of the run.",
            "run": "Name of the run.",
            "kind": "Kind of job, e.g. finetune or probe.",
            "source": "Fine-tuning source, comma-separated where there are several.",
            "ft_languages": "Languages trained on, comma-separated in alphabetical order.",
            "strategy": "monolingual, multilingual, or continued (from a fine-tuned model); NULL without fine-tuning.",
            "sentences": "Segments the run was given, training and development together.",
            "seed": "Seed of the run.",
            "start_checkpoint_id": "Checkpoint that the run starts from or examines.",
            "parent_run_id": "The run that made that checkpoint.",
            "started_at": "When the job started, UTC.",
            "finished_at": "When it finished, UTC.",
            "spec": "The specification as JSON.",
            "provenance": "Versions, hardware and arguments as JSON.",
        },
        f"""
        SELECT r.run_id, r.name AS run, r.kind, t.source, t.ft_languages,
               CASE
                   WHEN r.kind NOT IN {TRAINED} THEN NULL
                   WHEN p.kind IN {TRAINED} THEN 'continued'
                   WHEN t.languages = 1 THEN 'monolingual'
                   WHEN t.languages > 1 THEN 'multilingual'
               END AS strategy,
               t.sentences, r.seed, r.start_checkpoint_id, r.parent_run_id, r.started_at, r.finished_at,
               r.spec, r.provenance
        FROM run r
        LEFT JOIN (
            SELECT rc.run_id,
                   string_agg(DISTINCT s.code, ',' ORDER BY s.code) AS source,
                   string_agg(DISTINCT l.code, ',' ORDER BY l.code) AS ft_languages,
                   count(DISTINCT l.code) AS languages,
                   CAST(sum(rc.segments) AS BIGINT) AS sentences
            FROM run_corpus rc
            JOIN corpus c USING (corpus_id)
            JOIN source s USING (source_id)
            JOIN "language" l USING (language_id)
            GROUP BY rc.run_id
        ) t USING (run_id)
        LEFT JOIN checkpoint b ON b.checkpoint_id = r.start_checkpoint_id
        LEFT JOIN run p ON p.run_id = b.run_id
        WHERE r.status = 'committed'
        """,
    ),
    View(
        "v_base_model",
        "A pretrained model that runs start from.",
        {
            "model": "Hub name or the name of the local model.",
            "revision": "Hub commit; as-of label of an endpoint; empty for a local model.",
            "architecture": "Model type of its configuration, e.g. mt5; endpoint for a model behind an API.",
            "parameters": "Number of parameters; NULL of an endpoint.",
            "vocabulary": "Entries of the vocabulary; NULL of an endpoint.",
            "adapter": "Adapter that is merged into its weights; empty without one.",
        },
        "SELECT name AS model, revision, architecture, parameters, vocabulary, adapter FROM base_model",
    ),
    View(
        "v_checkpoint",
        "A model state with what made it.",
        {
            "checkpoint_id": "Key of the checkpoint.",
            "base_checkpoint_id": "The checkpoint that its run started from; its own key if pretrained.",
            **_CHECKPOINT_COLUMNS,
            "kind": "Kind of job that made it, e.g. finetune or pretrain; NULL for a model from elsewhere.",
            "objective": "What that trained, e.g. span_corruption; NULL for a model from elsewhere.",
            "step": "Optimizer steps done.",
            "is_final": "Whether it is what its run ended with: the last, or with patience the one of the lowest "
            "development loss; true for a pretrained model.",
            "path": "Folder, relative to the store's folder; or hub name.",
            "digest": "SHA-256 over configuration, weights and tokenizer.",
        },
        f"""
        SELECT k.checkpoint_id,
               CASE WHEN r.kind IN {TRAINED} THEN r.start_checkpoint_id ELSE k.checkpoint_id END
                   AS base_checkpoint_id,
               b.name AS model, b.parameters,
               CASE WHEN r.kind IN {TRAINED} THEN r.run END AS run,
               CASE WHEN r.kind IN {TRAINED} THEN r.source END AS source,
               CASE WHEN r.kind IN {TRAINED} THEN r.ft_languages END AS ft_languages,
               CASE WHEN r.kind IN {TRAINED} THEN r.strategy WHEN coalesce(r.kind, 'pretrain') = 'pretrain'
                   THEN 'pretrained' END AS strategy,
               CASE WHEN r.kind IN {TRAINED} THEN r.sentences END AS sentences,
               CASE WHEN json_extract_string(r.spec, '$.articles') IS NOT NULL
                   THEN coalesce(CAST(json_extract_string(r.spec, '$.share') AS DOUBLE), 1) END AS share,
               CASE WHEN r.kind IN {TRAINED} THEN r.seed END AS seed,
               CASE WHEN r.kind IN {TRAINED} THEN k.epoch ELSE 0 END AS epoch,
               CASE WHEN r.kind IN {TRAINED} THEN {alike.training("r.spec")} END AS settings,
               r.kind, json_extract_string(r.spec, '$.objective') AS objective,
               k.step, k.is_final, k.path, k.digest
        FROM checkpoint k
        JOIN base_model b USING (base_model_id)
        LEFT JOIN v_run r ON r.run_id = k.run_id
        WHERE k.run_id IS NULL OR r.run_id IS NOT NULL
        """,
    ),
    View(
        "v_metric",
        "What was measured during runs.",
        {
            "run": "Name of the run.",
            "name": "Name of the metric, e.g. loss.",
            "epoch": "Epochs done.",
            "step": "Optimizer steps done.",
            "value": "The number.",
        },
        """
        SELECT r.name AS run, m.name, m.epoch, m.step, m.value FROM metric m JOIN run r USING (run_id)
        """,
    ),
)
