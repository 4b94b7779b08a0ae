/*
question = "On which themes do checkpoints answer alike?"
grain = """\
A pair of checkpoints, the smaller model first, and a WVS category: the share of equal answers in each test \
language, then the mean of the languages."""
paper = "Echoes Figure 7 top; dissertation Table E.1"
reason = "First version."

[parameters.score]
type = "text"
about = "Way of scoring the answers."
default = "mean"
values = ["sum", "mean", "first"]

[parameters.probe_set]
type = "text"
about = "Probe set that the questions are from: echoes-2024 where the store has it, else wvs7-all, else the first."
default_sql = "default_probe_set()"
values_from = "v_probe_set.probe_set"

[parameters.strategies]
type = "text[]"
about = "Only checkpoints made this way; list two or all three to compare them."
default = ["pretrained"]
values = ["pretrained", "monolingual", "multilingual"]

[parameters.model]
type = "text"
about = "Only checkpoints of this pretrained model."
values_from = "v_checkpoint.model"

[parameters.source]
type = "text"
about = "Only runs on this source."
values_from = "v_checkpoint.source"

[parameters.sentences]
type = "integer"
about = "Only runs with this number of sentences."
values_from = "v_checkpoint.sentences"

[parameters.seed]
type = "integer"
about = "Only runs with this seed."
values_from = "v_checkpoint.seed"

[parameters.epoch]
type = "integer"
about = "Checkpoints after this epoch; the last of every run unless given."
values_from = "v_checkpoint.epoch"

[columns]
checkpoint_id_a = "Key of the first checkpoint."
checkpoint_a = "Its name: the pretrained model's, or run/epoch-N."
checkpoint_id_b = "Key of the second checkpoint."
checkpoint_b = "Its name."
category = "Short name of the WVS category."
agreement = "Mean over the languages of the percentage of the category's probes with equal answers."
languages = "Languages in the mean."
probes = "Probes that both answered, all languages together."
*/
WITH chosen AS (
    SELECT
        checkpoint_id,
        checkpoint_name(model, run, epoch) AS checkpoint,
        row_number() OVER (
            ORDER BY parameters, model, source, ft_languages, sentences, seed, epoch, digest
        ) AS place
    FROM v_checkpoint
    WHERE list_contains($strategies, strategy)
      AND at_epoch($epoch, epoch, is_final)
      AND matches($model, model)
      AND matches($source, source)
      AND matches($sentences, sentences)
      AND matches($seed, seed)
),
answers AS (
    SELECT k.place, a.language, a.question, a.category, a.answer
    FROM v_answer a
    JOIN chosen k USING (checkpoint_id)
    JOIN v_probe_set s USING (collection, question)
    WHERE a.score = $score AND s.probe_set = $probe_set
),
cells AS (
    SELECT
        a.place AS place_a,
        b.place AS place_b,
        language,
        a.category,
        percent(a.answer = b.answer) AS agreement,
        count(*) AS probes
    FROM answers a
    JOIN answers b USING (language, question)
    WHERE a.place < b.place
    GROUP BY ALL
),
pairs AS (
    SELECT
        place_a,
        place_b,
        category,
        mean(agreement, language) AS agreement,
        count(*) AS languages,
        sum(probes)::BIGINT AS probes
    FROM cells
    GROUP BY place_a, place_b, category
)
SELECT
    a.checkpoint_id AS checkpoint_id_a,
    a.checkpoint AS checkpoint_a,
    b.checkpoint_id AS checkpoint_id_b,
    b.checkpoint AS checkpoint_b,
    p.category,
    p.agreement,
    p.languages,
    p.probes
FROM pairs p
JOIN chosen a ON a.place = p.place_a
JOIN chosen b ON b.place = p.place_b
ORDER BY p.place_a, p.place_b, p.category
