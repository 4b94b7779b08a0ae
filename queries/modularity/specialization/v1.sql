/*
question = "How much do predictions in a language rely on training examples in that language?"
grain = """\
An influence run of a classifier, direction and test language that is one of the training languages; all checkpoints \
together (epoch NULL), and by the scores of each epoch's checkpoint alone. Where the full model, or the traced one, is traced \
alike without masks, over the texts that both trace."""
paper = "Examining modularity sections 5.5 to 5.7, Figures 5.10, 5.11 and C.7"
reason = "First version."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.sentences", "traced.seed", "traced.direction", "traced.k",
    "ci",
]
columns = [
    "traced.run", "full_run", "traced_run", "traced.model", "task", "source", "traced.ft_languages", "sentences",
    "seed", "attribution", "quantity", "training", "masks", "training_masks", "epoch", "direction", "language",
    "own_share", "full_share", "gain", "examples_share", "lift", "targets",
]
intervals = ["own_share_low", "own_share_high", "gain_low", "gain_high"]

[column]
full_run = """\
Name of the influence run without masks that it is compared with: of the full model; if that was not traced alike, of the \
traced one. NULL where there is none, as then the next two that are of it."""
masks = """\
What the masks of the influence run are to the test languages, as in contribution_change; none, or several if that differs."""
epoch = "Epoch whose checkpoint alone was used; NULL for all together."
own_share = "Percentage of the most influential examples that are in the test language: mean over the texts."
full_share = "The same of the run that it is compared with."
gain = "The former minus the latter, in points."
examples_share = "Percentage of all training examples that are in it: what a ranking by chance would give."
lift = "own_share over examples_share: 1 by chance."
*/
WITH chosen AS MATERIALIZED (
    FROM traced_under_masks($model, $source, $sentences, $seed)
),
partners AS (
    SELECT run, first(full_run ORDER BY full_training <> 'full', full_run) AS full_run
    FROM compared_runs($model, $source, $sentences, $seed)
    WHERE NOT is_noise
    GROUP BY run
),
shares AS MATERIALIZED (
    SELECT run, epoch, direction, language, question, share
    FROM influence_shares((SELECT list(run) FROM chosen), FALSE, NULL, $direction, $k)
    WHERE language = ft_language
    UNION ALL
    SELECT run, epoch, direction, language, question, share
    FROM influence_shares((SELECT list(run) FROM chosen), TRUE, NULL, $direction, $k)
    WHERE language = ft_language
),
compared AS (
    SELECT
        s.*, f.share AS full_share,
        count(f.share) OVER (PARTITION BY s.run, s.epoch, s.direction, s.language) AS common
    FROM shares s
    LEFT JOIN partners p ON p.run = s.run
    LEFT JOIN shares f
        ON f.run = p.full_run AND f.epoch IS NOT DISTINCT FROM s.epoch AND f.direction = s.direction
        AND f.language = s.language AND f.question = s.question
    WHERE matches($run, s.run)
),
taken AS MATERIALIZED (
    SELECT * FROM compared WHERE common = 0 OR full_share IS NOT NULL
),
means AS (
    SELECT
        run, epoch, direction, language,
        mean(share, question) AS own_share,
        mean(full_share, question) AS full_share,
        count(*) AS targets
    FROM taken
    GROUP BY ALL
),
batteries AS (
    SELECT
        run, epoch, direction, language, left_out,
        sum((share * 1e9)::BIGINT) AS own_steps,
        sum(((share - full_share) * 1e9)::BIGINT) AS gain_steps,
        count(*) AS items
    FROM taken
    JOIN target_batteries((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
    GROUP BY ALL
),
intervals AS (
    SELECT
        run, epoch, direction, language,
        mean_replicates(left_out, own_steps, items, all_own, all_items) AS shares,
        mean_replicates(left_out, gain_steps, items, all_gains, all_items) AS gains
    FROM (
        SELECT
            *,
            sum(own_steps) OVER cell AS all_own, sum(gain_steps) OVER cell AS all_gains,
            sum(items) OVER cell AS all_items
        FROM batteries
        WINDOW cell AS (PARTITION BY run, epoch, direction, language)
    )
    GROUP BY ALL
)
SELECT
    run,
    p.full_run,
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
    m.epoch,
    m.direction,
    m.language,
    m.own_share,
    share_low(i.shares) AS own_share_low,
    share_high(i.shares) AS own_share_high,
    m.full_share,
    m.own_share - m.full_share AS gain,
    t_low(by_batteries(i.gains)) AS gain_low,
    t_high(by_batteries(i.gains)) AS gain_high,
    100.0 * e.n / c.examples AS examples_share,
    m.own_share / examples_share AS lift,
    m.targets
FROM means m
JOIN chosen c USING (run)
LEFT JOIN partners p USING (run)
LEFT JOIN intervals i
    ON i.run = m.run AND i.epoch IS NOT DISTINCT FROM m.epoch AND i.direction = m.direction
    AND i.language = m.language
LEFT JOIN examples_by_language() e ON e.run = m.run AND e.train_language = m.language
ORDER BY
    c.model, c.task, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, c.training, c.masks,
    run, m.epoch NULLS FIRST, m.direction DESC, m.language
