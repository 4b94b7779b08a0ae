"""Stores of studies that tests make: small enough to compute by hand, or random.

A study is a dictionary of polars frames with natural keys alone:

    checkpoints        checkpoint, model, run, source, ft_languages, sentences, seed, epoch, is_final, base, spec
    answers            checkpoint, language, question, score, answer
    model_profiles     checkpoint, language, question, score, p_first
    country_profiles   survey, illustrative, country, weighting, question, p_first
    probe_sets         probe_set, question, and battery unless every question is one of its own
    segments           source, language, edition, segments
    countries          language, country
    questions          question, category

and, where probes do not all have the answers a and b,

    answer_pairs       language, question, first, second

and, where examples are traced,

    influence_runs     influence, run, spec
    training_examples  run, language, examples
    rankings           influence, language, question, epoch, direction, rank, train_language, key, and score if wanted
    summaries          influence, language, question, epoch, train_language, mean, sd
    histograms         influence, language, question, train_language, bin, n
    epoch_tests        influence, language, question, epoch_a, epoch_b, n, z, p
    validations        influence, test, quantity, scores, language, question, seeds, seed, direction, k, draw, n, value,
                       reference
    correlations       influence, test, quantity, scores, seeds, targets, draws, n, lds, lds_low, lds_high, difference,
                       difference_low, difference_high, null_mean, null_sd

and, where profiles are projected,

    projections        projection, probe_set, score, questions, explained_x, explained_y
    points             projection, checkpoint, language, country, x, y

The pretrained checkpoint of a model is called like the model; ``base`` is the checkpoint that a run starts from. A run
trains on the first segments of a corpus, whose parallel keys are numbers; every probe that is ranked is a target.
"""

import duckdb
import polars as pl

from mlv.schema.derived.ranking_sums import sum_rankings
from mlv.schema.papers import echoes
from mlv.schema.store.opening import transaction

Study = dict[str, pl.DataFrame]

_Schema = dict[str, type[pl.DataType]]

_TARGET: _Schema = {"influence": pl.String, "language": pl.String, "question": pl.String}
_RANKED: _Schema = {
    "epoch": pl.Int64,
    "direction": pl.String,
    "rank": pl.Int64,
    "train_language": pl.String,
    "key": pl.Int64,
}
_SUMMED: _Schema = {"epoch": pl.Int64, "train_language": pl.String, "mean": pl.Float64, "sd": pl.Float64}
_BINNED: _Schema = {"train_language": pl.String, "bin": pl.Int64, "n": pl.Int64}
_COMPARED: _Schema = {**dict.fromkeys(("epoch_a", "epoch_b", "n"), pl.Int64), "z": pl.Float64, "p": pl.Float64}
_SCORED: _Schema = {"test": pl.String, "quantity": pl.String, "scores": pl.String, "seeds": pl.String}
_TESTED: _Schema = {**_SCORED, "seed": pl.Int64, "direction": pl.String, "k": pl.Int64}
_CORRELATED: _Schema = {
    **dict.fromkeys(("targets", "draws", "n"), pl.Int64),
    **dict.fromkeys(("lds", "lds_low", "lds_high"), pl.Float64),
    **dict.fromkeys(("difference", "difference_low", "difference_high", "null_mean", "null_sd"), pl.Float64),
}
_VALUES: _Schema = {"draw": pl.Int64, "n": pl.Int64, "value": pl.Float64, "reference": pl.Float64}

UNTRACED: Study = {
    "influence_runs": pl.DataFrame(schema={"influence": pl.String, "run": pl.String, "spec": pl.String}),
    "training_examples": pl.DataFrame(schema={"run": pl.String, "language": pl.String, "examples": pl.Int64}),
    "rankings": pl.DataFrame(schema=_TARGET | _RANKED),
    "summaries": pl.DataFrame(schema=_TARGET | _SUMMED),
    "histograms": pl.DataFrame(schema=_TARGET | _BINNED),
    "epoch_tests": pl.DataFrame(schema=_TARGET | _COMPARED),
    "validations": pl.DataFrame(schema=_TARGET | _TESTED | _VALUES),
    "correlations": pl.DataFrame(schema={"influence": pl.String} | _SCORED | _CORRELATED),
}
"""The frames of a study that traces nothing."""

UNPROJECTED: Study = {
    "projections": pl.DataFrame(
        schema={"projection": pl.String, "probe_set": pl.String, "score": pl.String, "questions": pl.Int64}
        | {"explained_x": pl.Float64, "explained_y": pl.Float64}
    ),
    "points": pl.DataFrame(
        schema={"projection": pl.String, "checkpoint": pl.String, "language": pl.String, "country": pl.String}
        | {"x": pl.Float64, "y": pl.Float64}
    ),
}
"""The frames of a study that projects nothing."""

UNWORDED: Study = {
    "answer_pairs": pl.DataFrame(schema=dict.fromkeys(("language", "question", "first", "second"), pl.String))
}
"""The frame of a study whose probes all have the same answers."""

CATEGORIES = pl.DataFrame(
    [tuple(category) for category in echoes.CATEGORIES],
    schema=["number", "code", "name", "first", "last", "in_study"],
    orient="row",
)

FILL = """
INSERT INTO "language"
SELECT row_number() OVER (ORDER BY code), code, code, code
FROM (FROM (SELECT language FROM answers UNION SELECT language FROM segments UNION SELECT language FROM countries)
      t(code));
INSERT INTO country
SELECT row_number() OVER (ORDER BY code), code, code, code
FROM (FROM (SELECT country FROM country_profiles UNION SELECT country FROM countries) t(code));
INSERT INTO language_country
SELECT row_number() OVER (ORDER BY l.code, y.code), language_id, country_id, ''
FROM countries c JOIN "language" l ON l.code = c.language JOIN country y ON y.code = c.country;

INSERT INTO category SELECT number, code, name, first, last, in_study FROM categories;
INSERT INTO question
SELECT row_number() OVER (ORDER BY question), question, regexp_extract(question, '\\d+')::INTEGER, number
FROM questions q JOIN categories c ON c.code = q.category;
INSERT INTO probe_collection VALUES (1, 'arora-2023', '', '');
INSERT INTO probe_set
SELECT row_number() OVER (ORDER BY code), code, 1, '' FROM (SELECT DISTINCT probe_set AS code FROM probe_sets);
INSERT INTO probe_set_member
SELECT probe_set_id, question_id, battery
FROM probe_sets m JOIN probe_set s ON s.code = m.probe_set JOIN question q ON q.code = m.question;
INSERT INTO probe
SELECT row_number() OVER (ORDER BY language_id, question_id), 1, question_id, language_id, '[MASK]',
       coalesce(w.first, 'a'), coalesce(w.second, 'b'), '', '', 'canonical'
FROM (SELECT DISTINCT language, question FROM answers) a
LEFT JOIN answer_pairs w USING (language, question)
JOIN "language" l ON l.code = a.language
JOIN question q ON q.code = a.question;
INSERT INTO codebook VALUES (1, 'by-hand', '', '', '');
INSERT INTO survey
SELECT row_number() OVER (ORDER BY survey), 1, survey, illustrative, '', ''
FROM (SELECT DISTINCT survey, illustrative FROM country_profiles);

INSERT INTO source
SELECT row_number() OVER (ORDER BY code), code, code, 'other', '' FROM (SELECT DISTINCT source AS code FROM segments);
INSERT INTO corpus
SELECT row_number() OVER (ORDER BY s.code, l.code, edition), source_id, language_id, edition, '', '', '', ''
FROM segments g
JOIN source s ON s.code = g.source
JOIN "language" l ON l.code = g.language;
INSERT INTO segment (segment_id, corpus_id, position, parallel_key, text)
SELECT row_number() OVER (ORDER BY corpus_id, place), corpus_id, place, place, 'text'
FROM segments g
JOIN source s ON s.code = g.source
JOIN "language" l ON l.code = g.language
JOIN corpus USING (source_id, language_id, edition),
LATERAL (SELECT unnest(range(g.segments)) AS place);

INSERT INTO base_model
SELECT row_number() OVER (ORDER BY model), model, '', model, 'mt5',
       CASE WHEN model LIKE '%large' THEN 3 WHEN model LIKE '%base' THEN 2 ELSE 1 END, 1, ''
FROM checkpoints WHERE checkpoint = model;
INSERT INTO run
SELECT row_number() OVER (ORDER BY run), 'finetune', run, run, spec, NULL, NULL, seed, 'committed',
       TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01', '{}'
FROM (SELECT DISTINCT run, seed, spec FROM checkpoints WHERE run IS NOT NULL);
INSERT INTO run_corpus
SELECT run_id, corpus_id, sentences // len(string_split(ft_languages, ','))
FROM (SELECT DISTINCT run, source, ft_languages, sentences FROM checkpoints WHERE run IS NOT NULL) c
JOIN run r ON r.name = c.run
JOIN source s ON s.code = c.source
JOIN (SELECT source_id, language_id, min(corpus_id) AS corpus_id FROM corpus GROUP BY ALL) USING (source_id)
JOIN "language" l USING (language_id)
WHERE list_contains(string_split(ft_languages, ','), l.code);
INSERT INTO checkpoint
SELECT row_number() OVER (ORDER BY run_id NULLS FIRST, c.epoch, c.model), base_model_id, run_id, c.epoch, 10 * c.epoch,
       is_final, '', checkpoint
FROM checkpoints c JOIN base_model b ON b.name = c.model LEFT JOIN run r ON r.name = c.run;
UPDATE run SET start_checkpoint_id = k.checkpoint_id
FROM checkpoints c JOIN checkpoint k ON k.digest = c.base
WHERE c.run = run.name;

INSERT INTO probe_answer
SELECT 1, checkpoint_id, probe_id, score, answer, 0, 0.5
FROM answers a
JOIN checkpoint k ON k.digest = a.checkpoint
JOIN "language" l ON l.code = a.language
JOIN question q ON q.code = a.question
JOIN probe p ON p.language_id = l.language_id AND p.question_id = q.question_id;
INSERT INTO profile (profile_id, checkpoint_id, language_id, probe_collection_id, score)
SELECT row_number() OVER (ORDER BY checkpoint_id, language_id, score), checkpoint_id, language_id, 1, score
FROM (SELECT DISTINCT checkpoint, language, score FROM model_profiles) m
JOIN checkpoint k ON k.digest = m.checkpoint
JOIN "language" l ON l.code = m.language;
INSERT INTO profile (profile_id, survey_id, country_id, weighting)
SELECT 1000 + row_number() OVER (ORDER BY survey_id, country_id, weighting), survey_id, country_id, weighting
FROM (SELECT DISTINCT survey, country, weighting FROM country_profiles) c
JOIN survey s ON s.code = c.survey
JOIN country y ON y.code = c.country;
INSERT INTO profile_value
SELECT profile_id, question_id, p_first
FROM model_profiles m
JOIN checkpoint k ON k.digest = m.checkpoint
JOIN "language" l ON l.code = m.language
JOIN question q ON q.code = m.question
JOIN profile f ON f.checkpoint_id = k.checkpoint_id AND f.language_id = l.language_id AND f.score = m.score;
INSERT INTO profile_value
SELECT profile_id, question_id, p_first
FROM country_profiles c
JOIN survey s ON s.code = c.survey
JOIN country y ON y.code = c.country
JOIN question q ON q.code = c.question
JOIN profile f ON f.survey_id = s.survey_id AND f.country_id = y.country_id AND f.weighting = c.weighting;

INSERT INTO training_example
SELECT row_number() OVER (ORDER BY run_id, segment_id), run_id,
       row_number() OVER (PARTITION BY run_id ORDER BY segment_id) - 1, 'train', segment_id
FROM training_examples x
JOIN run r ON r.name = x.run
JOIN run_corpus USING (run_id)
JOIN corpus USING (corpus_id)
JOIN "language" l ON l.language_id = corpus.language_id AND l.code = x.language
JOIN segment g ON g.corpus_id = corpus.corpus_id AND g.position < x.examples;
INSERT INTO run
SELECT 1000 + row_number() OVER (ORDER BY influence), i.spec ->> 'kind', influence, influence, i.spec, r.run_id,
       checkpoint_id, 0, 'committed', r.started_at, r.finished_at, r.committed_at, '{}'
FROM influence_runs i JOIN run r ON r.name = i.run JOIN checkpoint k ON k.run_id = r.run_id AND k.is_final;
INSERT INTO influence_run
SELECT run_id, parent_run_id, spec ->> '$.attribution.method', spec ->> '$.attribution.similarity',
       spec ->> 'quantity', spec ->> 'selection', spec ->> '$.attribution.gradients.projection',
       (spec ->> '$.attribution.gradients.dimensions')::INTEGER, '', 1, 1,
       (SELECT count(*) FROM training_example e WHERE e.run_id = r.parent_run_id), (spec ->> 'top_k')::INTEGER, 0.25,
       NULL
FROM run r WHERE kind = 'influence';
INSERT INTO validation_run
SELECT run_id, parent_run_id, array_to_string((spec ->> '$.quantities[*]'), ','), 1,
       (SELECT count(*) FROM training_example e WHERE e.run_id = r.parent_run_id)
FROM run r WHERE kind = 'validate';
INSERT INTO influence_target
SELECT row_number() OVER (ORDER BY run_id, probe_id, epoch), run_id, probe_id, NULL, epoch, 1, 0
FROM (SELECT DISTINCT influence, language, question, epoch FROM rankings) t
JOIN run r ON r.name = t.influence
JOIN v_probe USING (language, question);
CREATE TEMP TABLE target AS
SELECT influence_target_id, r.name AS influence, parent_run_id, language, question, t.epoch
FROM influence_target t JOIN run r USING (run_id) JOIN v_probe USING (probe_id);
INSERT INTO influence_ranking
SELECT influence_target_id, i.direction, i.rank, e.training_example_id,
       coalesce(i.score, (CASE i.direction WHEN 'positive' THEN 1 ELSE -1 END) / i.rank)
FROM rankings i
JOIN target t ON t.influence = i.influence AND t.language = i.language AND t.question = i.question
    AND t.epoch IS NOT DISTINCT FROM i.epoch
JOIN training_example e ON e.run_id = t.parent_run_id
JOIN v_segment g ON g.segment_id = e.segment_id AND g.language = i.train_language AND g.parallel_key = i.key::VARCHAR;
INSERT INTO influence_summary
SELECT influence_target_id, language_id, examples, examples * mean, examples * (sd ** 2 + mean ** 2), mean - sd,
       mean + sd
FROM summaries s
JOIN target t ON t.influence = s.influence AND t.language = s.language AND t.question = s.question
    AND t.epoch IS NOT DISTINCT FROM s.epoch
JOIN "language" l ON l.code = s.train_language
JOIN run r ON r.run_id = t.parent_run_id
JOIN training_examples x ON x.run = r.name AND x.language = s.train_language;
INSERT INTO influence_histogram
SELECT influence_target_id, language_id, bin, n
FROM histograms h
JOIN target t USING (influence, language, question)
JOIN "language" l ON l.code = h.train_language
WHERE epoch IS NULL;
INSERT INTO influence_epoch_test
SELECT a.influence_target_id, b.influence_target_id, n, z, p
FROM epoch_tests e
JOIN target a USING (influence, language, question)
JOIN target b USING (influence, language, question)
WHERE a.epoch = epoch_a AND b.epoch = epoch_b;
INSERT INTO validation_result
SELECT run_id, test, quantity, scores, probe_id, NULL, seeds, v.seed, direction, k, draw, n, value, reference
FROM validations v JOIN run r ON r.name = v.influence JOIN v_probe USING (language, question);
INSERT INTO validation_lds
SELECT run_id, c.* EXCLUDE (influence) FROM correlations c JOIN run r ON r.name = c.influence;

INSERT INTO run
SELECT 2000 + row_number() OVER (ORDER BY projection), 'pca', projection, projection, '{}', NULL, NULL, 0,
       'committed', TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01', '{}'
FROM projections;
INSERT INTO pca_run
SELECT run_id, probe_set_id, score, questions, explained_x, explained_y
FROM projections p JOIN run r ON r.name = p.projection JOIN probe_set s ON s.code = p.probe_set;
INSERT INTO pca_point
SELECT n.run_id, profile_id, x, y
FROM points p
JOIN run r ON r.name = p.projection
JOIN pca_run n ON n.run_id = r.run_id
LEFT JOIN checkpoint k ON k.digest = p.checkpoint
LEFT JOIN "language" l ON l.code = p.language
LEFT JOIN country y ON y.code = p.country
JOIN profile f ON f.checkpoint_id = k.checkpoint_id AND f.language_id = l.language_id AND f.score = n.score
    OR f.country_id = y.country_id AND f.weighting = 'weighted';
"""

_LEFT_OUT = {"probe_sets": {"battery": pl.col("question")}, "rankings": {"score": pl.lit(None, pl.Float64)}}
"""What a frame may lack: a question is then a battery, a score has the sign of its direction."""


def fill(connection: duckdb.DuckDBPyConnection, study: Study) -> None:
    """Write a study into an empty store."""
    for name, frame in {**UNTRACED, **UNPROJECTED, **UNWORDED, **study, "categories": CATEGORIES}.items():
        missing = {column: value for column, value in _LEFT_OUT.get(name, {}).items() if column not in frame.columns}
        connection.register(name, frame.with_columns(**missing))
    with transaction(connection):
        connection.execute(FILL)
        sum_rankings(connection)
