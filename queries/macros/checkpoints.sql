-- Checkpoints, and what they answer.

-- Whether a value is the wanted one; anything is when none is wanted.
CREATE OR REPLACE TEMP MACRO matches(wanted, value) AS wanted IS NULL OR value = wanted;

-- Whether a checkpoint is of the wanted epoch; the last of its run when none is wanted.
CREATE OR REPLACE TEMP MACRO at_epoch(wanted, epoch, is_final) AS
    CASE WHEN wanted IS NULL THEN is_final ELSE epoch = wanted END;

-- The name that --model takes: the model's own, or run/epoch-N.
CREATE OR REPLACE TEMP MACRO checkpoint_name(model, run, epoch) AS
    CASE WHEN run IS NULL THEN model ELSE run || '/epoch-' || epoch END;

-- Checkpoints made in certain ways; the other parameters restrict where they are not NULL.
CREATE OR REPLACE TEMP MACRO selected_checkpoints(
    wanted_strategies, wanted_model, wanted_source, wanted_sentences, wanted_seed, wanted_epoch
) AS TABLE
    FROM v_checkpoint
    WHERE list_contains(wanted_strategies, strategy)
      AND matches(wanted_model, model)
      AND matches(wanted_source, source)
      AND matches(wanted_sentences, sentences)
      AND matches(wanted_seed, seed)
      AND at_epoch(wanted_epoch, epoch, is_final);

-- Agreement of every two checkpoints, per test language, category and battery left out: how many probes both answered, and how
-- many of them alike. place_a and place_b order the pairs: smaller models first, then by what made the checkpoint.
CREATE OR REPLACE TEMP MACRO agreement_cells(
    wanted_score, wanted_probe_set, wanted_strategies, wanted_model, wanted_source, wanted_sentences, wanted_seed,
    wanted_epoch, with_intervals
) AS TABLE
    WITH chosen AS (
        SELECT
            checkpoint_id,
            checkpoint_name(model, run, epoch) AS checkpoint,
            row_number() OVER (
                ORDER BY parameters, model, source, ft_languages, sentences, seed, epoch, run, digest
            ) AS place
        FROM selected_checkpoints(
            wanted_strategies, wanted_model, wanted_source, wanted_sentences, wanted_seed, wanted_epoch
        )
    ),
    answers AS MATERIALIZED (
        SELECT place, language, question, s.category, answer
        FROM v_answer
        JOIN chosen USING (checkpoint_id)
        JOIN v_probe_set s USING (collection, question)
        WHERE score = wanted_score AND probe_set = wanted_probe_set
    ),
    -- questions as bits, 60 in an integer: two checkpoints are compared without a row for each question of every two
    bits AS (
        SELECT question, row_number() OVER (PARTITION BY category ORDER BY question) - 1 AS bit
        FROM v_probe_set
        WHERE probe_set = wanted_probe_set
    ),
    blocks AS (
        SELECT
            place, language, category,
            bit // 60 AS block,
            bit_or(1 << bit % 60) AS answered,
            coalesce(bit_or(1 << bit % 60) FILTER (WHERE answer = 1), 0) AS with_first
        FROM answers
        JOIN bits USING (question)
        GROUP BY ALL
    ),
    compared AS (
        SELECT
            a.place AS place_a, b.place AS place_b, language, category,
            a.answered & b.answered AS by_both,
            xor(a.with_first, b.with_first) & by_both AS differently
        FROM blocks a
        JOIN blocks b USING (language, category, block)
        WHERE a.place < b.place
    ),
    cells AS (
        SELECT
            place_a, place_b, language, category, 0 AS left_out,
            sum(bit_count(by_both) - bit_count(differently))::BIGINT AS alike,
            sum(bit_count(by_both))::BIGINT AS probes
        FROM compared
        GROUP BY ALL
        HAVING sum(bit_count(by_both)) > 0
        UNION ALL
        SELECT
            a.place, b.place, language, a.category, left_out,
            count(*) FILTER (WHERE a.answer = b.answer),
            count(*)
        FROM answers a
        JOIN answers b USING (language, question)
        JOIN kept_questions(wanted_probe_set, with_intervals) k USING (question)
        WHERE a.place < b.place AND left_out > 0
        GROUP BY ALL
    )
    SELECT
        cells.*,
        a.checkpoint_id AS checkpoint_id_a,
        a.checkpoint AS checkpoint_a,
        b.checkpoint_id AS checkpoint_id_b,
        b.checkpoint AS checkpoint_b
    FROM cells
    JOIN chosen a ON a.place = place_a
    JOIN chosen b ON b.place = place_b;

-- Whether values shifted, as v_shift has it, of fine-tuned checkpoints and the questions of a probe set, by key. The way
-- of scoring is chosen on both sides before they are joined: half the cost.
CREATE OR REPLACE TEMP MACRO shifted_answers(checkpoints, wanted_score, wanted_probe_set) AS TABLE
    SELECT checkpoint_id, a.probe_id, a.language, a.question, a.answer <> b.answer AS shifted
    FROM v_answer a
    JOIN v_checkpoint k USING (checkpoint_id)
    JOIN v_answer b ON b.checkpoint_id = k.base_checkpoint_id AND b.probe_id = a.probe_id
    WHERE a.score = wanted_score
      AND b.score = wanted_score
      AND checkpoint_id IN (SELECT unnest(checkpoints))
      AND a.probe_id IN (
          SELECT probe_id FROM v_probe JOIN v_probe_set USING (collection, question) WHERE probe_set = wanted_probe_set
      );

-- Per run, test language, category where wanted and battery left out: how many values both its checkpoint and its base have
-- (probes), and how many of them fine-tuning left unchanged, with what made the run. The other parameters restrict where
-- they are not NULL. Counts without a battery are products of lists: there is no row for each question and battery.
CREATE OR REPLACE TEMP MACRO unchanged_counts(
    wanted_score, wanted_probe_set, wanted_strategies, wanted_model, wanted_source, wanted_sentences, wanted_seed,
    wanted_epoch, by_category, with_intervals
) AS TABLE
    WITH chosen AS (
        FROM selected_checkpoints(
            wanted_strategies, wanted_model, wanted_source, wanted_sentences, wanted_seed, wanted_epoch
        )
    ),
    asked AS MATERIALIZED (
        SELECT probe_id, p.language, s.category, place, dense_rank() OVER (ORDER BY p.language, s.category) AS cell
        FROM v_probe p
        JOIN (
            SELECT
                collection, question,
                CASE WHEN by_category THEN category END AS category,
                row_number() OVER (ORDER BY question) AS place
            FROM v_probe_set
            WHERE probe_set = wanted_probe_set
        ) s USING (collection, question)
    ),
    answered AS MATERIALIZED (
        SELECT checkpoint_id, cell, place, shifted
        FROM shifted_answers((SELECT list(checkpoint_id) FROM chosen), wanted_score, wanted_probe_set)
        JOIN asked USING (probe_id)
    ),
    vectors AS MATERIALIZED (
        SELECT checkpoint_id, cell, list_sort(list(place)) AS places, in_place((NOT shifted)::INTEGER, place) AS unchanged
        FROM answered
        WHERE with_intervals
        GROUP BY ALL
    ),
    sets AS MATERIALIZED (
        SELECT places, row_number() OVER () AS answered_set FROM (SELECT DISTINCT places FROM vectors)
    ),
    counts AS (
        SELECT
            checkpoint_id, cell, 0 AS left_out,
            count(*) FILTER (WHERE NOT shifted) AS unchanged,
            count(*) AS probes
        FROM answered
        GROUP BY ALL
        UNION ALL
        SELECT checkpoint_id, cell, left_out, list_dot_product(remaining, unchanged)::BIGINT, probes
        FROM vectors
        JOIN sets USING (places)
        JOIN (
            SELECT
                answered_set, left_out,
                list_transform(places, lambda place: kept[place]) AS remaining,
                list_sum(remaining)::BIGINT AS probes
            FROM sets
            CROSS JOIN kept_lists(wanted_probe_set, with_intervals)
        ) USING (answered_set)
        WHERE left_out > 0 AND probes > 0
    )
    SELECT
        k.model, k.source, k.ft_languages, k.strategy, k.sentences, k.seed, k.epoch, k.settings, k.run,
        language, category, left_out, unchanged, probes
    FROM counts
    JOIN chosen k USING (checkpoint_id)
    JOIN (SELECT DISTINCT cell, language, category FROM asked) USING (cell);
