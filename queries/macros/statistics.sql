-- Statistics that queries share. Macros are temporary objects of a connection: nothing is written into a store. One
-- that a released query uses never changes (queries.lock.json); a better one gets a new name.

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

-- Holm's correction of a column of p-values for their number, in two steps: holm_step of each, then holm of both
-- (windows over all rows).
CREATE OR REPLACE TEMP MACRO holm_step(p) AS
    p * count(p) OVER (ORDER BY p NULLS LAST RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING);

CREATE OR REPLACE TEMP MACRO holm(step, p) AS
    CASE WHEN p IS NOT NULL THEN least(1, max(step) OVER (ORDER BY p NULLS LAST)) END;

-- Ranks of the pairs of languages under permutations of these, for a Mantel test. A map is a struct of a key, languages
-- in their order, and the ranks of all their pairs in the order of the languages; a pair's rank becomes that of the pair
-- which it becomes. Rows: map, permutation, ranks. Languages are put in the order of a hash: another draw gives others.
CREATE OR REPLACE TEMP MACRO mantel_ranks(maps, permutations, draw) AS TABLE
    WITH shuffled AS (
        SELECT
            map.key AS map,
            map.ranks AS ranks,
            len(map.languages) AS n,
            permutation,
            list_grade_up(
                list_transform(map.languages, lambda language: md5(draw || ' ' || permutation || ' ' || language))
            ) AS shuffle
        FROM (SELECT unnest(maps) AS map)
        CROSS JOIN (SELECT unnest(range(1, permutations + 1)) AS permutation)
    )
    SELECT
        map, permutation,
        list_transform(
            flatten(list_transform(range(1, n), lambda i: list_transform(range(i + 1, n + 1), lambda j: [i, j]))),
            lambda pair: ranks[
                (least(places[pair[1]], places[pair[2]]) - 1) * n
                - least(places[pair[1]], places[pair[2]]) * (least(places[pair[1]], places[pair[2]]) + 1) // 2
                + greatest(places[pair[1]], places[pair[2]])
            ]
        ) AS ranks
    FROM (SELECT *, list_grade_up(shuffle) AS places FROM shuffled);
