-- What this study's queries have in common: checkpoints that completed sentences, and the emotions of groups.

CREATE OR REPLACE TEMP MACRO default_groups() AS (
    SELECT group_list FROM v_group ORDER BY group_list <> 'choenni-2021', group_list LIMIT 1
);

CREATE OR REPLACE TEMP MACRO default_collection(wanted_groups) AS (
    SELECT collection
    FROM v_stereotype
    WHERE group_list = wanted_groups
    ORDER BY collection <> 'choenni-2021', collection
    LIMIT 1
);

CREATE OR REPLACE TEMP MACRO default_lexicon() AS (
    SELECT lexicon FROM v_lexicon ORDER BY NOT is_complete, lexicon LIMIT 1
);

-- Checkpoints that completed sentences about a list of groups under a prior; the other parameters restrict where they are
-- not NULL. The pretrained models are of every source, share, seed and epoch. place orders them: smaller models first, each
-- before what was made of it.
CREATE OR REPLACE TEMP MACRO completing_checkpoints(
    wanted_groups, wanted_prior, wanted_model, wanted_source, wanted_share, wanted_seed, wanted_epoch
) AS TABLE
    SELECT
        checkpoint_id, base_checkpoint_id, model, source, share, seed, epoch, settings, run,
        checkpoint_name(model, run, epoch) AS checkpoint,
        row_number() OVER (
            ORDER BY parameters, model, run IS NOT NULL, source, ft_languages, share, sentences, seed, epoch, run, digest
        ) AS place
    FROM v_checkpoint
    WHERE checkpoint_id IN (
        SELECT checkpoint_id FROM v_completion_run WHERE group_list = wanted_groups AND prior = wanted_prior
    )
      AND matches(wanted_model, model)
      AND (
          run IS NULL
          OR matches(wanted_source, source) AND matches(wanted_share, share) AND matches(wanted_seed, seed)
              AND at_epoch(wanted_epoch, epoch, is_final)
      );

-- Vectors of emotions of groups, by checkpoint: scores in the order of the emotions' names; without fear if published.
CREATE OR REPLACE TEMP MACRO emotion_vectors(checkpoints, wanted_groups, wanted_prior, wanted_lexicon, emotions) AS TABLE
    SELECT
        checkpoint_id, category, group_name, social_group_id, in_order(score, emotion) AS scores
    FROM v_emotion_score
    WHERE group_list = wanted_groups AND prior = wanted_prior AND lexicon = wanted_lexicon
      AND checkpoint_id IN (SELECT unnest(checkpoints))
      AND (emotions = 'all' OR emotion <> 'fear')
    GROUP BY ALL;

-- Spearman's rho of two lists of ranks without each of their places in turn; the ranks of the others stay as they are.
CREATE OR REPLACE TEMP MACRO rhos_without(xs, ys) AS
    list_transform(
        [{
            'n': len(xs) - 1,
            'x': list_sum(xs), 'y': list_sum(ys),
            'xx': list_dot_product(xs, xs), 'yy': list_dot_product(ys, ys), 'xy': list_dot_product(xs, ys)
        }],
        lambda sums: list_transform(
            range(1, len(xs) + 1),
            lambda place: (sums.n * (sums.xy - xs[place] * ys[place]) - (sums.x - xs[place]) * (sums.y - ys[place]))
                / nullif(
                    sqrt(
                        (sums.n * (sums.xx - xs[place] ** 2) - (sums.x - xs[place]) ** 2)
                        * (sums.n * (sums.yy - ys[place] ** 2) - (sums.y - ys[place]) ** 2)
                    ),
                    0
                )
        )
    )[1];

-- Spearman's rho between the similarities of one group to the others in two checkpoints, for each group that both describe
-- (D6 section 6.5): a row for each pair of checkpoints, cell and group. A pair is a struct of two keys, a and b. Within a
-- category the cell is that; else it is all. Similarities are cosines to 12 decimals, so that equal ones tie. NULL where
-- a group is as similar to each of the others. Where intervals are wanted, without has it without each of others, the groups
-- that it is compared with.
CREATE OR REPLACE TEMP MACRO group_correlations(
    pairs, within_category, with_self, wanted_groups, wanted_prior, wanted_lexicon, emotions, with_intervals
) AS TABLE
    WITH wanted AS (
        SELECT DISTINCT pair.a AS a, pair.b AS b FROM (SELECT unnest(pairs) AS pair)
    ),
    -- of length 1, so that a cosine is one product of lists; what has no length is like nothing
    vectors AS MATERIALIZED (
        SELECT
            checkpoint_id, social_group_id,
            list_transform(scores, lambda score: score / sqrt(list_dot_product(scores, scores))) AS unit,
            CASE WHEN within_category THEN category ELSE 'all' END AS cell
        FROM emotion_vectors(
            (SELECT list(DISTINCT one) FROM (SELECT unnest([a, b]) AS one FROM wanted)),
            wanted_groups, wanted_prior, wanted_lexicon, emotions
        )
        WHERE list_sum(scores) > 0
    ),
    described AS (
        SELECT checkpoint_id, cell, list_sort(list(social_group_id)) AS members FROM vectors GROUP BY ALL
    ),
    compared AS MATERIALIZED (
        SELECT
            a, b, x.cell,
            CASE
                WHEN x.members = y.members THEN x.members ELSE list_sort(list_intersect(x.members, y.members))
            END AS members
        FROM wanted
        JOIN described x ON x.checkpoint_id = a
        JOIN described y ON y.checkpoint_id = b AND y.cell = x.cell
    ),
    sets AS MATERIALIZED (
        SELECT checkpoint_id, cell, members, row_number() OVER () AS member_set
        FROM (
            SELECT a AS checkpoint_id, cell, members FROM compared
            UNION
            SELECT b, cell, members FROM compared
        )
    ),
    in_sets AS MATERIALIZED (
        SELECT member_set, social_group_id, unit
        FROM (SELECT member_set, checkpoint_id, cell, unnest(members) AS social_group_id FROM sets)
        JOIN vectors USING (checkpoint_id, cell, social_group_id)
    ),
    cosines AS MATERIALIZED (
        SELECT
            member_set, x.social_group_id, y.social_group_id AS other,
            round(list_dot_product(x.unit, y.unit), 12) AS cosine
        FROM in_sets x
        JOIN in_sets y USING (member_set)
        WHERE with_self OR x.social_group_id <> y.social_group_id
    ),
    -- what a correlation takes of one side alone, once for all that it is compared with
    ranked AS MATERIALIZED (
        SELECT
            *,
            len(ranks) AS n,
            list_sum(ranks) AS total,
            n * list_dot_product(ranks, ranks) - total * total AS spread
        FROM (
            SELECT
                member_set, social_group_id,
                in_place(twice_rank, other) AS ranks,
                list_sort(list(other) FILTER (WHERE with_intervals)) AS others
            FROM (
                SELECT
                    member_set, social_group_id, other,
                    rank() OVER same + count(*) OVER same AS twice_rank
                FROM cosines
                WINDOW same AS (PARTITION BY member_set, social_group_id ORDER BY cosine)
            )
            GROUP BY ALL
        )
    )
    SELECT
        c.a, c.b, c.cell, x.social_group_id,
        (x.n * list_dot_product(x.ranks, y.ranks) - x.total * y.total) / nullif(sqrt(x.spread * y.spread), 0) AS rho,
        x.others,
        CASE WHEN with_intervals THEN rhos_without(x.ranks, y.ranks) END AS without
    FROM compared c
    JOIN sets s ON s.checkpoint_id = c.a AND s.cell = c.cell AND s.members = c.members
    JOIN sets t ON t.checkpoint_id = c.b AND t.cell = c.cell AND t.members = c.members
    JOIN ranked x ON x.member_set = s.member_set
    JOIN ranked y ON y.member_set = t.member_set AND y.social_group_id = x.social_group_id;

-- Means of such correlations over the groups, a row for each pair and cell, with replicates without each group where
-- intervals are wanted: a group that is left out is neither compared nor compared with.
CREATE OR REPLACE TEMP MACRO mean_correlations(
    pairs, within_category, with_self, wanted_groups, wanted_prior, wanted_lexicon, emotions, with_intervals
) AS TABLE
    WITH rhos AS MATERIALIZED (
        FROM group_correlations(
            pairs, within_category, with_self, wanted_groups, wanted_prior, wanted_lexicon, emotions, with_intervals
        )
    ),
    means AS (
        SELECT a, b, cell, mean(rho, social_group_id) AS rho, count(rho) AS n
        FROM rhos
        GROUP BY ALL
    ),
    -- in steps of 1e-12, as integers, so that the order of rows does not matter
    left_out AS (
        SELECT
            a, b, cell, other AS left_out,
            sum((rho * 1e12)::BIGINT) / 1e12 / count(rho) AS value,
            count(rho) AS items
        FROM (
            SELECT a, b, cell, social_group_id, unnest(others) AS other, unnest(without) AS rho
            FROM rhos
            WHERE rho IS NOT NULL
        )
        WHERE other <> social_group_id
        GROUP BY ALL
    ),
    every AS (
        SELECT a, b, cell, 0 AS left_out, rho AS value, n AS items FROM means WHERE with_intervals
        UNION ALL
        FROM left_out
    )
    SELECT a, b, cell, rho, n, rows
    FROM means
    LEFT JOIN (SELECT a, b, cell, replicates(value, items, left_out) AS rows FROM every GROUP BY ALL)
        USING (a, b, cell);

-- Replicates of a mean over the groups from their values (aggregate): as it is and without each of them.
CREATE OR REPLACE TEMP MACRO mean_without_each(value, social_group_id) AS
    list_transform(
        [{'values': in_order(value, social_group_id), 'n': count(value)}],
        lambda known: list_prepend(
            {'left_out': 0::BIGINT, 'value': list_avg(known.values), 'items': known.n},
            list_transform(
                range(1, known.n + 1),
                lambda place: {
                    'left_out': place,
                    'value': (list_sum(known.values) - known.values[place]) / nullif(known.n - 1, 0),
                    'items': known.n - 1
                }
            )
        )
    )[1];
