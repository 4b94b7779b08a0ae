/*
question = "In which direction does fine-tuning move the profiles of a model's languages?"
grain = "A projection run and a profile in it: of a checkpoint in a test language, or of a country."
paper = "Echoes Figures 4, 11 and 13 right"
reason = "First version."
parameters = ["run", "model", "source", "sentences", "seed", "languages"]
columns = [
    "run", "probe_set", "questions", "explained_x", "explained_y", "checkpoint_id", "checkpoint", "model", "source",
    "ft_languages", "strategy", "sentences", "seed", "epoch", "settings", "language", "score", "survey", "country",
    "weighting", "x", "y", "base_x", "base_y",
]

[parameter.run]
type = "text"
about = "Only this projection run."
values_from = "v_pca_point.run"

[parameter.model]
about = "Only profiles of checkpoints of this pretrained model."

[parameter.source]
about = "Only profiles after fine-tuning on this source; their bases have columns of their own."

[parameter.languages]
type = "text[]"
about = "Only profiles in these test languages."
values_from = "v_pca_point.language"

[column]
run = "Name of the projection run."
probe_set = "Probe set whose questions the profiles are over."
questions = "Questions that all profiles of the projection have."
explained_x = "Share of the profiles' variance along x, in [0, 1]."
explained_y = "Share of the profiles' variance along y, in [0, 1]."
checkpoint_id = "Key of the checkpoint; NULL for a country."
checkpoint = "Its name: the pretrained model's, or run/epoch-N; NULL for a country."
model = "Pretrained model that it descends from; NULL for a country."
source = "Fine-tuning source; NULL for a pretrained model and a country."
ft_languages = "Fine-tuning languages, comma-separated; NULL likewise."
strategy = "pretrained, monolingual, multilingual, or continued; NULL for a country."
sentences = "Sentences the run was given; NULL for a pretrained model and a country."
seed = "Seed of the run; NULL likewise."
epoch = "Epochs done; 0 for a pretrained model, NULL for a country."
settings = "How the run was trained; NULL for a pretrained model and a country."
language = "Test language; NULL for a country."
score = "Way of scoring behind a model's profile; NULL for a country."
survey = "Survey of a country's profile; NULL for a model's."
country = "Country (ISO 3166-1 alpha-2); NULL for a model's profile."
weighting = "weighted or unweighted; NULL for a model's profile."
x = "Coordinate along the first principal component."
y = "Coordinate along the second."
base_x = """\
x of the base checkpoint's profile in the same language, its own for a pretrained model; NULL for a country, or where \
the projection does not have it."""
base_y = "y of the same."
*/
SELECT
    p.run,
    p.probe_set,
    p.questions,
    p.explained_x,
    p.explained_y,
    p.checkpoint_id,
    checkpoint_name(k.model, k.run, k.epoch) AS checkpoint,
    k.model,
    k.source,
    k.ft_languages,
    k.strategy,
    k.sentences,
    k.seed,
    k.epoch,
    k.settings,
    p.language,
    p.score,
    p.survey,
    p.country,
    p.weighting,
    p.x,
    p.y,
    base.x AS base_x,
    base.y AS base_y
FROM v_pca_point p
LEFT JOIN v_checkpoint k USING (checkpoint_id)
LEFT JOIN v_pca_point base
    ON base.run_id = p.run_id AND base.checkpoint_id = k.base_checkpoint_id AND base.language = p.language
    AND base.score = p.score
WHERE matches($run, p.run)
  AND matches($model, k.model)
  AND matches($source, k.source)
  AND matches($sentences, k.sentences)
  AND matches($seed, k.seed)
  AND ($languages IS NULL OR list_contains($languages, p.language))
ORDER BY
    p.run, p.checkpoint_id IS NULL, k.model, k.source NULLS FIRST, k.strategy, k.ft_languages, k.sentences, k.seed,
    k.epoch, k.run, k.digest, p.language, p.survey, p.country, p.weighting
