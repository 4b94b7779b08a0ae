/*
question = "What of the study's grid is still missing?"
grain = "A planned run: pretrained model, source, fine-tuning languages, number of sentences and seed."
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
about = "Fine-tuning languages: a monolingual run in each, and a multilingual one in all."
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

[columns]
model = "Pretrained model."
source = "Fine-tuning source."
strategy = "monolingual or multilingual."
ft_languages = "Fine-tuning languages, comma-separated in alphabetical order."
sentences = "Sentences, all languages together."
seed = "Seed."
status = "present where a run is committed and its last checkpoint was probed, else missing."
runs = "Committed runs that fit, probed or not."
command = "What fills a missing cell; NULL where it is present."
*/
WITH setups AS (
    SELECT 'monolingual' AS strategy, unnest($ft_languages) AS ft_languages, $sentences AS sentences
    UNION ALL
    SELECT 'multilingual', array_to_string(list_sort($ft_languages), ','), $multilingual_sentences
    WHERE len($ft_languages) > 1
),
planned AS (
    SELECT DISTINCT
        m.model, s.source, p.strategy, p.ft_languages, unnest(p.sentences) AS sentences, r.seed
    FROM (SELECT unnest($models) AS model) m
    CROSS JOIN (SELECT unnest($sources) AS source) s
    CROSS JOIN setups p
    CROSS JOIN (SELECT unnest($seeds) AS seed) r
),
committed AS (
    SELECT
        model, source, strategy, ft_languages, sentences, seed,
        count(*) AS runs,
        bool_or(checkpoint_id IN (SELECT checkpoint_id FROM v_answer)) AS probed
    FROM v_checkpoint
    WHERE is_final AND strategy <> 'pretrained'
    GROUP BY ALL
)
SELECT
    model,
    source,
    strategy,
    ft_languages,
    sentences,
    seed,
    CASE WHEN c.probed THEN 'present' ELSE 'missing' END AS status,
    coalesce(c.runs, 0) AS runs,
    CASE
        WHEN c.probed THEN NULL
        ELSE 'mlv compute finetune --model ' || shell_word(model) || ' --corpus ' || shell_word(source)
            || ' --language ' || ft_languages || ' --sentences ' || sentences || ' --seed ' || seed
    END AS command
FROM planned
LEFT JOIN committed c USING (model, source, strategy, ft_languages, sentences, seed)
ORDER BY model, source, strategy, sentences, seed, ft_languages
