/*
question = "Do languages with similar subnetworks influence each other more?"
grain = """\
An influence run, direction and layer, and all layers together (NULL), over the ordered pairs of two languages: the cosine of \
their masks, of the influence run or, where it has none, of the training, and the percentage that the training language \
contributes to the test language, as language_contribution has it. With points a row for each pair, of all layers together."""
paper = "Examining modularity Figures 5.8 (right), 5.9 and C.6"
reason = "First version."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.sentences", "traced.seed", "traced.direction", "traced.k",
    "points", "permutations", "draw",
]
columns = [
    "traced.run", "traced_run", "traced.model", "task", "source", "traced.ft_languages", "sentences", "seed",
    "attribution", "quantity", "training", "masks", "training_masks", "direction", "layer", "language", "ft_language",
    "cosine", "contribution", "n", "spearman", "pearson", "p_value",
]

[column]
masks = """\
What the masks of the influence run are to the test languages, as in contribution_change; none, or several if that differs."""
layer = "Layer, from 1; NULL for all together."
language = "Test language of a pair; NULL without points, as the next three."
ft_language = "Its training language, another one."
cosine = "Cosine of the masks of the two as vectors of 0 and 1."
contribution = "Percentage of the most influential examples that are in the training language: mean over the texts."
n = "Ordered pairs in the correlation; those with a mask without heads in the layer are left out."
spearman = "Spearman's correlation; ties share their average rank; NULL where one side is constant."
pearson = "Pearson's."
p_value = """\
Two-sided p-value by a Mantel test: share of the permutations of the languages, the one as it is among them, whose Spearman \
correlation is at least as far from 0; not corrected for the number of rows. NULL where a pair of languages lacks."""
*/
WITH chosen AS MATERIALIZED (
    FROM traced_under_masks($model, $source, $sentences, $seed) WHERE matches($run, run)
),
given AS (
    SELECT c.run, m.language, m.mask_id
    FROM chosen c
    JOIN masks_of_runs() m ON m.run = CASE WHEN c.masks = 'none' THEN c.traced_run ELSE c.run END
),
compared AS (
    SELECT a.mask_id AS mask_a, b.mask_id AS mask_b
    FROM given a
    JOIN given b USING (run)
    WHERE a.language <> b.language
    GROUP BY ALL
),
cosines AS (
    SELECT
        mask_a, mask_b, a.layer,
        count(*) FILTER (WHERE a.enabled AND b.enabled)
            / nullif(sqrt(count(*) FILTER (WHERE a.enabled) * count(*) FILTER (WHERE b.enabled)), 0) AS cosine
    FROM compared
    JOIN v_mask_head a ON a.mask_id = mask_a
    JOIN v_mask_head b ON b.mask_id = mask_b AND b.layer = a.layer AND b.attention_head = a.attention_head
    GROUP BY GROUPING SETS ((mask_a, mask_b, a.layer), (mask_a, mask_b))
),
contributions AS (
    SELECT run, direction, language, ft_language, mean(share, question) AS contribution
    FROM influence_shares((SELECT list(run) FROM chosen), FALSE, NULL, $direction, $k)
    WHERE language <> ft_language
    GROUP BY ALL
),
-- ranks, twice the average: an integer is exact. Rounded, so that equal values share a rank.
ranked AS MATERIALIZED (
    SELECT
        c.run, c.direction, coalesce(s.layer, 0) AS place, c.language, c.ft_language, s.cosine, c.contribution,
        rank() OVER m + count(*) OVER m AS cosine_rank,
        rank() OVER i + count(*) OVER i AS contribution_rank
    FROM contributions c
    JOIN given a ON a.run = c.run AND a.language = c.language
    JOIN given b ON b.run = c.run AND b.language = c.ft_language
    JOIN cosines s ON s.mask_a = a.mask_id AND s.mask_b = b.mask_id
    WHERE s.cosine IS NOT NULL
    WINDOW
        m AS (PARTITION BY c.run, c.direction, s.layer ORDER BY round(s.cosine, 12)),
        i AS (PARTITION BY c.run, c.direction, s.layer ORDER BY round(c.contribution, 9))
),
observed AS (
    SELECT
        run, direction, place,
        count(*) AS n,
        spearman_rho(cosine_rank, contribution_rank) AS spearman,
        pearson(cosine, contribution, [language, ft_language]) AS pearson
    FROM ranked
    GROUP BY ALL
),
-- of a pair in both orders the ranks of influence enter by their mean: the cosine is the same
folded AS (
    SELECT
        run, direction, place,
        list_sort(list_distinct(list(a.language) || list(a.ft_language))) AS languages,
        in_order(a.cosine_rank::DOUBLE, [a.language, a.ft_language]) AS cosine_ranks,
        in_order((a.contribution_rank + b.contribution_rank) / 2, [a.language, a.ft_language]) AS contribution_ranks,
        2 * count(*) AS pairs
    FROM ranked a
    JOIN ranked b USING (run, direction, place)
    WHERE a.language < a.ft_language AND b.language = a.ft_language AND b.ft_language = a.language
    GROUP BY ALL
),
tests AS (
    FROM mantel_tests(
        (
            SELECT list({
                'key': {'run': run, 'direction': direction, 'place': place},
                'labels': languages,
                'ranks': contribution_ranks,
                'permuted': cosine_ranks
            })
            FROM folded
            JOIN observed USING (run, direction, place)
            WHERE spearman IS NOT NULL AND n = pairs
        ),
        $permutations,
        $draw
    )
)
SELECT
    o.run,
    c.traced_run,
    c.model,
    c.task,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.attribution,
    c.quantity,
    c.training,
    c.masks,
    c.training_masks,
    o.direction,
    nullif(o.place, 0) AS layer,
    r.language,
    r.ft_language,
    r.cosine,
    r.contribution,
    o.n,
    o.spearman,
    o.pearson,
    permutation_p(t.statistic, t.by_chance) AS p_value
FROM observed o
JOIN chosen c USING (run)
LEFT JOIN tests t ON t.key.run = o.run AND t.key.direction = o.direction AND t.key.place = o.place
LEFT JOIN (FROM ranked WHERE $points) r ON r.run = o.run AND r.direction = o.direction AND r.place = o.place
WHERE NOT $points OR o.place = 0
ORDER BY
    c.model, c.task, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, c.training, c.masks,
    o.run, o.direction DESC, layer NULLS FIRST, r.language, r.ft_language
