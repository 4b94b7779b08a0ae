"""Stores of chat models that were asked survey questions: the small one that queries/selfalign/golden/README.md has by
hand, or any other that tests make of frames.

A study is a dictionary of polars frames with natural keys alone:

    questions        question, category, battery
    probes           language, question, template, first, second, polarity
    majorities       country, question, p_first, people
    runs             run, model, language, seed, draw, strategy, demonstrations, ordering, country, answers, options,
                     option_order, samples, scored, only_of
    prompts          run, question, variant, samples
    options          run, question, variant, number, text, place, side
    responses        run, question, variant, sample, text, outcome, answer
    demonstrations   run, question, variant, position, shown, answer, similarity
    scores           run, question, variant, number, probability

All runs ask the probe set echoes-2024 of arora-2023, and the survey is wvs7; a run without a model asked nobody.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl

from mlv.ingest.writing.profiles import build_response_profiles
from mlv.ingest.writing.reference import ensure_reference
from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.store.opening import transaction

Study = dict[str, pl.DataFrame]

_PROMPT: Final = {"run": pl.String, "question": pl.String, "variant": pl.Int64}

SCHEMAS: Final[dict[str, dict[str, type[pl.DataType]]]] = {
    "questions": dict.fromkeys(("question", "category", "battery"), pl.String),
    "probes": dict.fromkeys(("language", "question", "template", "first", "second", "polarity"), pl.String),
    "majorities": {"country": pl.String, "question": pl.String, "p_first": pl.Float64, "people": pl.Int64},
    "runs": {
        **dict.fromkeys(("run", "model", "language"), pl.String),
        **dict.fromkeys(("seed", "draw"), pl.Int64),
        "strategy": pl.String,
        "demonstrations": pl.Int64,
        **dict.fromkeys(("ordering", "country", "answers", "options", "option_order"), pl.String),
        "samples": pl.Int64,
        "scored": pl.Boolean,
        "only_of": pl.String,
    },
    "prompts": {**_PROMPT, "samples": pl.Int64},
    "options": {**_PROMPT, "number": pl.Int64, "text": pl.String, "place": pl.Int64, "side": pl.String},
    "responses": {**_PROMPT, "sample": pl.Int64, "text": pl.String, "outcome": pl.String, "answer": pl.Int64},
    "demonstrations": {
        **_PROMPT,
        "position": pl.Int64,
        "shown": pl.String,
        "answer": pl.Int64,
        "similarity": pl.Float64,
    },
    "scores": {**_PROMPT, "number": pl.Int64, "probability": pl.Float64},
}

_FILL: Final = """
INSERT INTO question
SELECT row_number() OVER (ORDER BY question), question, try_cast(question AS INTEGER), category_id
FROM questions q JOIN category c ON c.code = q.category;
INSERT INTO probe_collection VALUES (1, 'arora-2023', '', '');
INSERT INTO probe_set VALUES (1, 'echoes-2024', 1, '');
INSERT INTO probe_set_member SELECT 1, question_id, battery FROM questions q JOIN question ON code = q.question;
INSERT INTO probe
SELECT row_number() OVER (ORDER BY language_id, question_id), 1, question_id, language_id, template, first, second,
       '', '', polarity
FROM probes p JOIN "language" l ON l.code = p.language JOIN question q ON q.code = p.question;

INSERT INTO codebook VALUES (1, 'by-hand', '', '', '');
INSERT INTO survey VALUES (1, 1, 'wvs7', FALSE, '', '');
INSERT INTO response_option
SELECT row_number() OVER (ORDER BY question, code), 1, 'Q' || question, code, ''
FROM questions CROSS JOIN (VALUES (1), (2)) t(code);
INSERT INTO answer_side
SELECT response_option_id, 1, question_id, variable, response_code,
       CASE response_code WHEN 1 THEN 'first' ELSE 'second' END
FROM response_option JOIN question q ON variable = 'Q' || q.code;
INSERT INTO profile (profile_id, survey_id, country_id, weighting)
SELECT row_number() OVER (ORDER BY country_id), 1, country_id, 'weighted'
FROM (SELECT DISTINCT country FROM majorities) m JOIN country y ON y.code = m.country;
INSERT INTO profile_value
SELECT profile_id, question_id, p_first
FROM majorities m
JOIN country y ON y.code = m.country
JOIN profile USING (country_id)
JOIN question q ON q.code = m.question;
INSERT INTO survey_response (survey_id, country_id, variable, response_code, n, weighted_share)
SELECT 1, country_id, 'Q' || question, unnest([1, 2]),
       unnest([round(people * p_first), people - round(people * p_first)])::INTEGER, unnest([p_first, 1 - p_first])
FROM majorities m JOIN country y ON y.code = m.country WHERE people > 0;

INSERT INTO base_model
SELECT row_number() OVER (ORDER BY model), model, '', model, 'llama', 1, 1, ''
FROM (SELECT DISTINCT model FROM runs WHERE model IS NOT NULL);
INSERT INTO checkpoint SELECT base_model_id, base_model_id, NULL, 0, 0, TRUE, name, name FROM base_model;
INSERT INTO prompt_form
SELECT row_number() OVER (ORDER BY language_id), 'gap', language_id, code, '{}'
FROM "language" WHERE code IN (SELECT language FROM runs);
INSERT INTO run
SELECT row_number() OVER (ORDER BY run), 'respond', run, run,
       json_object('form', 'gap', 'samples', n.samples, 'options', n.options, 'option_order', n.option_order,
                   'scored', n.scored, 'only_of', n.only_of, 'decoding', json_object('temperature', 1.0)),
       NULL, base_model_id, seed, 'committed', TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-01',
       TIMESTAMP '2024-01-01', '{}'
FROM runs n LEFT JOIN base_model b ON b.name = n.model;
INSERT INTO response_run
SELECT run_id, 1, language_id, prompt_form_id, strategy, n.demonstrations, ordering, country_id,
       CASE WHEN strategy IS NOT NULL THEN 1 END, CASE WHEN strategy IS NOT NULL THEN 'weighted' END, answers,
       n.options, option_order, samples, scored, 1.0, 1.0, NULL, 16, draw, 1
FROM runs n
JOIN run r ON r.name = n.run
JOIN "language" l ON l.code = n.language
JOIN prompt_form USING (language_id)
LEFT JOIN country y ON y.code = n.country;
INSERT INTO prompt
SELECT row_number() OVER (ORDER BY r.run_id, probe_id, variant), r.run_id, probe_id, variant, m.samples, 'prompt', NULL
FROM prompts m
JOIN run r ON r.name = m.run
JOIN response_run n ON n.run_id = r.run_id
JOIN question q ON q.code = m.question
JOIN probe p ON p.question_id = q.question_id AND p.language_id = n.language_id;
CREATE TEMP TABLE keyed AS
SELECT prompt_id, p.run_id, r.name AS run, question, variant FROM v_prompt p JOIN run r ON r.run_id = p.run_id;
INSERT INTO prompt_option
SELECT prompt_id, number, text, place, side FROM options JOIN keyed USING (run, question, variant);
INSERT INTO response (prompt_id, run_id, sample, text, outcome, answer, refused, tokens)
SELECT prompt_id, run_id, sample, text, outcome, answer, false, 2
FROM responses JOIN keyed USING (run, question, variant);
INSERT INTO demonstration
SELECT prompt_id, position, p.probe_id, d.answer, similarity
FROM demonstrations d
JOIN keyed USING (run, question, variant)
JOIN response_run n ON n.run_id = keyed.run_id
JOIN question q ON q.code = d.shown
JOIN probe p ON p.question_id = q.question_id AND p.language_id = n.language_id;
INSERT INTO option_score
SELECT prompt_id, run_id, number, 1, ln(probability), ln(probability)
FROM scores JOIN keyed USING (run, question, variant);
DROP TABLE keyed;
"""


def fill(connection: duckdb.DuckDBPyConnection, study: Study) -> None:
    """Write a study into an empty store, with resamples of its questions."""
    for name, schema in SCHEMAS.items():
        frame = study.get(name, pl.DataFrame(schema=schema))
        connection.register(name, frame.select(pl.col(column).cast(dtype) for column, dtype in schema.items()))
    with transaction(connection):
        ensure_reference(connection)
        connection.execute(_FILL)
        draw_resamples(connection, 1)


def build_profiles(connection: duckdb.DuckDBPyConnection) -> None:
    """Profiles of all runs of a store, as their commit makes them."""
    with transaction(connection):
        for (run_id,) in connection.execute("SELECT run_id FROM run ORDER BY run_id").fetchall():
            build_response_profiles(connection, run_id)


def counted_study(
    questions: pl.DataFrame,
    majorities: pl.DataFrame,
    runs: pl.DataFrame,
    counts: pl.DataFrame,
    languages: tuple[str, ...],
) -> Study:
    """A study of runs that were asked each question once and sampled both answers in some numbers.

    Args:
        questions: As above.
        majorities: As above.
        runs: run, model, language, draw, strategy and country; zero-shot without a strategy.
        counts: run, question, first, second and unread: how often each was answered.
        languages: Of the probes.
    """
    shown = pl.col("strategy").is_not_null()
    prompts = counts.select("run", "question", variant=1, samples=pl.sum_horizontal("first", "second", "unread"))
    said = (
        counts.unpivot(["first", "second", "unread"], index=["run", "question"], variable_name="said", value_name="n")
        .with_columns(sample=pl.int_ranges(0, "n"))
        .explode("sample")
        .drop_nulls("sample")
        .with_columns(
            sample=pl.int_range(pl.len()).over("run", "question"),
            answer=pl.col("said").replace_strict({"first": 1, "second": 2, "unread": None}, return_dtype=pl.Int64),
        )
    )
    answers = pl.DataFrame({"number": [1, 2], "place": [1, 2], "text": ["yes", "no"], "side": ["first", "second"]})
    return {
        "questions": questions,
        "probes": questions.join(pl.DataFrame({"language": languages}), how="cross").with_columns(
            template=pl.lit("[MASK]"), first=pl.lit("yes"), second=pl.lit("no"), polarity=pl.lit("canonical")
        ),
        "majorities": majorities,
        "runs": runs.with_columns(
            seed=0,
            demonstrations=pl.when(shown).then(5),
            ordering=pl.when(shown).then(pl.lit("similar_last")),
            answers=pl.when(shown).then(pl.lit("majority")),
            options=pl.lit("probe"),
            option_order=pl.lit("drawn"),
            samples=10,
            scored=False,
            only_of=pl.lit(""),
        ),
        "prompts": prompts,
        "options": prompts.join(answers, how="cross"),
        "responses": said.with_columns(
            variant=1,
            text=pl.lit("text"),
            outcome=pl.when(pl.col("answer").is_null()).then(pl.lit("none")).otherwise(pl.lit("answer")),
        ),
    }


class AskedRun(NamedTuple):
    """A run, by what it does not have in common with the others."""

    run: str
    model: str | None
    language: str
    said: Mapping[str, tuple[Any, ...]]
    """By question: how often each option was answered, then the outcomes of what could not be read."""

    draw: int = 1
    strategy: str | None = None
    ordering: str | None = None
    country: str | None = None
    answers: str | None = None
    shown: Mapping[str, str] = {}
    """By question: what is demonstrated, e.g. ``164:20 132:40`` with the similarities, or ``164 132`` without."""

    scores: Mapping[str, float] = {}
    """By question: the probability of the first option."""

    variants: int = 1
    options: str = "probe"
    only_of: str = ""


QUESTIONS: Final = {
    "131": ("security", "131-132"),
    "132": ("security", "131-132"),
    "164": ("religious_values", "164-165"),
    "165": ("religious_values", "164-165"),
    "166": ("religious_values", "166"),
    "176": ("ethical_values", "176"),
}
"""Theme and battery."""

P_FIRST: Final = {
    "DE": {"131": 0.8, "132": 0.3, "164": 0.9, "165": 0.5, "166": 0.1},
    "KR": {"131": 0.7, "132": 0.6, "164": 0.2, "165": 0.4, "166": 0.55},
}
"""Of countries. Nobody was asked 176."""

REVERSED: Final = ("ko", "164")
"""A probe whose first answer is on the second side."""

SECOND_FIRST: Final = ("132", "165", "176")
"""Questions whose second option is shown first."""

SCALE: Final = ("very", "rather", "not very", "not at all")
"""The first two are on the first side."""

_NEAREST: Final = {
    "131": "164:20 132:40",
    "132": "164:20 131:40",
    "164": "131:10 165:100",
    "165": "131:10 164:100",
    "166": "164:30 165:60",
    "176": "164:5 166:10",
}
_DRAWN: Final = {"131": "165 166", "132": "166 164", "164": "132 166", "165": "166 131", "166": "132 165", "176": "131"}

_BEFORE: Final = {"131": 0.96, "132": 0.75, "164": 0.5, "165": 0.5, "166": 0.25, "176": 0.5}
_AFTER: Final = {**_BEFORE, "132": 0.25, "164": 0.75}
_CHRF: Final[dict[str, Any]] = {
    "strategy": "chrf",
    "ordering": "similar_last",
    "country": "DE",
    "answers": "majority",
    "shown": _NEAREST,
}
_ALPHA_CHRF: Final[dict[str, Any]] = {
    "131": (9, 1),
    "132": (8, 2),
    "164": (10, 0),
    "165": (5, 4, "both"),
    "166": (2, 8),
    "176": (10, 0),
}

RUNS: Final = (
    AskedRun(
        "alpha-de-zero-1",
        "alpha",
        "de",
        {
            "131": (10, 0),
            "132": (10, 0),
            "164": (5, 5),
            "165": (5, 3, "refusal", "none"),
            "166": (4, 6),
            "176": (10, 0),
        },
        scores=_BEFORE,
    ),
    AskedRun(
        "alpha-de-zero-2",
        "alpha",
        "de",
        {"131": (9, 1), "132": (9, 1), "164": (5, 5), "165": (3, 7), "166": (3, 7), "176": (10, 0)},
        draw=2,
        scores=_BEFORE,
    ),
    AskedRun("alpha-de-chrf", "alpha", "de", _ALPHA_CHRF, scores=_AFTER, **_CHRF),
    AskedRun(
        "alpha-de-shuffled", "alpha", "de", _ALPHA_CHRF, scores=_AFTER, variants=2, **{**_CHRF, "ordering": "shuffled"}
    ),
    AskedRun(
        "alpha-de-random",
        "alpha",
        "de",
        {"131": (10, 0), "132": (10, 0), "164": (4, 6), "165": (6, 4), "166": (4, 6), "176": (10, 0)},
        scores=_BEFORE,
        **{**_CHRF, "strategy": "random", "shown": _DRAWN},
    ),
    AskedRun(
        "alpha-de-minority",
        "alpha",
        "de",
        {"131": (5, 5), "132": (10, 0), "164": (0, 10), "165": (5, 5), "166": (10, 0), "176": (10, 0)},
        scores=_BEFORE,
        **{**_CHRF, "answers": "minority"},
    ),
    AskedRun(
        "alpha-de-korean",
        "alpha",
        "de",
        {"131": (10, 0), "132": (10, 0), "164": (5, 5), "165": (4, 6), "166": (1, 9), "176": (10, 0)},
        scores=_BEFORE,
        **{**_CHRF, "country": "KR"},
    ),
    AskedRun(
        "beta-de-zero-1", "beta", "de", {"131": (10, 0), "132": (0, 10), "164": (8, 2), "165": (0, 10), "166": (0, 10)}
    ),
    AskedRun("beta-de-chrf", "beta", "de", {"164": (9, 1), "165": (5, 5)}, only_of="beta-de-zero-1", **_CHRF),
    AskedRun(
        "beta-ko-zero-1", "beta", "ko", {"131": (10, 0), "132": (5, 5), "164": (9, 1), "165": (9, 1), "166": (9, 1)}
    ),
    AskedRun(
        "beta-ko-zero-2",
        "beta",
        "ko",
        {"131": (10, 0), "132": (6, 4), "164": (8, 2), "165": (9, 1), "166": (9, 1)},
        draw=2,
    ),
    AskedRun(
        "beta-ko-chrf",
        "beta",
        "ko",
        {"131": (10, 0), "132": (5, 5), "164": (10, 0), "165": (4, 6), "166": (8, 2)},
        **{**_CHRF, "country": "KR"},
    ),
    AskedRun(
        "alpha-ko-scale-zero",
        "alpha",
        "ko",
        {"131": (5, 4, 1, 0), "132": (2, 3, 4, 1), "165": (1, 0, 9, 0)},
        options="scale",
    ),
    AskedRun(
        "alpha-ko-scale-chrf",
        "alpha",
        "ko",
        {"131": (4, 6, 0, 0), "132": (4, 4, 2, 0), "165": (1, 1, 4, 4)},
        options="scale",
        **{**_CHRF, "country": "KR"},
    ),
    AskedRun(
        "nobody-ko-category",
        None,
        "ko",
        dict.fromkeys(QUESTIONS, ()),
        **{**_CHRF, "strategy": "chrf_category", "country": "KR"},
    ),
)
"""As queries/selfalign/golden/README.md has them. The last one's prompts were put to no model."""


def hand_study() -> Study:
    """The study that is computed by hand."""
    return {
        "questions": _frame("questions", ((question, *rest) for question, rest in QUESTIONS.items())),
        "probes": _frame(
            "probes",
            (
                (language, question, f"[MASK] {question}", "yes", "no", _polarity(language, question))
                for language in ("de", "ko")
                for question in QUESTIONS
            ),
        ),
        "majorities": _frame(
            "majorities",
            ((country, question, p, 1000) for country, people in P_FIRST.items() for question, p in people.items()),
        ),
        "runs": _frame("runs", map(_run, RUNS)),
        "prompts": _frame(
            "prompts",
            (
                (one.run, question, variant, len(said) // one.variants)
                for one, question, said in _asked()
                for variant in _variants(one)
            ),
        ),
        "options": _frame("options", (row for one, question, _ in _asked() for row in _options(one, question))),
        "responses": _frame(
            "responses", (row for one, question, said in _asked() for row in _responses(one, question, said))
        ),
        "demonstrations": _frame(
            "demonstrations", (row for one, question, _ in _asked() for row in _demonstrations(one, question))
        ),
        "scores": _frame(
            "scores",
            (
                (one.run, question, variant, number, p)
                for one, question, _ in _asked()
                if question in one.scores
                for variant in _variants(one)
                for number, p in ((1, one.scores[question]), (2, 1 - one.scores[question]))
            ),
        ),
    }


def _frame(name: str, rows: Any) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMAS[name], orient="row")


def _polarity(language: str, question: str) -> str:
    return "reversed" if (language, question) == REVERSED else "canonical"


def _run(one: AskedRun) -> tuple[Any, ...]:
    demonstrations = 2 if one.strategy else None
    order = "listed" if one.options == "scale" else "drawn"
    condition = (one.strategy, demonstrations, one.ordering, one.country, one.answers)
    asked = (one.options, order, 10 if one.model else 0, bool(one.scores), one.only_of)
    return one.run, one.model, one.language, 0, one.draw, *condition, *asked


def _asked() -> Iterator[tuple[AskedRun, str, list[tuple[str, int | None]]]]:
    """Every question of every run, with outcomes and answers one by one."""
    for one in RUNS:
        for question, said in one.said.items():
            counts = [count for count in said if isinstance(count, int)]
            answers = [("answer", number) for number, count in enumerate(counts, 1) for _ in range(count)]
            yield one, question, [*answers, *((outcome, None) for outcome in said[len(counts) :])]


def _variants(one: AskedRun) -> range:
    return range(1, one.variants + 1)


def _options(one: AskedRun, question: str) -> Iterator[tuple[Any, ...]]:
    texts = SCALE if one.options == "scale" else ("yes", "no")
    for variant in _variants(one):
        for number, text in enumerate(texts, 1):
            on_first = (number <= len(texts) // 2) == ((one.language, question) != REVERSED)
            place = 3 - number if one.options == "probe" and question in SECOND_FIRST else number
            yield one.run, question, variant, number, text, place, "first" if on_first else "second"


def _responses(one: AskedRun, question: str, said: list[tuple[str, int | None]]) -> Iterator[tuple[Any, ...]]:
    """Answers go to the prompts of the question in turn."""
    texts = SCALE if one.options == "scale" else ("yes", "no")
    for place, (outcome, answer) in enumerate(said):
        text = f"{texts[answer - 1]}, because" if answer else "?"
        yield one.run, question, place % one.variants + 1, place // one.variants, text, outcome, answer


def _demonstrations(one: AskedRun, question: str) -> Iterator[tuple[Any, ...]]:
    for variant in _variants(one):
        for position, shown in enumerate(one.shown.get(question, "").split(), 1):
            other, _, similarity = shown.partition(":")
            first = (P_FIRST[str(one.country)][other] >= 0.5) == (one.answers == "majority")
            answer = 1 if first == ((one.language, other) != REVERSED) else 2
            yield one.run, question, variant, position, other, answer, float(similarity) if similarity else None
