/*
question = "What of the study's grid is still missing?"
grain = """\
A planned run: pretrained model, source, fine-tuning languages, number of sentences and seed. Only what the store's \
texts suffice for is planned: enough sentences in a language or, for a multilingual run, enough that all share."""
paper = "Echoes sections 4.1, 4.2 and 5.2"
reason = "First version."

[parameters.models]
type = "text[]"
about = "Pretrained models of the grid: those of the store, unless given."
default_sql = "study_models()"

[parameters.sources]
type = "text[]"
about = "Sources of the grid: those that were ingested, unless given."
default_sql = "study_sources()"

[parameters.ft_languages]
type = "text[]"
about = "Fine-tuning languages: of those that a source has, a monolingual run in each and a multilingual one in all."
default = ["fa", "ko", "hi", "ru"]

[parameters.sentences]
type = "integer[]"
about = "Numbers of sentences of the monolingual runs."
default = [2000, 10000]

[parameters.multilingual_sentences]
type = "integer[]"
about = "Numbers of sentences, all languages together, of the multilingual runs; empty for none."
default = [10000]

[parameters.seeds]
type = "integer[]"
about = "Seeds."
default = [1]

[parameters.epochs]
type = "integer"
about = "Epochs of every run."
default = 5

[parameters.batch_size]
type = "integer"
about = "Examples a step."
default = 8

[parameters.learning_rate]
type = "real"
about = "Learning rate."
default = 5e-5

[parameters.probe_set]
type = "text"
about = "Probe set to have answers to: echoes-2024 where the store has it, else wvs7-all, else the first."
default_sql = "default_probe_set()"
values_from = "v_probe_set.probe_set"

[columns]
model = "Pretrained model."
source = "Fine-tuning source."
strategy = "monolingual, multilingual, or continued: from a checkpoint of a fine-tuning run."
ft_languages = "Fine-tuning languages, comma-separated in alphabetical order."
sentences = "Sentences, all languages together."
seed = "Seed."
status = """\
present where the last checkpoint of a run has answers in all test languages, partial where it lacks some or all, \
missing where no run is committed."""
runs = """\
Committed runs that fit, probed or not: trained with these settings and otherwise the paper's, at any length and in any \
precision."""
lacking = "Test languages without answers, comma-separated; of the run that lacks fewest. NULL unless partial."
command = "What fills the cell; NULL where it is present."
*/
WITH editions AS (
    SELECT
        source,
        language,
        edition,
        count(*) AS segments,
        count(*) OVER (PARTITION BY source, language) AS editions
    FROM v_segment
    WHERE list_contains($sources, source) AND list_contains($ft_languages, language)
    GROUP BY source, language, edition
    QUALIFY row_number() OVER (PARTITION BY source, language ORDER BY segments DESC, edition) = 1
),
texts AS (
    SELECT
        *,
        CASE WHEN editions > 1 THEN ' --edition ' || shell_word(language || '=' || edition) ELSE '' END AS options
    FROM editions
),
shared AS (
    SELECT source, count(*) AS keys
    FROM (
        SELECT source, parallel_key, count(*) AS languages
        FROM v_segment
        JOIN texts USING (source, language, edition)
        GROUP BY source, parallel_key
    )
    JOIN (SELECT source, count(*) AS languages FROM texts GROUP BY source) USING (source, languages)
    GROUP BY source
),
setups AS (
    SELECT
        source, 'monolingual' AS strategy, language AS ft_languages, options, 1 AS languages, segments,
        unnest($sentences) AS sentences
    FROM texts
    UNION ALL
    SELECT
        source, 'multilingual', string_agg(language, ',' ORDER BY language),
        string_agg(options, '' ORDER BY language), count(*), count(*) * any_value(keys),
        unnest($multilingual_sentences)
    FROM texts
    JOIN shared USING (source)
    GROUP BY source
    HAVING count(*) > 1
),
planned AS (
    SELECT DISTINCT model, source, strategy, ft_languages, sentences, seed, options
    FROM (SELECT unnest($models) AS model)
    CROSS JOIN setups
    CROSS JOIN (SELECT unnest($seeds) AS seed)
    WHERE sentences <= segments AND sentences % languages = 0
),
answered AS (
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
trained AS (
    SELECT checkpoint_id, run, model, source, strategy, ft_languages, sentences, seed
    FROM v_checkpoint
    WHERE is_final AND trained_with(paper_settings($epochs, $batch_size, $learning_rate), settings)
),
probed AS (
    SELECT
        k.*,
        count(t.language) FILTER (WHERE a.language IS NULL) AS gaps,
        string_agg(t.language, ',' ORDER BY t.language) FILTER (WHERE a.language IS NULL) AS lacking
    FROM trained k
    LEFT JOIN tested t ON TRUE
    LEFT JOIN answered a ON a.checkpoint_id = k.checkpoint_id AND a.language = t.language
    GROUP BY ALL
),
committed AS (
    SELECT *, count(*) OVER cell AS runs
    FROM probed
    WINDOW cell AS (PARTITION BY model, source, strategy, ft_languages, sentences, seed)
    QUALIFY row_number() OVER (
        PARTITION BY model, source, strategy, ft_languages, sentences, seed ORDER BY gaps, run
    ) = 1
)
SELECT
    model,
    source,
    strategy,
    ft_languages,
    sentences,
    seed,
    CASE WHEN run IS NULL THEN 'missing' WHEN gaps > 0 THEN 'partial' ELSE 'present' END AS status,
    coalesce(runs, 0) AS runs,
    lacking,
    CASE
        WHEN gaps > 0
        THEN 'mlv compute probe --model ' || shell_word(run) || ' --probe-set ' || shell_word($probe_set)
        WHEN run IS NULL
        THEN 'mlv compute finetune --model ' || shell_word(model) || ' --corpus ' || shell_word(source)
            || ' --language ' || ft_languages || ' --sentences ' || sentences || ' --seed ' || seed
            || ' --epochs ' || $epochs || ' --batch-size ' || $batch_size || ' --learning-rate ' || $learning_rate
            || options
    END AS command
FROM planned
LEFT JOIN committed USING (model, source, strategy, ft_languages, sentences, seed)
ORDER BY model, source, strategy, sentences, seed, ft_languages
