-- Values in resamples. Where a query has intervals, every value is computed once as it is, as resample 0, and once for
-- each resample of the questions; the last step reads them off. Without intervals there is resample 0 alone. A sum over a
-- resample is taken in steps of 1e-12, as integers: the order of rows does not matter to it, and nothing has to be sorted.

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

-- Cosine from the products of two vectors' components and how often these were drawn.
CREATE OR REPLACE TEMP MACRO weighted_cosine(times, x_y, x_x, y_y) AS
    list_dot_product(times, x_y) / nullif(sqrt(list_dot_product(times, x_x) * list_dot_product(times, y_y)), 0);

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
