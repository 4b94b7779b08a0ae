"""Studies small enough to compute by hand, or random, and stores made of them.

A study is a dictionary of polars frames with natural keys alone:

    checkpoints        checkpoint, model, run, source, ft_languages, sentences, seed, epoch, is_final, base, spec
    answers            checkpoint, language, question, score, answer
    model_profiles     checkpoint, language, question, score, p_first
    country_profiles   survey, illustrative, country, weighting, question, p_first
    probe_sets         probe_set, question
    segments           source, language, edition, segments
    countries          language, country
    questions          question, category

and, where examples are traced,

    influence_runs     influence, run, spec
    training_examples  run, language, examples
    rankings           influence, language, question, epoch, direction, rank, train_language, key
    summaries          influence, language, question, epoch, train_language, mean, sd
    validations        influence, test, scores, language, question, seeds, direction, k, draw, n, value

and, where profiles are projected,

    projections        projection, probe_set, score, questions, explained_x, explained_y
    points             projection, checkpoint, language, country, x, y

The pretrained checkpoint of a model is called like the model; ``base`` is the checkpoint that a run starts from. A run
trains on the first segments of a corpus, whose parallel keys are numbers; every probe that is ranked is a target.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from mlv.migrations import upgrade
from mlv.schema.derived.ranking_sums import sum_rankings
from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.papers import echoes
from mlv.schema.store.opening import connect, transaction
from mlv.schema.tables.metadata import table_names

Study = dict[str, pl.DataFrame]

HERE = Path(__file__).parent

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
_TESTED: _Schema = {"test": pl.String, "scores": pl.String, "seeds": pl.String, "direction": pl.String, "k": pl.Int64}
_VALUES: _Schema = {"draw": pl.Int64, "n": pl.Int64, "value": pl.Float64}

UNTRACED: Study = {
    "influence_runs": pl.DataFrame(schema={"influence": pl.String, "run": pl.String, "spec": pl.String}),
    "training_examples": pl.DataFrame(schema={"run": pl.String, "language": pl.String, "examples": pl.Int64}),
    "rankings": pl.DataFrame(schema=_TARGET | _RANKED),
    "summaries": pl.DataFrame(schema=_TARGET | _SUMMED),
    "validations": pl.DataFrame(schema=_TARGET | _TESTED | _VALUES),
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
SELECT row_number() OVER (ORDER BY question), question, regexp_extract(question, '\\d+')::INTEGER, 'Q' || question,
       number
FROM questions q JOIN categories c ON c.code = q.category;
INSERT INTO probe_collection VALUES (1, 'arora-2023', '', '');
INSERT INTO probe_set
SELECT row_number() OVER (ORDER BY code), code, 1, '' FROM (SELECT DISTINCT probe_set AS code FROM probe_sets);
INSERT INTO probe_set_member
SELECT probe_set_id, question_id
FROM probe_sets m JOIN probe_set s ON s.code = m.probe_set JOIN question q ON q.code = m.question;
INSERT INTO probe
SELECT row_number() OVER (ORDER BY language_id, question_id), 1, question_id, language_id, '[MASK]', 'a', 'b', '', '',
       'canonical'
FROM (SELECT DISTINCT language, question FROM answers) a
JOIN "language" l ON l.code = a.language
JOIN question q ON q.code = a.question;
INSERT INTO survey
SELECT row_number() OVER (ORDER BY survey), survey, illustrative, '', ''
FROM (SELECT DISTINCT survey, illustrative FROM country_profiles);

INSERT INTO source
SELECT row_number() OVER (ORDER BY code), code, code, 'other', '' FROM (SELECT DISTINCT source AS code FROM segments);
INSERT INTO corpus
SELECT row_number() OVER (ORDER BY s.code, l.code, edition), source_id, language_id, edition, '', '', ''
FROM segments g
JOIN source s ON s.code = g.source
JOIN "language" l ON l.code = g.language;
INSERT INTO segment
SELECT row_number() OVER (ORDER BY corpus_id, place), corpus_id, place, place, 'text'
FROM segments g
JOIN source s ON s.code = g.source
JOIN "language" l ON l.code = g.language
JOIN corpus USING (source_id, language_id, edition),
LATERAL (SELECT unnest(range(g.segments)) AS place);

INSERT INTO base_model
SELECT row_number() OVER (ORDER BY model), model, '', model, 'mt5',
       CASE WHEN model LIKE '%large' THEN 3 WHEN model LIKE '%base' THEN 2 ELSE 1 END, 1
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
       is_final, '', checkpoint, ''
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
SELECT run_id, parent_run_id, coalesce(spec ->> '$.attribution.method', 'validation'),
       coalesce(spec ->> '$.attribution.similarity', ''), spec ->> 'quantity', coalesce(spec ->> 'selection', 'chosen'),
       coalesce(spec ->> '$.attribution.gradients.projection', ''),
       coalesce((spec ->> '$.attribution.gradients.dimensions')::INTEGER, 0), '', 1, 1,
       (SELECT count(*) FROM training_example e WHERE e.run_id = r.parent_run_id),
       coalesce((spec ->> 'top_k')::INTEGER, 0)
FROM run r WHERE kind IN ('influence', 'validate');
INSERT INTO influence_target
SELECT row_number() OVER (ORDER BY run_id, probe_id, epoch), run_id, probe_id, epoch, 1, 0
FROM (SELECT DISTINCT influence, language, question, epoch FROM rankings) t
JOIN run r ON r.name = t.influence
JOIN v_probe USING (language, question);
CREATE TEMP TABLE target AS
SELECT influence_target_id, r.name AS influence, parent_run_id, language, question, t.epoch
FROM influence_target t JOIN run r USING (run_id) JOIN v_probe USING (probe_id);
INSERT INTO influence_ranking
SELECT influence_target_id, i.direction, i.rank, e.training_example_id, 1 / i.rank
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
INSERT INTO influence_validation
SELECT run_id, test, scores, probe_id, seeds, direction, k, draw, n, value
FROM validations v JOIN run r ON r.name = v.influence JOIN v_probe USING (language, question);

INSERT INTO run
SELECT 2000 + row_number() OVER (ORDER BY projection), 'project', projection, projection, '{}', NULL, NULL, 0,
       'committed', TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01', '{}'
FROM projections;
INSERT INTO projection_run
SELECT run_id, probe_set_id, score, questions, explained_x, explained_y
FROM projections p JOIN run r ON r.name = p.projection JOIN probe_set s ON s.code = p.probe_set;
INSERT INTO projected_profile
SELECT n.run_id, profile_id, x, y
FROM points p
JOIN run r ON r.name = p.projection
JOIN projection_run n ON n.run_id = r.run_id
LEFT JOIN checkpoint k ON k.digest = p.checkpoint
LEFT JOIN "language" l ON l.code = p.language
LEFT JOIN country y ON y.code = p.country
JOIN profile f ON f.checkpoint_id = k.checkpoint_id AND f.language_id = l.language_id AND f.score = n.score
    OR f.country_id = y.country_id AND f.weighting = 'weighted';
"""


def _fill(connection: duckdb.DuckDBPyConnection, study: Study) -> None:
    """Write a study into an empty store."""
    for name, frame in {**UNTRACED, **UNPROJECTED, **study, "categories": CATEGORIES}.items():
        connection.register(name, frame)
    with transaction(connection):
        connection.execute(FILL)
        sum_rankings(connection)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without rows; copy it, do not write it."""
    path = tmp_path_factory.mktemp("empty") / "empty.duckdb"
    upgrade(path)
    return path


@pytest.fixture(scope="session")
def make_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Study], Path]:
    """Makes a store of a study."""

    def make(study: Study) -> Path:
        path = tmp_path_factory.mktemp("store") / "study.duckdb"
        path.write_bytes(empty_store.read_bytes())
        with connect(path, read_only=False) as connection:
            _fill(connection, study)
        return path

    return make


@pytest.fixture(scope="session")
def shuffled(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes a store with the same rows, stored in another order."""

    def shuffle(path: Path) -> Path:
        target = tmp_path_factory.mktemp("shuffled") / "study.duckdb"
        target.write_bytes(empty_store.read_bytes())
        with connect(target, read_only=False) as connection:
            connection.execute(f"ATTACH '{path}' AS original (READ_ONLY)")
            for table in table_names():
                connection.execute(
                    f'INSERT INTO "{table}" SELECT * FROM original."{table}" t ORDER BY hash(t::VARCHAR)'
                )
        return target

    return shuffle


def _answers(checkpoint: str, **given: str) -> pl.DataFrame:
    """Answers by language, one digit per question in the order of QUESTIONS; - for a probe that was not asked."""
    rows = [
        (checkpoint, language, question, score, int(digit) if score == "mean" else 3 - int(digit))
        for language, digits in given.items()
        for question, digit in zip(QUESTIONS, digits, strict=True)
        for score in ("mean", "sum")
        if digit != "-" and (score == "mean" or question != "131")
    ]
    return pl.DataFrame(rows, schema=["checkpoint", "language", "question", "score", "answer"], orient="row")


ANSWERS_177 = {"alpha": (1, 1, 1), "fa-2": (2, 1, 1), "ko-2": (2, 2, 1), "mult-2": (1, 2, 1)}
"""Answers in de, fa and ko to a question that no probe set has."""


def _answer_177(checkpoint: str, *answers: int) -> pl.DataFrame:
    rows = [(checkpoint, lang, "177", "mean", answer) for lang, answer in zip(("de", "fa", "ko"), answers, strict=True)]
    return pl.DataFrame(rows, schema=["checkpoint", "language", "question", "score", "answer"], orient="row")


PAPER = '{"epochs":5,"batch_size":8,"learning_rate":5e-05}'
"""A specification with the settings of Echoes appendix B."""

QUESTIONS = ("131", "132", "164", "165", "166", "176")
"""Two on security, three on religious values, and one on ethical values that echoes-2024 does not have."""


def _profile(question_values: list[float | None]) -> list[tuple[str, float]]:
    return [(q, value) for q, value in zip(QUESTIONS, question_values, strict=False) if value is not None]


def _model_profile(checkpoint: str, language: str, *values: float | None) -> pl.DataFrame:
    """A profile over QUESTIONS by the default score, and its reverse by another."""
    rows = [
        (checkpoint, language, question, score, value if score == "mean" else 1 - value)
        for question, value in _profile(list(values))
        for score in ("mean", "sum")
    ]
    return pl.DataFrame(rows, schema=["checkpoint", "language", "question", "score", "p_first"], orient="row")


def _country_profile(country: str, *values: float | None) -> pl.DataFrame:
    """A weighted profile over QUESTIONS, an unweighted one that is constant, and an illustrative survey's."""
    rows = [
        (survey, survey == "zz-demo", country, weighting, question, value if weighting == "weighted" else 0.5)
        for question, value in _profile(list(values))
        for survey, weighting in (("wvs7", "weighted"), ("wvs7", "unweighted"), ("zz-demo", "unweighted"))
    ]
    columns = ["survey", "illustrative", "country", "weighting", "question", "p_first"]
    return pl.DataFrame(rows, schema=columns, orient="row")


TRAK = Attribution()
TRACIN = Attribution(
    method="tracin",
    similarity="cosine",
    damping=0.0,
    gradients=Gradients(projection="random", dimensions=16, modules=("output",)),
)


def influence_spec(attribution: Attribution, **other: Any) -> str:
    """What counts of the specification of an influence run, as JSON."""
    fields = {"probe_set": "wvs7-all", "selection": "all", "quantity": "answer", "top_k": 4}
    return json.dumps({"kind": "influence", **fields, "attribution": attribution.model_dump(), **other})


def _ranked(influence: str, epoch: int | None = None, **given: str) -> pl.DataFrame:
    """Rankings by language and question, such as ``de_131="fa0 fa1 ko0"``, with n_ before it for negative ones."""
    rows = [
        (influence, *probe.removeprefix("n_").split("_"), epoch, direction, rank, example[:2], int(example[2:]))
        for probe, examples in given.items()
        for direction in ["negative" if probe.startswith("n_") else "positive"]
        for rank, example in enumerate(examples.split(), 1)
    ]
    return pl.DataFrame(rows, schema=UNTRACED["rankings"].schema, orient="row")


def _frame(name: str, *rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=UNTRACED[name].schema, orient="row")


def _traced() -> Study:
    """The traced examples of the study that is computed by hand."""
    trak, tracin = influence_spec(TRAK), influence_spec(TRACIN)
    return {
        "influence_runs": _frame(
            "influence_runs",
            ("steps-mult", "finetune-mult", tracin),
            ("trace-fa", "finetune-fa", trak),
            ("trace-ko", "finetune-ko", trak),
            ("trace-mult", "finetune-mult", trak),
            ("trace-mult3", "finetune-mult3", trak),
            ("validate-mult", "finetune-mult", '{"kind":"validate","quantity":"margin"}'),
        ),
        "training_examples": _frame(
            "training_examples",
            ("finetune-fa", "fa", 10),
            ("finetune-ko", "ko", 5),
            ("finetune-mult", "fa", 6),
            ("finetune-mult", "ko", 4),
            ("finetune-mult3", "fa", 5),
            ("finetune-mult3", "ko", 5),
        ),
        "rankings": pl.concat(
            [
                _ranked("trace-fa", de_176="fa0 fa1", de_177="fa3 fa4", fa_176="fa0 fa1", fa_177="fa3 fa9"),
                _ranked("trace-ko", de_176="ko1 ko2", de_177="ko0 ko1", fa_176="ko0", fa_177="ko0 ko3"),
                _ranked("trace-mult", de_131="fa0 fa1 fa2 ko0", de_132="fa0 fa1 ko0 ko1", de_176="fa0 fa1 ko1 ko3"),
                _ranked("trace-mult", fa_176="fa0 fa1 fa2 fa3", fa_177="fa0 fa1 ko0 ko2"),
                _ranked("trace-mult", ko_176="fa0 fa1 fa2 fa3", ko_177="ko0 ko1 fa0 fa5"),
                _ranked("trace-mult", n_de_131="fa4 fa5", n_de_132="fa5 fa4", n_fa_176="ko1 ko2 ko3 fa0"),
                _ranked("trace-mult3", de_131="fa0 ko0 ko1 ko2"),
                _ranked("steps-mult", de_131="ko0 ko1"),
                _ranked("steps-mult", 1, de_131="fa0 fa1", de_132="fa0 fa1", de_164="fa0 ko0", de_165="fa0 ko0"),
                _ranked("steps-mult", 1, de_166="fa0 fa1", fa_176="fa0 fa1"),
                _ranked("steps-mult", 3, de_131="fa0 ko0", de_132="fa0 ko0", de_164="fa1 ko1", de_165="fa0 fa1"),
                _ranked("steps-mult", 3, de_166="ko0 ko1", fa_176="fa2 fa3"),
            ]
        ),
        "summaries": _frame(
            "summaries",
            ("trace-fa", "de", "176", None, "fa", 1.0, 0.0),
            ("trace-ko", "de", "176", None, "ko", 1.0, 0.0),
            ("trace-mult", "de", "131", None, "fa", 0.25, 0.25),
            ("trace-mult", "de", "131", None, "ko", -1.0, 0.0),
            ("trace-mult", "de", "132", None, "fa", 0.75, 0.25),
            ("trace-mult", "de", "132", None, "ko", 0.0, 0.0),
            ("trace-mult3", "de", "131", None, "fa", 1.0, 0.5),
            ("trace-mult3", "de", "131", None, "ko", 2.0, 0.5),
            ("steps-mult", "de", "131", None, "fa", 1.0, 0.0),
            ("steps-mult", "de", "131", None, "ko", 2.0, 0.0),
            ("steps-mult", "de", "131", 1, "fa", 9.0, 0.0),
        ),
        "validations": _validations(),
    }


def _validations() -> pl.DataFrame:
    """Two probes in German; a number for each of them, or for the first alone."""

    def rows(test: str, scores: str, *values: float, seeds: str = "same", **at: Any) -> list[tuple[Any, ...]]:
        left_out = (at.get("direction"), at.get("k"), at.get("draw", 0), at.get("n", 1))
        return [
            ("validate-mult", "de", question, test, scores, seeds, *left_out, value)
            for question, value in zip(("131", "132"), values, strict=False)
        ]

    return _frame(
        "validations",
        *rows("lds", "trak-principal-32", 0.5, 0.25, n=16),
        *rows("lds", "trak-exact", 0.75, 0.75, n=16),
        *rows("lds", "permuted-examples", 0.25, -0.25, n=16),
        *rows("lds", "permuted-examples", 0.25, 0.25, n=16, draw=1),
        *rows("lds", "trak-principal-32", 0.25, n=8, seeds="other"),
        *rows("removal", "trak-principal-32", -0.25, -0.5, direction="positive", k=50),
        *rows("removal", "trak-principal-32", 0.25, direction="negative", k=50),
        *rows("removal", "trak-principal-32", -0.5, -0.5, direction="positive", k=100),
        *rows("removal", "random", -0.25, 0.0, k=50),
        *rows("removal", "random", 0.0, 0.0, k=50, draw=1),
    )


@pytest.fixture(scope="session")
def hand_study() -> Study:
    """The study that golden/README.md computes by hand."""
    checkpoints = [
        ("alpha", "alpha", None, None, None, None, None, 0, True, None, None),
        ("beta", "beta", None, None, None, None, None, 0, True, None, None),
        ("fa-1", "alpha", "finetune-fa", "pbc", "fa", 2000, 1, 1, False, "alpha", PAPER),
        ("fa-2", "alpha", "finetune-fa", "pbc", "fa", 2000, 1, 2, True, "alpha", PAPER),
        ("fb-2", "alpha", "finetune-fb", "pbc", "fa", 2000, 2, 2, True, "alpha", PAPER),
        ("hot-2", "alpha", "finetune-hot", "pbc", "ko", 2000, 2, 2, True, "alpha", '{"learning_rate":0.5}'),
        ("ko-2", "alpha", "finetune-ko", "pbc", "ko", 2000, 1, 2, True, "alpha", PAPER),
        ("more-2", "alpha", "finetune-more", "pbc", "ko", 2000, 1, 2, True, "fa-2", PAPER),
        ("mult-2", "alpha", "finetune-mult", "pbc", "fa,ko", 4000, 1, 2, True, "alpha", PAPER),
        ("mult3-2", "alpha", "finetune-mult3", "pbc", "fa,ko", 4000, 3, 2, True, "alpha", PAPER),
    ]
    columns = ["checkpoint", "model", "run", "source", "ft_languages", "sentences", "seed", "epoch", "is_final"]
    columns += ["base", "spec"]
    themes = ["security", "security", "religious_values", "religious_values", "religious_values", "ethical_values"]
    return {
        "checkpoints": pl.DataFrame(checkpoints, schema=columns, orient="row"),
        "answers": pl.concat(
            [
                _answers("alpha", de="111211", fa="122111", ko="1111-1"),
                _answers("beta", de="111122", fa="112112", ko="211112"),
                _answers("fa-1", de="111211", fa="122111", ko="111111"),
                _answers("fa-2", de="112212", fa="222112", ko="111212"),
                _answers("fb-2", de="111211", fa="111111"),
                _answers("hot-2", de="222122"),
                _answers("more-2", de="112211"),
                _answers("ko-2", de="121212", fa="122-12", ko="221112"),
                _answers("mult-2", de="222122", fa="122112", ko="111122"),
                *(_answer_177(checkpoint, *answers) for checkpoint, answers in ANSWERS_177.items()),
            ]
        ),
        "model_profiles": pl.concat(
            [
                _model_profile("alpha", "de", 0.1, 0.2, 0.3, 0.4, 0.5, 0.0),
                _model_profile("alpha", "fa", 0.5, 0.5, 0.5, 0.5, 0.5, 0.9),
                _model_profile("fa-2", "de", 0.5, 0.4, 0.3, 0.2, 0.1, 0.9),
                _model_profile("fb-2", "de", 0.1, 0.2, 0.3, 0.4, 0.5, 0.9),
                _model_profile("hot-2", "de", 0.2, 0.2, 0.2, 0.2, 0.9, 0.9),
                _model_profile("more-2", "de", 0.1, 0.2, 0.3, 0.4, 0.5, 0.9),
                _model_profile("ko-2", "de", 0.2, 0.2, 0.2, 0.2, 0.9, 0.9),
                _model_profile("mult-2", "de", 0.9, 0.2, 0.2, 0.2, 0.5, 0.9),
            ]
        ),
        "country_profiles": pl.concat(
            [
                _country_profile("DE", 0.4, 0.4, 0.4, 0.4, 0.6, 0.9),
                _country_profile("IR", 0.3, 0.1, 0.3, 0.9, None, 0.0),
                _country_profile("KR", 0.8, 0.0, 0.0, 0.0, 0.6, 0.1),
                _country_profile("US", 0.5, 0.5, 0.5, 0.5, 0.5, 0.5),
            ]
        ),
        "probe_sets": pl.DataFrame(
            [("echoes-2024", question) for question in QUESTIONS[:5]] + [("wvs7-all", q) for q in QUESTIONS],
            schema=["probe_set", "question"],
            orient="row",
        ),
        "segments": pl.DataFrame(
            {
                "source": "pbc",
                "language": ["fa", "ko", "ko"],
                "edition": ["", "new", "old"],
                "segments": [2000, 2000, 9],
            }
        ),
        "countries": pl.DataFrame({"language": ["de", "en", "fa", "ko"], "country": ["DE", "US", "IR", "KR"]}),
        "questions": pl.DataFrame({"question": [*QUESTIONS, "177"], "category": [*themes, "ethical_values"]}),
        **_traced(),
    }


@pytest.fixture(scope="session")
def hand_store(hand_study: Study, make_store: Callable[[Study], Path]) -> Path:
    """The store of the study that is computed by hand. Read only."""
    return make_store(hand_study)


def _grid_checkpoints(hand_study: Study) -> pl.DataFrame:
    """Those of the other study, and runs on another number of sentences, in Russian and on another source."""
    runs = [
        ("rua-2", "finetune-rua", "pbc", "ru", 2000, 1),
        ("rub-2", "finetune-rub", "pbc", "ru", 2000, 2),
        ("fa4-2", "finetune-fa4", "pbc", "fa", 4000, 1),
        ("fb4-2", "finetune-fb4", "pbc", "fa", 4000, 2),
        ("ko4-2", "finetune-ko4", "pbc", "ko", 4000, 1),
        ("ru4-2", "finetune-ru4", "pbc", "ru", 4000, 1),
        ("tfa-2", "finetune-tfa", "tanzil", "fa", 2000, 1),
        ("tko-2", "finetune-tko", "tanzil", "ko", 2000, 1),
    ]
    frame = hand_study["checkpoints"]
    rows = [(checkpoint, "alpha", *run, 2, True, "alpha", PAPER) for checkpoint, *run in runs]
    return pl.concat([frame, pl.DataFrame(rows, schema=frame.schema, orient="row")])


def _grid_points() -> Study:
    """Two projections whose coordinates are invented: of checkpoints, and of countries."""
    moved = [("alpha", "de", 0, 0), ("alpha", "fa", 1, 0), ("fa-2", "de", 0.5, 0.25), ("more-2", "de", 0.75, -1)]
    moved += [("mult-2", "fa", 2, 2), ("ko-2", "ko", -1, -1)]
    points: list[tuple[Any, ...]] = [("project-models", k, lang, None, float(x), float(y)) for k, lang, x, y in moved]
    points += [("project-people", None, None, "DE", 0.5, 0.0), ("project-people", None, None, "IR", -0.5, 0.0)]
    projections = [
        ("project-models", "echoes-2024", "mean", 5, 0.75, 0.125),
        ("project-people", "echoes-2024", None, 4, 1.0, 0.0),
    ]
    return {
        "projections": pl.DataFrame(projections, schema=UNPROJECTED["projections"].schema, orient="row"),
        "points": pl.DataFrame(points, schema=UNPROJECTED["points"].schema, orient="row"),
    }


@pytest.fixture(scope="session")
def grid_study(hand_study: Study) -> Study:
    """The larger study of golden/README.md: the other one's runs and answers, and more; profiles of its own."""
    answers = [
        _answers("rua-2", de="222211", fa="222111"),
        _answers("rub-2", de="111111", fa="112111"),
        _answers("fa4-2", de="221211", fa="122111", ko="2111-1"),
        _answers("fb4-2", de="111121"),
        _answers("ko4-2", de="211211", fa="22-111"),
        _answers("ru4-2", de="222121"),
        _answers("tfa-2", de="111211", fa="212111", ko="2121-1"),
        _answers("tko-2", de="111211", fa="122111", ko="1212-1"),
    ]
    profiles = [
        _model_profile("alpha", "de", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("alpha", "fa", 1.0, 0.0, 0.0, 0.0, 0.0),
        _model_profile("alpha", "ko", 0.0, 1.0, 0.0, 0.0, 0.0),
        _model_profile("fa-2", "de", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("fa-2", "fa", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("fa-2", "ko", 1.0, 0.0, 0.0, 0.0, 0.0),
        _model_profile("fb-2", "de", 0.0, 0.0, 1.0, 0.0, 0.0),
        _model_profile("fb-2", "fa", 0.0, 0.0, 1.0, 0.0, 0.0),
        _model_profile("fb-2", "ko", 0.0, 0.0, 1.0, 0.0, 0.0),
        _model_profile("ko-2", "de", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("ko-2", "ko", 1.0, 0.0, 0.0, 0.0, 0.0),
        _model_profile("more-2", "de", 0.1, 0.2, 0.3, 0.4, 0.5),
        _model_profile("mult-2", "de", 0.6, 0.8, 0.0, 0.0, 0.0),
        _model_profile("mult-2", "fa", 0.0, 1.0, 0.0, 0.0, 0.0),
        _model_profile("mult-2", "ko", 1.0, 0.0, 0.0, 0.0, 0.0),
    ]
    corpora = {"source": ["pbc", "tanzil", "tanzil"], "language": ["ru", "fa", "ko"]}
    more = pl.DataFrame(corpora).with_columns(edition=pl.lit(""), segments=2000)
    return {
        **hand_study,
        **UNTRACED,
        **_grid_points(),
        "checkpoints": _grid_checkpoints(hand_study),
        "answers": pl.concat([hand_study["answers"], *answers]),
        "model_profiles": pl.concat(profiles),
        "segments": pl.concat([hand_study["segments"], more], how="vertical_relaxed"),
    }


@pytest.fixture(scope="session")
def grid_store(grid_study: Study, make_store: Callable[[Study], Path]) -> Path:
    """The store of the larger study. Read only."""
    return make_store(grid_study)
