-- The statistics and defaults that queries share, as macros of the connection: nothing is written into a store.
-- A macro that a released query uses never changes (queries.lock.json); a better one gets a new name.
-- The last macro stays the last: its hash, unlike the others', is over the semicolon too.

-- Selection ------------------------------------------------------------------------------------------------------

-- Whether a value is the wanted one; anything is when none is wanted.
CREATE OR REPLACE TEMP MACRO matches(wanted, value) AS wanted IS NULL OR value = wanted;

-- Whether a checkpoint is of the wanted epoch; the last of its run when none is wanted.
CREATE OR REPLACE TEMP MACRO at_epoch(wanted, epoch, is_final) AS
    CASE WHEN wanted IS NULL THEN is_final ELSE epoch = wanted END;

-- The name that --model takes: the model's own, or run/epoch-N.
CREATE OR REPLACE TEMP MACRO checkpoint_name(model, run, epoch) AS
    CASE WHEN run IS NULL THEN model ELSE run || '/epoch-' || epoch END;

-- What an attribution is called in tables, as mlv.schema.jobs.attribution_name has it, e.g. trak-principal-32.
CREATE OR REPLACE TEMP MACRO attribution_name(method, similarity, projection, dimensions) AS
    concat_ws(
        '-',
        method,
        CASE WHEN similarity = 'cosine' THEN 'cosine' END,
        CASE WHEN projection = 'none' THEN 'exact' ELSE projection || '-' || dimensions END
    );

-- A word of a command line, quoted where a shell would take it apart.
CREATE OR REPLACE TEMP MACRO shell_word(word) AS
    CASE
        WHEN regexp_full_match(word, '[A-Za-z0-9_@%+=:,./-]+') THEN word
        ELSE '''' || replace(word, '''', '''\''''') || ''''
    END;

-- Statistics -----------------------------------------------------------------------------------------------------

-- Percentage of rows that meet a condition; NULL of none (aggregate).
CREATE OR REPLACE TEMP MACRO percent(condition) AS
    100.0 * count(*) FILTER (WHERE condition) / nullif(count(*), 0);

-- How many items of a list are in another.
CREATE OR REPLACE TEMP MACRO count_shared(items, others) AS
    len(list_filter(items, lambda item: list_contains(others, item)));

-- Mean in a fixed order, so that the last digit does not depend on how rows are stored (aggregate).
CREATE OR REPLACE TEMP MACRO mean(value, place) AS avg(value ORDER BY place);

-- Cosine of two vectors whose components stand in the order of place; NULL where one has no length (aggregate).
CREATE OR REPLACE TEMP MACRO cosine(x, y, place) AS
    CASE
        WHEN sum(x * x) > 0 AND sum(y * y) > 0
        THEN list_cosine_similarity(list(x ORDER BY place), list(y ORDER BY place))
    END;

-- Spearman's rho: Pearson's correlation of two columns of ranks; NULL where one is constant (aggregate). All sums are
-- of integers, so the result is the same in whatever order rows come; equal and opposite orders give exactly 1 and -1.
CREATE OR REPLACE TEMP MACRO spearman_rho(rank_x, rank_y) AS
    (count(*) * sum(rank_x * rank_y) - sum(rank_x) * sum(rank_y))::DOUBLE
    / nullif(
        sqrt(
            (count(*) * sum(rank_x * rank_x) - sum(rank_x) * sum(rank_x))::DOUBLE
            * (count(*) * sum(rank_y * rank_y) - sum(rank_y) * sum(rank_y))::DOUBLE
        ),
        0
    );

-- Continued fraction of the incomplete beta function (Abramowitz and Stegun 26.5.8), from the 80th term backwards.
CREATE OR REPLACE TEMP MACRO beta_fraction(a, b, x) AS
    1 / list_reduce(
        list_transform(
            range(80, 0, -1),
            lambda k: x / ((a + k - 1) * (a + k))
                * CASE
                    WHEN k % 2 = 0 THEN k / 2 * (b - k / 2)
                    ELSE -(a + (k - 1) / 2) * (a + b + (k - 1) / 2)
                END
        ),
        lambda rest, term: 1 + term / rest,
        1::DOUBLE
    );

-- Regularised incomplete beta function I_x(a, b) for x below (a + 1) / (a + b + 2), where the fraction converges fast.
CREATE OR REPLACE TEMP MACRO regularised_beta(a, b, x) AS
    exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * ln(x) + b * ln(1 - x)) / a * beta_fraction(a, b, x);

-- Two-sided p-value of Spearman's rho over n pairs by Student's t with n - 2 degrees of freedom, as
-- scipy.stats.spearmanr has it: I_x((n - 2) / 2, 1 / 2) at x = 1 - rho^2. NULL for fewer than 3 pairs.
CREATE OR REPLACE TEMP MACRO spearman_p(rho, n) AS
    CASE
        WHEN rho IS NULL OR n < 3 THEN NULL
        WHEN abs(rho) = 1 THEN 0::DOUBLE
        WHEN rho = 0 THEN 1::DOUBLE
        WHEN 1 - rho * rho < n / (n + 3)
        THEN regularised_beta((n - 2) / 2, 0.5::DOUBLE, 1 - rho * rho)
        ELSE 1 - regularised_beta(0.5::DOUBLE, (n - 2) / 2, rho * rho)
    END;

-- Two-sided tail of the standard normal distribution beyond z: by the series of the error function where z is small
-- (Abramowitz and Stegun 26.2.11), else by the continued fraction of the tail (26.2.14), each from its last term
-- backwards.
CREATE OR REPLACE TEMP MACRO normal_p(z) AS
    CASE
        WHEN abs(z) < 3
        THEN 1 - sqrt(2 / pi()) * exp(-z * z / 2) * abs(z) * list_reduce(
            list_transform(range(101, 1, -2), lambda k: z * z / k), lambda rest, term: 1 + term * rest, 1::DOUBLE
        )
        ELSE sqrt(2 / pi()) * exp(-z * z / 2) / list_reduce(
            list_transform(range(100, 0, -1), lambda k: k::DOUBLE), lambda rest, term: abs(z) + term / rest, abs(z)
        )
    END;

-- Wilcoxon's signed-rank statistic of paired differences, none of them 0, standardised with the correction for ties
-- (aggregate): normal_p of it is the p-value of scipy.stats.wilcoxon(zero_method='wilcox', correction=False,
-- method='asymptotic'). twice_rank is twice the average rank of a difference's size, tied how many differences have
-- that size. All sums are of integers.
CREATE OR REPLACE TEMP MACRO signed_rank_z(difference, twice_rank, tied) AS
    (2 * sum(CASE WHEN difference > 0 THEN twice_rank ELSE 0 END) - count(*) * (count(*) + 1))::DOUBLE
    / sqrt((2 * count(*) * (count(*) + 1) * (2 * count(*) + 1) - sum(tied * tied - 1)) / 3);

-- Defaults -------------------------------------------------------------------------------------------------------

-- echoes-2024 where the store has it, else wvs7-all, else the first by name.
CREATE OR REPLACE TEMP MACRO default_probe_set() AS (
    SELECT probe_set
    FROM v_probe_set
    ORDER BY probe_set <> 'echoes-2024', probe_set <> 'wvs7-all', probe_set
    LIMIT 1
);

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

-- The four of Echoes Table 3 where the survey has them all, else those of the probed languages.
CREATE OR REPLACE TEMP MACRO alignment_countries(wanted_survey) AS (
    SELECT CASE WHEN count(DISTINCT country) = 4 THEN ['DE', 'PK', 'RS', 'VN'] ELSE probed_countries() END
    FROM v_country_profile
    WHERE survey = wanted_survey AND country IN ('DE', 'PK', 'RS', 'VN')
);

-- The pretrained models of the store; before there are any, the one that Echoes studies most.
CREATE OR REPLACE TEMP MACRO study_models() AS (
    SELECT coalesce(list(DISTINCT model ORDER BY model), ['google/mt5-small'])
    FROM v_checkpoint
    WHERE strategy = 'pretrained'
);

-- The sources that were ingested.
CREATE OR REPLACE TEMP MACRO study_sources() AS (SELECT list(DISTINCT source ORDER BY source) FROM v_segment);

-- Checkpoints and answers ----------------------------------------------------------------------------------------

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

-- Agreement of every two checkpoints, per test language and category: how many probes both answered, and how many of
-- them alike. place_a and place_b order the pairs: smaller models first, then by what made the checkpoint.
CREATE OR REPLACE TEMP MACRO agreement_cells(
    wanted_score, wanted_probe_set, wanted_strategies, wanted_model, wanted_source, wanted_sentences, wanted_seed,
    wanted_epoch
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
    answers AS (
        SELECT place, language, question, category, answer
        FROM v_answer
        JOIN chosen USING (checkpoint_id)
        JOIN v_probe_set USING (collection, question, category)
        WHERE score = wanted_score AND probe_set = wanted_probe_set
    ),
    cells AS (
        SELECT
            a.place AS place_a,
            b.place AS place_b,
            language,
            category,
            count(*) FILTER (WHERE a.answer = b.answer) AS alike,
            count(*) AS probes
        FROM answers a
        JOIN answers b USING (language, question, category)
        WHERE a.place < b.place
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

-- Influence ------------------------------------------------------------------------------------------------------

-- Influence and validation runs; the parameters restrict where they are not NULL. seed is the traced run's. tracing
-- is what the scores depend on beside the attribution: runs that differ in either are not alike.
CREATE OR REPLACE TEMP MACRO selected_influence_runs(
    wanted_run, wanted_model, wanted_source, wanted_method, wanted_sentences, wanted_seed
) AS TABLE
    SELECT
        i.run,
        i.traced_run,
        i.model,
        i.source,
        i.ft_languages,
        i.strategy,
        i.sentences,
        i.traced_seed AS seed,
        i.settings,
        attribution_name(i.method, i.similarity, i.projection, i.dimensions) AS attribution,
        i.quantity,
        array_to_string(
            [
                replace(path, 'attribution.', '') || '='
                    || translate(json_extract_string(r.spec, '$.' || path), '[]"', '')
                FOR path IN [
                    'probe_set', 'selection', 'quantity', 'top_k', 'attribution.damping', 'attribution.confidence',
                    'attribution.gradients.output', 'attribution.gradients.modules', 'attribution.gradients.seed'
                ]
            ],
            ' '
        ) || ' checkpoints=' || i.checkpoints AS tracing,
        i.examples
    FROM v_influence_run i
    JOIN v_run r USING (run_id)
    WHERE matches(wanted_run, i.run)
      AND matches(wanted_model, i.model)
      AND matches(wanted_source, i.source)
      AND matches(wanted_method, i.method)
      AND matches(wanted_sentences, i.sentences)
      AND matches(wanted_seed, i.traced_seed);

-- Targets of influence runs: those traced by all checkpoints together, or those by single epochs' checkpoints.
-- wanted_shifted restricts where it is not NULL. A target is one row as it is; the grouping tells DuckDB how few there
-- are, so that it keeps them and not the rankings in memory when it joins the two.
CREATE OR REPLACE TEMP MACRO selected_targets(influence_runs, by_epoch, wanted_shifted) AS TABLE
    SELECT
        influence_target_id,
        any_value(run) AS run,
        any_value(language) AS language,
        any_value(question) AS question,
        any_value(epoch) AS epoch
    FROM v_influence_target
    WHERE run IN (SELECT unnest(influence_runs))
      AND (epoch IS NOT NULL) = by_epoch
      AND matches(wanted_shifted, shifted)
    GROUP BY influence_target_id;

-- Per target, direction and fine-tuning language: the percentage of the k most influential examples that are in it.
-- The last three parameters restrict where they are not NULL.
CREATE OR REPLACE TEMP MACRO influence_shares(
    influence_runs, by_epoch, wanted_shifted, wanted_direction, wanted_k
) AS TABLE
    WITH targets AS (
        FROM selected_targets(influence_runs, by_epoch, wanted_shifted)
    ),
    -- counted by key: names go to the few rows that are left
    counts AS (
        SELECT influence_target_id, direction, histogram(e.language) AS languages, count(*) AS k
        FROM v_influence_ranking
        LEFT JOIN v_training_example e USING (training_example_id)
        JOIN targets USING (influence_target_id)
        WHERE matches(wanted_direction, direction)
          AND (wanted_k IS NULL OR rank <= wanted_k)
        GROUP BY ALL
    ),
    trained AS (
        SELECT run, unnest(string_split(ft_languages, ',')) AS ft_language FROM v_influence_run
    )
    SELECT
        run, language, question, epoch, direction, ft_language,
        100.0 * coalesce(languages[ft_language], 0) / k AS share
    FROM counts
    JOIN targets USING (influence_target_id)
    JOIN trained USING (run);

-- Profiles -------------------------------------------------------------------------------------------------------

-- Spearman's rho between the profiles of checkpoints and countries, over the questions of a probe set that both have
-- (Echoes sections 3.5 and 6): one row per checkpoint, test language and country.
-- Ranks are over the common questions, so those of one side depend on which questions the other side has, but not on
-- its values. There are few such sets of questions, mostly one, so profiles are ranked once per set of the other side.
-- The windows give twice the average rank, ties sharing theirs: rank() is one more than the number of lower values,
-- count(*) the number of lower and equal ones. An integer is exact.
CREATE OR REPLACE TEMP MACRO profile_correlations(
    checkpoints, wanted_score, wanted_probe_set, wanted_survey, wanted_weighting, countries
) AS TABLE
    WITH models AS (
        SELECT checkpoint_id, language, question, p_first
        FROM v_model_profile
        JOIN v_probe_set USING (collection, question)
        WHERE score = wanted_score
          AND checkpoint_id IN (SELECT unnest(checkpoints))
          AND probe_set = wanted_probe_set
    ),
    people AS (
        SELECT country, question, p_first
        FROM v_country_profile
        JOIN v_probe_set USING (question)
        WHERE survey = wanted_survey
          AND weighting = wanted_weighting
          AND list_contains(countries, country)
          AND probe_set = wanted_probe_set
    ),
    model_sets AS (
        SELECT
            checkpoint_id,
            language,
            dense_rank() OVER (ORDER BY string_agg(question, ' ' ORDER BY question)) AS model_set
        FROM models
        GROUP BY checkpoint_id, language
    ),
    people_sets AS (
        SELECT country, dense_rank() OVER (ORDER BY string_agg(question, ' ' ORDER BY question)) AS people_set
        FROM people
        GROUP BY country
    ),
    ranked_models AS (
        SELECT checkpoint_id, language, model_set, people_set, question, rank() OVER w + count(*) OVER w AS model_rank
        FROM models
        JOIN model_sets USING (checkpoint_id, language)
        JOIN (SELECT DISTINCT people_set, question FROM people JOIN people_sets USING (country)) USING (question)
        WINDOW w AS (PARTITION BY checkpoint_id, language, people_set ORDER BY p_first)
    ),
    ranked_people AS (
        SELECT country, people_set, model_set, question, rank() OVER w + count(*) OVER w AS people_rank
        FROM people
        JOIN people_sets USING (country)
        JOIN (SELECT DISTINCT model_set, question FROM models JOIN model_sets USING (checkpoint_id, language))
            USING (question)
        WINDOW w AS (PARTITION BY country, model_set ORDER BY p_first)
    )
    SELECT checkpoint_id, language, country, spearman_rho(model_rank, people_rank) AS rho, count(*) AS n
    FROM ranked_models
    JOIN ranked_people USING (model_set, people_set, question)
    GROUP BY checkpoint_id, language, country;
