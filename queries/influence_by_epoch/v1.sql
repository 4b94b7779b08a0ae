/*
question = "How does the reliance on fine-tuning languages move while a model is fine-tuned?"
grain = """\
An influence run, epoch, direction, test language and fine-tuning language: as language_contribution, by the scores of \
the epoch's checkpoint alone. The paper tests ranked scores of all examples between epochs; the store has those of the \
most influential examples alone, so that here the percentages are tested."""
paper = "How do languages influence each other? Figures 3, 12 and 13"
reason = "First version."

[parameters.run]
type = "text"
about = "Only this influence run."
values_from = "v_influence_run.run"

[parameters.model]
type = "text"
about = "Only traced runs from this pretrained model."
values_from = "v_influence_run.model"

[parameters.source]
type = "text"
about = "Only traced runs on this source."
values_from = "v_influence_run.source"

[parameters.method]
type = "text"
about = "Only influence runs by this method."
values = ["trak", "tracin"]

[parameters.sentences]
type = "integer"
about = "Only traced runs with this number of sentences."
values_from = "v_influence_run.sentences"

[parameters.seed]
type = "integer"
about = "Only traced runs with this seed."
values_from = "v_influence_run.traced_seed"

[parameters.shifted]
type = "boolean"
about = "true: only probes whose value shifted; false: only the others; all that were traced unless given."

[parameters.direction]
type = "text"
about = "Only examples that support the traced answer (positive), or that contradict it (negative)."
values = ["positive", "negative"]

[parameters.k]
type = "integer"
about = "How many of a probe's most influential examples to take in either direction; all that are stored unless given."

[parameters.ci]
type = "boolean"
about = "Whether to add the columns under intervals: 95% intervals by resampling the questions; no unless given."

[columns]
run = "Name of the influence run."
traced_run = "Name of the fine-tuning run whose examples are ranked."
model = "Pretrained model that it descends from."
source = "Fine-tuning source."
ft_languages = "Its fine-tuning languages, comma-separated."
sentences = "Sentences it was given, training and development together."
seed = "Its seed."
attribution = "How examples are scored, and what of it is not the default, e.g. trak-principal-32 corruptions=epoch."
quantity = "What is traced: answer, margin or shift."
epoch = "Epoch whose checkpoint alone was used."
direction = "positive: examples that support the traced answer; negative: those that contradict it."
language = "Test language."
ft_language = "Fine-tuning language."
contribution = "Percentage of the most influential examples that are in it: mean over the probes."
targets = "Probes in the mean."
changed = "Probes whose percentage differs from that of the traced epoch before; NULL for the first."
wilcoxon_p = """\
Two-sided p-value of Wilcoxon's signed-rank test of the probes' percentages against those of the traced epoch before: \
normal approximation, corrected for ties, probes without a change left out; not corrected for the number of rows. NULL \
for the first epoch and where no probe changed."""

[intervals]
contribution_low = "Lower end of the 95% interval of contribution."
contribution_high = "Its upper end."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
shares AS (
    FROM influence_shares((SELECT list(run) FROM chosen), TRUE, $shifted, $direction, $k)
),
contributions AS (
    SELECT
        run, epoch, direction, language, ft_language, resample,
        drawn_mean(share, question, times, resample) AS contribution,
        count(*) AS targets
    FROM shares
    JOIN drawn_targets((SELECT list(run) FROM chosen), $ci) USING (run, question)
    GROUP BY ALL
),
cells AS (
    SELECT
        run, epoch, direction, language, ft_language,
        observed(contribution, resample) AS contribution,
        interval_low(contribution, resample) AS contribution_low,
        interval_high(contribution, resample) AS contribution_high,
        observed(targets, resample) AS targets
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
        signed_rank_z(difference, twice_rank, tied) AS z
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
    normal_p(z) AS wilcoxon_p
FROM cells
JOIN chosen c USING (run)
JOIN epochs USING (run, epoch)
LEFT JOIN tests USING (run, epoch, direction, language, ft_language)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, epoch, direction DESC,
    language, ft_language
