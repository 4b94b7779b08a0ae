/*
question = "What does the store have of each setup?"
grain = """\
A setup that was run: a pretrained model, or fine-tuning runs alike in model, source, fine-tuning languages, number of \
sentences, seed and settings."""
paper = "Echoes sections 4.1, 4.2 and 5.2"
reason = "First version."
parameters = ["probe_set", "compared.strategies", "model", "source", "sentences", "seed"]
columns = [
    "checkpoint.model", "checkpoint.source", "checkpoint.strategy", "checkpoint.ft_languages", "checkpoint.sentences",
    "checkpoint.seed", "settings", "status", "runs", "lacking",
]

[parameter.probe_set]
about = "Probe set to have answers to: echoes-2024 where the store has it, else wvs7-all, else the first."

[parameter.strategies]
about = "Only setups of these kinds."
default = ["pretrained", "monolingual", "multilingual", "continued"]

[column]
settings = "How the runs were trained: epochs, batch size, learning rate and what else differs; NULL for a pretrained model."
status = """\
present where the last checkpoint of a run has answers in all test languages, partial where every one lacks some or all."""
runs = "Committed runs of the setup, probed or not; 0 for a pretrained model."
lacking = "Test languages without answers, comma-separated; of the run that lacks fewest. NULL unless partial."
*/
WITH answered AS (
    SELECT DISTINCT checkpoint_id, language
    FROM v_answer
    JOIN v_probe_set USING (collection, question)
    WHERE probe_set = $probe_set
),
tested AS (
    SELECT DISTINCT language
    FROM v_probe
    JOIN v_probe_set USING (collection, question)
    WHERE probe_set = $probe_set
),
probed AS (
    SELECT
        k.model, k.source, k.strategy, k.ft_languages, k.sentences, k.seed, k.settings, k.run, k.digest,
        count(t.language) FILTER (WHERE a.language IS NULL) AS gaps,
        string_agg(t.language, ',' ORDER BY t.language) FILTER (WHERE a.language IS NULL) AS lacking
    FROM selected_checkpoints($strategies, $model, $source, $sentences, $seed, NULL) k
    LEFT JOIN tested t ON TRUE
    LEFT JOIN answered a ON a.checkpoint_id = k.checkpoint_id AND a.language = t.language
    GROUP BY ALL
)
SELECT
    model,
    source,
    strategy,
    ft_languages,
    sentences,
    seed,
    settings,
    CASE WHEN gaps > 0 THEN 'partial' ELSE 'present' END AS status,
    count(run) OVER setup AS runs,
    lacking
FROM probed
WINDOW setup AS (PARTITION BY model, source, strategy, ft_languages, sentences, seed, settings)
QUALIFY row_number() OVER (
    PARTITION BY model, source, strategy, ft_languages, sentences, seed, settings ORDER BY gaps, run, digest
) = 1
ORDER BY model, source NULLS FIRST, strategy, sentences, seed, ft_languages, settings
