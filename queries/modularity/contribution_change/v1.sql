/*
question = "Does a language's mask make predictions rely on other training languages than the whole model's do?"
grain = """\
An influence run under masks, one without masks that is alike but for these, direction, test language and training \
language, over the texts that both trace: as language_contribution. The traced run is the same, or the full model in place of \
one that was trained under masks. Beside these, as masks = noise, two runs without masks that differ in the seed of random \
directions alone: what the projection does. All checkpoints together."""
paper = "Examining modularity Figures 5.2, 5.3, 5.4, 5.6 and 5.12"
reason = "First version."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.sentences", "traced.seed", "traced.direction", "traced.k",
    "masks", "ci",
]
columns = [
    "run", "full_run", "traced_run", "full_traced_run", "traced.model", "task", "source", "traced.ft_languages",
    "sentences", "seed", "attribution", "quantity", "training", "masks", "subnetwork", "mask_languages",
    "training_masks", "direction", "language", "ft_language", "contribution_full", "contribution_masked", "change",
    "targets", "changed", "wilcoxon_p", "p_holm", "noise", "shuffles", "shuffled_p",
]
intervals = ["change_low", "change_high"]

[column]
run = "Name of the influence run under masks; of noise that of the second one without."
full_run = "Name of the influence run without masks."
full_traced_run = "Name of the training run that this one traces."
masks = """\
What the mask is to the test language: identified if it was pruned for it, other if for another one, union, intersection, \
shuffled (as many heads at random places), shuffled_in_layers, random or avoiding; none; unknown where the subnetwork is \
deleted; noise where neither run has masks."""
contribution_full = """\
Percentage of the most influential examples that are in the training language, without masks: mean over the texts."""
contribution_masked = "The same under the mask; of noise by the other seed."
change = "The latter minus the former, in points."
targets = "Texts that both runs trace."
changed = "Those whose percentage differs."
wilcoxon_p = """\
Two-sided p-value of Wilcoxon's signed-rank test of the texts' percentages, those without a change left out: exact up to \
25 changes, above by the normal approximation corrected for ties. NULL below 6 changes, which cannot have a p below 0.05."""
p_holm = "The same corrected by Holm (1979) for the rows of the two runs in this direction."
noise = """\
Root mean square of the changes that another seed of random directions makes in this direction, of the model without masks; \
NULL where it was not traced with two seeds."""
shuffles = "Masks that are shuffled from an identified one and traced alike; NULL where there are none."
shuffled_p = """\
Share of these, the identified one among them, whose change is at least as large: small where the identified mask raises the \
percentage more than shuffled ones do, near 1 where it lowers it more."""
*/
WITH pairs AS MATERIALIZED (
    FROM compared_runs($model, $source, $sentences, $seed)
),
runs AS (
    SELECT list(DISTINCT one) AS of_pairs FROM (SELECT unnest([run, full_run]) AS one FROM pairs)
),
shares AS MATERIALIZED (
    FROM influence_shares((SELECT of_pairs FROM runs), FALSE, NULL, $direction, $k)
),
-- rounded, because equal changes of a percentage have to tie
differences AS MATERIALIZED (
    SELECT
        p.run, full_run, direction, language, ft_language, question,
        f.share AS full_share, m.share AS masked_share, round(m.share - f.share, 9) AS difference
    FROM pairs p
    JOIN shares m ON m.run = p.run
    JOIN shares f USING (direction, language, ft_language, question)
    WHERE f.run = p.full_run
),
means AS (
    SELECT
        run, full_run, direction, language, ft_language,
        mean(full_share, question) AS contribution_full,
        mean(masked_share, question) AS contribution_masked,
        count(*) AS targets
    FROM differences
    GROUP BY ALL
),
batteries AS (
    SELECT
        run, full_run, direction, language, ft_language, left_out,
        sum((difference * 1e9)::BIGINT) AS steps, count(*) AS items
    FROM differences
    JOIN target_batteries((SELECT of_pairs FROM runs), $ci IS NOT NULL) USING (run, question)
    GROUP BY ALL
),
intervals AS (
    SELECT
        run, full_run, direction, language, ft_language,
        mean_replicates(left_out, steps, items, all_steps, all_items) AS changes
    FROM (
        SELECT *, sum(steps) OVER cell AS all_steps, sum(items) OVER cell AS all_items
        FROM batteries
        WINDOW cell AS (PARTITION BY run, full_run, direction, language, ft_language)
    )
    GROUP BY ALL
),
-- rank() is one more than the number of smaller changes, count(*) the number of smaller and equal ones
ranked AS (
    SELECT *, rank() OVER sizes + count(*) OVER sizes AS twice_rank, count(*) OVER sizes - rank() OVER sizes + 1 AS tied
    FROM differences
    WHERE difference <> 0
    WINDOW sizes AS (PARTITION BY run, full_run, direction, language, ft_language ORDER BY abs(difference))
),
tests AS MATERIALIZED (
    SELECT
        run, full_run, direction, language, ft_language,
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
),
corrected AS (
    FROM holm((
        SELECT list({
            'key': [run, full_run, direction, language, ft_language],
            'family': [run, full_run, direction],
            'p': wilcoxon_p
        })
        FROM tests
    ))
),
cells AS MATERIALIZED (
    SELECT
        m.*,
        contribution_masked - contribution_full AS change,
        CASE WHEN p.is_noise THEN 'noise' ELSE coalesce(o.masks, 'none') END AS masks,
        o.subnetwork, o.languages AS mask_languages, o.parts,
        p.traced_run, p.full_traced_run, p.model, p.task, p.source, p.ft_languages, p.sentences, p.seed,
        p.attribution, p.quantity, p.training, p.training_masks,
        words_but(p.attribution, ['seed']) AS attributed_alike
    FROM means m
    JOIN pairs p USING (run, full_run)
    LEFT JOIN masks_of_runs() o ON o.run = m.run AND o.language = m.language
),
noise AS (
    SELECT
        traced_run AS full_traced_run, quantity, attributed_alike, direction,
        sqrt(mean(change ** 2, [run, full_run, language, ft_language])) AS noise
    FROM cells
    WHERE masks = 'noise'
    GROUP BY ALL
),
by_shuffles AS (
    SELECT
        i.run, i.full_run, i.direction, i.language, i.ft_language,
        count(*) AS shuffles,
        (1 + count(*) FILTER (WHERE round(s.change - i.change, 9) >= 0)) / (1 + count(*)) AS shuffled_p
    FROM cells i
    JOIN cells s USING (full_run, traced_run, direction, language, ft_language)
    WHERE i.masks = 'identified' AND s.masks = 'shuffled' AND s.parts = i.subnetwork
      AND s.training_masks = i.training_masks
    GROUP BY ALL
)
SELECT
    c.run,
    c.full_run,
    c.traced_run,
    c.full_traced_run,
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
    c.subnetwork,
    c.mask_languages,
    c.training_masks,
    c.direction,
    c.language,
    c.ft_language,
    c.contribution_full,
    c.contribution_masked,
    c.change,
    t_low(by_batteries(i.changes)) AS change_low,
    t_high(by_batteries(i.changes)) AS change_high,
    c.targets,
    coalesce(t.changed, 0) AS changed,
    t.wilcoxon_p,
    h.p_family AS p_holm,
    n.noise,
    s.shuffles,
    s.shuffled_p
FROM cells c
LEFT JOIN tests t USING (run, full_run, direction, language, ft_language)
LEFT JOIN intervals i USING (run, full_run, direction, language, ft_language)
LEFT JOIN by_shuffles s USING (run, full_run, direction, language, ft_language)
LEFT JOIN corrected h ON h.key = [c.run, c.full_run, c.direction, c.language, c.ft_language]
LEFT JOIN noise n
    ON n.full_traced_run = c.full_traced_run AND n.quantity = c.quantity
    AND n.attributed_alike = c.attributed_alike AND n.direction = c.direction
WHERE matches($run, c.run) AND list_contains($masks, c.masks)
ORDER BY
    c.model, c.task, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, c.training, c.masks,
    c.run, c.full_run, c.direction DESC, c.language, c.ft_language
