/*
question = "When fine-tuning in different languages shifts the same value, do models rely on the same texts?"
grain = """\
A pair of influence runs that are alike but for the fine-tuning languages of the monolingual runs that they trace, in \
alphabetical order of these; direction and test language; over the questions whose value both runs shifted; and per \
setup and direction a row for the fine-tuning languages and the language avg. All checkpoints together."""
paper = "Echoes section 7"
reason = "First version."

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

[parameters.direction]
type = "text"
about = "Only examples that support the traced answer (positive), or that contradict it (negative)."
values = ["positive", "negative"]

[parameters.k]
type = "integer"
about = "How many of a probe's most influential examples to take in either direction; all that are stored unless given."

[columns]
model = "Pretrained model that the traced runs started from."
source = "Fine-tuning source."
sentences = "Sentences each traced run was given."
seed = "Their seed."
settings = "How they were trained: epochs, batch size, learning rate and what else differs between setups."
attribution = "How examples are scored, e.g. trak-principal-32."
tracing = "What else the scores depend on: probes, quantity, k and how gradients are taken."
direction = "positive: examples that support the traced answer; negative: those that contradict it."
ft_language_a = "First fine-tuning language; avg. for the mean of the rows above it."
run_a = "Name of its influence run; NULL for avg."
ft_language_b = "Second fine-tuning language; avg. likewise."
run_b = "Name of its influence run; NULL for avg."
language = "Test language; avg. likewise."
overlap = """\
Percentage of the most influential examples of one run whose translation is among those of the other, the mean of \
either way round: mean over the questions."""
chance = "What rankings by chance would give, were every example translated: k of all training examples."
questions = "Questions in the mean; for avg., of all rows together."
*/
WITH chosen AS (
    FROM selected_influence_runs(NULL, $model, $source, $method, $sentences, $seed) WHERE strategy = 'monolingual'
),
lists AS (
    SELECT run, language, question, direction, keys, k
    FROM ranked_lists((SELECT list(run) FROM chosen), FALSE, TRUE, $direction, $k)
),
runs AS (
    SELECT
        model, source, sentences, seed, settings, attribution, tracing,
        a.ft_languages AS ft_language_a,
        a.run AS run_a,
        a.examples AS examples_a,
        b.ft_languages AS ft_language_b,
        b.run AS run_b,
        b.examples AS examples_b
    FROM chosen a
    JOIN chosen b USING (model, source, sentences, seed, settings, attribution, tracing)
    WHERE a.ft_languages < b.ft_languages
),
questions AS (
    SELECT
        runs.*, direction, language, question,
        count_shared(a.keys, b.keys) AS shared,
        a.k AS k_a,
        b.k AS k_b
    FROM runs
    JOIN lists a ON a.run = run_a
    JOIN lists b USING (direction, language, question)
    WHERE b.run = run_b
),
pairs AS (
    SELECT
        model, source, sentences, seed, settings, attribution, tracing, direction, ft_language_a, run_a, ft_language_b,
        run_b, language,
        mean(50.0 * (shared / k_a + shared / k_b), question) AS overlap,
        mean(50.0 * (k_a / examples_a + k_b / examples_b), question) AS chance,
        count(*) AS questions
    FROM questions
    GROUP BY ALL
),
rows AS (
    FROM pairs
    UNION ALL
    SELECT
        model, source, sentences, seed, settings, attribution, tracing, direction, 'avg.', NULL, 'avg.', NULL, 'avg.',
        mean(overlap, [run_a, run_b, language]),
        mean(chance, [run_a, run_b, language]),
        sum(questions)::BIGINT
    FROM pairs
    GROUP BY ALL
)
FROM rows
ORDER BY
    model, source, sentences, seed, settings, attribution, tracing, direction DESC, language = 'avg.', ft_language_a,
    run_a, ft_language_b, run_b, language
