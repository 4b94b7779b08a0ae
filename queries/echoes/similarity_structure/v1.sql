/*
question = "Do relations between a model's languages mirror those between the countries where they are spoken?"
grain = "A checkpoint (pretrained, or the last of its run), over the pairs of its test languages."
paper = "Echoes section 6, and the first column of Figures 5 and 12"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = [
    "profile.score", "probe_set", "survey", "weighting", "compared.strategies", "model", "source", "sentences", "seed",
    "epoch", "permutations", "draw", "ci",
]
columns = [
    "checkpoint.checkpoint_id", "checkpoint.checkpoint", "checkpoint.model", "checkpoint.source",
    "checkpoint.ft_languages", "checkpoint.strategy", "checkpoint.sentences", "checkpoint.seed", "checkpoint.epoch",
    "settings", "similarity", "languages", "rho", "n", "p_value", "p_family",
]
intervals = ["similarity_low", "similarity_high"]

[parameter.strategies]
about = "Only checkpoints made in one of these ways."
default = ["pretrained", "monolingual", "multilingual", "continued"]

[column]
settings = "How the run was trained; NULL for a pretrained model."
similarity = """\
Mean cosine of the profiles of two test languages, each over the questions that both have: the lower, the more \
distinct the profiles."""
languages = "Test languages that the checkpoint was probed in."
rho = """\
Spearman's correlation of the cosine dissimilarities of the profiles of two languages with those of the profiles of \
their countries, the mean profile where a language has several; ties share their average rank; NULL where one side is \
constant."""
n = "Pairs of languages in the correlation: those whose countries the survey has."
p_value = """\
Two-sided p-value of rho by a Mantel test: share of the permutations of the languages, the one as it is among them, \
that give a rho at least as far from 0; not corrected for the number of rows. NULL where languages share no question."""
*/
WITH chosen AS (
    FROM selected_checkpoints($strategies, $model, $source, $sentences, $seed, $epoch)
),
profiles AS (
    SELECT checkpoint_id, language, question, p_first
    FROM model_profiles($score)
    JOIN v_probe_set USING (collection, question)
    WHERE probe_set = $probe_set AND checkpoint_id IN (SELECT checkpoint_id FROM chosen)
),
model_pairs AS MATERIALIZED (
    FROM profile_similarities((SELECT list(checkpoint_id) FROM chosen), $score, $probe_set)
),
people_pairs AS (
    FROM people_similarities($survey, $weighting, $probe_set)
),
-- ranks of the dissimilarities, twice the average: an integer is exact. Rounded, so that pairs that are equally alike
-- share a rank.
ranked AS (
    SELECT
        checkpoint_id, language_a, language_b,
        rank() OVER m + count(*) OVER m AS model_rank,
        rank() OVER p + count(*) OVER p AS people_rank
    FROM model_pairs a
    JOIN people_pairs b USING (language_a, language_b)
    WHERE a.similarity IS NOT NULL AND b.similarity IS NOT NULL
    WINDOW
        m AS (PARTITION BY checkpoint_id ORDER BY round(a.similarity, 12) DESC),
        p AS (PARTITION BY checkpoint_id ORDER BY round(b.similarity, 12) DESC)
),
observed AS (
    SELECT
        checkpoint_id,
        spearman_rho(model_rank, people_rank) AS rho,
        count(*) AS n,
        list_sort(list_distinct(list(language_a) || list(language_b))) AS languages,
        in_order(model_rank::DOUBLE, [language_a, language_b]) AS model_ranks,
        in_order(people_rank::DOUBLE, [language_a, language_b]) AS people_ranks
    FROM ranked
    GROUP BY checkpoint_id
),
-- checkpoints with the same languages share the countries' ranks and their permutations
tests AS MATERIALIZED (
    FROM mantel_tests(
        (
            SELECT list({
                'key': checkpoint_id, 'labels': languages, 'ranks': model_ranks, 'permuted': people_ranks
            })
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
            'family': [model, source, sentences::VARCHAR, epoch::VARCHAR, settings, strategy],
            'statistic': statistic,
            'by_chance': by_chance
        })
        FROM tests
        JOIN chosen ON checkpoint_id = key
    ))
),
probed AS (
    SELECT checkpoint_id, count(DISTINCT language) AS languages FROM profiles GROUP BY checkpoint_id
),
distinctness AS (
    SELECT checkpoint_id, mean(similarity, [language_a, language_b]) AS similarity
    FROM model_pairs
    GROUP BY checkpoint_id
),
questions AS (
    SELECT question FROM v_probe_set WHERE probe_set = $probe_set AND $ci IS NOT NULL
),
batteries AS (
    FROM kept_lists($probe_set, $ci IS NOT NULL)
),
models_without AS (
    SELECT
        checkpoint_id, language_a, language_b, left_out,
        weighted_cosine(kept, x_y, x_x, y_y) AS similarity,
        list_dot_product(kept, asked)::BIGINT AS items
    FROM (
        SELECT
            checkpoint_id, language_a, language_b,
            list(coalesce(x * y, 0) ORDER BY question) AS x_y,
            list(coalesce(x * x, 0) ORDER BY question) AS x_x,
            list(coalesce(y * y, 0) ORDER BY question) AS y_y,
            list((x IS NOT NULL)::INTEGER::DOUBLE ORDER BY question) AS asked
        FROM (SELECT DISTINCT checkpoint_id, language_a, language_b FROM model_pairs)
        CROSS JOIN questions
        LEFT JOIN (
            SELECT checkpoint_id, a.language AS language_a, b.language AS language_b, question, a.p_first AS x, b.p_first AS y
            FROM profiles a
            JOIN profiles b USING (checkpoint_id, question)
        ) USING (checkpoint_id, language_a, language_b, question)
        GROUP BY ALL
    )
    CROSS JOIN batteries
),
intervals AS (
    SELECT checkpoint_id, replicates(similarity, items, left_out) AS similarities
    FROM (
        SELECT
            checkpoint_id, left_out,
            kept_mean(similarity, [language_a, language_b], left_out) AS similarity,
            sum(items) AS items
        FROM models_without
        GROUP BY ALL
    )
    GROUP BY checkpoint_id
)
SELECT
    checkpoint_id,
    checkpoint_name(k.model, k.run, k.epoch) AS checkpoint,
    k.model,
    k.source,
    k.ft_languages,
    k.strategy,
    k.sentences,
    k.seed,
    k.epoch,
    k.settings,
    d.similarity,
    rho_low(i.similarities) AS similarity_low,
    rho_high(i.similarities) AS similarity_high,
    p.languages,
    o.rho,
    coalesce(o.n, 0) AS n,
    permutation_p(t.statistic, t.by_chance) AS p_value,
    f.p_family
FROM probed p
JOIN chosen k USING (checkpoint_id)
LEFT JOIN distinctness d USING (checkpoint_id)
LEFT JOIN observed o USING (checkpoint_id)
LEFT JOIN tests t ON t.key = checkpoint_id
LEFT JOIN families f ON f.key = checkpoint_id
LEFT JOIN intervals i USING (checkpoint_id)
ORDER BY
    k.model, k.source NULLS FIRST, k.strategy, k.ft_languages, k.sentences, k.seed, k.epoch, k.run, k.digest
