/*
question = "How does the reliance on fine-tuning languages move while a model is fine-tuned?"
grain = """\
An influence run, epoch, direction, test language and fine-tuning language: as language_contribution, by the scores \
of the epoch's checkpoint alone. The paper tests ranked scores of all examples between epochs; the store has those of \
the most influential examples alone, so that here the percentages are tested."""
paper = "How do languages influence each other? Figures 3, 12 and 13"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.shifted",
    "traced.probe_set", "traced.direction", "traced.k", "ci",
]
columns = [
    "traced.run", "traced_run", "traced.model", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "epoch", "direction", "language", "ft_language", "contribution", "targets", "changed",
    "wilcoxon_p",
]
intervals = ["contribution_low", "contribution_high"]

[column]
epoch = "Epoch whose checkpoint alone was used."
ft_language = "Fine-tuning language."
contribution = "Percentage of the most influential examples that are in it: mean over the probes."
changed = "Probes whose percentage differs from that of the traced epoch before; NULL for the first."
wilcoxon_p = """\
Two-sided p-value of Wilcoxon's signed-rank test of the probes' percentages against those of the traced epoch before, \
probes without a change left out: exact up to 25 changes, above by the normal approximation corrected for ties; not \
corrected for the number of rows. NULL for the first epoch, and below 6 changes, which cannot have a p below 0.05."""
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
shares AS (
    FROM influence_shares((SELECT list(run) FROM chosen), TRUE, $shifted, $direction, $k, wanted_probe_set := $probe_set)
),
contributions AS (
    SELECT
        run, epoch, direction, language, ft_language, left_out,
        kept_mean(share, question, left_out) AS contribution,
        count(*) AS targets
    FROM shares
    JOIN kept_targets((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
    GROUP BY ALL
),
cells AS (
    SELECT
        run, epoch, direction, language, ft_language,
        observed(contribution, left_out) AS contribution,
        share_low(replicates(contribution, targets, left_out)) AS contribution_low,
        share_high(replicates(contribution, targets, left_out)) AS contribution_high,
        observed(targets, left_out) AS targets
    FROM contributions
    GROUP BY ALL
),
epochs AS (
    SELECT run, epoch, lag(epoch) OVER (PARTITION BY run ORDER BY epoch) AS before
    FROM (SELECT DISTINCT run, epoch FROM shares)
),
-- rounded, because equal changes of a percentage have to tie
differences AS (
    SELECT run, a.epoch, direction, language, ft_language, round(a.share - b.share, 9) AS difference
    FROM shares a
    JOIN epochs e USING (run, epoch)
    JOIN shares b USING (run, direction, language, question, ft_language)
    WHERE b.epoch = e.before
),
-- rank() is one more than the number of smaller changes, count(*) the number of smaller and equal ones
ranked AS (
    SELECT *, rank() OVER sizes + count(*) OVER sizes AS twice_rank, count(*) OVER sizes - rank() OVER sizes + 1 AS tied
    FROM differences
    WHERE difference <> 0
    WINDOW sizes AS (PARTITION BY run, epoch, direction, language, ft_language ORDER BY abs(difference))
),
tests AS (
    SELECT
        run, epoch, direction, language, ft_language,
        count(*) AS changed,
        CASE
            WHEN count(*) BETWEEN 6 AND 25
            THEN signed_rank_exact_p(
                list_sort(list(twice_rank)), sum(CASE WHEN difference > 0 THEN twice_rank ELSE 0 END)
            )
            WHEN count(*) > 25 THEN normal_p(signed_rank_z(difference, twice_rank, tied))
        END AS wilcoxon_p
    FROM ranked
    GROUP BY ALL
)
SELECT
    run,
    c.traced_run,
    c.model,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.attribution,
    c.quantity,
    epoch,
    direction,
    language,
    ft_language,
    contribution,
    contribution_low,
    contribution_high,
    targets,
    CASE WHEN before IS NOT NULL THEN coalesce(changed, 0) END AS changed,
    wilcoxon_p
FROM cells
JOIN chosen c USING (run)
JOIN epochs USING (run, epoch)
LEFT JOIN tests USING (run, epoch, direction, language, ft_language)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, epoch, direction DESC,
    language, ft_language
