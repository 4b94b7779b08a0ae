"""Which answered questions are shown before a question, in which order, and in which order its options are.

What is drawn is drawn by SHA-256 of what it is drawn for, so that it is the same with every version of every library.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import polars as pl

from mlv.ingest.prompts.chrf import chrf_matrix
from mlv.schema.papers.selfalign import OptionOrder, Ordering, Strategy

_CHOSEN: Final = {"question": pl.String, "rank": pl.Int64, "demonstration": pl.String, "similarity": pl.Float64}


class Question(NamedTuple):
    """A question as demonstrations are chosen for it, or as one of them."""

    code: str
    category: str
    text: str
    """Its sentence with the gap open, so that no answer leads the choice."""


def choose(
    strategy: Strategy, questions: Sequence[Question], candidates: Collection[str], count: int = 5, seed: int = 0
) -> pl.DataFrame:
    """The demonstrations of each question: ``[question, rank, demonstration, similarity]``, ranks from 1.

    Args:
        strategy: How they are chosen.
        questions: All that are asked together, in their order, by which ties of similarity are decided.
        candidates: Codes of those that can be shown answered, e.g. because they have a majority answer.
        count: How many are chosen. A question with fewer candidates gets those there are; it is never its own.
        seed: Of the random strategies. Both draw from one order, so that they differ by the category alone.

    ``similarity`` is chrF++ of demonstration and question, 0 to 100; NULL for the random strategies.
    """
    similarity = chrf_matrix([one.text for one in questions]) if strategy in ("chrf", "chrf_category") else None
    within = strategy in ("random_category", "chrf_category")
    chosen = []
    for place, asked in enumerate(questions):
        others = [
            other
            for other, one in enumerate(questions)
            if other != place and one.code in candidates and (not within or one.category == asked.category)
        ]
        if similarity is None:
            others.sort(key=lambda other: _lot(seed, asked.code, questions[other].code))
        else:
            others.sort(key=lambda other: -similarity[other, place])
        chosen += [
            (asked.code, rank, questions[other].code, None if similarity is None else similarity[other, place])
            for rank, other in enumerate(others[:count], 1)
        ]
    return pl.DataFrame(chosen, _CHOSEN, orient="row")


def ordered(chosen: pl.DataFrame, ordering: Ordering = "similar_last", seed: int = 0, sample: int = 0) -> pl.DataFrame:
    """What was chosen with its ``position`` in a prompt, from 1, question by question in the order shown.

    Args:
        chosen: As ``choose`` gives it.
        ordering: How they are ordered.
        seed: Of ``shuffled``.
        sample: Number of the answer that the prompt is for; counts for ``shuffled`` alone.
    """
    if ordering == "shuffled":
        codes = chosen.select("question", "demonstration").iter_rows()
        place = pl.Series([_lot(seed, asked, sample, shown) for asked, shown in codes], dtype=pl.String)
    else:
        place = chosen["rank"] if ordering == "similar_first" else -chosen["rank"]
    in_order = chosen.with_columns(place=place).select(pl.all().sort_by("place").over("question")).drop("place")
    return in_order.with_columns(position=pl.int_range(1, pl.len() + 1).over("question"))


def options_shown(order: OptionOrder, count: int, question: str, seed: int = 0, sample: int = 0) -> tuple[int, ...]:
    """Numbers of a question's options, from 1, in the order shown.

    Args:
        order: How they are ordered.
        count: How many options the question has.
        question: Its code. What is drawn is the same for all languages, models and demonstrations.
        seed: Of ``drawn`` and ``balanced``.
        sample: Number of the answer that the prompt is for; counts for ``balanced`` alone.
    """
    listed = range(1, count + 1)
    if order == "listed":
        return tuple(listed)
    drawn = sorted(listed, key=lambda option: _lot(seed, question, "option", option))
    first = sample % count if order == "balanced" else 0
    return (*drawn[first:], *drawn[:first])


def _lot(*what: str | int) -> str:
    """What decides a draw: the smallest wins."""
    return hashlib.sha256(" ".join(map(str, what)).encode()).hexdigest()
