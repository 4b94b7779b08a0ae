/*
question = "How many labelled texts does a classifier have right under a mask?"
grain = """\
A checkpoint of a classifier (the final one of its run, unless another epoch is asked for), a split, a test language and a mask \
under which it was asked in that language."""
paper = "Examining modularity Table C.2 and section 5.6.1"
reason = "First version."
parameters = [
    "asked.run", "asked.task", "asked.split", "model", "source", "sentences", "seed", "epoch", "masks",
]
columns = [
    "run", "model", "task", "source", "ft_languages", "sentences", "seed", "epoch", "settings", "training", "split",
    "language", "masks", "subnetwork", "mask_languages", "accuracy", "accuracy_low", "accuracy_high", "majority",
    "at_chance", "texts", "accuracy_full", "change", "right_masked", "right_full", "mcnemar_p",
]

[column]
run = "Name of the run that trained the classifier."
model = "Pretrained model that the run started from."
ft_languages = "Languages trained on, comma-separated."
settings = "How the run was trained: epochs, batch size, learning rate and what else differs between setups."
split = "Edition of the texts."
accuracy = "Percentage of texts whose class with the highest score under the mask is that of their label."
accuracy_low = "Lower end of its 95% interval (Wilson 1927)."
accuracy_high = "Upper end."
majority = "Percentage of the most frequent class: what predicting nothing else would have right."
at_chance = "Whether the interval reaches that: then nothing is behind predictions under the mask."
texts = "Labelled texts."
accuracy_full = """\
The accuracy without a mask, over the texts that were asked so too; NULL where there are none, as then the next four."""
change = "Accuracy under the mask minus that without, over these texts, in points."
right_masked = "Texts that are right under the mask alone."
right_full = "Texts that are right without it alone."
mcnemar_p = "Two-sided p-value of McNemar's exact test of these two; not corrected for the number of rows."
*/
WITH chosen AS (
    SELECT checkpoint_id, run, model, source, ft_languages, sentences, seed, epoch, settings
    FROM v_checkpoint
    WHERE run IS NOT NULL AND matches($model, model) AND matches($source, source) AND matches($sentences, sentences)
      AND matches($seed, seed) AND at_epoch($epoch, epoch, is_final)
      AND ($run IS NULL OR run = $run
           OR checkpoint_id IN (SELECT start_checkpoint_id FROM v_run WHERE run = $run AND kind = 'predict'))
),
-- the mask may have several names; that of a subnetwork for the language counts first
named AS (
    SELECT
        start_checkpoint_id AS checkpoint_id, language, mask_id,
        min({'rank': masks <> 'identified', 'masks': masks, 'subnetwork': subnetwork, 'languages': languages}) AS name
    FROM masks_of_runs()
    JOIN v_run USING (run)
    WHERE kind = 'predict'
    GROUP BY ALL
),
asked AS (
    SELECT m.checkpoint_id, m.mask_id, m.task, m.split, m.language, m.gold, m.correct, f.correct AS correct_full
    FROM v_masked_prediction m
    LEFT JOIN v_prediction f USING (checkpoint_id, segment_id, task)
    WHERE m.gold IS NOT NULL AND m.checkpoint_id IN (SELECT checkpoint_id FROM chosen)
      AND matches($task, m.task) AND matches($split, m.split)
),
majorities AS (
    SELECT checkpoint_id, mask_id, task, split, language, max(n) AS most
    FROM (
        SELECT checkpoint_id, mask_id, task, split, language, gold, count(*) AS n FROM asked GROUP BY ALL
    )
    GROUP BY ALL
),
counts AS (
    SELECT
        checkpoint_id, mask_id, task, split, language,
        count(*) AS texts,
        count(*) FILTER (WHERE correct) AS hits,
        count(correct_full) AS texts_full,
        count(*) FILTER (WHERE correct_full) AS hits_full,
        count(*) FILTER (WHERE correct AND NOT correct_full) AS right_masked,
        count(*) FILTER (WHERE NOT correct AND correct_full) AS right_full
    FROM asked
    GROUP BY ALL
)
SELECT
    k.run,
    k.model,
    c.task,
    k.source,
    k.ft_languages,
    k.sentences,
    k.seed,
    k.epoch,
    k.settings,
    coalesce(t.trained, 'full') AS training,
    c.split,
    c.language,
    coalesce(n.name.masks, 'unknown') AS masks,
    n.name.subnetwork AS subnetwork,
    n.name.languages AS mask_languages,
    100.0 * hits / texts AS accuracy,
    100 * wilson(hits, texts, -1) AS accuracy_low,
    100 * wilson(hits, texts, 1) AS accuracy_high,
    100.0 * most / texts AS majority,
    accuracy_low <= majority AS at_chance,
    texts,
    100.0 * hits_full / nullif(texts_full, 0) AS accuracy_full,
    100.0 * (right_masked - right_full) / nullif(texts_full, 0) AS change,
    CASE WHEN texts_full > 0 THEN right_masked END AS right_masked,
    CASE WHEN texts_full > 0 THEN right_full END AS right_full,
    CASE WHEN texts_full > 0 THEN mcnemar_p(c.right_masked, c.right_full) END AS mcnemar_p
FROM counts c
JOIN majorities USING (checkpoint_id, mask_id, task, split, language)
JOIN chosen k USING (checkpoint_id)
LEFT JOIN named n USING (checkpoint_id, language, mask_id)
LEFT JOIN masked_runs() t(run, trained) ON t.run = k.run
WHERE list_contains($masks, masks)
ORDER BY
    k.model, c.task, k.ft_languages, k.sentences, k.seed, k.epoch, training, k.run, c.split, masks, subnetwork,
    c.language
