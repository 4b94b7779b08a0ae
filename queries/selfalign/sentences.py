"""The sentences of S that take more than the span of a value."""

import polars as pl

from mlv.queries.sentences import behind, number, significant, span


def self_alignment(rows: pl.DataFrame) -> str:
    """How many improved, and how many more than in the control."""
    improved = (
        f"Misaligned questions that improved go {span(rows, 'improved')}{behind(rows, 'misaligned', 'questions')}"
    )
    compared = rows.drop_nulls("difference")
    if compared.is_empty():
        return f"{improved}; how many do so by chance nothing says, since no zero-shot run was repeated."
    beyond = f"beyond the control they go {span(compared, 'difference', ' points', 1, '+')}"
    return f"{improved}; {beyond}.{significant(compared)}"


def error_reduction(rows: pl.DataFrame) -> str:
    """The mean reduction, and that of the control."""
    totals = rows.filter(pl.col("reduction") == "total")
    reduced = f"Mean reductions of errors go {span(totals, 'mean')}{behind(totals, 'improved', 'questions')}"
    control = totals["control_mean"].mean()
    if control is None:
        return f"{reduced}."
    return f"{reduced}; in the control it is {number(float(control), '%', 1)} on average."  # type: ignore[arg-type]


def demonstration_vote(rows: pl.DataFrame) -> str:
    """How often a copied label would be right, beside the most frequent one."""
    return (
        f"Questions to which most demonstrations give the right answer go {span(rows, 'right_vote')}"
        f"{behind(rows, 'probes', 'questions')}; those to which one answer is right {span(rows, 'most_frequent')}."
    )


def demonstration_similarity(rows: pl.DataFrame) -> str:
    """How many demonstrations are of the question's own theme."""
    return (
        f"Demonstrations of the question's own theme go {span(rows, 'same_category')}"
        f"{behind(rows, 'probes', 'questions')}."
    )


def corrected_examples(rows: pl.DataFrame) -> str:
    """How large the gains are."""
    fully = rows.filter(pl.col("right_after") > 100 - 1e-9).height
    return (
        f"The largest gains go {span(rows, 'gain', ' points', 0, '+')}; {fully:,} of {rows.height:,} questions are "
        "answered all in line after."
    )


def response_outcomes(rows: pl.DataFrame) -> str:
    """How many answers could be read, and where too many are cut off."""
    cut_off = rows.filter(pl.col("truncated") > 5).height
    read = f"Answers that are read as one option go {span(rows, 'answered')}{behind(rows, 'responses', 'answers')}."
    return f"{read} {cut_off:,} runs have more than 5% cut off: ask them again with more tokens." if cut_off else read


def sampled_and_scored(rows: pl.DataFrame) -> str:
    """How well both agree."""
    return (
        f"What is between samples and scores of a question goes {span(rows, 'distance', ' points')}"
        f"{behind(rows, 'probes', 'questions')}."
    )


def majority_answers(rows: pl.DataFrame) -> str:
    """How many majorities are narrow."""
    narrow = rows.filter(pl.col("margin") < 5).height
    return (
        f"Majorities go {span(rows, 'share')}; {narrow:,} of {rows.height:,} are within 5 points of a half, "
        "where another sample of people might say the opposite."
    )
