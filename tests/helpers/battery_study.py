"""Random studies with batteries of questions, and their values as they are and without each battery, in numpy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from by_battery import Ends, Numbers
from scipy import stats

from mlv.schema.derived.resampling import draw_resamples
from mlv.schema.store.opening import connect

Study = dict[str, pl.DataFrame]
MakeStore = Callable[[Study], Path]
Run = tuple[str, str, str, int, int]
"""Name, source, fine-tuning language, sentences and seed."""

CATEGORIES = {"security": range(131, 152), "science": range(158, 164), "ethical_values": range(177, 199)}
QUESTIONS = {str(number): category for category, numbers in CATEGORIES.items() for number in numbers}
BATTERIES = {
    question: f"{category}-{3 * (place // 4) + max(0, place % 4 - 1)}"
    for category, numbers in CATEGORIES.items()
    for place, question in enumerate(map(str, numbers))
}
"""Of two questions, of one, of one, and so on within a category."""

WORDS = 12
"""Pairs of answers of a language."""

SPEC = '{"epochs":5,"batch_size":8,"learning_rate":5e-05}'
LANGUAGES = ("de", "fa", "ko")
COUNTRIES = ("DE", "IR", "KR")


def drawn(make_store: MakeStore, study: Study) -> Path:
    """A store of a study, with resamples of its probe sets."""
    path = make_store(study)
    with connect(path, read_only=False) as connection:
        for (probe_set,) in connection.execute("SELECT probe_set_id FROM probe_set").fetchall():
            draw_resamples(connection, probe_set)
    return path


def checkpoints_of(runs: list[Run]) -> pl.DataFrame:
    """The pretrained model and the last checkpoints of runs."""
    rows: list[tuple[Any, ...]] = [("alpha", "alpha", None, None, None, None, None, 0, True, None, None)]
    rows += [(name, "alpha", name, source, ft, n, seed, 2, True, "alpha", SPEC) for name, source, ft, n, seed in runs]
    columns = ["checkpoint", "model", "run", "source", "ft_languages", "sentences", "seed", "epoch", "is_final"]
    return pl.DataFrame(rows, schema=[*columns, "base", "spec"], orient="row", infer_schema_length=None)


def study_of(
    checkpoints: pl.DataFrame, questions: dict[str, str], answers: pl.DataFrame, *profiles: pl.DataFrame
) -> Study:
    """Frames of a store; ``profiles`` are those of models and of countries."""
    models, people = profiles
    return {
        "checkpoints": checkpoints,
        "answers": answers.with_columns(score=pl.lit("mean")),
        "model_profiles": models.with_columns(score=pl.lit("mean")),
        "country_profiles": people.with_columns(
            survey=pl.lit("wvs7"), weighting=pl.lit("weighted"), illustrative=pl.lit(False)
        ),
        "probe_sets": pl.DataFrame({"probe_set": "echoes-2024", "question": list(questions)}).with_columns(
            battery=pl.col("question").replace(BATTERIES)
        ),
        "segments": pl.DataFrame(
            {
                "source": ["pbc", "pbc", "pbc", "tanzil"],
                "language": ["de", "fa", "ko", "fa"],
                "edition": "",
                "segments": 80,
            }
        ),
        "countries": pl.DataFrame({"language": LANGUAGES, "country": COUNTRIES}),
        "questions": pl.DataFrame({"question": list(questions), "category": list(questions.values())}),
    }


def random_study(runs: list[Run]) -> Study:
    """Answers that one in ten lacks, and profiles with ties."""
    rng = np.random.default_rng(7)
    checkpoints = checkpoints_of(runs)
    asked = [
        (checkpoint, language, question)
        for checkpoint in checkpoints["checkpoint"]
        for language in LANGUAGES
        for question in QUESTIONS
        if rng.random() < 0.9
    ]
    polled = [(country, question) for country in COUNTRIES for question in QUESTIONS if rng.random() < 0.9]
    keys = ["checkpoint", "language", "question"]
    base = {(lang, q): int(rng.integers(1, 3)) for lang in LANGUAGES for q in QUESTIONS}
    flips = {"pbc": 0.3, "tanzil": 0.5}
    sources = dict(checkpoints.select("checkpoint", "source").rows())
    shifts = [rng.random() < flips.get(sources[checkpoint], 0) for checkpoint, _, _ in asked]
    answers = [3 - base[row[1:]] if shift else base[row[1:]] for row, shift in zip(asked, shifts, strict=True)]
    return study_of(
        checkpoints,
        QUESTIONS,
        pl.DataFrame(asked, schema=keys, orient="row").with_columns(answer=pl.Series(answers)),
        pl.DataFrame(asked, schema=keys, orient="row").with_columns(
            p_first=pl.Series(rng.integers(0, 6, len(asked)) / 5)
        ),
        pl.DataFrame(polled, schema=["country", "question"], orient="row").with_columns(
            p_first=pl.Series(rng.integers(0, 9, len(polled)) / 8)
        ),
    ) | {"answer_pairs": answer_pairs()}


def answer_pairs() -> pl.DataFrame:
    """Other pairs in each language; a third of a battery's questions have one of their own, half are turned around.

    Of a battery of two, both may then be as frequent.
    """
    rng = np.random.default_rng(11)
    rows = []
    for language in LANGUAGES:
        of_battery = {battery: rng.integers(WORDS) for battery in sorted(set(BATTERIES.values()))}
        for question, battery in BATTERIES.items():
            word = of_battery[battery] if rng.random() < 2 / 3 else rng.integers(WORDS)
            pair = [f"yes {word}", f"no {word}"]
            rows.append((language, question, *(pair if rng.random() < 0.5 else reversed(pair))))
    return pl.DataFrame(rows, schema=["language", "question", "first", "second"], orient="row")


def pairs_left_out(study: Study, language: str) -> Numbers:
    """1 for every question that is left: of all, then without each pair of answers, [1 + pairs, questions]."""
    asked = set(study["answers"].filter(language=language)["question"])
    of_battery: dict[str, list[tuple[str, ...]]] = {}
    for question, first, second in (
        study["answer_pairs"].filter(language=language).select("question", "first", "second").rows()
    ):
        if question in asked:
            of_battery.setdefault(BATTERIES[question], []).append(tuple(sorted((first, second))))
    of = [_main(of_battery.get(BATTERIES[question], [(BATTERIES[question],)])) for question in QUESTIONS]
    return np.array([np.ones(len(of)), *([one != pair for one in of] for pair in sorted(set(of)))], dtype=float)


def _main(pairs: list[tuple[str, ...]]) -> tuple[str, ...]:
    return min(pairs, key=lambda pair: (-pairs.count(pair), pair))


def effective_batteries(study: Study, checkpoint: str, language: str, country: str) -> float:
    """Of the questions that both profiles have (Kish 1965)."""
    x = profile_of(study["model_profiles"], checkpoint=checkpoint, language=language)
    y = profile_of(study["country_profiles"], country=country)
    sizes = (left_out()[1:, ~np.isnan(x + y)] == 0).sum(axis=1)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def left_out() -> Numbers:
    """1 for every question that is left: of all, then without each battery, [1 + batteries, questions]."""
    of = np.array([BATTERIES[question] for question in QUESTIONS])
    return np.array([np.ones(len(of)), *(of != battery for battery in sorted(set(of)))], dtype=float)


def kept_values(study: Study, run_name: str, language: str, category: str = "") -> Numbers:
    """1 where a value stayed, 0 where it shifted, NaN where it is not known or of another category: [questions]."""
    answers = {
        tuple(row[:3]): row[3] for row in study["answers"].select("checkpoint", "language", "question", "answer").rows()
    }
    before = [answers.get(("alpha", language, question)) for question in QUESTIONS]
    after = [answers.get((run_name, language, question)) for question in QUESTIONS]
    return np.array(
        [
            np.nan if a is None or b is None or category not in ("", theme) else float(a == b)
            for a, b, theme in zip(before, after, QUESTIONS.values(), strict=True)
        ]
    )


def shares_of(values: Numbers, left: Numbers) -> Numbers:
    """Mean, in percent, of the values that are left; NaN where there is none."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Numbers = 100 * (left[:, known] @ values[known]) / left[:, known].sum(axis=1)
    return mean


def items_of(values: Numbers, left: Numbers) -> Numbers:
    """How many of the values are left."""
    number: Numbers = left @ ~np.isnan(values)
    return number


def mean_of(*values: Numbers) -> Numbers:
    """Of those that are defined."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Numbers = np.where(known, values, 0).sum(axis=0) / known.sum(axis=0)
    return mean


def near(row: dict[str, Any], column: str, ends: Ends) -> bool:
    """Whether a row has these ends: to what the expansion of Student's t is good for."""
    got = row[f"{column}_low"], row[f"{column}_high"]
    return got == (None, None) if ends[0] is None else got == pytest.approx(ends, rel=1e-4, abs=1e-5)


def profile_of(frame: pl.DataFrame, **key: str) -> Numbers:
    """Probabilities of the first answers, NaN where not known: [questions]."""
    values = dict(frame.filter(**key).select("question", "p_first").rows())
    return np.array([values.get(question, np.nan) for question in QUESTIONS])


def rhos_of(study: Study, checkpoint: str, language: str, country: str, left: Numbers) -> tuple[Numbers, Numbers]:
    """Scipy's rho of what is left, and how many questions that is."""
    x = profile_of(study["model_profiles"], checkpoint=checkpoint, language=language)
    y = profile_of(study["country_profiles"], country=country)
    both = [~np.isnan(x) & ~np.isnan(y) & (kept > 0) for kept in left]
    rhos = [stats.spearmanr(x[there], y[there]).statistic for there in both]
    return np.array(rhos), np.array([there.sum() for there in both], dtype=float)
