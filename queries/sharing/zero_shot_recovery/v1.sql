/*
question = "Does a classifier that never saw a language rely on translations of what one that saw it relies on?"
grain = """\
An influence run of a classifier, one of a classifier that was trained alike but for a language that is left out, \
direction, and that language as the test language: over the texts that both trace. All checkpoints together."""
paper = "How do languages influence each other? section 8.3"
reason = "Classifiers are traced."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.direction",
    "traced.k", "ci",
]
columns = [
    "run", "zero_shot_run", "traced_run", "traced.model", "task", "source", "traced.ft_languages", "traced.sentences",
    "traced.seed", "attribution", "quantity", "direction", "language", "translated_share", "translated_chance",
    "recurring_share", "recurring_chance", "targets",
]
intervals = ["translated_share_low", "translated_share_high", "recurring_share_low", "recurring_share_high"]

[column]
run = "Name of the influence run of the classifier that was trained on all languages."
zero_shot_run = "Name of the influence run of the classifier that was trained without one."
task = "What is told apart."
language = "Test language, which is left out."
translated_share = """\
Percentage of the zero-shot classifier's most influential examples that translate one that is among those of the other in the \
test language: mean over the texts."""
translated_chance = "What a ranking by chance would give, were every example translated."
recurring_share = """\
Percentage of the other's most influential examples in other languages than the test language that are among the zero-shot \
classifier's: mean over the texts that have some."""
recurring_chance = "What a ranking by chance would give."
targets = "Texts that both trace."
*/
WITH chosen AS (
    SELECT
        *,
        string_split(ft_languages, ',') AS trained,
        list_filter(string_split(settings, ' '), lambda word: NOT starts_with(word, 'left_out=')) AS others
    FROM traced_classifiers(NULL, $model, $source, $method, NULL, $seed)
    WHERE added_language IS NULL
),
pairs AS (
    SELECT f.run, z.run AS zero_shot_run, z.left_out AS language, z.examples AS zero_shot_examples
    FROM chosen f
    JOIN chosen z USING (model, task, source, seed, attribution, quantity, others)
    WHERE f.left_out IS NULL AND z.left_out NOTNULL
      AND f.trained = list_sort(list_append(z.trained, z.left_out))
      AND matches($run, f.run) AND matches($sentences, f.sentences)
),
texts AS MATERIALIZED (
    SELECT p.run, p.zero_shot_run, p.language, p.zero_shot_examples, f.question,
           f.influence_target_id AS target, z.influence_target_id AS zero_shot_target
    FROM pairs p
    JOIN traced_texts((SELECT list(run) FROM chosen)) f ON f.run = p.run AND f.language = p.language
    JOIN traced_texts((SELECT list(run) FROM chosen)) z
        ON z.run = p.zero_shot_run AND z.language = p.language AND z.question = f.question
),
ranked AS MATERIALIZED (
    SELECT influence_target_id, direction, train_language, train_key
    FROM ranked_texts((SELECT list(run) FROM chosen), $direction, $k)
    WHERE influence_target_id IN (SELECT unnest([target, zero_shot_target]) FROM texts)
),
theirs AS (
    SELECT
        run, zero_shot_run, language, question, direction,
        list(train_key) FILTER (WHERE train_language = language) AS own,
        list({'language': train_language, 'key': train_key}) FILTER (WHERE train_language <> language) AS others
    FROM texts
    JOIN ranked ON influence_target_id = target
    GROUP BY ALL
),
zero_shot AS (
    SELECT
        run, zero_shot_run, language, question, zero_shot_examples, direction,
        list({'language': train_language, 'key': train_key}) AS rankings
    FROM texts
    JOIN ranked ON influence_target_id = zero_shot_target
    GROUP BY ALL
),
sizes AS (
    SELECT run, train_language AS language, n FROM examples_by_language()
),
measured AS (
    SELECT
        run, zero_shot_run, language, question, direction,
        100.0 * len(list_filter(rankings, lambda example: list_contains(coalesce(own, []), example.key)))
            / len(rankings) AS translated,
        100.0 * coalesce(len(own), 0) / n AS translated_chance,
        100.0 * len(list_intersect(others, rankings)) / len(others) AS recurring,
        CASE WHEN others NOTNULL THEN 100.0 * len(rankings) / zero_shot_examples END AS recurring_chance
    FROM zero_shot
    JOIN theirs USING (run, zero_shot_run, language, question, direction)
    JOIN sizes USING (run, language)
),
shares AS (
    SELECT
        run, zero_shot_run, direction, language, left_out,
        kept_mean(translated, question, left_out) AS translated,
        kept_mean(translated_chance, question, left_out) AS translated_chance,
        kept_mean(recurring, question, left_out) AS recurring,
        kept_mean(recurring_chance, question, left_out) AS recurring_chance,
        count(*) AS targets,
        count(recurring) AS recurring_targets
    FROM measured
    JOIN kept_targets((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
    GROUP BY ALL
),
cells AS (
    SELECT
        run, zero_shot_run, direction, language,
        observed(translated, left_out) AS translated,
        replicates(translated, targets, left_out) AS translated_parts,
        observed(translated_chance, left_out) AS translated_chance,
        observed(recurring, left_out) AS recurring,
        replicates(recurring, recurring_targets, left_out) AS recurring_parts,
        observed(recurring_chance, left_out) AS recurring_chance,
        observed(targets, left_out) AS targets
    FROM shares
    GROUP BY ALL
)
SELECT
    run,
    zero_shot_run,
    c.traced_run,
    c.model,
    c.task,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.attribution,
    c.quantity,
    direction,
    language,
    translated AS translated_share,
    share_low(translated_parts) AS translated_share_low,
    share_high(translated_parts) AS translated_share_high,
    translated_chance,
    recurring AS recurring_share,
    share_low(recurring_parts) AS recurring_share_low,
    share_high(recurring_parts) AS recurring_share_high,
    recurring_chance,
    targets
FROM cells
JOIN chosen c USING (run)
ORDER BY
    c.model, c.task, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, zero_shot_run,
    direction DESC, language
