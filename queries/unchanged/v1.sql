/*
question = "Which share of a model's values did fine-tuning leave as they were?"
grain = """\
A fine-tuned checkpoint (the last of its run) and a test language, over the probes that it and its base \
checkpoint answered."""
paper = "Echoes Figures 2 and 9"
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
about = "Only runs of these kinds."
default = ["monolingual", "multilingual", "continued"]
values = ["monolingual", "multilingual", "continued"]

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
run = "Name of the run."
model = "Pretrained model that the run started from."
source = "Fine-tuning source."
ft_languages = "Fine-tuning languages, comma-separated."
strategy = "monolingual, multilingual, or continued: from a checkpoint of a fine-tuning run."
sentences = "Sentences the run was given, training and development together."
seed = "Seed of the run."
epoch = "Epochs done."
settings = "How the run was trained: epochs, batch size, learning rate and what else differs between setups."
language = "Test language."
unchanged = "Percentage of probes whose answer equals the base checkpoint's."
probes = "Probes that both answered."
*/
SELECT
    k.run,
    k.model,
    k.source,
    k.ft_languages,
    k.strategy,
    k.sentences,
    k.seed,
    k.epoch,
    k.settings,
    f.language,
    percent(NOT f.shifted) AS unchanged,
    count(*) AS probes
FROM v_shift f
JOIN selected_checkpoints($strategies, $model, $source, $sentences, $seed, $epoch) k USING (checkpoint_id)
JOIN v_probe_set s USING (collection, question)
WHERE f.score = $score AND s.probe_set = $probe_set
GROUP BY ALL
ORDER BY k.model, k.source, k.strategy, k.ft_languages, k.sentences, k.seed, k.epoch, k.run, f.language
