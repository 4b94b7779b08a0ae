-- Profiles of models and of countries.

-- The last survey by name; one with invented numbers only where there is no other.
CREATE OR REPLACE TEMP MACRO default_survey() AS (
    SELECT survey FROM v_country_profile ORDER BY illustrative, survey DESC LIMIT 1
);

-- weighted where the survey has weighted profiles, else unweighted.
CREATE OR REPLACE TEMP MACRO default_weighting(wanted_survey) AS (
    SELECT weighting
    FROM v_country_profile
    WHERE survey = wanted_survey
    ORDER BY weighting <> 'weighted', weighting
    LIMIT 1
);

-- Countries of the languages that the store has probes in.
CREATE OR REPLACE TEMP MACRO probed_countries() AS (
    SELECT list(DISTINCT country ORDER BY country)
    FROM v_language_country
    WHERE language IN (SELECT language FROM v_probe)
);

-- Spearman's rho as profile_correlations has it, in each resample of the questions; no rows where none are wanted.
-- Ranks are those of the questions as often as they were drawn. The order of a profile's questions is the same in every
-- resample, so a rank is a sum of how often those before it were drawn. Ten resamples are summed at once, in 12 bits each
-- of one integer, which has room for twice the ranks of 2,047 questions. rank is twice the average rank, less 1; its mean
-- over the draws is their number, n.
CREATE OR REPLACE TEMP MACRO resampled_correlations(
    checkpoints, wanted_score, wanted_probe_set, wanted_survey, wanted_weighting, countries, with_resamples
) AS TABLE
    WITH questions AS (
        SELECT collection, question, (row_number() OVER (ORDER BY question))::SMALLINT AS place
        FROM v_probe_set
        WHERE probe_set = wanted_probe_set AND with_resamples
        -- ranks of more would not fit 12 bits
        QUALIFY CASE WHEN count(*) OVER () > 2047 THEN error('Intervals of rho are for 2,047 questions at most') ELSE TRUE END
    ),
    draws AS MATERIALIZED (
        SELECT pack, place, coalesce(sum(times::HUGEINT << (12 * ((resample - 1) % 10))::HUGEINT), 0) AS times
        FROM (
            SELECT DISTINCT ((resample - 1) // 10)::SMALLINT AS pack
            FROM v_resample
            WHERE probe_set = wanted_probe_set AND with_resamples
        )
        CROSS JOIN questions
        LEFT JOIN (FROM v_resample WHERE probe_set = wanted_probe_set AND with_resamples) r
            ON r.question = questions.question AND (r.resample - 1) // 10 = pack
        GROUP BY ALL
    ),
    models AS MATERIALIZED (
        SELECT profile_id AS profile, checkpoint_id, language, place, p_first
        FROM v_model_profile
        JOIN questions USING (collection, question)
        WHERE score = wanted_score AND checkpoint_id IN (SELECT unnest(checkpoints))
    ),
    people AS MATERIALIZED (
        SELECT -profile_id AS profile, country, place, p_first
        FROM v_country_profile
        JOIN questions USING (question)
        WHERE survey = wanted_survey AND weighting = wanted_weighting AND list_contains(countries, country)
    ),
    pairs AS MATERIALIZED (
        SELECT
            checkpoint_id, language, country,
            a.profile AS model_profile,
            b.profile AS people_profile,
            list_sort(list_intersect(a.places, b.places)) AS common,
            (dense_rank() OVER (ORDER BY common))::SMALLINT AS shared
        FROM (SELECT checkpoint_id, language, profile, list(place) AS places FROM models GROUP BY ALL) a
        CROSS JOIN (SELECT country, profile, list(place) AS places FROM people GROUP BY ALL) b
    ),
    compared AS (
        SELECT DISTINCT model_profile AS profile, shared, common FROM pairs
        UNION
        SELECT DISTINCT people_profile, shared, common FROM pairs
    ),
    ranked AS (
        SELECT
            profile, shared, pack, place,
            2 * sum(times) OVER (w RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
            - sum(times) OVER (w RANGE BETWEEN CURRENT ROW AND CURRENT ROW) AS rank
        FROM (SELECT profile, shared, unnest(common) AS place FROM compared)
        JOIN (
            SELECT profile, place, p_first FROM models UNION ALL SELECT profile, place, p_first FROM people
        ) USING (profile, place)
        JOIN draws USING (place)
        WINDOW w AS (PARTITION BY profile, shared, pack ORDER BY p_first)
    ),
    packed AS MATERIALIZED (
        SELECT profile, shared, pack, in_order(rank, place) AS ranks FROM ranked GROUP BY ALL
    ),
    weighted AS MATERIALIZED (
        SELECT shared, pack, in_order(times, place) AS times
        FROM (SELECT DISTINCT shared, unnest(common) AS place FROM (SELECT DISTINCT shared, common FROM pairs))
        JOIN draws USING (place)
        GROUP BY ALL
    ),
    unpacked AS NOT MATERIALIZED (
        SELECT
            profile, shared,
            10 * pack + digit + 1 AS resample,
            list_transform(packed.ranks, lambda rank: (rank >> (12 * digit)::HUGEINT & 4095)::DOUBLE) AS drawn_ranks,
            list_transform(times, lambda n: (n >> (12 * digit)::HUGEINT & 4095)::DOUBLE) AS weights,
            list_sum(weights) ** 3 AS expected,
            sqrt(list_dot_product(list_transform(drawn_ranks, lambda rank: rank * rank), weights) - expected) AS spread
        FROM packed
        JOIN weighted USING (shared, pack)
        CROSS JOIN (SELECT unnest(range(10)) AS digit)
    ),
    -- before pairs, so that lists of ranks are not held for every pair
    correlations AS MATERIALIZED (
        SELECT
            m.profile AS model_profile,
            c.profile AS people_profile,
            shared, resample,
            (list_dot_product(m.drawn_ranks, c.weighted_ranks) - m.expected) / nullif(m.spread * c.spread, 0) AS rho
        FROM (FROM unpacked WHERE profile > 0) m
        JOIN (
            SELECT
                profile, shared, resample, spread,
                list_transform(list_zip(drawn_ranks, weights), lambda pair: pair[1] * pair[2]) AS weighted_ranks
            FROM unpacked
            WHERE profile < 0
        ) c USING (shared, resample)
    )
    SELECT checkpoint_id, language, country, resample, rho
    FROM correlations
    JOIN pairs USING (model_profile, people_profile, shared);

-- Spearman's rho between the profiles of checkpoints and countries, over the questions of a probe set that both have
-- (Echoes sections 3.5 and 6): one row per checkpoint, test language and country.
-- Ranks are over the common questions, so those of one side depend on which questions the other side has, but not on
-- its values. There are few such sets of questions, mostly one, so profiles are ranked once per set of the other side.
-- The windows give twice the average rank, ties sharing theirs: rank() is one more than the number of lower values,
-- count(*) the number of lower and equal ones. All sums are of integers below 2^53, which DOUBLE holds exactly.
CREATE OR REPLACE TEMP MACRO profile_correlations(
    checkpoints, wanted_score, wanted_probe_set, wanted_survey, wanted_weighting, countries
) AS TABLE
    WITH questions AS (
        SELECT collection, question, (row_number() OVER (ORDER BY question))::SMALLINT AS place
        FROM v_probe_set
        WHERE probe_set = wanted_probe_set
    ),
    models AS MATERIALIZED (
        SELECT profile_id, checkpoint_id, language, place, p_first
        FROM v_model_profile
        JOIN questions USING (collection, question)
        WHERE score = wanted_score AND checkpoint_id IN (SELECT unnest(checkpoints))
    ),
    people AS MATERIALIZED (
        SELECT profile_id, country, place, p_first
        FROM v_country_profile
        JOIN questions USING (question)
        WHERE survey = wanted_survey AND weighting = wanted_weighting AND list_contains(countries, country)
    ),
    model_profiles AS MATERIALIZED (
        SELECT
            profile_id,
            any_value(checkpoint_id) AS checkpoint_id,
            any_value(language) AS language,
            list_sort(list(place)) AS places
        FROM models
        GROUP BY profile_id
    ),
    people_profiles AS MATERIALIZED (
        SELECT profile_id, any_value(country) AS country, list_sort(list(place)) AS places
        FROM people
        GROUP BY profile_id
    ),
    model_sets AS MATERIALIZED (
        SELECT places, row_number() OVER () AS model_set FROM (SELECT DISTINCT places FROM model_profiles)
    ),
    people_sets AS MATERIALIZED (
        SELECT places, row_number() OVER () AS people_set FROM (SELECT DISTINCT places FROM people_profiles)
    ),
    model_ranks AS (
        SELECT profile_id, any_value(model_set) AS model_set, people_set, in_place(model_rank, place) AS model_ranks
        FROM (
            SELECT profile_id, model_set, people_set, place, rank() OVER w + count(*) OVER w AS model_rank
            FROM models
            JOIN (
                SELECT profile_id, model_set FROM model_profiles JOIN model_sets USING (places)
            ) USING (profile_id)
            JOIN (SELECT people_set, unnest(places) AS place FROM people_sets) USING (place)
            WINDOW w AS (PARTITION BY profile_id, people_set ORDER BY p_first)
        )
        GROUP BY profile_id, people_set
    ),
    people_ranks AS (
        SELECT profile_id, any_value(people_set) AS people_set, model_set, in_place(people_rank, place) AS people_ranks
        FROM (
            SELECT profile_id, people_set, model_set, place, rank() OVER w + count(*) OVER w AS people_rank
            FROM people
            JOIN (
                SELECT profile_id, people_set FROM people_profiles JOIN people_sets USING (places)
            ) USING (profile_id)
            JOIN (SELECT model_set, unnest(places) AS place FROM model_sets) USING (place)
            WINDOW w AS (PARTITION BY profile_id, model_set ORDER BY p_first)
        )
        GROUP BY profile_id, model_set
    )
    SELECT
        m.checkpoint_id, m.language, c.country,
        listed_rho(model_ranks, people_ranks) AS rho,
        len(model_ranks) AS n
    FROM model_ranks
    JOIN people_ranks USING (model_set, people_set)
    JOIN model_profiles m ON m.profile_id = model_ranks.profile_id
    JOIN people_profiles c ON c.profile_id = people_ranks.profile_id;
