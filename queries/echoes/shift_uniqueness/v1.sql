/*
question = "Do the same questions shift whatever language a model is fine-tuned on?"
grain = """\
A pretrained model, source, number of sentences, epoch, settings and test language, over the monolingual runs in two \
fine-tuning languages or more that share a seed, and over the questions that all of them answered: the mean over the \
seeds; and per setup a row for the language avg."""
paper = "Echoes section 5.2.1"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "model", "source", "sentences", "seed", "epoch", "averaged.ci"]
columns = [
    "model", "source", "sentences", "epoch", "settings", "language", "uniqueness", "uniqueness_chance", "unique_shifts",
    "unique_shifts_chance", "shifted", "ft_languages", "seeds", "questions",
]
intervals = ["uniqueness_low", "uniqueness_high", "seed_sd"]

[column]
language = "Test language; avg. for the mean of the rows above it."
uniqueness = """\
Of the questions that shift under at least one fine-tuning language, percentage that shift under exactly one: mean \
over the seeds; NULL where none shifts."""
uniqueness_chance = """\
What it would be if each fine-tuning language shifted as many questions as it does, at random: near 100 where few shift."""
unique_shifts = """\
Of the shifts under all fine-tuning languages, a question counting under each, percentage that no other language shares: the \
other reading of the paper's 14%; mean over the seeds."""
unique_shifts_chance = "What that would be, likewise."
shifted = "Questions that shift under at least one fine-tuning language, all seeds together; for avg., of all rows."
ft_languages = "Fine-tuning languages that are compared, comma-separated."
seeds = "Seeds; for avg., the most of any row."
questions = "Questions that all of a seed's runs answered, all seeds together; for avg., of all rows."
seed_sd = "Standard deviation over the seeds, of a sample; for avg., of the means of each; NULL of a single seed."
*/
WITH runs AS (
    SELECT
        *,
        dense_rank() OVER (ORDER BY model, source, sentences, epoch, settings, seed) AS setup,
        dense_rank() OVER (PARTITION BY model, source, sentences, epoch, settings, seed ORDER BY ft_languages) - 1 AS bit
    FROM selected_checkpoints(['monolingual'], $model, $source, $sentences, $seed, $epoch)
),
-- fine-tuning languages as bits. Runs of one language and seed count as one, under which a question shifts if it does in
-- any of them
probes AS MATERIALIZED (
    SELECT
        setup, probe_id,
        bit_or(1::HUGEINT << bit::HUGEINT) AS answered,
        coalesce(bit_or(1::HUGEINT << bit::HUGEINT) FILTER (WHERE shifted), 0) AS shifted
    FROM shifted_answers((SELECT list(checkpoint_id) FROM runs), $score, $probe_set)
    JOIN runs USING (checkpoint_id)
    GROUP BY setup, probe_id
),
cells AS MATERIALIZED (
    SELECT setup, language, bit_or(answered) AS bits, row_number() OVER (ORDER BY setup, language) AS cell
    FROM probes
    JOIN v_probe USING (probe_id)
    GROUP BY setup, language
    HAVING bit_count(bit_or(answered)) > 1
),
compared AS (
    SELECT
        cell, language, model, source, sentences, epoch, settings, seed,
        list(DISTINCT ft_languages ORDER BY ft_languages) AS ft_languages
    FROM cells
    JOIN runs USING (setup)
    WHERE bits >> bit::HUGEINT & 1 = 1
    GROUP BY ALL
),
questions AS MATERIALIZED (
    SELECT cell, question, shifted, bit_count(shifted) AS shifting
    FROM probes
    JOIN v_probe USING (probe_id)
    JOIN cells USING (setup, language)
    WHERE answered = bits
),
counts AS (
    SELECT
        cell, left_out,
        count(*) FILTER (WHERE shifting = 1) AS once,
        count(*) FILTER (WHERE shifting > 0) AS shifted,
        sum(shifting)::BIGINT AS shifts,
        count(*) AS questions
    FROM questions
    JOIN kept_questions($probe_set, $ci IS NOT NULL) USING (question)
    GROUP BY cell, left_out
),
-- per fine-tuning language the share of questions that shift, and of these what chance makes of them
rates AS (
    SELECT cell, in_order(rate, bit) AS rates
    FROM (
        SELECT cell, bit, avg((shifted >> bit::HUGEINT & 1)::DOUBLE) AS rate
        FROM questions
        JOIN cells USING (cell)
        JOIN (SELECT DISTINCT setup, bit FROM runs) USING (setup)
        WHERE bits >> bit::HUGEINT & 1 = 1
        GROUP BY ALL
    )
    GROUP BY cell
),
chances AS (
    SELECT
        cell,
        list_sum(list_transform(
            range(1, len(rates) + 1),
            lambda one: rates[one] * list_product(list_transform(
                range(1, len(rates) + 1), lambda other: CASE WHEN other = one THEN 1 ELSE 1 - rates[other] END
            ))
        )) AS once,
        100 * once / nullif(1 - list_product(list_transform(rates, lambda rate: 1 - rate)), 0) AS by_questions,
        100 * once / nullif(list_sum(rates), 0) AS by_shifts
    FROM rates
),
means AS (
    SELECT
        model, source, sentences, epoch, settings, language, left_out,
        mean(by_questions, seed) AS uniqueness_chance,
        mean(100.0 * counts.once / nullif(shifts, 0), seed) AS unique_shifts,
        mean(by_shifts, seed) AS unique_shifts_chance,
        kept_mean(100.0 * counts.once / nullif(shifted, 0), seed, left_out) AS uniqueness,
        sum(shifted)::BIGINT AS shifted,
        list_sort(list_distinct(flatten(list(ft_languages)))) AS ft_languages,
        count(*) AS seeds,
        sum(questions)::BIGINT AS questions
    FROM counts
    JOIN compared USING (cell)
    JOIN chances USING (cell)
    GROUP BY ALL
),
-- what each seed has, and the mean of its test languages
by_seed AS (
    SELECT model, source, sentences, epoch, settings, seed, language, 100.0 * counts.once / shifted AS uniqueness
    FROM counts
    JOIN compared USING (cell)
    WHERE left_out = 0 AND shifted > 0 AND $ci IS NOT NULL
),
seeds AS (
    SELECT
        model, source, sentences, epoch, settings, language,
        seed_spread([in_order(uniqueness, seed)]) AS spread
    FROM (
        FROM by_seed
        UNION ALL
        SELECT model, source, sentences, epoch, settings, seed, 'avg.', mean(uniqueness, language) FROM by_seed GROUP BY ALL
    )
    GROUP BY ALL
),
rows AS (
    FROM means
    UNION ALL
    SELECT
        model, source, sentences, epoch, settings, 'avg.', left_out,
        mean(uniqueness_chance, language),
        mean(unique_shifts, language),
        mean(unique_shifts_chance, language),
        kept_mean(uniqueness, language, left_out),
        sum(shifted)::BIGINT,
        list_sort(list_distinct(flatten(list(ft_languages)))),
        max(seeds),
        sum(questions)::BIGINT
    FROM means
    GROUP BY ALL
)
SELECT
    model,
    source,
    sentences,
    epoch,
    settings,
    language,
    observed(uniqueness, left_out) AS uniqueness,
    mean_share_low($ci, replicates(uniqueness, shifted, left_out), any_value(spread)) AS uniqueness_low,
    mean_share_high($ci, replicates(uniqueness, shifted, left_out), any_value(spread)) AS uniqueness_high,
    observed(uniqueness_chance, left_out) AS uniqueness_chance,
    observed(unique_shifts, left_out) AS unique_shifts,
    observed(unique_shifts_chance, left_out) AS unique_shifts_chance,
    any_value(spread.sd) AS seed_sd,
    observed(shifted, left_out) AS shifted,
    array_to_string(observed(ft_languages, left_out), ',') AS ft_languages,
    observed(seeds, left_out) AS seeds,
    observed(questions, left_out) AS questions
FROM rows
LEFT JOIN seeds USING (model, source, sentences, epoch, settings, language)
GROUP BY model, source, sentences, epoch, settings, language
ORDER BY model, source, sentences, epoch, settings, language = 'avg.', language
