-- Influence runs, what they trace, and the examples that count most.

-- Influence runs; the parameters restrict where they are not NULL. seed is the traced run's. Runs that
-- differ in settings, attribution or tracing are not alike; the three say all that counts of their specifications.
CREATE OR REPLACE TEMP MACRO selected_influence_runs(
    wanted_run, wanted_model, wanted_source, wanted_method, wanted_sentences, wanted_seed
) AS TABLE
    SELECT
        i.run,
        i.traced_run,
        i.model,
        i.source,
        i.ft_languages,
        i.strategy,
        i.sentences,
        i.traced_seed AS seed,
        i.settings,
        i.attribution,
        i.quantity,
        i.tracing,
        i.examples
    FROM v_influence_run i
    WHERE matches(wanted_run, i.run)
      AND matches(wanted_model, i.model)
      AND matches(wanted_source, i.source)
      AND matches(wanted_method, i.method)
      AND matches(wanted_sentences, i.sentences)
      AND matches(wanted_seed, i.traced_seed);

-- Validation runs; the parameters restrict where they are not NULL. seed is the traced run's.
CREATE OR REPLACE TEMP MACRO selected_validation_runs(
    wanted_run, wanted_model, wanted_source, wanted_sentences, wanted_seed
) AS TABLE
    SELECT run, traced_run, model, source, ft_languages, sentences, traced_seed AS seed
    FROM v_validation_run
    WHERE matches(wanted_run, run)
      AND matches(wanted_model, model)
      AND matches(wanted_source, source)
      AND matches(wanted_sentences, sentences)
      AND matches(wanted_seed, traced_seed);

-- Targets of influence runs: those traced by all checkpoints together, or those by single epochs' checkpoints.
-- wanted_shifted and wanted_probe_set restrict where they are not NULL. A target is one row as it is; the grouping tells
-- DuckDB how few there are, so that it keeps them and not the rankings in memory when it joins the two.
CREATE OR REPLACE TEMP MACRO selected_targets(
    influence_runs, by_epoch, wanted_shifted, wanted_probe_set := NULL
) AS TABLE
    SELECT
        influence_target_id,
        any_value(run) AS run,
        any_value(language) AS language,
        any_value(question) AS question,
        any_value(epoch) AS epoch
    FROM (
        SELECT influence_target_id, run, language, collection, question, epoch
        FROM v_traced_probe
        WHERE wanted_shifted IS NULL
        UNION ALL
        SELECT influence_target_id, run, language, collection, question, epoch
        FROM v_influence_target
        WHERE shifted = wanted_shifted
    )
    WHERE run IN (SELECT unnest(influence_runs))
      AND (epoch IS NOT NULL) = by_epoch
      AND (
          wanted_probe_set IS NULL
          OR (collection, question) IN (SELECT (collection, question) FROM v_probe_set WHERE probe_set = wanted_probe_set)
      )
    GROUP BY influence_target_id;

-- The questions that influence runs trace, and those that are left without each battery of the run's probe set.
CREATE OR REPLACE TEMP MACRO kept_targets(influence_runs, with_intervals) AS TABLE
    SELECT DISTINCT run, question, 0 AS left_out
    FROM v_traced_probe
    WHERE run IN (SELECT unnest(influence_runs))
    UNION ALL
    SELECT DISTINCT p.run, p.question, b.left_out
    FROM traced_places(influence_runs, with_intervals) p
    JOIN traced_batteries(influence_runs, with_intervals) b USING (probe_set)
    WHERE p.battery <> b.battery;

-- The questions and the keys of texts that influence runs trace; no rows unless wanted.
CREATE OR REPLACE TEMP MACRO traced_items(influence_runs, wanted) AS TABLE
    SELECT DISTINCT run, collection, json_extract_string(r.spec, '$.probe_set') AS probe_set, question
    FROM v_traced_probe
    JOIN v_run r USING (run)
    WHERE wanted AND run IN (SELECT unnest(influence_runs));

-- Of the traced texts, by what they are drawn and left out together: the first key that has the same first text in some
-- language, as the hypotheses about one premise have.
CREATE OR REPLACE TEMP MACRO text_batteries(influence_runs, wanted) AS TABLE
    SELECT collection, probe_set, question, min(alike) AS text_battery
    FROM (
        SELECT i.collection, i.probe_set, i.question,
               min(i.question) OVER (PARTITION BY i.collection, i.probe_set, language, text) AS alike
        FROM (SELECT DISTINCT collection, probe_set, question FROM traced_items(influence_runs, wanted)) i
        JOIN v_segment g ON g.source = i.collection AND g.edition = i.probe_set AND g.parallel_key = i.question
    )
    GROUP BY ALL;

-- What influence runs trace, with its batteries and its places in the lists of kept_places; no rows unless wanted.
CREATE OR REPLACE TEMP MACRO traced_places(influence_runs, wanted) AS TABLE
    SELECT
        run, probe_set, question,
        coalesce(battery, text_battery, question) AS battery,
        dense_rank() OVER (ORDER BY probe_set, question) AS place
    FROM traced_items(influence_runs, wanted)
    LEFT JOIN v_probe_set USING (collection, probe_set, question)
    LEFT JOIN text_batteries(influence_runs, wanted) USING (collection, probe_set, question);

-- The batteries that these questions are of, numbered over all probe sets.
CREATE OR REPLACE TEMP MACRO traced_batteries(influence_runs, wanted) AS TABLE
    SELECT probe_set, battery, row_number() OVER (ORDER BY probe_set, battery) AS left_out
    FROM (SELECT DISTINCT probe_set, battery FROM traced_places(influence_runs, wanted));

-- As they are and without each battery, 1 for every question that is left and 0 for the others, in the order of their
-- places; no rows unless wanted.
CREATE OR REPLACE TEMP MACRO kept_places(influence_runs, wanted) AS TABLE
    SELECT
        left_out,
        list(
            (b.probe_set IS DISTINCT FROM p.probe_set OR b.battery IS DISTINCT FROM p.battery)::INTEGER::DOUBLE
            ORDER BY place
        ) AS kept
    FROM (FROM traced_batteries(influence_runs, wanted) UNION ALL SELECT NULL, NULL, 0 WHERE wanted) b
    CROSS JOIN (SELECT DISTINCT probe_set, battery, place FROM traced_places(influence_runs, wanted)) p
    GROUP BY left_out;

-- Per target, direction and fine-tuning language: the percentage of the k most influential examples that are in it, and
-- of those among them whose score has the other sign. All
-- that are stored were counted when they were; fewer are counted here. All parameters after the second restrict where they
-- are not NULL.
CREATE OR REPLACE TEMP MACRO influence_shares(
    influence_runs, by_epoch, wanted_shifted, wanted_direction, wanted_k, wanted_probe_set := NULL
) AS TABLE
    WITH targets AS (
        FROM selected_targets(influence_runs, by_epoch, wanted_shifted, wanted_probe_set := wanted_probe_set)
    ),
    -- counted by key: names go to the few rows that are left
    lists AS (
        SELECT
            influence_target_id, direction,
            histogram(e.language) AS languages,
            histogram(e.language) FILTER (WHERE (direction = 'positive') = (score < 0) AND score <> 0) AS wrong,
            count(*) AS ranked
        FROM v_influence_ranking
        LEFT JOIN v_training_example e USING (training_example_id)
        JOIN targets USING (influence_target_id)
        WHERE rank <= wanted_k
        GROUP BY ALL
    ),
    trained AS (
        SELECT run, unnest(string_split(ft_languages, ',')) AS ft_language FROM v_influence_run
    ),
    counts AS (
        SELECT influence_target_id, direction, train_language AS ft_language, ranked, examples, wrong_sign
        FROM v_influence_language
        WHERE wanted_k IS NULL
        UNION ALL
        SELECT
            influence_target_id, direction, ft_language, ranked,
            coalesce(languages[ft_language], 0),
            coalesce(wrong[ft_language], 0)
        FROM lists
        JOIN targets USING (influence_target_id)
        JOIN trained USING (run)
    )
    SELECT
        run, language, question, epoch, direction, ft_language,
        100.0 * examples / ranked AS share,
        100.0 * wrong_sign / ranked AS wrong_share
    FROM counts
    JOIN targets USING (influence_target_id)
    WHERE matches(wanted_direction, direction);

-- influence_shares as lists, for listed_mean: per run, direction, test and fine-tuning language, the percentages of all
-- targets in the order of their questions; places and weights only where intervals are wanted.
CREATE OR REPLACE TEMP MACRO listed_shares(
    influence_runs, wanted_shifted, wanted_direction, wanted_k, with_intervals, wanted_probe_set := NULL
) AS TABLE
    SELECT
        run, direction, language, ft_language,
        list_sort(list(place) FILTER (WHERE with_intervals)) AS places,
        in_order(share, question) AS percentages,
        in_order(wrong_share, question) AS wrong,
        list(1::DOUBLE) FILTER (WHERE with_intervals) AS weights,
        count(*) AS targets
    FROM influence_shares(
        influence_runs, FALSE, wanted_shifted, wanted_direction, wanted_k, wanted_probe_set := wanted_probe_set
    )
    LEFT JOIN traced_places(influence_runs, with_intervals) USING (run, question)
    GROUP BY run, direction, language, ft_language;

-- Training examples of influence runs by language.
CREATE OR REPLACE TEMP MACRO examples_by_language() AS TABLE
    SELECT run, train_language, max(n) AS n
    FROM v_influence_summary
    WHERE epoch IS NULL
    GROUP BY ALL;

-- influence_shares as means over the targets, with intervals where they are wanted: per run, direction, test and
-- fine-tuning language, beside how many of the training examples are in the latter.
CREATE OR REPLACE TEMP MACRO contributions(
    influence_runs, wanted_shifted, wanted_direction, wanted_k, with_intervals, wanted_probe_set := NULL
) AS TABLE
    WITH cells AS MATERIALIZED (
        SELECT *, row_number() OVER () AS cell
        FROM listed_shares(
            influence_runs, wanted_shifted, wanted_direction, wanted_k, with_intervals,
            wanted_probe_set := wanted_probe_set
        )
    ),
    intervals AS (
        SELECT
            cell,
            replicates(listed_mean(kept, places, percentages, weights), listed_items(kept, places), left_out) AS shares
        FROM cells
        CROSS JOIN kept_places(influence_runs, with_intervals)
        GROUP BY cell
    )
    SELECT
        c.run, direction, language, ft_language,
        list_avg(percentages) AS contribution,
        share_low(shares) AS contribution_low,
        share_high(shares) AS contribution_high,
        list_avg(wrong) AS wrong_sign,
        targets, n
    FROM cells c
    LEFT JOIN intervals USING (cell)
    LEFT JOIN examples_by_language() e ON e.run = c.run AND e.train_language = c.ft_language;
