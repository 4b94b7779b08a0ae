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

-- The paper's settings of a fine-tuning (Echoes appendix B; mT5's of span corruption) as words, but for those given.
CREATE OR REPLACE TEMP MACRO paper_settings(epochs, batch_size, learning_rate) AS [
    'epochs=' || to_json(epochs),
    'batch_size=' || to_json(batch_size),
    'learning_rate=' || to_json(learning_rate),
    'development_share=0.2',
    'mean_span_length=3.0',
    'noise_density=0.15',
    'objective=span_corruption'
];

-- Whether a run was trained with the wanted settings, given as words, and with no others but what the paper leaves open.
CREATE OR REPLACE TEMP MACRO trained_with(wanted, settings) AS
    settings <> ''
    AND len(
        list_filter(
            string_split(settings, ' '),
            lambda word: NOT list_contains(wanted, word)
                AND NOT list_contains(['max_tokens', 'precision'], split_part(word, '=', 1))
        )
    ) = 0;

-- A word of a command line, quoted where a shell would take it apart.
CREATE OR REPLACE TEMP MACRO shell_word(word) AS
    CASE
        WHEN regexp_full_match(word, '[A-Za-z0-9_@%+=:,./-]+') THEN word
        ELSE '''' || replace(word, '''', '''\''''') || ''''
    END;

-- Statistics -----------------------------------------------------------------------------------------------------

-- Values in the order of place (aggregate). Several times as fast as list(value ORDER BY place) over many small groups.
CREATE OR REPLACE TEMP MACRO in_order(value, place) AS
    list_transform(list_sort(list({'place': place, 'value': value})), lambda pair: pair.value);

-- The same of small integers (places below 2^31, values below 2^32), as doubles: faster again, for one number is sorted.
CREATE OR REPLACE TEMP MACRO in_place(value, place) AS
    list_transform(list_sort(list(place::BIGINT << 32 | value)), lambda packed: (packed & 4294967295)::DOUBLE);

-- Mean in a fixed order, so that the last digit does not depend on how rows are stored (aggregate).
CREATE OR REPLACE TEMP MACRO mean(value, place) AS list_avg(in_order(value, place));

-- Pearson's correlation in a fixed order; NULL where one side is constant up to rounding (aggregate).
CREATE OR REPLACE TEMP MACRO pearson(x, y, place) AS
    CASE WHEN max(x) - min(x) > 1e-9 AND max(y) - min(y) > 1e-9 THEN corr(x, y ORDER BY place) END;

-- Cosine of two vectors whose components stand in the order of place; NULL where one has no length (aggregate).
CREATE OR REPLACE TEMP MACRO cosine(x, y, place) AS
    CASE
        WHEN sum(x * x) > 0 AND sum(y * y) > 0
        THEN list_cosine_similarity(in_order(x, place), in_order(y, place))
    END;

-- The same of two lists.
CREATE OR REPLACE TEMP MACRO listed_cosine(xs, ys) AS
    CASE
        WHEN list_dot_product(xs, xs) > 0 AND list_dot_product(ys, ys) > 0 THEN list_cosine_similarity(xs, ys)
    END;

-- Of values that stand at sorted places, those at some of these.
CREATE OR REPLACE TEMP MACRO values_at(wanted, places, listed) AS
    CASE
        WHEN wanted = places THEN listed
        ELSE list_transform(wanted, lambda place: listed[list_position(places, place)])
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

-- The same of two lists of ranks.
CREATE OR REPLACE TEMP MACRO listed_rho(ranks_x, ranks_y) AS
    (len(ranks_x) * list_dot_product(ranks_x, ranks_y) - list_sum(ranks_x) * list_sum(ranks_y))
    / nullif(
        sqrt(
            (len(ranks_x) * list_dot_product(ranks_x, ranks_x) - list_sum(ranks_x) * list_sum(ranks_x))
            * (len(ranks_x) * list_dot_product(ranks_y, ranks_y) - list_sum(ranks_y) * list_sum(ranks_y))
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

-- Values in resamples --------------------------------------------------------------------------------------------
-- Where a query has intervals, every value is computed once as it is, as resample 0, and once for each resample of the
-- questions; the last step reads them off. Without intervals there is resample 0 alone. A sum over a resample is taken in
-- steps of 1e-12, as integers: the order of rows does not matter to it, and nothing has to be sorted.

-- Mean of what was drawn: of resample 0 in a fixed order, as mean (aggregate, within a resample).
CREATE OR REPLACE TEMP MACRO drawn_mean(value, place, times, resample) AS
    coalesce(
        list_avg(
            list_transform(
                list_sort(list({'place': place, 'value': value}) FILTER (WHERE resample = 0)), lambda pair: pair.value
            )
        ),
        sum((value * 1e12)::BIGINT * times) / 1e12 / sum(CASE WHEN value IS NOT NULL THEN times END)
    );

-- The same of lists, without a row for each question of each resample: how often every question was drawn, the places
-- of those that have a value, the products of their values and weights, and the weights. NULL where none was drawn.
CREATE OR REPLACE TEMP MACRO listed_mean(times, places, products, weights) AS
    list_dot_product(list_transform(places, lambda place: times[place]), products)
    / nullif(list_dot_product(list_transform(places, lambda place: times[place]), weights), 0);

-- Cosine of what was drawn of two vectors of shares: of resample 0 as cosine (aggregate, within a resample).
CREATE OR REPLACE TEMP MACRO drawn_cosine(x, y, place, times, resample) AS
    CASE
        WHEN sum(x * x) = 0 OR sum(y * y) = 0 THEN NULL
        ELSE coalesce(
            list_cosine_similarity(
                list(x ORDER BY place) FILTER (WHERE resample = 0), list(y ORDER BY place) FILTER (WHERE resample = 0)
            ),
            sum((x * y * 1e12)::BIGINT * times)
            / sqrt(sum((x * x * 1e12)::BIGINT * times)::DOUBLE * sum((y * y * 1e12)::BIGINT * times)::DOUBLE)
        )
    END;

-- Mean over rows of a resample, in whatever order they come (aggregate).
CREATE OR REPLACE TEMP MACRO resampled_mean(value) AS sum((value * 1e12)::BIGINT) / 1e12 / count(value);

-- The value as it is (aggregate over resamples, as the next four).
CREATE OR REPLACE TEMP MACRO observed(value, resample) AS any_value(value) FILTER (WHERE resample = 0);

-- Ends of the 95% percentile interval; a resample in which the value is not defined is left out.
CREATE OR REPLACE TEMP MACRO interval_low(value, resample) AS
    quantile_cont(value, 0.025) FILTER (WHERE resample > 0);

CREATE OR REPLACE TEMP MACRO interval_high(value, resample) AS
    quantile_cont(value, 0.975) FILTER (WHERE resample > 0);

-- Two-sided p-value of a value that would be 0 by chance: twice the share of the resamples, the value as it is among
-- them, on the side of 0 that has fewer. Rounded, so that a difference of equal means is 0.
CREATE OR REPLACE TEMP MACRO bootstrap_p(value, resample) AS
    CASE
        WHEN count(value) FILTER (WHERE resample > 0) > 0
        THEN least(
            1,
            2 * (
                1 + least(
                    count(*) FILTER (WHERE resample > 0 AND round(value, 9) <= 0),
                    count(*) FILTER (WHERE resample > 0 AND round(value, 9) >= 0)
                )
            ) / (1 + count(value) FILTER (WHERE resample > 0))
        )
    END;

-- Holm's correction of a column of p-values for their number, in two steps: holm_step of each, then holm of both
-- (windows over all rows).
CREATE OR REPLACE TEMP MACRO holm_step(p) AS
    p * count(p) OVER (ORDER BY p NULLS LAST RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING);

CREATE OR REPLACE TEMP MACRO holm(step, p) AS
    CASE WHEN p IS NOT NULL THEN least(1, max(step) OVER (ORDER BY p NULLS LAST)) END;

-- Cosine from the products of two vectors' components and how often these were drawn.
CREATE OR REPLACE TEMP MACRO weighted_cosine(times, x_y, x_x, y_y) AS
    list_dot_product(times, x_y) / nullif(sqrt(list_dot_product(times, x_x) * list_dot_product(times, y_y)), 0);

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

-- Resamples of questions -----------------------------------------------------------------------------------------

-- The questions of a probe set: once each as resample 0, and as often as a resample has them where those are wanted.
CREATE OR REPLACE TEMP MACRO drawn_questions(wanted_probe_set, with_resamples) AS TABLE
    SELECT collection, question, category, 0 AS resample, 1 AS times
    FROM v_probe_set
    WHERE probe_set = wanted_probe_set
    UNION ALL
    SELECT collection, question, category, resample, times
    FROM v_resample
    JOIN v_probe_set USING (probe_set, question)
    WHERE probe_set = wanted_probe_set AND with_resamples;

-- The same as lists: per resample, how often each question of the set was drawn, in the order of the questions.
CREATE OR REPLACE TEMP MACRO drawn_lists(wanted_probe_set, with_resamples) AS TABLE
    WITH draws AS (
        SELECT resample, question, times FROM v_resample WHERE probe_set = wanted_probe_set AND with_resamples
    )
    SELECT resample, list(coalesce(times, 0)::DOUBLE ORDER BY question) AS times
    FROM (SELECT DISTINCT resample FROM draws)
    CROSS JOIN (SELECT question FROM v_probe_set WHERE probe_set = wanted_probe_set)
    LEFT JOIN draws USING (resample, question)
    GROUP BY resample;

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

-- Agreement of every two checkpoints, per test language, category and resample: how many probes both answered, and how
-- many of them alike. place_a and place_b order the pairs: smaller models first, then by what made the checkpoint.
CREATE OR REPLACE TEMP MACRO agreement_cells(
    wanted_score, wanted_probe_set, wanted_strategies, wanted_model, wanted_source, wanted_sentences, wanted_seed,
    wanted_epoch, with_resamples
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
            place_a, place_b, language, category, 0 AS resample,
            sum(bit_count(by_both) - bit_count(differently))::BIGINT AS alike,
            sum(bit_count(by_both))::BIGINT AS probes
        FROM compared
        GROUP BY ALL
        HAVING sum(bit_count(by_both)) > 0
        UNION ALL
        SELECT
            a.place, b.place, language, a.category, resample,
            coalesce(sum(times) FILTER (WHERE a.answer = b.answer), 0)::BIGINT,
            sum(times)::BIGINT
        FROM answers a
        JOIN answers b USING (language, question)
        JOIN drawn_questions(wanted_probe_set, with_resamples) d USING (question)
        WHERE a.place < b.place AND resample > 0
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

-- Per run, test language, category where wanted and resample: how many values both its checkpoint and its base have
-- (probes), and how many of them fine-tuning left unchanged, with what made the run. The other parameters restrict where
-- they are not NULL. A resample's counts are products of lists: there is no row for each question of each resample.
CREATE OR REPLACE TEMP MACRO unchanged_counts(
    wanted_score, wanted_probe_set, wanted_strategies, wanted_model, wanted_source, wanted_sentences, wanted_seed,
    wanted_epoch, by_category, with_resamples
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
        WHERE with_resamples
        GROUP BY ALL
    ),
    sets AS MATERIALIZED (
        SELECT places, row_number() OVER () AS answered_set FROM (SELECT DISTINCT places FROM vectors)
    ),
    counts AS (
        SELECT
            checkpoint_id, cell, 0 AS resample,
            count(*) FILTER (WHERE NOT shifted) AS unchanged,
            count(*) AS probes
        FROM answered
        GROUP BY ALL
        UNION ALL
        SELECT checkpoint_id, cell, resample, list_dot_product(drawn, unchanged)::BIGINT, probes
        FROM vectors
        JOIN sets USING (places)
        JOIN (
            SELECT
                answered_set, resample,
                list_transform(places, lambda place: times[place]) AS drawn,
                list_sum(drawn)::BIGINT AS probes
            FROM sets
            CROSS JOIN drawn_lists(wanted_probe_set, with_resamples)
        ) USING (answered_set)
        WHERE probes > 0
    )
    SELECT
        k.model, k.source, k.ft_languages, k.strategy, k.sentences, k.seed, k.epoch, k.settings, k.run,
        language, category, resample, unchanged, probes
    FROM counts
    JOIN chosen k USING (checkpoint_id)
    JOIN (SELECT DISTINCT cell, language, category FROM asked) USING (cell);

-- Influence ------------------------------------------------------------------------------------------------------

-- Influence and validation runs; the parameters restrict where they are not NULL. seed is the traced run's. Runs that
-- differ in settings, attribution or tracing are not alike; the three say all that counts of their specifications.
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
        i.attribution,
        i.quantity,
        i.tracing,
        i.examples
    FROM v_influence_run i
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
    FROM (
        SELECT influence_target_id, run, language, question, epoch FROM v_traced_probe WHERE wanted_shifted IS NULL
        UNION ALL
        SELECT influence_target_id, run, language, question, epoch FROM v_influence_target WHERE shifted = wanted_shifted
    )
    WHERE run IN (SELECT unnest(influence_runs)) AND (epoch IS NOT NULL) = by_epoch
    GROUP BY influence_target_id;

-- The questions that influence runs trace: once each as resample 0, and as often as a resample of the run's probe set
-- has them where those are wanted.
CREATE OR REPLACE TEMP MACRO drawn_targets(influence_runs, with_resamples) AS TABLE
    SELECT DISTINCT run, question, 0 AS resample, 1 AS times
    FROM v_traced_probe
    WHERE run IN (SELECT unnest(influence_runs))
    UNION ALL
    SELECT r.run, question, resample, times
    FROM v_run r
    JOIN v_resample ON probe_set = json_extract_string(r.spec, '$.probe_set')
    WHERE r.run IN (SELECT unnest(influence_runs)) AND with_resamples;

-- The questions that influence runs trace, with their places in the lists of traced_draws; no rows where not wanted.
CREATE OR REPLACE TEMP MACRO traced_places(influence_runs, with_resamples) AS TABLE
    SELECT run, probe_set, question, dense_rank() OVER (ORDER BY probe_set, question) AS place
    FROM (
        SELECT DISTINCT run, json_extract_string(r.spec, '$.probe_set') AS probe_set, question
        FROM v_traced_probe
        JOIN v_run r USING (run)
        WHERE with_resamples AND run IN (SELECT unnest(influence_runs))
    );

-- Per resample, how often each of these questions was drawn, in the order of their places.
CREATE OR REPLACE TEMP MACRO traced_draws(influence_runs, with_resamples) AS TABLE
    SELECT resample, list(coalesce(times, 0)::DOUBLE ORDER BY place) AS times
    FROM (SELECT DISTINCT resample FROM v_resample WHERE with_resamples)
    CROSS JOIN (SELECT DISTINCT probe_set, question, place FROM traced_places(influence_runs, with_resamples))
    LEFT JOIN v_resample USING (probe_set, question, resample)
    GROUP BY resample;

-- Per target, direction and fine-tuning language: the percentage of the k most influential examples that are in it. All
-- that are stored were counted when they were; fewer are counted here. The last three parameters restrict where they are
-- not NULL.
CREATE OR REPLACE TEMP MACRO influence_shares(
    influence_runs, by_epoch, wanted_shifted, wanted_direction, wanted_k
) AS TABLE
    WITH targets AS (
        FROM selected_targets(influence_runs, by_epoch, wanted_shifted)
    ),
    -- counted by key: names go to the few rows that are left
    lists AS (
        SELECT influence_target_id, direction, histogram(e.language) AS languages, count(*) AS ranked
        FROM v_influence_ranking
        LEFT JOIN v_training_example e USING (training_example_id)
        JOIN targets USING (influence_target_id)
        WHERE rank <= wanted_k
        GROUP BY ALL
    ),
    trained AS (
        SELECT run, unnest(string_split(ft_languages, ',')) AS ft_language FROM v_influence_run
    ),
    counts AS (
        SELECT influence_target_id, direction, train_language AS ft_language, ranked, examples
        FROM v_influence_language
        WHERE wanted_k IS NULL
        UNION ALL
        SELECT influence_target_id, direction, ft_language, ranked, coalesce(languages[ft_language], 0)
        FROM lists
        JOIN targets USING (influence_target_id)
        JOIN trained USING (run)
    )
    SELECT run, language, question, epoch, direction, ft_language, 100.0 * examples / ranked AS share
    FROM counts
    JOIN targets USING (influence_target_id)
    WHERE matches(wanted_direction, direction);

-- influence_shares as lists, for listed_mean: per run, direction, test and fine-tuning language, the percentages of all
-- targets in the order of their questions; places and weights only where resamples are wanted.
CREATE OR REPLACE TEMP MACRO listed_shares(
    influence_runs, wanted_shifted, wanted_direction, wanted_k, with_resamples
) AS TABLE
    SELECT
        run, direction, language, ft_language,
        list_sort(list(place) FILTER (WHERE with_resamples)) AS places,
        in_order(share, question) AS percentages,
        list(1::DOUBLE) FILTER (WHERE with_resamples) AS weights,
        count(*) AS targets
    FROM influence_shares(influence_runs, FALSE, wanted_shifted, wanted_direction, wanted_k)
    LEFT JOIN traced_places(influence_runs, with_resamples) USING (run, question)
    GROUP BY run, direction, language, ft_language;

-- Profiles -------------------------------------------------------------------------------------------------------

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
