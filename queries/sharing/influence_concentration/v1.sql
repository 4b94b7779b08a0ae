/*
question = "Are the same few examples influential whatever is traced?"
grain = """\
An influence run, direction and test language: over the lists of the most influential examples of all its probes or \
labelled texts. All checkpoints together. Dot products of gradients are led by examples whose gradient is long: the \
outliers for which the paper takes cosines."""
paper = "How do languages influence each other? Section 4.2"
reason = "First version."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.shifted",
    "traced.probe_set", "traced.direction", "traced.k", "ci",
]
columns = [
    "traced.run", "traced_run", "traced.model", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "direction", "language", "examples", "chance", "lift", "most", "listed", "targets",
]
intervals = ["lift_low", "lift_high"]

[column]
examples = "Different training examples in the lists."
chance = """\
How many there would be on average if every list, as long as it is, were drawn at random from all training examples."""
lift = """\
Examples over chance: 1 by chance; the lower, the fewer examples are influential. Its interval is for as many other \
probes or texts: with more of them it is lower, since the same examples come again."""
most = "Percentage of the lists that the example has which is in most of them."
listed = "Places in the lists."
targets = "Probes or labelled texts, which have a list each."
*/
WITH chosen AS (
    FROM selected_influence_runs($run, $model, $source, $method, $sentences, $seed)
),
ranked AS MATERIALIZED (
    SELECT run, direction, language, question, training_example_id
    FROM v_influence_ranking
    JOIN selected_targets(
        (SELECT list(run) FROM chosen), FALSE, $shifted, wanted_probe_set := $probe_set
    ) USING (influence_target_id)
    WHERE matches($direction, direction) AND ($k IS NULL OR rank <= $k)
),
-- of a list drawn at random, the chance that it has not a certain example
lists AS (
    SELECT run, direction, language, question, count(*) AS listed, 1 - count(*) / any_value(examples) AS missed
    FROM ranked
    JOIN chosen USING (run)
    GROUP BY ALL
),
found AS (
    SELECT r.run, direction, language, training_example_id, count(*) AS times,
           min(left_out) AS first_battery, max(left_out) AS last_battery
    FROM ranked r
    LEFT JOIN traced_places((SELECT list(run) FROM chosen), $ci IS NOT NULL) p USING (run, question)
    LEFT JOIN traced_batteries((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (probe_set, battery)
    GROUP BY ALL
),
cells AS (
    SELECT run, direction, language, count(*) AS examples, max(times) AS most, sum(times)::BIGINT AS listed
    FROM found
    GROUP BY ALL
),
-- what goes with a battery are the examples that no other one has
lost AS (
    SELECT run, direction, language, first_battery AS left_out, count(*) AS examples
    FROM found
    WHERE first_battery = last_battery
    GROUP BY ALL
),
chances AS (
    SELECT
        run, direction, language, left_out,
        any_value(c.examples) * (1 - list_reduce(in_order(missed, question), lambda product, chance: product * chance)) AS chance,
        count(*) AS targets
    FROM lists
    JOIN kept_targets((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
    JOIN chosen c USING (run)
    GROUP BY run, direction, language, left_out
),
lifts AS (
    SELECT
        run, direction, language,
        observed(chance, left_out) AS chance,
        observed(targets, left_out) AS targets,
        replicates((c.examples - coalesce(l.examples, 0)) / chance, targets, left_out) AS lifts
    FROM chances
    JOIN cells c USING (run, direction, language)
    LEFT JOIN lost l USING (run, direction, language, left_out)
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
    cells.examples,
    chance,
    cells.examples / chance AS lift,
    low_end(lifts) AS lift_low,
    high_end(lifts) AS lift_high,
    100.0 * most / targets AS most,
    listed,
    targets
FROM cells
JOIN lifts USING (run, direction, language)
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC, language
