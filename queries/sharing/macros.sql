-- What this study's queries have in common: classifiers whose predictions are traced.

-- Influence runs of classifiers, and what these were trained on. The parameters restrict where they are not NULL.
CREATE OR REPLACE TEMP MACRO traced_classifiers(
    wanted_run, wanted_model, wanted_source, wanted_method, wanted_sentences, wanted_seed
) AS TABLE
    SELECT i.*, c.task, c.left_out, c.added_language, c.added_percent
    FROM selected_influence_runs(
        wanted_run, wanted_model, wanted_source, wanted_method, wanted_sentences, wanted_seed
    ) i
    JOIN v_classification_run c ON c.run = i.traced_run;

-- The labelled texts that influence runs trace, by all checkpoints together.
CREATE OR REPLACE TEMP MACRO traced_texts(influence_runs) AS TABLE
    SELECT influence_target_id, run, traced_run, language, question, answer AS class_number
    FROM v_influence_target
    WHERE epoch IS NULL AND run IN (SELECT unnest(influence_runs));

-- The k examples of each of these texts with the highest, or the lowest scores, with text and class; all that are kept
-- unless a number is given.
CREATE OR REPLACE TEMP MACRO ranked_texts(influence_runs, wanted_direction, wanted_k) AS TABLE
    SELECT
        k.influence_target_id, k.direction, k.rank, k.score, k.training_example_id,
        e.language AS train_language,
        e.parallel_key AS train_key,
        e.text, e.text_pair, e.label,
        b.class_number AS train_class
    FROM v_influence_ranking k
    JOIN traced_texts(influence_runs) t USING (influence_target_id)
    JOIN v_training_example e USING (training_example_id)
    JOIN v_classification_run c ON c.run = t.traced_run
    LEFT JOIN v_task b ON b.task = c.task AND b.source = c.source AND b.label = e.label
    WHERE matches(wanted_direction, k.direction) AND (wanted_k IS NULL OR k.rank <= wanted_k);

-- The letters of a language's script, as a class of a regular expression; Latin ones of languages that are not listed.
CREATE OR REPLACE TEMP MACRO script_of(language) AS
    CASE
        WHEN language IN ('be', 'bg', 'kk', 'ky', 'mk', 'mn', 'ru', 'sr', 'tg', 'uk') THEN '\p{Cyrillic}'
        WHEN language IN ('ar', 'ckb', 'fa', 'ps', 'sd', 'ug', 'ur') THEN '\p{Arabic}'
        WHEN language IN ('hi', 'mai', 'mr', 'ne', 'sa') THEN '\p{Devanagari}'
        WHEN language IN ('yue', 'zh') THEN '\p{Han}'
        WHEN language = 'ja' THEN '\p{Han}\p{Hiragana}\p{Katakana}'
        WHEN language = 'ko' THEN '\p{Hangul}'
        WHEN language IN ('am', 'ti') THEN '\p{Ethiopic}'
        WHEN language IN ('he', 'yi') THEN '\p{Hebrew}'
        WHEN language IN ('as', 'bn') THEN '\p{Bengali}'
        WHEN language = 'el' THEN '\p{Greek}'
        WHEN language = 'hy' THEN '\p{Armenian}'
        WHEN language = 'ka' THEN '\p{Georgian}'
        WHEN language = 'gu' THEN '\p{Gujarati}'
        WHEN language = 'pa' THEN '\p{Gurmukhi}'
        WHEN language = 'kn' THEN '\p{Kannada}'
        WHEN language = 'km' THEN '\p{Khmer}'
        WHEN language = 'lo' THEN '\p{Lao}'
        WHEN language = 'ml' THEN '\p{Malayalam}'
        WHEN language = 'my' THEN '\p{Myanmar}'
        WHEN language = 'si' THEN '\p{Sinhala}'
        WHEN language = 'ta' THEN '\p{Tamil}'
        WHEN language = 'te' THEN '\p{Telugu}'
        WHEN language = 'th' THEN '\p{Thai}'
        ELSE '\p{Latin}'
    END;

-- Whether all letters of a text, and of its second text if it has one, are of its language's script.
CREATE OR REPLACE TEMP MACRO fully_in_script(text, text_pair, language) AS
    regexp_full_match(concat_ws(' ', text, text_pair), '([' || script_of(language) || ']|[^\p{L}])*');
