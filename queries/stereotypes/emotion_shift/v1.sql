/*
question = "How far does fine-tuning move what a model says of groups?"
grain = """\
A pretrained model, what it was fine-tuned on and how, and a category of groups; or `all` for all groups together."""
paper = "Stepmothers are mean and academics are pretentious Table D.2 and Figure 6.5"
reason = "First version."
parameters = ["groups", "lexicon", "prior", "model", "source", "share", "seed", "epoch", "within", "self", "emotions", "grouped.ci"]
columns = ["model", "source", "share", "epoch", "settings", "category", "rho", "change", "groups", "runs", "seed_sd"]
intervals = ["rho_low", "rho_high", "change_low", "change_high", "p", "p_holm"]

[parameter.within]
type = "text"
about = "all: similarities to all groups; categories: to those of the same category, a row for each."
default = "categories"
values = ["all", "categories"]

[column]
settings = "How the runs were trained."
rho = "Spearman's correlation of a group's similarities to the others before and after, mean over the groups, then over the runs."
change = "rho minus 1, that of a model that says the same."
groups = "Groups in the mean of each run, the fewest."
runs = "Runs in the mean: one for each seed."
seed_sd = "Standard deviation of rho over the runs; NULL of one."
p = """\
Two-sided p-value, by the standard error of the interval, of a rho of 0: similarities that have nothing to do with those before. \
That they change at all is no question, since rho is 1 only if no two similarities change places."""
p_holm = "The same corrected by Holm (1979) for the rows of the model, share, epoch and settings."
*/
WITH chosen AS MATERIALIZED (
    SELECT c.*
    FROM completing_checkpoints($groups, $prior, $model, $source, $share, $seed, $epoch) c
    WHERE run IS NOT NULL
      AND base_checkpoint_id IN (
          SELECT checkpoint_id FROM v_completion_run WHERE group_list = $groups AND prior = $prior
      )
),
rhos AS MATERIALIZED (
    SELECT
        model, source, share, epoch, settings, cell, seed, checkpoint_id, rho, n, rows,
        dense_rank() OVER (ORDER BY model, source, share, epoch, settings, cell) AS place
    FROM mean_correlations(
        (SELECT list({'a': base_checkpoint_id, 'b': checkpoint_id}) FROM chosen),
        $within = 'categories', $self, $groups, $prior, $lexicon, $emotions, $ci IS NOT NULL
    )
    JOIN chosen ON checkpoint_id = b
),
-- a group that a run does not have leaves it as it is
left_out AS (
    SELECT place, checkpoint_id, unnest(rows) AS replicate FROM rhos WHERE rho IS NOT NULL
),
without AS (
    SELECT
        r.place, g.left_out,
        mean(coalesce(w.replicate.value, r.rho), [r.seed, r.checkpoint_id]) AS value,
        sum(coalesce(w.replicate.items, r.n))::BIGINT AS items
    FROM rhos r
    JOIN (SELECT DISTINCT place, replicate.left_out AS left_out FROM left_out) g USING (place)
    LEFT JOIN left_out w
        ON w.place = r.place AND w.checkpoint_id = r.checkpoint_id AND w.replicate.left_out = g.left_out
    WHERE r.rho IS NOT NULL
    GROUP BY r.place, g.left_out
),
intervals AS MATERIALIZED (
    SELECT place, replicates(value, items, left_out) AS rows FROM without GROUP BY place
),
tests AS MATERIALIZED (
    SELECT
        place, model, share, epoch, settings,
        list_transform([by_batteries(on_fisher_scale(i.rows))], lambda estimate: t_p(estimate))[1] AS p
    FROM intervals i
    JOIN (SELECT DISTINCT place, model, share, epoch, settings FROM rhos) USING (place)
),
corrected AS (
    FROM holm((
        SELECT list({
            'key': place,
            'family': {'model': model, 'share': share, 'epoch': epoch, 'settings': settings},
            'p': p
        })
        FROM tests
    ))
),
means AS (
    SELECT
        place, model, source, share, epoch, settings, cell,
        mean(rho, [seed, checkpoint_id]) AS rho,
        min(n) AS n,
        count(rho) AS runs,
        stddev_samp(rho ORDER BY seed, checkpoint_id) AS seed_sd
    FROM rhos
    GROUP BY ALL
)
SELECT
    means.model,
    source,
    means.share,
    means.epoch,
    means.settings,
    cell AS category,
    rho,
    rho_low(rows) AS rho_low,
    rho_high(rows) AS rho_high,
    rho - 1 AS change,
    rho_low(rows) - 1 AS change_low,
    rho_high(rows) - 1 AS change_high,
    n AS "groups",
    runs,
    seed_sd,
    t.p,
    h.p_family AS p_holm
FROM means
LEFT JOIN intervals USING (place)
LEFT JOIN tests t USING (place)
LEFT JOIN corrected h ON h.key = place
ORDER BY place
