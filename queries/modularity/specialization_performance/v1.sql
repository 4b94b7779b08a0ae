/*
question = "Do predictions that rely on training examples in their own language have the labels right more often?"
grain = """\
An influence run of a classifier and direction, over its test languages and epochs: the language's own_share by the epoch's \
checkpoint, as specialization has it of all texts that are traced, and the accuracy of that checkpoint under the mask that the \
language is traced under. With points a row for each of these."""
paper = "Examining modularity Figure 5.7"
reason = "First version."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.sentences", "traced.seed", "traced.direction", "traced.k",
    "split", "points", "permutations", "draw",
]
columns = [
    "traced.run", "traced_run", "traced.model", "task", "source", "traced.ft_languages", "sentences", "seed",
    "attribution", "quantity", "training", "masks", "training_masks", "direction", "language", "epoch", "own_share",
    "accuracy", "n", "spearman", "pearson", "p_value",
]

[parameter.split]
type = "text"
about = "Edition of the texts that accuracy is of."
default = "test"

[column]
masks = """\
What the masks of the influence run are to the test languages, as in contribution_change; none, or several if that differs."""
language = "Test language of a point; NULL without points, as the next three."
epoch = "Its epoch."
own_share = "Percentage of the most influential examples that are in the test language: mean over the texts."
accuracy = "Percentage of the texts in the language that have their label predicted."
n = "Points in the correlation."
spearman = "Spearman's correlation; ties share their average rank; NULL where one side is constant."
pearson = "Pearson's."
*/
WITH chosen AS MATERIALIZED (
    FROM traced_under_masks($model, $source, $sentences, $seed) WHERE matches($run, run)
),
shares AS (
    SELECT run, direction, language, epoch, mean(share, question) AS own_share
    FROM influence_shares((SELECT list(run) FROM chosen), TRUE, NULL, $direction, $k)
    WHERE language = ft_language
    GROUP BY ALL
),
predictions AS (
    SELECT checkpoint_id, mask_id, task, source, language, correct
    FROM v_masked_prediction
    WHERE split = $split
    UNION ALL
    SELECT checkpoint_id, NULL, task, source, language, correct
    FROM v_prediction
    WHERE split = $split
),
accuracies AS (
    SELECT checkpoint_id, mask_id, task, source, language, 100.0 * count(*) FILTER (WHERE correct) / count(*) AS accuracy
    FROM predictions
    WHERE correct IS NOT NULL
    GROUP BY ALL
),
known AS (
    SELECT s.run, s.direction, s.language, s.epoch, s.own_share, a.accuracy
    FROM shares s
    JOIN chosen c USING (run)
    JOIN v_checkpoint k ON k.run = c.traced_run AND k.epoch = s.epoch
    LEFT JOIN masks_of_runs() m ON m.run = s.run AND m.language = s.language
    JOIN accuracies a
        ON a.checkpoint_id = k.checkpoint_id AND a.mask_id IS NOT DISTINCT FROM m.mask_id AND a.task = c.task
        AND a.source = c.source AND a.language = s.language
),
-- ranks, twice the average: an integer is exact. Rounded, so that equal values share a rank.
ranked AS MATERIALIZED (
    SELECT
        *,
        row_number() OVER (PARTITION BY run, direction ORDER BY language, epoch) AS place,
        rank() OVER s + count(*) OVER s AS share_rank,
        rank() OVER a + count(*) OVER a AS accuracy_rank
    FROM known
    WINDOW
        s AS (PARTITION BY run, direction ORDER BY round(own_share, 9)),
        a AS (PARTITION BY run, direction ORDER BY round(accuracy, 9))
),
observed AS (
    SELECT
        run, direction,
        count(*) AS n,
        spearman_rho(share_rank, accuracy_rank) AS spearman,
        pearson(own_share, accuracy, place) AS pearson,
        list_sort(list(DISTINCT language)) AS languages,
        count(DISTINCT epoch) AS epochs,
        in_order(share_rank::DOUBLE, place) AS share_ranks,
        in_order(accuracy_rank::DOUBLE, place) AS accuracy_ranks
    FROM ranked
    GROUP BY ALL
),
-- a language takes the place of another one with all its epochs
permuted AS (
    SELECT
        run, direction, spearman,
        listed_rho(
            share_ranks,
            list_transform(
                flatten(list_transform(
                    shuffle,
                    lambda language: list_transform(
                        range(1, epochs + 1), lambda epoch: (language - 1) * epochs + epoch
                    )
                )),
                lambda place: accuracy_ranks[place]
            )
        ) AS chance
    FROM observed
    JOIN shuffles((SELECT list(DISTINCT languages) FROM observed), $permutations, $draw) ON labels = languages
    WHERE spearman IS NOT NULL AND n = len(languages) * epochs
),
tests AS (
    SELECT
        run, direction,
        permutation_p(round(abs(any_value(spearman)), 12), list(round(abs(chance), 12))) AS p_value
    FROM permuted
    GROUP BY ALL
)
SELECT
    run,
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
    direction,
    r.language,
    r.epoch,
    r.own_share,
    r.accuracy,
    o.n,
    o.spearman,
    o.pearson,
    t.p_value
FROM observed o
JOIN chosen c USING (run)
LEFT JOIN tests t USING (run, direction)
LEFT JOIN (FROM ranked WHERE $points) r USING (run, direction)
ORDER BY
    c.model, c.task, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, c.training, c.masks,
    run, direction DESC, r.language, r.epoch
