/*
question = "Do the same values shift in different test languages?"
grain = """\
A pretrained model, source, set of fine-tuning languages, number of sentences, epoch, settings and pair of test \
languages, in alphabetical order, over the questions that were asked in both: the mean over the runs; and per setup a \
row for the languages avg."""
paper = "Echoes section 5.2.1"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "strategies", "model", "source", "sentences", "seed", "epoch", "averaged.ci"]
columns = [
    "model", "source", "ft_languages", "strategy", "sentences", "epoch", "settings", "compared.language_a",
    "compared.language_b", "jaccard", "chance", "shared", "either", "runs",
]
intervals = ["jaccard_low", "jaccard_high", "seeds", "seed_sd"]

[column]
jaccard = """\
Jaccard index of the two sets of shifted questions: questions that shift in both languages by those that shift in \
either, mean over the runs; NULL where none shifts."""
chance = """\
What the index would be of two sets of the same sizes that are drawn at random from the questions asked in both: their \
expected intersection by their expected union; the same mean."""
shared = "Questions that shift in both, all runs together; for avg., of all pairs."
either = "Questions that shift in either, likewise."
runs = "Runs that were probed in both languages; for avg., the most of any pair."
seeds = "Seeds in the mean; for avg., of all pairs."
seed_sd = "Standard deviation over the seeds, of a sample; for avg., of the means of each; NULL of a single seed."
*/
WITH chosen AS (
    FROM selected_checkpoints($strategies, $model, $source, $sentences, $seed, $epoch)
),
setups AS (
    SELECT
        *,
        dense_rank() OVER (ORDER BY model, source, ft_languages, strategy, sentences, epoch, settings) AS setup
    FROM chosen
),
shifts AS MATERIALIZED (
    SELECT checkpoint_id, language, place, shifted
    FROM shifted_answers((SELECT list(checkpoint_id) FROM chosen), $score, $probe_set)
    JOIN (
        SELECT question, row_number() OVER (ORDER BY question) AS place FROM v_probe_set WHERE probe_set = $probe_set
    ) USING (question)
),
-- questions as bits, 60 in an integer: two languages are compared without a row for each question of every two
blocks AS (
    SELECT
        checkpoint_id, language,
        place // 60 AS block,
        bit_or(1 << place % 60) AS answered,
        coalesce(bit_or(1 << place % 60) FILTER (WHERE shifted), 0) AS shifted
    FROM shifts
    GROUP BY ALL
),
counts AS (
    SELECT
        checkpoint_id,
        a.language AS language_a,
        b.language AS language_b,
        sum(bit_count(a.shifted & b.shifted))::BIGINT AS shared,
        sum(bit_count((a.shifted | b.shifted) & a.answered & b.answered))::BIGINT AS either,
        sum(bit_count(a.shifted & b.answered)) * sum(bit_count(b.shifted & a.answered))
            / sum(bit_count(a.answered & b.answered)) AS expected
    FROM blocks a
    JOIN blocks b USING (checkpoint_id, block)
    WHERE a.language < b.language
    GROUP BY ALL
    HAVING sum(bit_count(a.answered & b.answered)) > 0
),
pairs AS MATERIALIZED (
    SELECT
        setup, language_a, language_b,
        row_number() OVER () AS pair,
        mean(shared / nullif(either, 0), run) AS jaccard,
        mean(expected / nullif(shared + either - expected, 0), run) AS chance,
        sum(shared)::BIGINT AS shared,
        sum(either)::BIGINT AS either,
        count(*) AS runs
    FROM counts
    JOIN setups USING (checkpoint_id)
    GROUP BY setup, language_a, language_b
),
-- what each seed has, and the mean of its pairs of languages
by_seed AS (
    SELECT setup, pair AS cell, seed, mean(100 * c.shared / c.either, run) AS jaccard
    FROM counts c
    JOIN setups USING (checkpoint_id)
    JOIN pairs USING (setup, language_a, language_b)
    WHERE c.either > 0 AND $ci IS NOT NULL
    GROUP BY ALL
),
seeds AS (
    SELECT cell, count(*) AS seeds, seed_spread([in_order(jaccard, seed)]) AS spread
    FROM (
        SELECT cell, seed, jaccard FROM by_seed
        UNION ALL
        SELECT -setup, seed, mean(jaccard, cell) FROM by_seed GROUP BY ALL
    )
    GROUP BY cell
),
-- of a question that shifts in neither, nothing counts
vectors AS (
    SELECT
        checkpoint_id,
        a.language AS language_a,
        b.language AS language_b,
        list_sort(list(place)) AS places,
        in_place((a.shifted AND b.shifted)::INTEGER, place) AS in_both,
        list(1::DOUBLE) AS in_either
    FROM shifts a
    JOIN shifts b USING (checkpoint_id, place)
    WHERE a.language < b.language AND (a.shifted OR b.shifted) AND $ci IS NOT NULL
    GROUP BY ALL
),
without AS MATERIALIZED (
    SELECT
        setup, pair, left_out,
        kept_mean(listed_mean(kept, places, in_both, in_either), run, left_out) AS jaccard,
        sum(listed_items(kept, places)) AS items
    FROM vectors
    JOIN setups USING (checkpoint_id)
    JOIN pairs USING (setup, language_a, language_b)
    CROSS JOIN kept_lists($probe_set, $ci IS NOT NULL)
    GROUP BY setup, pair, left_out
),
cells AS (
    SELECT pair AS cell, * EXCLUDE (pair) FROM pairs
    UNION ALL
    SELECT
        -setup, setup, 'avg.', 'avg.',
        mean(jaccard, [language_a, language_b]),
        mean(chance, [language_a, language_b]),
        sum(shared)::BIGINT,
        sum(either)::BIGINT,
        max(runs)
    FROM pairs
    GROUP BY setup
),
intervals AS (
    SELECT cell, replicates(100 * jaccard, items, left_out) AS percentages
    FROM (
        SELECT pair AS cell, left_out, jaccard, items FROM without
        UNION ALL
        SELECT -setup, left_out, kept_mean(jaccard, pair, left_out), sum(items) FROM without GROUP BY setup, left_out
    )
    GROUP BY cell
)
SELECT
    model,
    source,
    ft_languages,
    strategy,
    sentences,
    epoch,
    settings,
    language_a,
    language_b,
    jaccard,
    mean_share_low($ci, percentages, spread) / 100 AS jaccard_low,
    mean_share_high($ci, percentages, spread) / 100 AS jaccard_high,
    seeds,
    spread.sd / 100 AS seed_sd,
    chance,
    shared,
    either,
    runs
FROM cells
JOIN (
    SELECT DISTINCT setup, model, source, ft_languages, strategy, sentences, epoch, settings FROM setups
) USING (setup)
LEFT JOIN intervals USING (cell)
LEFT JOIN seeds USING (cell)
ORDER BY
    model, source, strategy, ft_languages, sentences, epoch, settings, language_a = 'avg.', language_a, language_b
