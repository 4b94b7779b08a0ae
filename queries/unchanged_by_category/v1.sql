/*
question = "On which themes did fine-tuning on a source leave values as they were?"
grain = """\
A pretrained model, source, number of sentences, epoch, settings, test language and WVS category: the mean over the \
fine-tuning languages, each the mean over its monolingual runs."""
paper = "Echoes Figure 8"
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
model = "Pretrained model that the runs started from."
source = "Fine-tuning source."
sentences = "Sentences each run was given."
epoch = "Epochs done."
settings = "How the runs were trained: epochs, batch size, learning rate and what else differs between setups."
language = "Test language."
category = "Short name of the WVS category."
unchanged = """\
Percentage of the category's probes whose answer equals the base checkpoint's: mean over the runs of a fine-tuning \
language, then over the languages."""
ft_languages = "Fine-tuning languages of the runs in the mean, comma-separated."
runs = "Runs in the mean."
probes = "Probes, all runs together."
*/
WITH runs AS (
    SELECT
        k.model,
        k.source,
        k.sentences,
        k.epoch,
        k.settings,
        k.run,
        k.ft_languages,
        f.language,
        f.category,
        percent(NOT f.shifted) AS unchanged,
        count(*) AS probes
    FROM v_shift f
    JOIN selected_checkpoints(['monolingual'], $model, $source, $sentences, $seed, $epoch) k USING (checkpoint_id)
    JOIN v_probe_set s USING (collection, question)
    WHERE f.score = $score AND s.probe_set = $probe_set
    GROUP BY ALL
),
languages AS (
    SELECT
        * EXCLUDE (run, unchanged, probes),
        mean(unchanged, run) AS unchanged,
        count(*) AS runs,
        sum(probes) AS probes
    FROM runs
    GROUP BY ALL
)
SELECT
    model,
    source,
    sentences,
    epoch,
    settings,
    language,
    category,
    mean(unchanged, ft_languages) AS unchanged,
    string_agg(ft_languages, ',' ORDER BY ft_languages) AS ft_languages,
    sum(runs)::BIGINT AS runs,
    sum(probes)::BIGINT AS probes
FROM languages
GROUP BY model, source, sentences, epoch, settings, language, category
ORDER BY model, source, sentences, epoch, settings, language, category
