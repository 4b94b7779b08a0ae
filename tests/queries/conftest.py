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

The pretrained checkpoint of a model is called like the model; ``base`` is the checkpoint that a run starts from.
"""

from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from mlv.migrations import upgrade
from mlv.schema import paper
from mlv.schema.store import connect, transaction

Study = dict[str, pl.DataFrame]

HERE = Path(__file__).parent

CATEGORIES = pl.DataFrame(
    [tuple(category) for category in paper.CATEGORIES],
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
"""


def _fill(connection: duckdb.DuckDBPyConnection, study: Study) -> None:
    """Write a study into an empty store."""
    for name, frame in {**study, "categories": CATEGORIES}.items():
        connection.register(name, frame)
    with transaction(connection):
        connection.execute(FILL)


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
        "questions": pl.DataFrame({"question": QUESTIONS, "category": themes}),
    }


@pytest.fixture(scope="session")
def hand_store(hand_study: Study, make_store: Callable[[Study], Path]) -> Path:
    """The store of the study that is computed by hand. Read only."""
    return make_store(hand_study)
