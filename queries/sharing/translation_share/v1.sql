/*
question = "Do influential examples in other languages repeat those in the test language, or complement them?"
grain = """\
An influence run, direction and test language that is one of the fine-tuning languages, over the probes with examples \
of other languages among their most influential ones. Other test languages have no row, since no example could be in \
them, nor have runs whose languages share no text. All checkpoints together."""
paper = "How do languages influence each other? Table 4"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.shifted",
    "traced.probe_set", "traced.direction", "traced.k", "ci",
]
columns = [
    "traced.run", "traced_run", "traced.model", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "direction", "language", "translations", "pooled", "chance", "lift", "targets",
]
intervals = ["translations_low", "translations_high"]

[column]
translations = """\
Percentage of the most influential examples in other languages that translate one of the most influential examples in \
the test language (reinforcing; the rest is complementary): mean over the probes."""
pooled = "The same of the examples of all probes together."
chance = """\
What a ranking by chance would give, were every example translated: the most influential examples in the test \
language, of all training examples in it."""
lift = "Translations over chance: 1 by chance; NULL where no influential example is in the test language."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
parallel AS (
    SELECT DISTINCT run
    FROM (
        SELECT run
        FROM v_training_example
        WHERE split = 'train' AND run IN (SELECT traced_run FROM chosen)
        GROUP BY run, parallel_key
        HAVING min(language) <> max(language)
    )
),
targets AS (
    SELECT influence_target_id, run, language, question
    FROM selected_targets((SELECT list(run) FROM chosen), FALSE, $shifted, wanted_probe_set := $probe_set)
    JOIN chosen USING (run)
    WHERE list_contains(string_split(ft_languages, ','), language) AND traced_run IN (SELECT run FROM parallel)
),
-- what is in all stored rankings was counted when they were; rows are counted here only where fewer are wanted
keys AS (
    SELECT
        influence_target_id, direction, e.parallel_key,
        count(*) FILTER (WHERE e.language = t.language) AS own,
        count(*) FILTER (WHERE e.language <> t.language) AS other
    FROM v_influence_ranking
    JOIN v_training_example e USING (training_example_id)
    JOIN targets t USING (influence_target_id)
    WHERE matches($direction, direction) AND rank <= $k
    GROUP BY ALL
),
counts AS (
    SELECT
        influence_target_id, direction,
        CASE WHEN train_language = language THEN examples ELSE 0 END AS own,
        CASE WHEN train_language <> language THEN examples ELSE 0 END AS other,
        CASE WHEN train_language <> language THEN translated ELSE 0 END AS translated
    FROM v_influence_language
    JOIN targets USING (influence_target_id)
    WHERE matches($direction, direction) AND $k IS NULL
    UNION ALL
    SELECT influence_target_id, direction, own, other, CASE WHEN own > 0 THEN other ELSE 0 END FROM keys
),
lists AS (
    SELECT influence_target_id, direction, sum(own) AS own, sum(other) AS other, sum(translated) AS translated
    FROM counts
    GROUP BY ALL
    HAVING sum(other) > 0
),
sizes AS (
    SELECT run, train_language AS language, n FROM examples_by_language()
),
shares AS (
    SELECT
        run, direction, language, left_out,
        kept_mean(100.0 * translated / other, question, left_out) AS translations,
        100.0 * sum(translated) / sum(other) AS pooled,
        kept_mean(100.0 * own / n, question, left_out) AS chance,
        count(*) AS targets
    FROM lists
    JOIN targets USING (influence_target_id)
    JOIN kept_targets((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
    LEFT JOIN sizes USING (run, language)
    GROUP BY ALL
),
cells AS (
    SELECT
        run, direction, language,
        observed(translations, left_out) AS translations,
        share_low(replicates(translations, targets, left_out)) AS translations_low,
        share_high(replicates(translations, targets, left_out)) AS translations_high,
        observed(pooled, left_out) AS pooled,
        observed(chance, left_out) AS chance,
        observed(targets, left_out) AS targets
    FROM shares
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
    direction,
    language,
    translations,
    translations_low,
    translations_high,
    pooled,
    chance,
    translations / nullif(chance, 0) AS lift,
    targets
FROM cells
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC, language
