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

-- The batteries that are left out at once in a test language, for intervals: by unit 'battery' each of them, with its number in
-- numbered_batteries; by 'answers' those that have the same two answers there, in either order. The answers of a battery are
-- those of most of its probes, of several the first in order. The same batteries have the same number in all languages;
-- nothing is left out as 0, and if unit is NULL there is nothing else.
CREATE OR REPLACE TEMP MACRO left_out_together(wanted_probe_set, unit) AS TABLE
    WITH probed AS (
        SELECT language, battery, list_sort([answer_first, answer_second]) AS answers, count(*) AS probes
        FROM v_probe
        JOIN v_probe_set USING (collection, question)
        WHERE probe_set = wanted_probe_set
        GROUP BY ALL
    ),
    languages AS (
        SELECT DISTINCT language FROM probed
    )
    SELECT language, 0 AS left_out, [] AS batteries
    FROM languages
    UNION ALL
    SELECT language, left_out, [battery]
    FROM languages
    CROSS JOIN numbered_batteries(wanted_probe_set, unit = 'battery')
    UNION ALL
    SELECT language, dense_rank() OVER (ORDER BY batteries), batteries
    FROM (
        SELECT language, list(battery ORDER BY battery) AS batteries
        FROM (
            SELECT language, battery, first(answers ORDER BY probes DESC, answers) AS answers
            FROM probed
            GROUP BY language, battery
        )
        WHERE unit = 'answers'
        GROUP BY language, answers
    );

-- Profiles of checkpoints by a way of scoring. A chat model has one for each run that asked it: sampled and scored are those of
-- the zero-shot run of the lowest draw, sampled_chrf and the like of the run with demonstrations chosen so, of the majority
-- answers of a country of the language, the most similar last.
CREATE OR REPLACE TEMP MACRO model_profiles(wanted_score) AS TABLE
    WITH of_chat_models AS (
        SELECT DISTINCT profile_id, p.checkpoint_id, p.language, p.collection, options, draw, run
        FROM v_model_profile p
        JOIN v_response_run r USING (run_id)
        WHERE wanted_score = concat_ws('_', score, strategy)
          AND coalesce(only_of, '') = ''
          AND (
              condition = 'zero_shot'
              OR answers = 'majority' AND ordering = 'similar_last'
              AND (r.language, r.country) IN (SELECT (c.language, c.country) FROM v_language_country c)
          )
        QUALIFY dense_rank() OVER (
            PARTITION BY p.checkpoint_id, p.language, p.collection ORDER BY options, draw, run
        ) = 1
    )
    FROM v_model_profile
    WHERE CASE WHEN run_id IS NULL THEN score = wanted_score ELSE profile_id IN (SELECT profile_id FROM of_chat_models) END;

-- Spearman's rho between the profiles of checkpoints and countries, over the questions of a probe set that both have
-- (Echoes sections 3.5 and 6): one row per checkpoint, test language and country, and for intervals one without each of the
-- batteries that left_out_together names, with their effective number among the questions (Kish 1965).
-- Ranks are over the common questions, so those of one side depend on which questions the other side has, but not on
-- its values. There are few such sets of questions, mostly one, so profiles are ranked once per set of the other side.
-- The windows give twice the average rank, ties sharing theirs: rank() is one more than the number of lower values,
-- count(*) the number of lower and equal ones. All sums are of integers below 2^53, which DOUBLE holds exactly.
CREATE OR REPLACE TEMP MACRO profile_correlations(
    checkpoints, wanted_score, wanted_probe_set, wanted_survey, wanted_weighting, countries, unit
) AS TABLE
    WITH questions AS (
        SELECT collection, question, battery, (row_number() OVER (ORDER BY question))::SMALLINT AS place
        FROM v_probe_set
        WHERE probe_set = wanted_probe_set
    ),
    units AS MATERIALIZED (
        FROM left_out_together(wanted_probe_set, unit)
    ),
    kept AS MATERIALIZED (
        SELECT left_out, place
        FROM (SELECT DISTINCT left_out, batteries FROM units)
        JOIN questions ON NOT list_contains(batteries, battery)
    ),
    models AS MATERIALIZED (
        SELECT profile_id, checkpoint_id, language, place, p_first
        FROM model_profiles(wanted_score)
        JOIN questions USING (collection, question)
        WHERE checkpoint_id IN (SELECT unnest(checkpoints))
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
        SELECT
            profile_id, any_value(model_set) AS model_set, people_set, left_out,
            in_place(model_rank, place) AS model_ranks
        FROM (
            SELECT profile_id, model_set, people_set, left_out, place, rank() OVER w + count(*) OVER w AS model_rank
            FROM models
            JOIN (
                SELECT profile_id, model_set FROM model_profiles JOIN model_sets USING (places)
            ) USING (profile_id)
            JOIN (SELECT people_set, unnest(places) AS place FROM people_sets) USING (place)
            JOIN units USING (language)
            JOIN kept USING (left_out, place)
            WINDOW w AS (PARTITION BY profile_id, people_set, left_out ORDER BY p_first)
        )
        GROUP BY profile_id, people_set, left_out
    ),
    people_ranks AS (
        SELECT
            profile_id, any_value(people_set) AS people_set, model_set, left_out,
            in_place(people_rank, place) AS people_ranks
        FROM (
            SELECT profile_id, people_set, model_set, left_out, place, rank() OVER w + count(*) OVER w AS people_rank
            FROM people
            JOIN (
                SELECT profile_id, people_set FROM people_profiles JOIN people_sets USING (places)
            ) USING (profile_id)
            JOIN (SELECT model_set, unnest(places) AS place FROM model_sets) USING (place)
            JOIN kept USING (place)
            WINDOW w AS (PARTITION BY profile_id, model_set, left_out ORDER BY p_first)
        )
        GROUP BY profile_id, model_set, left_out
    ),
    sizes AS (
        SELECT model_set, people_set, sum(questions) ** 2 / sum(questions ** 2) AS effective_batteries
        FROM (
            SELECT model_set, people_set, battery, count(*) AS questions
            FROM (SELECT model_set, unnest(places) AS place FROM model_sets)
            JOIN (SELECT people_set, unnest(places) AS place FROM people_sets) USING (place)
            JOIN questions USING (place)
            GROUP BY ALL
        )
        GROUP BY ALL
    )
    SELECT
        m.checkpoint_id, m.language, c.country, left_out,
        listed_rho(model_ranks, people_ranks) AS rho,
        len(model_ranks) AS n,
        effective_batteries
    FROM model_ranks
    JOIN people_ranks USING (model_set, people_set, left_out)
    JOIN sizes USING (model_set, people_set)
    JOIN model_profiles m ON m.profile_id = model_ranks.profile_id
    JOIN people_profiles c ON c.profile_id = people_ranks.profile_id;

-- Cosines of the profiles of every two test languages, over the questions of a probe set that both have: one row per
-- checkpoint and pair of languages that share a question; NULL where one profile has no length (Echoes section 6).
CREATE OR REPLACE TEMP MACRO profile_similarities(checkpoints, wanted_score, wanted_probe_set) AS TABLE
    WITH places AS (
        SELECT collection, question, (row_number() OVER (ORDER BY question))::SMALLINT AS place
        FROM v_probe_set
        WHERE probe_set = wanted_probe_set
    ),
    vectors AS MATERIALIZED (
        SELECT checkpoint_id, language, list_sort(list(place)) AS places, in_order(p_first, place) AS vector
        FROM model_profiles(wanted_score)
        JOIN places USING (collection, question)
        WHERE checkpoint_id IN (SELECT unnest(checkpoints))
        GROUP BY ALL
    )
    SELECT
        checkpoint_id,
        a.language AS language_a,
        b.language AS language_b,
        CASE
            WHEN a.places = b.places THEN a.places
            ELSE list_sort(list_intersect(a.places, b.places))
        END AS common,
        listed_cosine(values_at(common, a.places, a.vector), values_at(common, b.places, b.vector)) AS similarity
    FROM vectors a
    JOIN vectors b USING (checkpoint_id)
    WHERE a.language < b.language AND len(common) > 0;

-- The same of the people who speak the languages: the mean profile of its countries where a language has several.
CREATE OR REPLACE TEMP MACRO people_similarities(wanted_survey, wanted_weighting, wanted_probe_set) AS TABLE
    WITH people AS (
        SELECT language, question, mean(p_first, country) AS p_first
        FROM v_country_profile
        JOIN v_probe_set USING (question)
        JOIN v_language_country USING (country)
        WHERE survey = wanted_survey AND weighting = wanted_weighting AND probe_set = wanted_probe_set
        GROUP BY ALL
    )
    SELECT
        a.language AS language_a,
        b.language AS language_b,
        cosine(a.p_first, b.p_first, question) AS similarity
    FROM people a
    JOIN people b USING (question)
    WHERE a.language < b.language
    GROUP BY ALL;
