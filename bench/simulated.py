"""A simulated study of any size: a store whose rows are drawn from hashes, random and the same every time.

The grid is that of Echoes with 5 seeds: 3 models x (3 parallel sources x (4 languages alone, of 2K and 10K sentences,
and together, of 2K, 10K and 40K) + 3 news outlets in English, of 2K and 10K) x 5 seeds: 585 fine-tuning runs, each
asked 237 questions in 13 languages. A smaller study has the first of them: one model and 2K first, further seeds last.
One value in six shifts, and every value that shifts is traced, with 100 examples in either direction; every fifteenth
run is traced by TracIn too, a sixth of its values, by every epoch.
"""

from collections.abc import Sequence

import duckdb

from mlv.schema.derived.ranking_sums import sum_rankings
from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.papers import echoes
from mlv.schema.store.opening import transaction
from mlv.schema.store.rows import number

RUNS = 585
"""Fine-tuning runs of the whole grid."""

AT_ONCE = 20
"""Runs whose rankings are written in one transaction: about two million rows."""

REFERENCE = """
INSERT INTO "language" SELECT i, code, code, code FROM languages;
INSERT INTO country SELECT i, country, country, country FROM languages WHERE country IS NOT NULL;
INSERT INTO language_country SELECT i, i, i, '' FROM languages WHERE country IS NOT NULL;
INSERT INTO category SELECT number, code, name, first, last, in_study FROM categories;
INSERT INTO question
SELECT q, q, q, number FROM categories, range(first, last + 1) t(q) WHERE in_study LIMIT 237;
INSERT INTO probe_collection VALUES (1, 'arora-2023', '', '');
INSERT INTO probe_set VALUES (1, 'echoes-2024', 1, '');
INSERT INTO probe_set_member SELECT 1, question_id, 'b' || question_id // 4 FROM question;
INSERT INTO probe
SELECT row_number() OVER (), 1, question_id, i, '[MASK]', 'a', 'b', '', '', 'canonical'
FROM question, languages WHERE country IS NOT NULL;
INSERT INTO codebook VALUES (1, 'wvs7', '', '', '');
INSERT INTO survey VALUES (1, 1, 'wvs7', FALSE, '', '');
"""

RUNS_OF_THE_GRID = """
INSERT INTO source SELECT i, code, code, 'other', '' FROM sources;
INSERT INTO corpus
SELECT s.i * 100 + l.i, s.i, l.i, '', '', '', '', '' FROM sources s JOIN languages l ON s.parallel = (l.code <> 'en')
WHERE l.finetuning;
INSERT INTO segment (segment_id, corpus_id, position, parallel_key, text)
SELECT row_number() OVER (), corpus_id, p, s.code[:4] || ' ' || p, md5(corpus_id || ' ' || p) || md5(p || '')
FROM corpus JOIN sources s ON s.i = source_id, range(10000) t(p);

CREATE TEMP TABLE grid AS
SELECT row_number() OVER (ORDER BY seed, m, sentences, s.i, languages) AS r, *
FROM sources s
JOIN (
    SELECT [i] AS languages, code <> 'en' AS parallel, unnest([2000, 10000]) AS sentences
    FROM languages WHERE finetuning
    UNION ALL
    SELECT list(i ORDER BY i), TRUE, unnest([2000, 10000, 40000]) FROM languages WHERE finetuning AND code <> 'en'
) USING (parallel), range(1, 4) models(m), range(1, 6) seeds(seed)
QUALIFY r <= $runs;

INSERT INTO base_model SELECT m, 'mt5-' || m, '', m, 'mt5', m, 1, '' FROM range(1, 4) t(m);
INSERT INTO checkpoint SELECT m, m, NULL, 0, 0, TRUE, '', 'm' || m FROM range(1, 4) t(m);
INSERT INTO run
SELECT r, 'finetune', printf('finetune-%03d', r), r,
       '{"kind":"finetune","epochs":5,"batch_size":8,"learning_rate":5e-05,"max_tokens":128,"precision":"fp32",'
       || '"noise_density":0.15,"mean_span_length":3.0,"development_share":0.2}',
       NULL, m, seed, 'committed', moment, moment, moment, '{}'
FROM grid, (SELECT TIMESTAMP '2024-01-01' AS moment);
INSERT INTO checkpoint SELECT 3 + r, m, r, 5, 1000, TRUE, '', 'r' || r FROM grid;
INSERT INTO run_corpus
SELECT r, 100 * i + language_id, sentences // len(languages)
FROM (SELECT *, unnest(languages) AS language_id FROM grid);
-- translations stand at the same places in the runs on one language, where others draw them on their own
INSERT INTO training_example
SELECT row_number() OVER (ORDER BY run_id, split DESC, place), run_id,
       row_number() OVER (PARTITION BY run_id ORDER BY split DESC, place) - 1, split, segment_id
FROM (
    SELECT run_id, segment_id, CASE WHEN hash(parallel_key) % 5 = 0 THEN 'development' ELSE 'train' END AS split,
           hash(parallel_key, CASE WHEN len(languages) > 1 THEN corpus_id END) AS place
    FROM run_corpus JOIN segment USING (corpus_id) JOIN grid ON r = run_id WHERE position < segments
);
"""

ANSWERS = """
CREATE TEMP TABLE probed AS
SELECT checkpoint_id, probe_id, side, (side + hash(checkpoint_id, probe_id, 'p') % 1000 / 1000.0) / 2.001 + 2e-4 AS p
FROM (
    SELECT checkpoint_id, probe_id, (
        hash(base_model_id, probe_id) // 7 + (run_id IS NOT NULL AND hash(checkpoint_id, probe_id) % 6 = 0)::INTEGER
    ) % 2 AS side
    FROM checkpoint, probe
);
INSERT INTO probe_logit
SELECT checkpoint_id, checkpoint_id, probe_id, answer, 1, hash(checkpoint_id, probe_id, answer) % 1e6 / 1e5, logprob,
       logprob
FROM (SELECT *, unnest([1, 2]) AS answer, unnest([ln(p), ln(1 - p)]) AS logprob FROM probed);
INSERT INTO probe_answer
SELECT checkpoint_id, checkpoint_id, probe_id, unnest(['sum', 'mean', 'first']), CASE WHEN p >= 0.5 THEN 1 ELSE 2 END,
       ln(p) - ln(1 - p), p
FROM probed;
INSERT INTO profile (profile_id, checkpoint_id, language_id, probe_collection_id, score)
SELECT row_number() OVER (), checkpoint_id, i, 1, score
FROM checkpoint, languages, (VALUES ('sum'), ('mean'), ('first')) t(score) WHERE country IS NOT NULL;
INSERT INTO profile_value
SELECT profile_id, question_id, p
FROM probed JOIN probe USING (probe_id) JOIN profile USING (checkpoint_id, language_id);
INSERT INTO profile (profile_id, survey_id, country_id, weighting)
SELECT 1000000 + 2 * country_id + w, 1, country_id, ['weighted', 'unweighted'][w + 1] FROM country, range(2) t(w);
INSERT INTO profile_value
SELECT profile_id, question_id, hash(profile_id, question_id) % 100 / 100.0
FROM profile, question WHERE survey_id IS NOT NULL;
"""

TRACES = """
INSERT INTO run
SELECT how.key + r, how.kind, how.kind || printf('-%s-%03d', how.method, r), how.key + r,
       printf('{"kind":"%s","probe_set":"echoes-2024","selection":"shifted","quantity":"answer","top_k":100,"attribution":'
           || '{"method":"%s","similarity":"dot","damping":1.0,"confidence":false,"gradients":{"output":"loss",'
           || '"modules":["output","feedforward"],"projection":"principal","dimensions":16,"seed":0}}}', how.kind,
           how.method),
       r, 3 + r, 0, 'committed', moment, moment, moment, '{}'
FROM grid, (SELECT TIMESTAMP '2024-01-02' AS moment),
     (VALUES (1000, 'influence', 'trak', 1), (2000, 'influence', 'tracin', 15), (3000, 'validate', 'validation', 60))
         how(key, kind, method, every)
WHERE r % every = 1 % every;
INSERT INTO influence_run
SELECT run_id, parent_run_id, split_part(name, '-', 2), 'dot', 'answer', 'shifted', 'principal', 16,
       'output,feedforward', 1, CASE WHEN name LIKE '%tracin%' THEN 5 ELSE 1 END,
       (SELECT count(*) FROM training_example e WHERE e.run_id = r.parent_run_id AND split = 'train'), 100, 0.25
FROM run r WHERE kind = 'influence';
INSERT INTO validation_run
SELECT run_id, parent_run_id, 'answer', 1,
       (SELECT count(*) FROM training_example e WHERE e.run_id = r.parent_run_id AND split = 'train')
FROM run r WHERE kind = 'validate';
INSERT INTO influence_target
SELECT row_number() OVER (ORDER BY traced_run_id, i.run_id, e.epoch NULLS FIRST, a.probe_id), i.run_id, a.probe_id,
       NULL, e.epoch, a.answer, -3
FROM influence_run i
JOIN run r USING (run_id)
JOIN probe_answer a ON a.checkpoint_id = r.start_checkpoint_id AND a.score = 'mean'
JOIN checkpoint k ON k.checkpoint_id = a.checkpoint_id
JOIN probe_answer b ON b.checkpoint_id = k.base_model_id AND b.probe_id = a.probe_id AND b.score = 'mean',
     (SELECT unnest([NULL, 1, 2, 3, 4, 5]) AS epoch) e
WHERE a.answer <> b.answer
  AND CASE method WHEN 'trak' THEN e.epoch IS NULL WHEN 'tracin' THEN a.probe_id % 6 = 0 ELSE FALSE END;
INSERT INTO influence_summary
SELECT influence_target_id, language_id, n, n * mean, n * (1 + mean ** 2), mean - 3, mean + 3
FROM (SELECT *, hash(influence_target_id, language_id) % 1000 / 1000.0 - 0.5 AS mean
      FROM influence_target
      JOIN influence_run USING (run_id)
      JOIN (SELECT e.run_id AS traced_run_id, language_id, count(*) AS n
            FROM training_example e JOIN segment USING (segment_id) JOIN corpus USING (corpus_id)
            WHERE split = 'train' GROUP BY ALL) USING (traced_run_id))
ORDER BY ALL;
INSERT INTO influence_histogram
SELECT influence_target_id, language_id, floor(score_min / 0.25)::INTEGER + b,
       n // 25 + CASE b WHEN 12 THEN n % 25 ELSE 0 END
FROM influence_summary JOIN influence_target USING (influence_target_id), range(25) t(b)
WHERE epoch IS NULL
ORDER BY ALL;
INSERT INTO influence_epoch_test
SELECT a.influence_target_id, b.influence_target_id, examples, z, 2 * exp(-z * z / 2) / (1 + exp(-z * z / 2))
FROM influence_target a
JOIN influence_target b ON b.run_id = a.run_id AND b.probe_id = a.probe_id AND b.epoch > a.epoch
JOIN influence_run i ON i.run_id = a.run_id,
LATERAL (SELECT hash(a.influence_target_id, b.influence_target_id) % 600 / 100.0 - 3 AS z)
ORDER BY ALL;
INSERT INTO validation_result
SELECT run_id, 'lds', 'answer', scores, probe_id, NULL, 'same', NULL, NULL, NULL, 0, 64,
       hash(run_id, scores, probe_id) % 1000 / 1000.0, NULL
FROM validation_run, probe, (VALUES ('trak-principal-16'), ('trak-exact'), ('bm25')) t(scores);
INSERT INTO validation_lds
SELECT run_id, test, quantity, scores, seeds, count(*), 1, 64, avg(value ORDER BY probe_id), NULL, NULL, NULL,
       NULL, NULL, 0, 0.1
FROM validation_result GROUP BY ALL;
"""

# Rank r takes an example of one of 100 equal parts of the training, so that none comes twice; the first of a part are
# likelier, so that targets share some. Scores fall with the rank.
RANKINGS = """
INSERT INTO influence_ranking
WITH firsts AS (
    SELECT run_id AS traced_run_id, min(training_example_id) AS first
    FROM training_example GROUP BY ALL
),
places AS (
    SELECT influence_target_id, direction, rank, first, examples,
           (rank * 37 + hash(influence_target_id)) % 100 AS part,
           hash(influence_target_id, direction, rank) / 18446744073709551616 AS chance
    FROM influence_target
    JOIN influence_run USING (run_id)
    JOIN firsts USING (traced_run_id),
    (VALUES ('positive'), ('negative')) t(direction), range(1, 101) ranks(rank)
    WHERE traced_run_id BETWEEN $first AND $last
)
SELECT influence_target_id, direction, rank,
       first + part * examples // 100
           + floor(chance ** 3 * ((part + 1) * examples // 100 - part * examples // 100))::INTEGER,
       (101 - rank - chance) * CASE direction WHEN 'positive' THEN 0.01 ELSE -0.01 END
FROM places
ORDER BY influence_target_id, direction DESC, rank;
"""

FIRST_TARGET = (
    "SELECT min(influence_target_id) FROM influence_target JOIN influence_run USING (run_id) WHERE traced_run_id = ?"
)


def fill(connection: duckdb.DuckDBPyConnection, runs: int = RUNS, *, traced: bool = True) -> None:
    """Write the first ``runs`` of the grid into an empty store, with what their values are traced to where wanted."""
    _constants(connection)
    with transaction(connection):
        for script in (REFERENCE, RUNS_OF_THE_GRID, ANSWERS):
            _execute(connection, script, {"runs": runs})
        draw_resamples(connection, 1)
    if traced:
        with transaction(connection):
            connection.execute(TRACES)
        for first in range(1, runs + 1, AT_ONCE):
            with transaction(connection):
                connection.execute(RANKINGS, {"first": first, "last": first + AT_ONCE - 1})
                sum_rankings(connection, number(connection, FIRST_TARGET, [first]))
    connection.execute("CHECKPOINT")


def _execute(connection: duckdb.DuckDBPyConnection, script: str, values: dict[str, int]) -> None:
    for statement in connection.extract_statements(script):
        connection.execute(statement, {name: values[name] for name in statement.named_parameters})


def _constants(connection: duckdb.DuckDBPyConnection) -> None:
    """Languages, categories and sources, as temporary tables."""
    codes = sorted({*echoes.TEST_LANGUAGES, *echoes.FINETUNING_LANGUAGES, "en"})
    tested = {code: echoes.LANGUAGE_COUNTRY[code] for code in echoes.TEST_LANGUAGES}
    rows = [
        (i, code, tested.get(code), code in (*echoes.FINETUNING_LANGUAGES, "en")) for i, code in enumerate(codes, 1)
    ]
    sources = ["pbc", "tanzil", "flores", "news-fox", "news-reuters", "news-new-yorker"]
    tables: dict[str, Sequence[tuple[object, ...]]] = {
        "languages (i INTEGER, code VARCHAR, country VARCHAR, finetuning BOOLEAN)": rows,
        "categories (number INTEGER, code VARCHAR, name VARCHAR, first INTEGER, last INTEGER, in_study BOOLEAN)": [
            tuple(category) for category in echoes.CATEGORIES
        ],
        "sources (i INTEGER, code VARCHAR, parallel BOOLEAN)": [(i, s, i <= 3) for i, s in enumerate(sources, 1)],
    }
    for table, values in tables.items():
        connection.execute(f"CREATE TEMP TABLE {table}")
        marks = ", ".join("?" for _ in values[0])
        connection.executemany(f"INSERT INTO {table.split()[0]} VALUES ({marks})", values)
