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

-- Two-sided p-value of Student's t, whose degrees of freedom may be no whole number: I_x(df / 2, 1 / 2) at
-- x = df / (df + t^2).
CREATE OR REPLACE TEMP MACRO student_p(t, df) AS
    CASE
        WHEN t IS NULL OR df IS NULL OR df <= 0 THEN NULL
        WHEN t = 0 THEN 1::DOUBLE
        WHEN df / (df + t * t) < (df + 2) / (df + 5)
        THEN regularised_beta(df / 2, 0.5::DOUBLE, df / (df + t * t))
        ELSE 1 - regularised_beta(0.5::DOUBLE, df / 2, t * t / (df + t * t))
    END;

-- 97.5% point of the standard normal distribution, beyond which the two tails have 5%.
CREATE OR REPLACE TEMP MACRO normal_quantile() AS 1.959963984540054;

-- Density of Student's t.
CREATE OR REPLACE TEMP MACRO student_density(t, df) AS
    exp(lgamma((df + 1) / 2) - lgamma(df / 2)) / sqrt(df * pi()) * (1 + t * t / df) ** (-(df + 1) / 2);

-- 97.5% point of Student's t by the expansion in 1 / df around the normal's (Abramowitz and Stegun 26.7.5): to 2e-5 from
-- 9 degrees of freedom.
CREATE OR REPLACE TEMP MACRO t_expansion(df) AS
    normal_quantile()
    + 2.372271230298562 / df
    + 2.822498615739611 / df ** 2
    + 2.555849679507722 / df ** 3
    + 1.589534053393823 / df ** 4;

-- The same point for any degrees of freedom from 1: below 9, where the expansion is short, by Newton's steps from it.
CREATE OR REPLACE TEMP MACRO t_quantile(df) AS
    CASE
        WHEN df >= 9 THEN t_expansion(df)
        WHEN df > 0
        THEN list_reduce(
            [df, df, df, df],
            lambda t, same: t + (student_p(t, same) - 0.05) / (2 * student_density(t, same)),
            t_expansion(df)
        )
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

-- The exact two-sided p-value of the same test: of all ways to give the differences signs, those whose sum of the ranks of
-- the positive ones is as far out. Ranks are twice the average ranks, positive their sum over the positive differences.
-- by_sum counts the ways by sum, from 0, one rank after the other.
CREATE OR REPLACE TEMP MACRO signed_rank_exact_p(twice_ranks, positive) AS
    list_transform(
        [
            list_reduce(
                list_transform(twice_ranks, lambda rank: [rank::DOUBLE]),
                lambda by_sum, rank: list_transform(
                    range(1, list_sum(twice_ranks)::BIGINT + 2),
                    lambda place: by_sum[place] + CASE WHEN place > rank[1] THEN by_sum[place - rank[1]::BIGINT] ELSE 0 END
                ),
                list_transform(range(0, list_sum(twice_ranks)::BIGINT + 1), lambda total: (total = 0)::INTEGER::DOUBLE)
            )
        ],
        lambda ways: least(
            1,
            2 * least(list_sum(ways[:positive::BIGINT + 1]), list_sum(ways[positive::BIGINT + 1:])) / list_sum(ways)
        )
    )[1];

-- p-values of rows that are tested together, by the step-down maximum over draws of a null distribution that they share
-- (Romano and Wolf 2005): what each row's statistic is beside the largest that chance gives any of the rows not yet
-- stepped over. A row is a struct of a key, the family that it is tested with, its statistic, and its statistics by
-- chance in the order of the draws.
CREATE OR REPLACE TEMP MACRO step_down(tests) AS TABLE
    WITH tested AS (
        SELECT test.key AS key, test.family AS family, test.statistic AS statistic, test.by_chance AS by_chance
        FROM (SELECT unnest(tests) AS test)
        WHERE test.statistic IS NOT NULL
    ),
    drawn AS (
        SELECT key, family, statistic, unnest(by_chance) AS chance, unnest(range(len(by_chance))) AS draw FROM tested
    ),
    largest AS (
        SELECT
            key, family, statistic,
            max(chance) OVER (PARTITION BY family, draw ORDER BY statistic, key ROWS UNBOUNDED PRECEDING) AS chance
        FROM drawn
    ),
    steps AS (
        SELECT key, family, statistic, (1 + count(*) FILTER (WHERE chance >= statistic)) / (1 + count(*)) AS p
        FROM largest
        GROUP BY ALL
    )
    SELECT key, max(p) OVER (PARTITION BY family ORDER BY statistic DESC, key DESC ROWS UNBOUNDED PRECEDING) AS p_family
    FROM steps;

-- p-values corrected for their family by Holm (1979), who asks for nothing but valid ones, however they depend on each other.
-- A test is a struct of a key, its family and p; what has no p is no test.
CREATE OR REPLACE TEMP MACRO holm(tests) AS TABLE
    WITH steps AS (
        SELECT
            test.key AS key, test.family AS family, test.p AS p,
            p * count(*) OVER (PARTITION BY family ORDER BY p DESC, key DESC ROWS UNBOUNDED PRECEDING) AS step
        FROM (SELECT unnest(tests) AS test)
        WHERE test.p IS NOT NULL
    )
    SELECT key, least(1, max(step) OVER (PARTITION BY family ORDER BY p, key ROWS UNBOUNDED PRECEDING)) AS p_family
    FROM steps;

-- Permutations of lists of labels, the places of the labels in their new order: in the order of a hash, so that another
-- draw gives others, and lists of the same labels share theirs.
CREATE OR REPLACE TEMP MACRO shuffles(lists, permutations, draw) AS TABLE
    SELECT
        labels,
        permutation,
        list_grade_up(
            list_transform(labels, lambda label: md5(draw || ' ' || permutation || ' ' || label))
        ) AS shuffle
    FROM (SELECT unnest(lists) AS labels)
    CROSS JOIN (SELECT unnest(range(1, permutations + 1)) AS permutation);

-- Pearson's correlation of a list with another one that is permuted.
CREATE OR REPLACE TEMP MACRO permuted_correlation(xs, ys, shuffle) AS
    (list_dot_product(xs, list_transform(shuffle, lambda place: ys[place])) / len(xs) - list_avg(xs) * list_avg(ys))
    / sqrt(list_var_pop(xs) * list_var_pop(ys));

-- Two-sided p-value of a statistic beside those of permutations, the one as it is among them.
CREATE OR REPLACE TEMP MACRO permutation_p(statistic, by_chance) AS
    (1 + len(list_filter(by_chance, lambda chance: chance >= statistic))) / (1 + len(by_chance));

-- The same permutations, for a Mantel test, as places of the pairs of labels, in the order of the labels, that take the
-- places of these pairs: list_select of values of the pairs permutes them.
CREATE OR REPLACE TEMP MACRO shuffled_pairs(lists, permutations, draw) AS TABLE
    SELECT
        labels, permutation,
        list_transform(
            flatten(list_transform(range(1, n), lambda i: list_transform(range(i + 1, n + 1), lambda j: [i, j]))),
            lambda pair: (least(places[pair[1]], places[pair[2]]) - 1) * n
                - least(places[pair[1]], places[pair[2]]) * (least(places[pair[1]], places[pair[2]]) + 1) // 2
                + greatest(places[pair[1]], places[pair[2]])
        ) AS pairs
    FROM (
        SELECT labels, permutation, len(labels) AS n, list_grade_up(shuffle) AS places
        FROM shuffles(lists, permutations, draw)
    );

-- Mantel tests of pairs of matrices, as step_down and permutation_p take them. A cell is a struct of a key, the labels of
-- the rows, and two lists of ranks of the pairs of labels in their order, twice the average; none where a pair is missing.
-- The sums of ranks stay the same whatever the permutation, so rho goes with the sum of their products; over n cubed, it
-- can be compared between cells.
CREATE OR REPLACE TEMP MACRO mantel_tests(cells, permutations, draw) AS TABLE
    WITH compared AS MATERIALIZED (
        SELECT
            cell.key AS key, cell.labels AS labels, cell.ranks AS ranks, cell.permuted AS permuted,
            len(permuted) AS n, list_sum(permuted) ** 2 AS square
        FROM (SELECT unnest(cells) AS cell)
        WHERE len(cell.permuted) = len(cell.labels) * (len(cell.labels) - 1) / 2
    ),
    -- to permute costs most: once for all that is compared with the same ranks
    shuffled AS (
        SELECT labels, permuted, permutation, list_select(permuted, pairs) AS shuffle
        FROM (SELECT DISTINCT labels, permuted FROM compared)
        JOIN shuffled_pairs((SELECT list(DISTINCT labels) FROM compared), permutations, draw) USING (labels)
    )
    SELECT
        key,
        abs(n * list_inner_product(permuted, ranks) - square) / n ** 3 AS statistic,
        in_order(abs(n * list_inner_product(shuffle, ranks) - square) / n ** 3, permutation) AS by_chance
    FROM compared
    JOIN shuffled USING (labels, permuted)
    GROUP BY ALL;

-- Ends of the 95% interval of a share, from how many of n independent draws have it (Wilson 1927).
CREATE OR REPLACE TEMP MACRO wilson(k, n, side) AS
    (k + 1.959964 ** 2 / 2 + side * 1.959964 * sqrt(k * (n - k) / n + 1.959964 ** 2 / 4))
    / (n + 1.959964 ** 2);

-- An end of the 95% interval of a share whose standard error is known, on the logit scale; NULL at 0 and 1.
CREATE OR REPLACE TEMP MACRO logit_end(share, se, df, side) AS
    CASE
        WHEN share > 0 AND share < 1
        THEN 1 / (1 + exp(-(ln(share / (1 - share)) + side * t_quantile(df) * se / (share * (1 - share)))))
    END;

-- Logarithm of the number of ways to choose k of n.
CREATE OR REPLACE TEMP MACRO ln_choose(n, k) AS lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);

-- Of how many members two sets of these sizes share by chance, among so many places: the probability of as many or more
-- (hypergeometric distribution).
CREATE OR REPLACE TEMP MACRO hypergeometric_p(shared, size_a, size_b, places) AS
    CASE
        WHEN shared <= greatest(0, size_a + size_b - places) THEN 1::DOUBLE
        ELSE least(1, list_sum(list_transform(
            range(shared, least(size_a, size_b) + 1),
            lambda k: exp(
                ln_choose(size_a, k) + ln_choose(places - size_a, size_b - k) - ln_choose(places, size_b)
            )
        )))
    END;

-- Two-sided p-value of McNemar's exact test, from how many texts the one alone has right, and the other alone: that of a
-- fair coin. 1 where there is none.
CREATE OR REPLACE TEMP MACRO mcnemar_p(one_alone, other_alone) AS
    least(1, 2 * list_sum(list_transform(
        range(0, least(one_alone, other_alone) + 1),
        lambda k: exp(ln_choose(one_alone + other_alone, k) - (one_alone + other_alone) * ln(2))
    )));
