/*
question = "How like the questions are the demonstrations that are chosen for them?"
grain = "Demonstrations of a country's answers, chosen by a strategy, in a language."
paper = "Self-alignment section 8.4.3"
reason = "First version."
parameters = ["run", "language", "seed", "strategy", "answers", "polarity", "probe_set"]
columns = [
    "language", "strategy", "demonstrations", "demonstrated", "answers", "seed", "probes", "fewer", "similarity",
    "nearest", "same_category", "twins",
]

[column]
seed = "Seed of the run that they are of."
probes = "Questions with demonstrations."
fewer = "Those with fewer than were asked for, since there were no more candidates."
similarity = "chrF++ of a demonstration's sentence with the question, 0 to 100: mean of a question, then over the questions; NULL where they are drawn."
nearest = "The highest of a question, mean over the questions; NULL likewise."
same_category = "Percentage of the demonstrations that are of the question's own theme."
twins = "Questions with a demonstration of the same sentence, of which only the answers differ (chrF++ of 100)."
*/
WITH chosen AS (
    FROM chosen_demonstrations($run, $language, $strategy, $answers, $seed)
),
questions AS (
    SELECT
        run_id, m.question,
        count(*) AS shown,
        mean(d.similarity, d.position) AS similarity,
        max(d.similarity) AS nearest,
        count(*) FILTER (WHERE d.category = m.category) AS same_category
    FROM v_prompt m
    JOIN v_demonstration d USING (prompt_id)
    WHERE m.variant = 1
      AND m.run_id IN (SELECT run_id FROM chosen)
      AND ($polarity = 'all' OR m.polarity = $polarity)
      AND ($probe_set IS NULL OR m.question IN (SELECT s.question FROM v_probe_set s WHERE s.probe_set = $probe_set))
    GROUP BY ALL
),
cells AS (
    SELECT
        run_id,
        count(*) AS probes,
        count(*) FILTER (WHERE shown < demonstrations) AS fewer,
        mean(similarity, question) AS similarity,
        mean(nearest, question) AS nearest,
        100 * sum(same_category) / sum(shown) AS same_category,
        count(*) FILTER (WHERE nearest > 100 - 1e-9) AS twins
    FROM questions
    JOIN (SELECT run_id, demonstrations FROM chosen) USING (run_id)
    GROUP BY run_id
)
SELECT
    language,
    strategy,
    demonstrations,
    country AS demonstrated,
    answers,
    seed,
    probes,
    fewer,
    similarity,
    nearest,
    same_category,
    twins
FROM cells
JOIN chosen USING (run_id)
ORDER BY language, strategy, demonstrations, demonstrated, answers, seed, run
