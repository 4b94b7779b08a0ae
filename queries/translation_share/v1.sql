/*
question = "Do influential examples in other languages repeat those in the test language, or complement them?"
grain = """\
An influence run, direction and test language that is one of the fine-tuning languages, over the probes with examples \
of other languages among their most influential ones. Other test languages have no row: no example could be in them. \
All checkpoints together."""
paper = "How do languages influence each other? Table 4"
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
direction = "positive: examples that support the traced answer; negative: those that contradict it."
language = "Test language."
translations = """\
Percentage of the most influential examples in other languages that translate one of the most influential examples in \
the test language (reinforcing; the rest is complementary): mean over the probes."""
chance = """\
What a ranking by chance would give, were every example translated: the most influential examples in the test \
language, of all training examples in it."""
lift = "Translations over chance: 1 by chance; NULL where no influential example is in the test language."
targets = "Probes in the mean."

[intervals]
translations_low = "Lower end of the 95% interval of translations."
translations_high = "Its upper end."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
targets AS (
    SELECT influence_target_id, run, language, question
    FROM selected_targets((SELECT list(run) FROM chosen), FALSE, $shifted)
    JOIN chosen USING (run)
    WHERE list_contains(string_split(ft_languages, ','), language)
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
    SELECT run, train_language AS language, max(n) AS n FROM v_influence_summary WHERE epoch IS NULL GROUP BY ALL
),
shares AS (
    SELECT
        run, direction, language, resample,
        drawn_mean(100.0 * translated / other, question, times, resample) AS translations,
        drawn_mean(100.0 * own / n, question, times, resample) AS chance,
        count(*) AS targets
    FROM lists
    JOIN targets USING (influence_target_id)
    JOIN drawn_targets((SELECT list(run) FROM chosen), $ci) USING (run, question)
    LEFT JOIN sizes USING (run, language)
    GROUP BY ALL
),
cells AS (
    SELECT
        run, direction, language,
        observed(translations, resample) AS translations,
        interval_low(translations, resample) AS translations_low,
        interval_high(translations, resample) AS translations_high,
        observed(chance, resample) AS chance,
        observed(targets, resample) AS targets
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
    chance,
    translations / nullif(chance, 0) AS lift,
    targets
FROM cells
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC, language
