/*
question = "Do two models, or a model and people, relate the test languages to each other alike?"
grain = """\
Two of people, the checkpoint that runs started from, and the checkpoints of these, over the pairs of test languages that \
both have; for every pretrained model, source, number of sentences, seed, epoch and settings of runs."""
paper = "Echoes Figures 5 and 12"
reason = "First version."
parameters = [
    "profile.score", "probe_set", "survey", "weighting", "strategies", "model", "source", "sentences", "seed", "epoch",
    "permutations", "draw",
]
columns = [
    "model", "source", "sentences", "seed", "epoch", "settings", "checkpoint_id_a", "checkpoint_a", "ft_languages_a",
    "checkpoint_id_b", "checkpoint_b", "ft_languages_b", "rho", "n", "p_value", "p_family",
]

[parameter.permutations]
default = 999

[column]
seed = "Seed of the runs."
checkpoint_id_a = "Key of the first checkpoint; NULL for people."
checkpoint_a = "people, or its name: the pretrained model's, or run/epoch-N. People come first, then what the runs started from."
ft_languages_a = "Its fine-tuning languages, comma-separated; NULL for people and a pretrained model."
checkpoint_id_b = "Key of the second checkpoint."
checkpoint_b = "Its name."
ft_languages_b = "Its fine-tuning languages, comma-separated; NULL for a pretrained model."
rho = """\
Spearman's correlation of the cosine dissimilarities of the profiles of two languages in the first and in the second; of \
people those of the languages' countries, the mean profile where a language has several; ties share their average rank; \
NULL where one side is constant."""
n = "Pairs of languages in the correlation."
p_value = """\
Two-sided p-value of rho by a Mantel test: share of the permutations of the first one's languages, the one as it is among \
them, that give a rho at least as far from 0; not corrected for the number of rows. NULL where a pair of the languages is \
missing."""
*/
WITH runs AS (
    FROM selected_checkpoints($strategies, $model, $source, $sentences, $seed, $epoch)
),
-- people have key 0
similarities AS MATERIALIZED (
    SELECT checkpoint_id, language_a, language_b, similarity
    FROM profile_similarities(
        (SELECT list(checkpoint_id) || list(base_checkpoint_id) FROM runs), $score, $probe_set
    )
    UNION ALL
    SELECT 0, language_a, language_b, similarity
    FROM people_similarities($survey, $weighting, $probe_set)
),
members AS (
    SELECT DISTINCT
        model, source, sentences, seed, epoch, settings,
        unnest([0, base_checkpoint_id, checkpoint_id]) AS checkpoint_id
    FROM runs
    WHERE checkpoint_id IN (SELECT checkpoint_id FROM similarities)
),
named AS (
    SELECT
        m.*,
        CASE WHEN checkpoint_id = 0 THEN 'people' ELSE checkpoint_name(k.model, k.run, k.epoch) END AS checkpoint,
        k.ft_languages,
        row_number() OVER (
            ORDER BY
                m.model, m.source, m.sentences, m.seed, m.epoch, m.settings,
                checkpoint_id > 0, k.source NULLS FIRST, k.strategy, k.ft_languages, k.epoch, k.run, k.digest
        ) AS place
    FROM members m
    LEFT JOIN v_checkpoint k USING (checkpoint_id)
),
-- ranks of the dissimilarities as in similarity_structure
ranked AS (
    SELECT
        place_a, place_b, language_a, language_b,
        rank() OVER one + count(*) OVER one AS rank_a,
        rank() OVER other + count(*) OVER other AS rank_b
    FROM (
        SELECT a.place AS place_a, b.place AS place_b, a.checkpoint_id AS checkpoint_a, b.checkpoint_id AS checkpoint_b
        FROM named a
        JOIN named b USING (model, source, sentences, seed, epoch, settings)
        WHERE a.place < b.place
    )
    JOIN similarities x ON x.checkpoint_id = checkpoint_a
    JOIN similarities y USING (language_a, language_b)
    WHERE y.checkpoint_id = checkpoint_b AND x.similarity IS NOT NULL AND y.similarity IS NOT NULL
    WINDOW
        one AS (PARTITION BY place_a, place_b ORDER BY round(x.similarity, 12) DESC),
        other AS (PARTITION BY place_a, place_b ORDER BY round(y.similarity, 12) DESC)
),
observed AS MATERIALIZED (
    SELECT
        place_a, place_b,
        spearman_rho(rank_a, rank_b) AS rho,
        count(*) AS n,
        list_sort(list_distinct(list(language_a) || list(language_b))) AS languages,
        in_order(rank_a::DOUBLE, [language_a, language_b]) AS ranks_a,
        in_order(rank_b::DOUBLE, [language_a, language_b]) AS ranks_b
    FROM ranked
    GROUP BY ALL
),
tests AS MATERIALIZED (
    FROM mantel_tests(
        (
            SELECT list({'key': [place_a, place_b], 'labels': languages, 'ranks': ranks_b, 'permuted': ranks_a})
            FROM observed
            WHERE rho IS NOT NULL
        ),
        $permutations,
        $draw
    )
),
families AS (
    FROM step_down((
        SELECT list({
            'key': key,
            'family': [model, source, sentences::VARCHAR, epoch::VARCHAR, settings],
            'statistic': statistic,
            'by_chance': by_chance
        })
        FROM tests
        JOIN named ON place = key[1]
    ))
)
SELECT
    a.model,
    a.source,
    a.sentences,
    a.seed,
    a.epoch,
    a.settings,
    nullif(a.checkpoint_id, 0) AS checkpoint_id_a,
    a.checkpoint AS checkpoint_a,
    a.ft_languages AS ft_languages_a,
    b.checkpoint_id AS checkpoint_id_b,
    b.checkpoint AS checkpoint_b,
    b.ft_languages AS ft_languages_b,
    rho,
    n,
    permutation_p(statistic, by_chance) AS p_value,
    p_family
FROM observed
JOIN named a ON a.place = place_a
JOIN named b ON b.place = place_b
LEFT JOIN tests t ON t.key = [place_a, place_b]
LEFT JOIN families f ON f.key = [place_a, place_b]
ORDER BY place_a, place_b
