/*
question = "Which training examples stand behind the prediction of a text?"
grain = """\
An influence run of a classifier, text, direction and rank: the examples with the highest and with the lowest scores. All \
checkpoints together."""
paper = "How do languages influence each other? Tables 1, 2 and 5"
reason = "Classifiers are traced."
parameters = [
    "traced.run", "traced.model", "traced.source", "traced.method", "traced.sentences", "traced.seed", "traced.direction",
    "language", "key", "n",
]
columns = [
    "traced.run", "traced_run", "traced.model", "task", "source", "traced.ft_languages", "traced.sentences", "traced.seed",
    "attribution", "quantity", "language", "key", "class", "direction", "rank", "score", "train_language", "train_key",
    "train_class", "same_class", "translation_of", "text", "text_pair",
]

[parameter.language]
type = "text"
about = "Only texts in this test language."

[parameter.key]
type = "text"
about = "Only texts with this key, e.g. test:16."

[parameter.n]
type = "integer"
about = "How many of the examples with the highest, and how many of those with the lowest scores."
default = 3

[column]
task = "What is told apart."
key = "Key of the text, shared by its translations."
class = "Name of its class."
rank = "From 1."
score = "Influence on the text's class: above 0 where the example speaks for it."
train_language = "Language of the training example."
train_key = "Its key."
train_class = "Name of its class."
same_class = "Whether it is that of the text."
translation_of = """\
Of an example in another language than the text's the rank of its translation into that, where it has one in the same \
direction that was kept."""
text = "The example's text."
text_pair = "Its second text; NULL if it is no pair."
*/
WITH chosen AS (
    FROM traced_classifiers($run, $model, $source, $method, $sentences, $seed)
),
texts AS (
    SELECT *
    FROM traced_texts((SELECT list(run) FROM chosen))
    WHERE matches($language, language) AND matches($key, question)
),
names AS (
    SELECT DISTINCT task, source, class_number, class_name FROM v_task WHERE class_number NOTNULL
),
ranked AS (
    SELECT r.*, t.run, t.language, t.question, t.class_number
    FROM ranked_texts((SELECT list(run) FROM chosen), $direction, NULL) r
    JOIN texts t USING (influence_target_id)
)
SELECT
    r.run,
    c.traced_run,
    c.model,
    c.task,
    c.source,
    c.ft_languages,
    c.sentences,
    c.seed,
    c.attribution,
    c.quantity,
    r.language,
    r.question AS key,
    own.class_name AS class,
    r.direction,
    r.rank,
    r.score,
    r.train_language,
    r.train_key,
    theirs.class_name AS train_class,
    r.train_class = r.class_number AS same_class,
    o.rank AS translation_of,
    r.text,
    r.text_pair
FROM ranked r
JOIN chosen c USING (run)
LEFT JOIN names own ON own.task = c.task AND own.source = c.source AND own.class_number = r.class_number
LEFT JOIN names theirs ON theirs.task = c.task AND theirs.source = c.source AND theirs.class_number = r.train_class
LEFT JOIN ranked o
    ON o.influence_target_id = r.influence_target_id AND o.direction = r.direction AND o.train_key = r.train_key
    AND o.train_language = r.language AND r.train_language <> r.language
WHERE r.rank <= $n
ORDER BY
    c.model, c.task, c.source, c.ft_languages, c.sentences, c.seed, c.attribution, c.quantity, r.run, r.language,
    r.question, r.direction DESC, r.rank
