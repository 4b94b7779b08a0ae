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
targets AS MATERIALIZED (
    SELECT
        influence_target_id, run, language, question, left_out, c.examples,
        dense_rank() OVER (ORDER BY run, language) AS cell
    FROM selected_targets((SELECT list(run) FROM chosen), FALSE, $shifted, wanted_probe_set := $probe_set)
    JOIN chosen c USING (run)
    LEFT JOIN traced_places((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (run, question)
    LEFT JOIN traced_batteries((SELECT list(run) FROM chosen), $ci IS NOT NULL) USING (probe_set, battery)
),
found AS (
    SELECT
        cell, direction, training_example_id,
        count(*) AS times, min(left_out) AS first_battery, max(left_out) AS last_battery
    FROM v_influence_ranking
    JOIN targets USING (influence_target_id)
    WHERE matches($direction, direction) AND ($k IS NULL OR rank <= $k)
    GROUP BY ALL
),
counts AS MATERIALIZED (
    SELECT cell, direction, first_battery, last_battery, count(*) AS examples, max(times) AS most, sum(times) AS listed
    FROM found
    GROUP BY ALL
),
lists AS (
    SELECT influence_target_id, direction, count(*) AS listed
    FROM v_influence_ranking
    JOIN targets USING (influence_target_id)
    WHERE matches($direction, direction) AND ($k IS NULL OR rank <= $k)
    GROUP BY ALL
),
-- the logarithm of the chance that not one of some lists, each drawn at random, has a certain example; lists of all
-- examples, which have it, are counted by themselves
missed AS MATERIALIZED (
    SELECT
        cell, direction, left_out,
        count(*) AS targets,
        count(*) FILTER (WHERE listed = examples) AS whole,
        list_sum(in_order(CASE WHEN listed < examples THEN ln(1 - listed / examples) ELSE 0 END, question)) AS missed
    FROM lists
    JOIN targets USING (influence_target_id)
    GROUP BY ALL
),
totals AS MATERIALIZED (
    SELECT
        cell, direction,
        sum(targets) AS targets, sum(whole) AS whole, list_sum(in_order(missed, coalesce(left_out, 0))) AS missed
    FROM missed
    GROUP BY ALL
),
-- all lists, and without those of each battery, with which the examples go that no other one has
kept AS (
    SELECT cell, direction, 0 AS left_out, 0 AS lost, targets, whole, missed FROM totals
    UNION ALL
    SELECT
        m.cell, m.direction, left_out,
        coalesce(c.examples, 0), t.targets - m.targets, t.whole - m.whole, t.missed - m.missed
    FROM missed m
    JOIN totals t ON t.cell = m.cell AND t.direction = m.direction
    LEFT JOIN counts c
        ON c.cell = m.cell AND c.direction = m.direction AND first_battery = left_out AND last_battery = left_out
    WHERE left_out IS NOT NULL
),
cells AS (
    SELECT
        cell, direction,
        sum(examples)::BIGINT AS examples, max(most) AS most, sum(listed)::BIGINT AS listed
    FROM counts
    GROUP BY ALL
),
lifts AS (
    SELECT
        cell, direction,
        any_value(run) AS run,
        any_value(language) AS language,
        any_value(c.examples) AS examples,
        any_value(most) AS most,
        any_value(listed) AS listed,
        observed(chance, left_out) AS chance,
        observed(k.targets, left_out)::BIGINT AS targets,
        replicates((c.examples - lost) / chance, k.targets, left_out) AS lifts
    FROM (
        SELECT *, n.examples * (1 - CASE WHEN whole > 0 THEN 0 ELSE exp(missed) END) AS chance
        FROM kept
        JOIN (SELECT DISTINCT cell, run, language, examples FROM targets) n USING (cell)
        WHERE kept.targets > 0
    ) k
    JOIN cells c USING (cell, direction)
    GROUP BY cell, direction
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
    l.examples,
    chance,
    l.examples / chance AS lift,
    low_end(lifts) AS lift_low,
    high_end(lifts) AS lift_high,
    100.0 * most / targets AS most,
    listed,
    targets
FROM lifts l
JOIN chosen c USING (run)
ORDER BY
    c.model, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, run, direction DESC, language
