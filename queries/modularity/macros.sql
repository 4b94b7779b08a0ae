-- What this study's queries have in common: subnetworks, and runs under masks.

-- Under which mask a run trains on, predicts or traces texts in a language, and what the mask is to that language:
-- identified if it was pruned for it, other if it was for another one, else how it was derived; unknown where the
-- subnetwork is deleted.
CREATE OR REPLACE TEMP MACRO masks_of_runs() AS TABLE
    SELECT
        m.run, m.language, m.mask_id, m.subnetwork, s.languages, s.parts,
        CASE WHEN m.origin = 'pruned' THEN CASE WHEN s.languages = m.language THEN 'identified' ELSE 'other' END
            ELSE coalesce(m.origin, 'unknown')
        END AS masks
    FROM v_run_mask m
    LEFT JOIN v_subnetwork s USING (subnetwork);

-- The same in a word for a run that has masks.
CREATE OR REPLACE TEMP MACRO masked_runs() AS TABLE
    SELECT run, CASE WHEN min(masks) = max(masks) THEN min(masks) ELSE 'several' END AS masks
    FROM masks_of_runs()
    GROUP BY run;

-- Words of settings but for some.
CREATE OR REPLACE TEMP MACRO words_but(settings, names) AS
    list_filter(string_split(settings, ' '), lambda word: NOT list_contains(names, split_part(word, '=', 1)));

-- Influence runs of classifiers: what these were trained on and under which masks (training, full where there are
-- none), and under which masks they are traced (masks, none where there are none). The parameters restrict where they
-- are not NULL.
CREATE OR REPLACE TEMP MACRO traced_under_masks(
    wanted_model, wanted_source, wanted_sentences, wanted_seed
) AS TABLE
    SELECT
        i.*,
        c.task,
        coalesce(t.masks, 'full') AS training,
        coalesce(m.masks, 'none') AS masks,
        v.training_masks,
        v.checkpoints,
        words_but(i.settings, ['masks', 'updates']) AS trained_alike,
        words_but(i.tracing, ['masks', 'training_masks', 'selection', 'checkpoints']) AS traced_alike
    FROM selected_influence_runs(NULL, wanted_model, wanted_source, NULL, wanted_sentences, wanted_seed) i
    JOIN v_influence_run v USING (run)
    JOIN v_classification_run c ON c.run = i.traced_run
    LEFT JOIN masked_runs() t ON t.run = i.traced_run
    LEFT JOIN masked_runs() m ON m.run = i.run;

-- Pairs of influence runs that differ in masks alone: full_run is without any. The run that is traced is the same, or one
-- of the full model where the other one was trained under masks; then each has its own best epoch. Beside them what is noise:
-- pairs of runs without masks that differ in the seed of random directions.
CREATE OR REPLACE TEMP MACRO compared_runs(wanted_model, wanted_source, wanted_sentences, wanted_seed) AS TABLE
    WITH traced AS MATERIALIZED (
        FROM traced_under_masks(wanted_model, wanted_source, wanted_sentences, wanted_seed)
    )
    SELECT
        m.*,
        f.run AS full_run,
        f.traced_run AS full_traced_run,
        f.training AS full_training,
        m.masks = 'none' AS is_noise
    FROM traced f
    JOIN traced m USING (model, task, source, ft_languages, sentences, seed, quantity, trained_alike, traced_alike)
    WHERE f.masks = 'none'
      AND (
          f.traced_run = m.traced_run AND f.checkpoints = m.checkpoints
          OR m.masks <> 'none' AND f.training = 'full' AND m.training <> 'full'
              AND (f.checkpoints = 1) = (m.checkpoints = 1)
      )
      AND CASE
          WHEN m.masks <> 'none' THEN f.attribution = m.attribution
          ELSE f.attribution < m.attribution
              AND words_but(f.attribution, ['seed']) = words_but(m.attribution, ['seed'])
      END;

-- How a prune run prunes, in words.
CREATE OR REPLACE TEMP MACRO pruning_settings(spec) AS
    array_to_string(
        [
            name || '=' || json_extract_string(spec, name)
            FOR name IN ['step', 'threshold', 'importance', 'normalise', 'max_examples']
        ],
        ' '
    );

-- Subnetworks that were found by pruning the final checkpoint of a classifier, with what this was trained on. Those that
-- have the same values from model to pruning are comparable: of models of one language each (ft_languages NULL), or of one
-- model. The parameters restrict where they are not NULL.
CREATE OR REPLACE TEMP MACRO pruned_subnetworks(
    wanted_task, wanted_model, wanted_source, wanted_sentences, wanted_seed
) AS TABLE
    SELECT
        s.subnetwork, s.mask_id, s.languages AS language, s.layers, s.heads, s.enabled, s.disabled, s.layers_empty,
        s.run,
        k.model, s.task, k.source,
        CASE WHEN k.strategy <> 'monolingual' THEN k.ft_languages END AS ft_languages,
        k.sentences, k.seed, k.settings,
        pruning_settings(r.spec) AS pruning
    FROM v_subnetwork s
    JOIN v_run r USING (run_id)
    JOIN v_checkpoint k ON k.checkpoint_id = r.start_checkpoint_id
    WHERE s.origin = 'pruned' AND k.is_final
      AND matches(wanted_task, s.task) AND matches(wanted_model, k.model) AND matches(wanted_source, k.source)
      AND matches(wanted_sentences, k.sentences) AND matches(wanted_seed, k.seed);

-- By what the texts that influence runs trace are left out together, as traced_batteries numbers them; no rows unless
-- wanted.
CREATE OR REPLACE TEMP MACRO target_batteries(influence_runs, wanted) AS TABLE
    SELECT run, question, left_out
    FROM traced_places(influence_runs, wanted)
    JOIN traced_batteries(influence_runs, wanted) USING (probe_set, battery);

-- Replicates of a mean from the sums of its batteries (aggregate over these): of items in steps of 1e-9, an integer, so that
-- the order of rows does not matter. Batteries without items do not move it.
CREATE OR REPLACE TEMP MACRO mean_replicates(left_out, steps, items, all_steps, all_items) AS
    list_prepend(
        {
            'left_out': 0::BIGINT,
            'value': any_value(all_steps)::DOUBLE / any_value(all_items) / 1e9,
            'items': any_value(all_items)::BIGINT
        },
        list_sort(list({
            'left_out': left_out,
            'value': (all_steps - steps)::DOUBLE / nullif(all_items - items, 0) / 1e9,
            'items': (all_items - items)::BIGINT
        }))
    );
