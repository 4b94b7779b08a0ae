"""The prompts of a job: which questions are asked, with which options, and after which demonstrations."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import polars as pl

from mlv.ingest.prompts.choosing import Question, choose, options_shown, ordered
from mlv.ingest.prompts.forms import Form, completed, gapped, packaged_form, render
from mlv.schema.errors import DataError, NotFoundError
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.respond import Demonstrations, Options
from mlv.schema.papers.selfalign import OptionOrder
from mlv.schema.store.rows import number

Side = str
"""first or second, of ``answer_side``."""


class Offered(NamedTuple):
    """An answer to choose from."""

    text: str
    side: Side


class Ordered(NamedTuple):
    """How prompts are varied."""

    options: OptionOrder
    samples: int
    seed: int


PROMPTS: Final = {
    "prompt": pl.Int64,
    "language": pl.String,
    "question": pl.String,
    "template": pl.String,
    "answer_first": pl.String,
    "answer_second": pl.String,
    "variant": pl.Int64,
    "samples": pl.Int64,
    "text": pl.String,
    "options": pl.List(pl.String),
    "places": pl.List(pl.Int64),
    "sides": pl.List(pl.String),
}
"""Columns of ``inputs/prompts.parquet``. Options are by number, and places and sides are theirs."""

DEMONSTRATIONS: Final = {
    "prompt": pl.Int64,
    "position": pl.Int64,
    "language": pl.String,
    "question": pl.String,
    "template": pl.String,
    "answer_first": pl.String,
    "answer_second": pl.String,
    "answer": pl.Int64,
    "similarity": pl.Float64,
}
"""Columns of ``inputs/demonstrations.parquet``."""

_PROBES: Final = """
SELECT p.collection, p.language, p.question, p.category, p.template, p.answer_first, p.answer_second, p.polarity
FROM v_probe p
JOIN v_probe_set s USING (question)
WHERE s.probe_set = $probe_set AND p.collection = coalesce($collection, s.collection) AND p.language = $language
ORDER BY p.number, p.question
"""

_SCALES: Final = """
SELECT q.code AS question, o.label, a.side
FROM survey s
JOIN answer_side a USING (codebook_id)
JOIN response_option o USING (codebook_id, variable, response_code)
JOIN question q USING (question_id)
WHERE s.code = ? AND a.side <> 'missing' AND o.label <> ''
ORDER BY q.question_id, o.response_code
"""

_MAJORITIES: Final = """
SELECT question, side FROM v_majority WHERE survey = ? AND country = ? AND weighting = ?
"""

_MISALIGNED: Final = """
SELECT DISTINCT e.question
FROM v_response e
JOIN v_response_run n USING (run_id)
JOIN v_majority m
    ON m.question = e.question AND m.survey = $survey AND m.country = $country AND m.weighting = $weighting
WHERE n.run = $run AND e.side IS DISTINCT FROM m.side
"""


def find_form(name: str, language: str) -> Form:
    """The wording of a name, packaged, or of a path, one's own. Raises MlvError if there is none for the language."""
    if name.endswith(".toml"):
        return Form.read(Path(name)).for_language(language)
    return packaged_form(name, language)


def find_probes(
    connection: duckdb.DuckDBPyConnection, probe_set: str, collection: str | None, language: str
) -> pl.DataFrame:
    """The probes of a set in a language, in the order of questions. Raises NotFoundError if there are none."""
    values = {"probe_set": probe_set, "collection": collection, "language": language}
    found = frame_of(connection, _PROBES, values)
    if found.is_empty():
        there = connection.execute(
            "SELECT DISTINCT p.collection || ' in ' || p.language FROM v_probe p JOIN v_probe_set USING (question) "
            "WHERE probe_set = ? ORDER BY ALL",
            [probe_set],
        ).fetchall()
        raise NotFoundError(
            f"The store has no probes of {probe_set} in {language}{f' from {collection}' if collection else ''}; "
            f"it has {', '.join(row[0] for row in there) or 'none at all'}.",
            "Choose of these with --language and --collection, or ingest probes: mlv ingest probes PATH",
        )
    return found


def count_probes(connection: duckdb.DuckDBPyConnection, probe_set: str, collection: str | None, language: str) -> int:
    """How many probes :func:`find_probes` finds."""
    values = {"probe_set": probe_set, "collection": collection, "language": language}
    return number(connection, f"SELECT count(*) FROM ({_PROBES})", values)


def majorities(connection: duckdb.DuckDBPyConnection, survey: str, country: str, weighting: str) -> Mapping[str, Side]:
    """The side of the majority by question. Raises NotFoundError if the survey has none of the country."""
    found = dict(connection.execute(_MAJORITIES, [survey, country, weighting]).fetchall())
    if not found:
        there = connection.execute(
            "SELECT DISTINCT country FROM v_majority WHERE survey = ? AND weighting = ? ORDER BY country",
            [survey, weighting],
        ).fetchall()
        raise NotFoundError(
            f"{survey} has no {weighting} answers of {country}; it has "
            f"{', '.join(row[0] for row in there) or 'none of any country'}.",
            "Name another --country or --survey, or ingest one: mlv ingest survey PATH",
        )
    return found


def misaligned(
    connection: duckdb.DuckDBPyConnection, run: str, survey: str, country: str, weighting: str
) -> frozenset[str]:
    """Questions that a run did not answer all in line with the majority of a country."""
    values = {"run": run, "survey": survey, "country": country, "weighting": weighting}
    return frozenset(question for (question,) in connection.execute(_MISALIGNED, values).fetchall())


def options_of(
    connection: duckdb.DuckDBPyConnection, probes: pl.DataFrame, options: Options, survey: str
) -> Mapping[str, Sequence[Offered]]:
    """What each question offers: the answers of its probe, or those of the survey; a question that the survey has no
    two labelled answers of is left out. Raises DataError if that are all."""
    if options == "probe":
        return {
            row["question"]: [
                Offered(row["answer_first"], _side(1, row["polarity"])),
                Offered(row["answer_second"], _side(2, row["polarity"])),
            ]
            for row in probes.iter_rows(named=True)
        }
    rows = connection.execute(_SCALES, [survey]).fetchall()
    scales = {question: [Offered(*row[1:]) for row in some] for question, some in groupby(rows, lambda row: row[0])}
    found = {question: scales[question] for question in probes["question"] if len(scales.get(question, ())) > 1}
    if not found:
        raise DataError(
            f"{survey} has no labelled answers to these questions.",
            "Name another --survey, or ask with --options probe.",
        )
    return found


def make_prompts(
    probes: pl.DataFrame,
    options: Mapping[str, Sequence[Offered]],
    form: Form,
    order: Ordered,
    demonstrated: Demonstrations | None,
    majority: Mapping[str, Side],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows of :data:`PROMPTS` and :data:`DEMONSTRATIONS` of the questions in ``options``.

    Samples whose prompts are the same text share a prompt. Candidates of demonstrations are the probes that have a
    ``majority``.
    """
    by_question = {row["question"]: row for row in probes.iter_rows(named=True)}
    lines = _lines(probes, demonstrated, majority, order)
    prompts: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for question, offered in options.items():
        probe = by_question[question]
        for variant, (text, places, before, samples) in enumerate(_variants(probe, offered, form, order, lines), 1):
            prompt = len(prompts) + 1
            prompts.append(
                {
                    **probe,
                    "prompt": prompt,
                    "variant": variant,
                    "samples": samples,
                    "text": text,
                    "options": [option.text for option in offered],
                    "places": [places.index(number) + 1 for number in range(1, len(offered) + 1)],
                    "sides": [option.side for option in offered],
                }
            )
            shown += [{**line, "prompt": prompt} for line in before]
    return _frame(prompts, PROMPTS), _frame(shown, DEMONSTRATIONS)


def _frame(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: row[name] for name in schema} for row in rows], schema=schema, orient="row")


def _side(answer: int, polarity: str) -> Side:
    return "first" if (answer == 1) == (polarity != "reversed") else "second"


Line = Mapping[str, Any]
"""A demonstration: the probe that it is made of, its answer and its similarity."""


def _lines(
    probes: pl.DataFrame, demonstrated: Demonstrations | None, majority: Mapping[str, Side], order: Ordered
) -> list[Mapping[str, Sequence[Line]]]:
    """The demonstrations of each question in the order shown: once for each sample if they are shuffled."""
    if demonstrated is None:
        return [{}]
    rows = {row["question"]: row for row in probes.iter_rows(named=True)}
    questions = [Question(code, row["category"], gapped(row["template"])) for code, row in rows.items()]
    chosen = choose(demonstrated.strategy, questions, majority.keys() & rows.keys(), demonstrated.count, order.seed)
    samples = max(order.samples, 1) if demonstrated.ordering == "shuffled" else 1
    return [
        {
            str(asked): [
                {
                    **(shown := rows[line["demonstration"]]),
                    **line,
                    "question": line["demonstration"],
                    "answer": _answer(majority[line["demonstration"]], shown["polarity"], demonstrated.answers),
                }
                for line in some.iter_rows(named=True)
            ]
            for (asked,), some in placed.sort("position").group_by("question", maintain_order=True)
        }
        for sample in range(samples)
        for placed in [ordered(chosen, demonstrated.ordering, order.seed, sample)]
    ]


def _answer(side: Side, polarity: str, answers: str) -> int:
    """Number of the answer of a probe that is on a side, or on the other for the minority's."""
    on_side = 1 if _side(1, polarity) == side else 2
    return on_side if answers == "majority" else 3 - on_side


def _variants(
    probe: Line, offered: Sequence[Offered], form: Form, order: Ordered, lines: Sequence[Mapping[str, Sequence[Line]]]
) -> Iterator[tuple[str, tuple[int, ...], Sequence[Line], int]]:
    """The different prompts of a question: text, options in the order shown, demonstrations, number of samples."""
    first: dict[str, tuple[tuple[int, ...], Sequence[Line]]] = {}
    samples: Counter[str] = Counter()
    differing = max(len(lines), len(offered) if order.options == "balanced" else 1)
    for sample in range(differing):
        numbers = options_shown(order.options, len(offered), probe["question"], order.seed, sample)
        before = lines[sample % len(lines)].get(probe["question"], ())
        sentences = [completed(line["template"], line[_ANSWERS[line["answer"] - 1]]) for line in before]
        text = render(form, probe["template"], [offered[number - 1].text for number in numbers], sentences)
        first.setdefault(text, (numbers, before))
        samples[text] += len(range(sample, order.samples, differing))
    for text, (numbers, before) in first.items():
        yield text, numbers, before, samples[text]


_ANSWERS: Final = ("answer_first", "answer_second")
