-- What this study's queries have in common: what chat models answer, and how much of it is in line with a country's majority.

-- Runs that asked a chat model, by samples or by scores as wanted; the other parameters restrict where they are not NULL.
CREATE OR REPLACE TEMP MACRO selected_response_runs(
    wanted_run, wanted_model, wanted_language, wanted_form, wanted_options, wanted_seed, method
) AS TABLE
    FROM v_response_run
    WHERE checkpoint_id IS NOT NULL
      AND CASE method WHEN 'scored' THEN scored ELSE samples > 0 END
      AND matches(wanted_run, run)
      AND matches(wanted_model, model)
      AND matches(wanted_language, language)
      AND matches(wanted_form, form)
      AND matches(wanted_options, options)
      AND matches(wanted_seed, seed);

-- Runs with demonstrations, each with the zero-shot run that says which questions were misaligned and another zero-shot run,
-- the control: of the same model, language, probe set and settings. The first is the wanted one; else the run whose misaligned
-- questions alone were asked, else that of the same seed and the lowest draw. The control is the next draw of its seed.
CREATE OR REPLACE TEMP MACRO compared_response_runs(runs, wanted_zero_shot) AS TABLE
    WITH zero_shot AS (
        FROM v_response_run WHERE condition = 'zero_shot'
    ),
    starts AS (
        SELECT d.*, z.run_id AS zero_shot_id, z.run AS zero_shot, z.seed AS zero_shot_seed, z.draw AS zero_shot_draw
        FROM v_response_run d
        JOIN zero_shot z USING (checkpoint_id, language, collection, probe_set, settings)
        WHERE d.condition = 'demonstrations'
          AND d.run_id IN (SELECT unnest(runs))
          AND coalesce(z.only_of, '') = ''
          AND CASE WHEN wanted_zero_shot IS NULL THEN z.seed = d.seed OR z.run = d.only_of ELSE z.run = wanted_zero_shot END
        QUALIFY row_number() OVER (
            PARTITION BY d.run_id ORDER BY z.run IS DISTINCT FROM d.only_of, z.draw, z.run
        ) = 1
    )
    SELECT s.*, c.run_id AS control_id, c.run AS control
    FROM starts s
    LEFT JOIN zero_shot c
        ON c.checkpoint_id = s.checkpoint_id AND c.language = s.language AND c.collection = s.collection
        AND c.probe_set = s.probe_set AND c.settings = s.settings AND c.seed = s.zero_shot_seed
        AND c.draw <> s.zero_shot_draw
    QUALIFY row_number() OVER (PARTITION BY s.run_id ORDER BY c.draw < s.zero_shot_draw, c.draw, c.run) = 1;

-- The answers that count as right in each language: the majority's of its countries, or of the wanted country.
CREATE OR REPLACE TEMP MACRO right_answers(wanted_survey, wanted_weighting, wanted_country) AS TABLE
    SELECT language, country, question, side
    FROM v_majority
    JOIN (
        SELECT language, country FROM v_language_country WHERE wanted_country IS NULL
        UNION
        SELECT language, wanted_country FROM v_response_run WHERE wanted_country IS NOT NULL
    ) USING (country)
    WHERE survey = wanted_survey AND weighting = wanted_weighting;

-- Shares of the answers to each question of each run that are on the first and on the second side: of samples, all of them
-- or only those that could be read; of scores, the mean probability over the prompts of a question. Probabilities are summed
-- in steps of 1e-12, as integers, so that nothing has to be sorted and the order of rows does not matter.
CREATE OR REPLACE TEMP MACRO answer_shares(runs, method, unparsed, wanted_polarity, wanted_probe_set) AS TABLE
    WITH counts AS (
        SELECT
            run_id, prompt_id,
            count(*) FILTER (WHERE side = 'first') AS on_first,
            count(*) FILTER (WHERE side = 'second') AS on_second,
            count(*) FILTER (WHERE outcome = 'answer' OR unparsed = 'misaligned') AS n
        FROM v_response
        WHERE method = 'sampled' AND run_id IN (SELECT unnest(runs))
        GROUP BY ALL
        UNION ALL
        SELECT
            run_id, prompt_id,
            coalesce(sum((1e12 * probability)::BIGINT) FILTER (WHERE side = 'first'), 0),
            coalesce(sum((1e12 * probability)::BIGINT) FILTER (WHERE side = 'second'), 0),
            1e12::BIGINT
        FROM v_option_score
        WHERE method = 'scored' AND run_id IN (SELECT unnest(runs))
        GROUP BY ALL
    )
    SELECT
        run_id, question, any_value(category) AS category,
        sum(on_first) / sum(n) AS first_share,
        sum(on_second) / sum(n) AS second_share
    FROM counts
    JOIN v_prompt USING (run_id, prompt_id)
    WHERE (wanted_polarity = 'all' OR polarity = wanted_polarity)
      AND (
          wanted_probe_set IS NULL
          OR question IN (SELECT s.question FROM v_probe_set s WHERE s.probe_set = wanted_probe_set)
      )
    GROUP BY run_id, question
    HAVING sum(n) > 0;

-- Batteries of the questions of each run, by its own probe set.
CREATE OR REPLACE TEMP MACRO asked_batteries(runs) AS TABLE
    SELECT run_id, question, battery
    FROM v_response_run
    JOIN v_probe_set USING (collection, probe_set)
    WHERE run_id IN (SELECT unnest(runs));

-- Which share of the answers to each question is right, by run and country (S section 8.4.4).
CREATE OR REPLACE TEMP MACRO right_shares(
    runs, method, unparsed, wanted_polarity, wanted_probe_set, wanted_survey, wanted_weighting, wanted_country
) AS TABLE
    SELECT
        run_id, country, question, category, coalesce(battery, question) AS battery,
        CASE side WHEN 'first' THEN first_share ELSE second_share END AS right_share
    FROM answer_shares(runs, method, unparsed, wanted_polarity, wanted_probe_set)
    JOIN (SELECT run_id, language FROM v_response_run) USING (run_id)
    JOIN right_answers(wanted_survey, wanted_weighting, wanted_country) USING (language, question)
    LEFT JOIN asked_batteries(runs) USING (run_id, question);

-- Whether a question is misaligned: not all samples are right, or so much of the probability is not that of ten samples one
-- would be expected to be wrong rather than none.
CREATE OR REPLACE TEMP MACRO is_misaligned(right_share, method) AS
    right_share < CASE method WHEN 'scored' THEN 0.95 ELSE 1 END;

-- Whether a share rose (1), fell (-1) or stayed (0), up to what the order of computation does to scores.
CREATE OR REPLACE TEMP MACRO moved(before, after) AS
    CASE WHEN abs(after - before) < 5e-5 THEN 0 ELSE sign(after - before) END;

-- By how much the error shrank (S equation 8.1).
CREATE OR REPLACE TEMP MACRO error_reduction(before, after) AS (after - before) / (1 - before);

-- What demonstrations did to each question that was asked with and without them: the share of right answers before and
-- after, and in the control, NULL where there is none.
CREATE OR REPLACE TEMP MACRO demonstrated_changes(
    runs, wanted_zero_shot, method, unparsed, wanted_polarity, wanted_probe_set, wanted_survey, wanted_weighting, wanted_country
) AS TABLE
    WITH compared AS MATERIALIZED (
        SELECT run_id, zero_shot_id, control_id FROM compared_response_runs(runs, wanted_zero_shot)
    ),
    shares AS MATERIALIZED (
        FROM right_shares(
            (SELECT list(run_id) || list(zero_shot_id) || list(control_id) FROM compared),
            method, unparsed, wanted_polarity, wanted_probe_set, wanted_survey, wanted_weighting, wanted_country
        )
    )
    SELECT
        run_id, d.country, d.question, d.category, d.battery,
        z.right_share AS before,
        d.right_share AS after,
        c.right_share AS control,
        is_misaligned(z.right_share, method) AS misaligned
    FROM compared
    JOIN shares d USING (run_id)
    JOIN shares z ON z.run_id = zero_shot_id AND z.country = d.country AND z.question = d.question
    LEFT JOIN shares c ON c.run_id = control_id AND c.country = d.country AND c.question = d.question;

-- Two-sided p-value of the sign test.
CREATE OR REPLACE TEMP MACRO sign_test_p(positive, negative) AS
    least(
        1,
        2 * list_sum(
            list_transform(
                range(0, least(positive, negative) + 1),
                lambda k: exp(
                    lgamma(positive + negative + 1) - lgamma(k + 1) - lgamma(positive + negative - k + 1)
                    - (positive + negative) * ln(2)
                )
            )
        )
    );

-- For how many misaligned questions the share of right answers rose, stayed and fell with demonstrations, and in the
-- control, by run, country and, where wanted, category. The difference is paired: over the misaligned questions that the
-- control has too. Signs are those of batteries, whose questions are not independent.
CREATE OR REPLACE TEMP MACRO improvements(
    runs, wanted_zero_shot, method, unparsed, wanted_polarity, wanted_probe_set, wanted_survey, wanted_weighting,
    wanted_country, by_category, with_intervals
) AS TABLE
    WITH parts AS MATERIALIZED (
        SELECT
            run_id, country, CASE WHEN by_category THEN category END AS category, battery,
            count(*) AS probes,
            sum(before ORDER BY question) AS before,
            sum(after ORDER BY question) AS after,
            count(*) FILTER (WHERE moved(before, after) > 0) AS risen,
            count(*) FILTER (WHERE moved(before, after) < 0) AS fallen,
            count(*) FILTER (WHERE misaligned) AS misaligned,
            count(*) FILTER (WHERE misaligned AND moved(before, after) > 0) AS improved,
            count(*) FILTER (WHERE misaligned AND moved(before, after) < 0) AS worse,
            count(*) FILTER (WHERE misaligned AND control IS NOT NULL) AS controlled,
            count(*) FILTER (WHERE misaligned AND moved(before, control) > 0) AS control_improved,
            count(*) FILTER (WHERE misaligned AND moved(before, control) < 0) AS control_worse,
            count(*) FILTER (WHERE misaligned AND control IS NOT NULL AND moved(before, after) > 0) AS paired_improved,
            coalesce(sum(moved(control, after)) FILTER (WHERE misaligned AND control IS NOT NULL), 0) AS ahead
        FROM demonstrated_changes(
            runs, wanted_zero_shot, method, unparsed, wanted_polarity, wanted_probe_set, wanted_survey, wanted_weighting,
            wanted_country
        )
        GROUP BY ALL
    ),
    totals AS MATERIALIZED (
        SELECT
            run_id, country, category,
            sum(probes)::BIGINT AS probes,
            sum(before ORDER BY battery) / sum(probes) AS right_before,
            sum(after ORDER BY battery) / sum(probes) AS right_after,
            sum(risen)::BIGINT AS risen,
            sum(fallen)::BIGINT AS fallen,
            sum(misaligned)::BIGINT AS misaligned,
            sum(improved)::BIGINT AS improved,
            sum(worse)::BIGINT AS worse,
            sum(controlled)::BIGINT AS controlled,
            sum(control_improved)::BIGINT AS control_improved,
            sum(control_worse)::BIGINT AS control_worse,
            sum(paired_improved)::BIGINT AS paired_improved,
            count(*) FILTER (WHERE ahead > 0) AS batteries_ahead,
            count(*) FILTER (WHERE ahead < 0) AS batteries_behind
        FROM parts
        GROUP BY ALL
    ),
    without AS (
        SELECT
            run_id, country, category, 0 AS left_out, misaligned, improved, controlled, control_improved, paired_improved
        FROM totals
        UNION ALL
        SELECT
            run_id, country, p.category,
            dense_rank() OVER (ORDER BY battery),
            t.misaligned - p.misaligned,
            t.improved - p.improved,
            t.controlled - p.controlled,
            t.control_improved - p.control_improved,
            t.paired_improved - p.paired_improved
        FROM parts p
        JOIN totals t USING (run_id, country)
        WHERE with_intervals AND t.category IS NOT DISTINCT FROM p.category
    ),
    spreads AS (
        SELECT
            run_id, country, category,
            replicates(100 * improved / nullif(misaligned, 0), misaligned, left_out) AS improved_rows,
            replicates(100 * control_improved / nullif(controlled, 0), controlled, left_out) AS control_rows,
            by_batteries(
                replicates(100 * (paired_improved - control_improved) / nullif(controlled, 0), controlled, left_out)
            ) AS difference
        FROM without
        GROUP BY ALL
    )
    SELECT
        t.*,
        s.improved_rows,
        s.control_rows,
        s.difference,
        CASE WHEN t.controlled > 0 THEN sign_test_p(t.batteries_ahead, t.batteries_behind) END AS sign_p
    FROM totals t
    JOIN spreads s USING (run_id, country)
    WHERE s.category IS NOT DISTINCT FROM t.category;

-- Of the runs that chose the same demonstrations one each: whatever model was asked with them, or none.
CREATE OR REPLACE TEMP MACRO chosen_demonstrations(wanted_run, wanted_language, wanted_strategy, wanted_answers, wanted_seed) AS TABLE
    FROM v_response_run
    WHERE condition = 'demonstrations'
      AND matches(wanted_run, run)
      AND matches(wanted_language, language)
      AND matches(wanted_strategy, strategy)
      AND matches(wanted_answers, answers)
      AND matches(wanted_seed, seed)
    QUALIFY row_number() OVER (
        PARTITION BY
            language, collection, probe_set, country, survey, weighting, strategy, demonstrations, answers,
            CASE WHEN starts_with(strategy, 'random') THEN seed END
        ORDER BY coalesce(only_of, '') <> '', seed, draw, run
    ) = 1;
