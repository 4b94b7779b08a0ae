/*
question = "Which share of a model's values did fine-tuning leave as they were?"
grain = """\
A fine-tuned checkpoint (the last of its run) and a test language, over the probes that it and its base checkpoint \
answered."""
paper = "Echoes Figures 2 and 9"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["score", "probe_set", "strategies", "model", "source", "sentences", "seed", "epoch", "ci"]
columns = [
    "run.run", "model", "source", "ft_languages", "run.strategy", "sentences", "seed", "epoch", "settings", "language",
    "unchanged", "probes",
]
intervals = ["unchanged_low", "unchanged_high", "design_effect"]

[parameter.strategies]
default = ["monolingual", "multilingual", "continued"]
values = ["monolingual", "multilingual", "continued"]

[column]
model = "Pretrained model that the run started from."
sentences = "Sentences the run was given, training and development together."
seed = "Seed of the run."
settings = "How the run was trained: epochs, batch size, learning rate and what else differs between setups."
unchanged = "Percentage of probes whose answer equals the base checkpoint's."
probes = "Probes that both answered."
*/
WITH shares AS (
    SELECT
        run, model, source, ft_languages, strategy, sentences, seed, epoch, settings, language, left_out,
        100.0 * sum(unchanged) / sum(probes) AS unchanged,
        sum(probes)::BIGINT AS probes
    FROM unchanged_counts($score, $probe_set, $strategies, $model, $source, $sentences, $seed, $epoch, FALSE, $ci IS NOT NULL)
    GROUP BY ALL
)
SELECT
    run,
    model,
    source,
    ft_languages,
    strategy,
    sentences,
    seed,
    epoch,
    settings,
    language,
    observed(unchanged, left_out) AS unchanged,
    share_low(replicates(unchanged, probes, left_out)) AS unchanged_low,
    share_high(replicates(unchanged, probes, left_out)) AS unchanged_high,
    share_design_effect(replicates(unchanged, probes, left_out)) AS design_effect,
    observed(probes, left_out) AS probes
FROM shares
GROUP BY ALL
ORDER BY model, source, strategy, ft_languages, sentences, seed, epoch, run, language
