/*
question = "Does a model rely on the same examples when a value shifts in several test languages?"
grain = """\
An influence run, direction and pair of test languages, in alphabetical order, over the questions that were traced \
in both; and per run and direction a row for the languages avg. All checkpoints together."""
paper = "Echoes section 7"
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

[columns]
run = "Name of the influence run."
traced_run = "Name of the fine-tuning run whose examples are ranked."
model = "Pretrained model that it descends from."
source = "Fine-tuning source."
ft_languages = "Its fine-tuning languages, comma-separated."
sentences = "Sentences it was given, training and development together."
seed = "Its seed."
attribution = "How examples are scored, e.g. trak-principal-32."
quantity = "What is traced: answer, margin or shift."
direction = "positive: examples that support the traced answer; negative: those that contradict it."
language_a = "First test language; avg. for the mean of the pairs above it."
language_b = "Second test language; avg. likewise."
consistency = """\
Percentage of the most influential examples in one language that are among those in the other, the mean of either way \
round: mean over the questions."""
chance = "What rankings by chance would give: k of all training examples."
questions = "Questions in the mean; for avg., of all pairs together."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
lists AS (
    SELECT run, language, question, direction, examples, k
    FROM ranked_lists((SELECT list(run) FROM chosen), FALSE, $shifted, $direction, $k)
),
questions AS (
    SELECT
        run, direction, a.language AS language_a, b.language AS language_b, question,
        count_shared(a.examples, b.examples) AS shared,
        a.k AS k_a,
        b.k AS k_b
    FROM lists a
    JOIN lists b USING (run, direction, question)
    WHERE a.language < b.language
),
pairs AS (
    SELECT
        run, direction, language_a, language_b,
        mean(50.0 * (shared / k_a + shared / k_b), question) AS consistency,
        mean(50.0 * (k_a + k_b) / examples, question) AS chance,
        count(*) AS questions
    FROM questions
    JOIN chosen USING (run)
    GROUP BY ALL
),
rows AS (
    FROM pairs
    UNION ALL
    SELECT
        run, direction, 'avg.', 'avg.',
        mean(consistency, [language_a, language_b]),
        mean(chance, [language_a, language_b]),
        sum(questions)::BIGINT
    FROM pairs
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
    language_a,
    language_b,
    consistency,
    chance,
    questions
FROM rows
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC,
    language_a = 'avg.', language_a, language_b
