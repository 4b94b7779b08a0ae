-- Standard errors, intervals and p-values by battery (docs/statistics.md). Questions that were asked in one frame with one
-- pair of answers are no independent draws, so what is left out or drawn is a battery of them. Every value is computed as
-- it is, as left_out 0, and without each battery of the probe set in turn, as left_out 1 and so on; where no interval is
-- wanted there is left_out 0 alone. Of a single profile several batteries are left out at once (left_out_together).

-- The batteries of a probe set, in the order of their names; none unless wanted.
CREATE OR REPLACE TEMP MACRO numbered_batteries(wanted_probe_set, wanted) AS TABLE
    SELECT battery, row_number() OVER (ORDER BY battery) AS left_out
    FROM (SELECT DISTINCT battery FROM v_probe_set WHERE probe_set = wanted_probe_set AND wanted);

-- The questions of a probe set, and those that are left without each battery.
CREATE OR REPLACE TEMP MACRO kept_questions(wanted_probe_set, with_intervals) AS TABLE
    SELECT collection, question, category, 0 AS left_out
    FROM v_probe_set
    WHERE probe_set = wanted_probe_set
    UNION ALL
    SELECT collection, question, category, left_out
    FROM v_probe_set s
    JOIN numbered_batteries(wanted_probe_set, with_intervals) b ON b.battery <> s.battery
    WHERE probe_set = wanted_probe_set;

-- The same as lists, where intervals are wanted: 1 for every question that is left and 0 for the others, in the order of
-- the questions.
CREATE OR REPLACE TEMP MACRO kept_lists(wanted_probe_set, with_intervals) AS TABLE
    SELECT left_out, list((b.battery IS DISTINCT FROM s.battery)::INTEGER::DOUBLE ORDER BY question) AS kept
    FROM v_probe_set s
    CROSS JOIN (
        FROM numbered_batteries(wanted_probe_set, with_intervals) UNION ALL SELECT NULL, 0 WHERE with_intervals
    ) b
    WHERE probe_set = wanted_probe_set
    GROUP BY left_out;

-- Mean of what is left: as it is in a fixed order, as mean; else in steps of 1e-12, as integers, so that nothing has to be
-- sorted and the order of rows does not matter (aggregate, of one left_out).
CREATE OR REPLACE TEMP MACRO kept_mean(value, place, left_out) AS
    coalesce(
        list_avg(
            list_transform(
                list_sort(list({'place': place, 'value': value}) FILTER (WHERE left_out = 0)), lambda pair: pair.value
            )
        ),
        sum((value * 1e12)::BIGINT) / 1e12 / count(value)
    );

-- Mean from lists, without a row for each question and battery: which questions are left, the places of those that have
-- a value, the products of their values and weights, and the weights. NULL where none is left.
CREATE OR REPLACE TEMP MACRO listed_mean(kept, places, products, weights) AS
    list_dot_product(list_transform(places, lambda place: kept[place]), products)
    / nullif(list_dot_product(list_transform(places, lambda place: kept[place]), weights), 0);

-- How many questions of such a mean are left.
CREATE OR REPLACE TEMP MACRO listed_items(kept, places) AS
    list_sum(list_transform(places, lambda place: kept[place]))::BIGINT;

-- Cosine of what is left of two vectors of shares (aggregate, of one left_out). Ordered sums give the same last digit in
-- DuckDB 1.5 and 2.0, where functions of lists add products up in another order.
CREATE OR REPLACE TEMP MACRO kept_cosine(x, y, place, left_out) AS
    CASE
        WHEN sum(x * x) = 0 OR sum(y * y) = 0 THEN NULL
        WHEN max(left_out) = 0
        THEN least(
            1,
            sum(x * y ORDER BY place) FILTER (WHERE left_out = 0)
            / sqrt(
                sum(x * x ORDER BY place) FILTER (WHERE left_out = 0)
                * sum(y * y ORDER BY place) FILTER (WHERE left_out = 0)
            )
        )
        ELSE sum((x * y * 1e12)::BIGINT)
            / sqrt(sum((x * x * 1e12)::BIGINT)::DOUBLE * sum((y * y * 1e12)::BIGINT)::DOUBLE)
    END;

-- Cosine from the products of two vectors' components and which of them are left.
CREATE OR REPLACE TEMP MACRO weighted_cosine(kept, x_y, x_x, y_y) AS
    list_dot_product(kept, x_y) / nullif(sqrt(list_dot_product(kept, x_x) * list_dot_product(kept, y_y)), 0);

-- The value as it is (aggregate over left_out).
CREATE OR REPLACE TEMP MACRO observed(value, left_out) AS any_value(value) FILTER (WHERE left_out = 0);

-- A value as it is and without each battery, each with the number of questions behind it: what the macros below take
-- (aggregate over left_out).
CREATE OR REPLACE TEMP MACRO replicates(value, items, left_out) AS
    list_sort(list({'left_out': left_out, 'value': value::DOUBLE, 'items': items::BIGINT}));

-- NULL of NULL, which least and greatest pass over.
CREATE OR REPLACE TEMP MACRO fisher_z(rho) AS
    CASE WHEN rho IS NOT NULL THEN atanh(least(greatest(rho, -0.999999), 0.999999)) END;

-- Replicates of a correlation or cosine on a scale on which it is nearer to normal.
CREATE OR REPLACE TEMP MACRO on_fisher_scale(rows) AS
    list_transform(
        rows, lambda row: {'left_out': row.left_out, 'value': fisher_z(row.value), 'items': row.items}
    );

-- What the macros below have in common, of replicates: the value, the effective number of batteries behind it, what as many
-- of one size would be (Kish 1965), and the mean and the variance by the jackknife over those that have questions in the
-- value. The variance is NULL where the value is not defined without one of them. A list of one is how SQL gives what is
-- used several times a name: without it, everything would be computed anew for every element.
CREATE OR REPLACE TEMP MACRO jackknifed(rows) AS
    list_transform(
        [list_filter(rows[2:], lambda row: row.items < rows[1].items)],
        lambda touched: {
            'value': rows[1].value,
            'items': rows[1].items,
            'effective': rows[1].items ** 2
                / list_sum(list_transform(touched, lambda row: ((rows[1].items - row.items) ** 2)::DOUBLE)),
            'mean': list_avg(list_transform(touched, lambda row: row.value)),
            'batteries': len(touched),
            'variance': CASE
                WHEN list_count(list_transform(touched, lambda row: row.value)) = len(touched)
                THEN (len(touched) - 1) * list_var_pop(list_transform(touched, lambda row: row.value))
            END
        }
    )[1];

-- The standard error of what is jackknifed. NULL below 10 effective batteries, which carry no interval.
CREATE OR REPLACE TEMP MACRO jackknifed_se(known) AS
    CASE WHEN known.effective >= 10 AND known.value IS NOT NULL THEN sqrt(known.variance) END;

CREATE OR REPLACE TEMP MACRO battery_se(rows) AS
    list_transform([jackknifed(rows)], lambda known: jackknifed_se(known))[1];

-- What replicates make of their value: an estimate, a struct of value, standard error and degrees of freedom, one less than
-- there are effective batteries.
CREATE OR REPLACE TEMP MACRO by_batteries(rows) AS
    list_transform(
        [jackknifed(rows)],
        lambda known: {'value': known.value, 'se': jackknifed_se(known), 'df': known.effective - 1}
    )[1];

-- Of an estimate: ends of the 95% interval by Student's t, and the two-sided p-value of a value that would be 0 by chance.
CREATE OR REPLACE TEMP MACRO t_low(estimate) AS estimate.value - t_quantile(estimate.df) * estimate.se;

CREATE OR REPLACE TEMP MACRO t_high(estimate) AS estimate.value + t_quantile(estimate.df) * estimate.se;

CREATE OR REPLACE TEMP MACRO t_p(estimate) AS
    CASE
        WHEN estimate.se > 0 THEN student_p(estimate.value / estimate.se, estimate.df)
        WHEN estimate.se = 0 THEN (estimate.value = 0)::INTEGER::DOUBLE
    END;

CREATE OR REPLACE TEMP MACRO low_end(rows) AS
    list_transform([by_batteries(rows)], lambda estimate: t_low(estimate))[1];

CREATE OR REPLACE TEMP MACRO high_end(rows) AS
    list_transform([by_batteries(rows)], lambda estimate: t_high(estimate))[1];

-- What lies beyond Wilson's end of 0 or 100%, with one draw more than there are degrees of freedom, that is as many as
-- effective batteries: where no battery differs from another, so that no interval has a width of 0.
CREATE OR REPLACE TEMP MACRO beyond(estimate) AS
    100 * t_quantile(estimate.df) ** 2 / (estimate.df + 1 + t_quantile(estimate.df) ** 2);

-- Ends of a percentage, from its estimate as it is and that on the logit scale: by the latter, but for 0 and 100%.
CREATE OR REPLACE TEMP MACRO percentage_low(as_it_is, scaled) AS
    CASE
        WHEN as_it_is.se IS NULL THEN NULL
        WHEN as_it_is.value <= 0 THEN 0
        WHEN as_it_is.value >= 100 THEN 100 - beyond(as_it_is)
        ELSE 100 / (1 + exp(-t_low(scaled)))
    END;

CREATE OR REPLACE TEMP MACRO percentage_high(as_it_is, scaled) AS
    CASE
        WHEN as_it_is.se IS NULL THEN NULL
        WHEN as_it_is.value >= 100 THEN 100
        WHEN as_it_is.value <= 0 THEN beyond(as_it_is)
        ELSE 100 / (1 + exp(-t_high(scaled)))
    END;

-- How many draws of yes or no a percentage is worth: its items, or more where those would vary more than it does, since
-- it may be a mean of percentages.
CREATE OR REPLACE TEMP MACRO worth(estimate, items) AS
    greatest(items, estimate.value * (100 - estimate.value) / nullif(estimate.se ** 2, 0));

-- Replicates of a percentage on a scale on which it is nearer to normal: the empirical logit of what it is worth.
CREATE OR REPLACE TEMP MACRO on_logit_scale(rows) AS
    list_transform(
        [{'rows': rows, 'times': worth(by_batteries(rows), rows[1].items) / rows[1].items}],
        lambda known: list_transform(
            known.rows,
            lambda row: {
                'left_out': row.left_out,
                'value': ln(
                    (known.times * row.items * row.value + 50) / (known.times * row.items * (100 - row.value) + 50)
                ),
                'items': row.items
            }
        )
    )[1];

-- The estimate of a percentage as it is and on the logit scale.
CREATE OR REPLACE TEMP MACRO estimated_share(rows) AS
    {
        'as_it_is': by_batteries(rows),
        'scaled': list_transform([on_logit_scale(rows)], lambda scaled: by_batteries(scaled))[1]
    };

CREATE OR REPLACE TEMP MACRO share_low(rows) AS
    list_transform([estimated_share(rows)], lambda share: percentage_low(share.as_it_is, share.scaled))[1];

CREATE OR REPLACE TEMP MACRO share_high(rows) AS
    list_transform([estimated_share(rows)], lambda share: percentage_high(share.as_it_is, share.scaled))[1];

-- Ends of a correlation or cosine, on the scale of Fisher's z.
CREATE OR REPLACE TEMP MACRO rho_low(rows) AS
    list_transform([on_fisher_scale(rows)], lambda scaled: tanh(low_end(scaled)))[1];

CREATE OR REPLACE TEMP MACRO rho_high(rows) AS
    list_transform([on_fisher_scale(rows)], lambda scaled: tanh(high_end(scaled)))[1];

-- Of a value that concerns one test language an estimate, from replicates without each of the batteries that have the same
-- two answers there: what these do to a model is common to them (docs/statistics.md). Whether there is a standard error is
-- a matter of the effective number of batteries; of their pairs of answers there have to be two.
CREATE OR REPLACE TEMP MACRO by_answers(rows, effective_batteries) AS
    list_transform(
        [{'pairs': jackknifed(rows), 'batteries': effective_batteries}],
        lambda known: {
            'value': known.pairs.value,
            'se': CASE
                WHEN known.batteries >= 10 AND known.pairs.effective >= 2 AND known.pairs.value IS NOT NULL
                THEN sqrt(known.pairs.variance)
            END,
            'df': known.pairs.effective - 1
        }
    )[1];

-- Design effects: the squared standard error, over what as many independent questions would have: of a percentage, by
-- battery, the binomial's, of an estimate of Spearman's rho on the scale of Fisher's z 1.06 / (n - 3) (Fieller et al. 1957).
CREATE OR REPLACE TEMP MACRO share_design_effect(rows) AS
    list_transform(
        [jackknifed(rows)],
        lambda known: jackknifed_se(known) ** 2 * known.items / nullif(known.value * (100 - known.value), 0)
    )[1];

CREATE OR REPLACE TEMP MACRO rho_design_effect(estimate, n) AS estimate.se ** 2 * (n - 3) / 1.06;

-- What each battery adds to a value, 0 for one without questions in it: the squares add up to the squared standard error.
CREATE OR REPLACE TEMP MACRO battery_effects(rows) AS
    list_transform(
        [jackknifed(rows)],
        lambda known: list_transform(
            rows[2:],
            lambda row: CASE
                WHEN row.items < known.items THEN sqrt((known.batteries - 1) / known.batteries) * (known.mean - row.value)
                ELSE 0
            END
        )
    )[1];

-- The resamples of a probe set as lists: how often each of its batteries was drawn, in the order of their names.
CREATE OR REPLACE TEMP MACRO battery_draws(wanted_probe_set, wanted) AS TABLE
    SELECT resample, list(coalesce(times, 0)::DOUBLE ORDER BY battery) AS times
    FROM (SELECT DISTINCT resample FROM v_resample WHERE probe_set = wanted_probe_set AND wanted)
    CROSS JOIN numbered_batteries(wanted_probe_set, wanted)
    LEFT JOIN (FROM v_resample WHERE probe_set = wanted_probe_set AND wanted) USING (resample, battery)
    GROUP BY resample;

-- The same p-values of values that would be 0 by chance: the statistic is the value over its standard error, less what one
-- effective battery is worth, and by chance what a resample of the batteries makes of the effects of these, over the
-- standard error in the resample. A cell is a struct of a key, its family and the value's replicates.
CREATE OR REPLACE TEMP MACRO family_p(cells, wanted_probe_set) AS TABLE
    WITH effects AS (
        SELECT
            cell.key AS key,
            cell.family AS family,
            list_transform(
                [jackknifed(cell.rows)],
                lambda known: abs(known.value) / jackknifed_se(known) * (known.effective - 1) / known.effective
            )[1] AS statistic,
            battery_effects(cell.rows) AS effects,
            list_transform(effects, lambda effect: effect * effect) AS squares
        FROM (SELECT unnest(cells) AS cell)
        WHERE battery_se(cell.rows) > 0
    ),
    tests AS (
        SELECT
            key, family, statistic,
            in_order(
                abs(list_dot_product(times, effects)) / sqrt(
                    greatest(
                        list_dot_product(times, squares) - list_dot_product(times, effects) ** 2 / len(times), 1e-300
                    )
                ),
                resample
            ) AS by_chance
        FROM effects
        CROSS JOIN battery_draws(wanted_probe_set, TRUE)
        GROUP BY key, family, statistic
    )
    FROM step_down((SELECT list(t) FROM tests t));
