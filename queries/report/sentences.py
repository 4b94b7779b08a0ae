"""One sentence per analysis, computed from its rows: the extreme cells, the mean, and how much is behind them.

A sentence says what the rows say and no more: it names cells, not causes, and gives intervals where the rows have them.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import polars as pl

from mlv.queries.figures.style import AVERAGE, interval, words

Answer = Callable[[pl.DataFrame], str]
Row = dict[str, Any]

_WHERE = (
    "checkpoint_a",
    "checkpoint_b",
    "scores",
    "model",
    "source",
    "source_a",
    "source_b",
    "ft_languages",
    "strategy",
    "sentences",
    "few",
    "many",
    "seed",
    "epoch",
    "direction",
    "category",
    "country",
    "country_a",
    "country_b",
    "language",
    "language_a",
    "language_b",
    "ft_language",
    "ft_language_a",
    "ft_language_b",
    "train_language",
    "seeds",
    "k",
)
"""Columns that say where a row stands, as far as they differ within the rows."""

_SAID = {
    "language": "test language {}",
    "ft_languages": "fine-tuned on {}",
    "ft_language": "examples in {}",
    "train_language": "examples in {}",
    "language_a": "test languages {}",
    "ft_language_a": "fine-tuned on {}",
    "few": "{:,} sentences",
    "many": "{:,} sentences",
    "seeds": "{} seeds",
    "k": "k = {}",
}


def answer(name: str, rows: pl.DataFrame) -> str:
    """What the rows of a query answer to its question, in a sentence."""
    return ANSWERS[name](rows)


def _without_means(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that are no means of others."""
    named = [column for column in ("language", "language_a", "ft_language_a") if column in rows.columns]
    return rows.filter(*(pl.col(column) != AVERAGE for column in named))


def _where(row: Row, rows: pl.DataFrame) -> str:
    telling = (column for column in _WHERE if column in rows.columns and rows[column].n_unique() > 1)
    if "ft_languages" in rows.columns:
        telling = (column for column in telling if column != "strategy")
    return ", ".join(_said(column, row[column]) for column in telling if row[column] is not None)


def _said(column: str, value: Any) -> str:
    if column in {"strategy", "ft_languages"}:
        value = words(column, value)
    return _SAID[column].format(value) if column in _SAID else words(column, value)


def _number(value: float, unit: str, decimals: int, sign: str = "") -> str:
    return f"{value:{sign}.{decimals}f}{unit}".replace("-", "\N{MINUS SIGN}")


def _cell(row: Row, rows: pl.DataFrame, value: str, unit: str, decimals: int, sign: str = "") -> str:
    """A value with its interval, and where it stands."""
    text = _number(row[value], unit, decimals, sign)
    bounds = interval(rows, value)
    low, high = (row[bound] for bound in bounds) if bounds else (None, None)
    if low is not None and high is not None:
        text += f" [{_number(low, '', decimals, sign)}, {_number(high, '', decimals, sign)}]"
    others = rows.filter(pl.col(value) == row[value]).height - 1
    where = _where(row, rows) + (f"; {others:,} other{'s' if others > 1 else ''} alike" if others else "")
    return f"{text} ({where})" if where else text


def _span(rows: pl.DataFrame, value: str, unit: str = "%", decimals: int = 1, sign: str = "") -> str:
    """From the lowest to the highest cell, and the mean of all."""
    cells = _without_means(rows).drop_nulls(value)
    ends = [cells.sort(value, maintain_order=True).row(place, named=True) for place in (0, -1)]
    low, high = (_cell(end, cells, value, unit, decimals, sign) for end in ends)
    if cells.height == 1:
        return f"{low} in the one cell there is"
    mean = _number(float(cells[value].mean()), unit, decimals, sign)  # type: ignore[arg-type]
    return f"from {low} to {high}, on average {mean} over {cells.height:,} cells"


def _n(rows: pl.DataFrame, column: str, of: str) -> str:
    """How much is behind a cell."""
    counts = _without_means(rows)[column].drop_nulls()
    if counts.is_empty():
        return ""
    low, high = min(counts), max(counts)
    of = of.removesuffix("s") if high == 1 else of
    return f" ({low:,} {of} a cell)" if low == high else f" ({low:,} to {high:,} {of} a cell)"


def _tested(rows: pl.DataFrame) -> str:
    """How many cells differ from zero, where the rows have tests."""
    if "p_holm" not in rows.columns:
        return ""
    tested = rows.drop_nulls("p_holm")
    significant = tested.filter(pl.col("p_holm") < 0.05).height
    return f" After Holm's correction, {significant:,} of {tested.height:,} have p < 0.05."


def _spanning(
    beginning: str, value: str, n: str, of: str, unit: str = "%", decimals: int = 1, sign: str = ""
) -> Answer:
    """A sentence that leads to the span of a value."""

    def sentence(rows: pl.DataFrame) -> str:
        if _without_means(rows)[value].count() == 0:
            return f"Not one of {rows.height:,} cells is defined{_n(rows, n, of)}."
        return f"{beginning} {_span(rows, value, unit, decimals, sign)}{_n(rows, n, of)}.{_tested(rows)}"

    return sentence


def _with_mean(beginning: str, value: str, n: str, of: str, unit: str = "%", decimals: int = 1) -> Answer:
    """The same, and the query's own means over languages, which are not the mean of all cells."""
    plain = _spanning(beginning, value, n, of, unit, decimals)

    def sentence(rows: pl.DataFrame) -> str:
        column = "language" if "language" in rows.columns else "language_a"
        means = rows.filter(pl.col(column) == AVERAGE).drop_nulls(value)[value]
        if means.is_empty():
            return plain(rows)
        low, high = (_number(float(end), unit, decimals) for end in (means.min(), means.max()))  # type: ignore[arg-type]
        return f"{plain(rows)} Means by setup: {low if low == high else f'{low} to {high}'}."

    return sentence


def _alignment_change(rows: pl.DataFrame) -> str:
    known = rows.drop_nulls("change")
    if known.is_empty():
        return f"Not one of {rows.height:,} cells is defined."
    nearer, farther = (known.filter(pl.col("change") * sign > 0).height for sign in (1, -1))
    sentence = (
        f"After fine-tuning the profile is nearer to the country's in {nearer:,} of {known.height:,} cells and farther "
        f"in {farther:,}; rho changes {_span(rows, 'change', '', 2, '+')}{_n(rows, 'n', 'questions')}."
    )
    without = " There are no intervals here: no single cell can be told from no change."
    return f"{sentence}{_tested(rows) or without}"


def _unchanged_multilingual(rows: pl.DataFrame) -> str:
    by = ["model", "source", "sentences", "epoch", "settings", "mixture", "language"]
    both = rows.pivot("strategy", index=by, values="unchanged")
    if not {"multilingual", "monolingual_mean"} <= set(both.columns):
        there = rows["strategy"][0].replace("_", " ")
        return f"Only {there} runs are there, nothing to compare them with: unchanged are {_span(rows, 'unchanged')}."
    apart = both.select(by=pl.col("multilingual") - pl.col("monolingual_mean")).drop_nulls()["by"]
    fewer = (apart < 0).sum()
    mean = _number(float(apart.mean() or 0), "", 1, "+")  # type: ignore[arg-type]
    return (
        f"Multilingual fine-tuning leaves fewer values unchanged than monolingual in {fewer:,} of {apart.len():,} test "
        f"languages and setups, on average {mean} percentage points."
    )


def _similarity_structure(rows: pl.DataFrame) -> str:
    before = rows.filter(pl.col("source").is_null()).drop_nulls("rho")["rho"]
    after = rows.drop_nulls(["source", "rho"])
    first = f"Before fine-tuning rho is {', '.join(_number(rho, '', 2) for rho in before)}; " if len(before) else ""
    if after.is_empty():
        return f"{first}0 of {rows.height - len(before):,} fine-tuned checkpoints have a defined rho."
    return f"{first}after it, {_span(after, 'rho', '', 2)}{_n(after, 'n', 'pairs of languages')}."


def _ground_truth_similarity(rows: pl.DataFrame) -> str:
    return f"Cosines of countries' profiles go {_span(rows, 'cosine', '', 2)}{_n(rows, 'questions', 'questions')}."


def _language_contribution(rows: pl.DataFrame) -> str:
    several = rows.filter(pl.col("ft_languages").str.contains(","))
    if several.is_empty():
        return "Every traced run was fine-tuned in one language, so that all examples are from it."
    means = several.group_by("ft_language").agg(pl.col("contribution").mean()).sort("contribution", "ft_language")
    shares = ", ".join(f"{language} {_number(share, '%', 1)}" for language, share in means.reverse().iter_rows())
    return (
        f"In runs on several languages, the mean shares over test languages are {shares}; single cells go "
        f"{_span(several, 'contribution')}{_n(several, 'targets', 'probes')}."
    )


def _profile_projection(rows: pl.DataFrame) -> str:
    explained = rows.row(0, named=True)
    share = 100 * (explained["explained_x"] + explained["explained_y"])
    moved = rows.drop_nulls(["source", "base_x"]).with_columns(
        length=((pl.col("x") - pl.col("base_x")) ** 2 + (pl.col("y") - pl.col("base_y")) ** 2).sqrt()
    )
    sentence = f"Two dimensions show {share:.0f}% of the variance of the profiles"
    if moved.is_empty():
        return f"{sentence}."
    last = moved.sort("length", maintain_order=True).row(-1, named=True)
    return f"{sentence}; the longest of {moved.height:,} moves is {_cell(last, moved, 'length', '', 2)}."


def _influence_mean(rows: pl.DataFrame) -> str:
    ends = [rows.sort("influence", maintain_order=True).row(place, named=True) for place in (0, -1)]
    low, high = (f"{end['influence']:.1e}".replace("-", "\N{MINUS SIGN}") + f" ({_where(end, rows)})" for end in ends)
    return f"The mean score goes from {low} to {high} over {rows.height:,} cells{_n(rows, 'targets', 'probes')}."


def _influence_quality(rows: pl.DataFrame) -> str:
    best = rows.drop_nulls("rho").sort("rho", maintain_order=True).row(-1, named=True)
    z = "" if best["z"] is None else f", {_number(best['z'], '', 1)} null standard deviations above chance"
    return (
        f"The best prediction of retraining has rho {_cell(best, rows, 'rho', '', 2)}{z}, over {best['targets']} "
        f"probes and {best['n']} retrained models."
    )


def _influence_by_epoch(rows: pl.DataFrame) -> str:
    tested = rows.drop_nulls("wilcoxon_p")
    significant = tested.filter(pl.col("wilcoxon_p") < 0.05).height
    return (
        f"The shares go {_span(rows, 'contribution')}; {significant:,} of {tested.height:,} steps between epochs have "
        "p < 0.05 before any correction for their number."
    )


def _coverage(rows: pl.DataFrame) -> str:
    counts = {status: rows.filter(status=status).height for status in ("present", "partial", "missing")}
    said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    return f"Of {rows.height:,} planned runs are {said}."


ANSWERS: Final[Mapping[str, Answer]] = MappingProxyType(
    {
        "agreement": _with_mean("Equal answers go", "agreement", "probes", "probes"),
        "agreement_by_category": _spanning("Equal answers go", "agreement", "probes", "probes"),
        "agreement_by_language": _spanning("Equal answers go", "agreement", "probes", "probes"),
        "alignment": _spanning("Rho with a country's profile goes", "rho", "n", "questions", "", 2),
        "alignment_change": _alignment_change,
        "coverage": _coverage,
        "domain_correlation": _spanning("Pearson's r goes", "correlation", "n", "test languages", "", 2),
        "ground_truth_similarity": _ground_truth_similarity,
        "influence_by_epoch": _influence_by_epoch,
        "influence_consistency": _with_mean("Examples in common go", "consistency", "questions", "questions"),
        "influence_mean": _influence_mean,
        "influence_quality": _influence_quality,
        "language_contribution": _language_contribution,
        "parallel_overlap": _with_mean("Influential translations go", "overlap", "questions", "questions"),
        "profile_projection": _profile_projection,
        "removal_effect": _spanning(
            "The probability of the traced answer changes", "change", "targets", "probes", "", 3, "+"
        ),
        "seed_robustness": _spanning("Standard deviations over the seeds go", "sd", "seeds", "seeds", " points"),
        "shift_overlap_test_languages": _with_mean(
            "The Jaccard index goes", "jaccard", "either", "shifting questions", "", 2
        ),
        "shift_uniqueness": _with_mean(
            "Of the shifting questions, those that shift under one language alone are",
            "uniqueness",
            "shifted",
            "shifting questions",
        ),
        "similarity_structure": _similarity_structure,
        "size_effect": _spanning(
            "With more sentences the unchanged values change", "change", "probes", "probes", " points", 1, "+"
        ),
        "translation_share": _spanning("Translations go", "translations", "targets", "probes"),
        "unchanged": _spanning("Unchanged are", "unchanged", "probes", "probes"),
        "unchanged_by_category": _spanning("Unchanged are", "unchanged", "probes", "probes"),
        "unchanged_multilingual": _unchanged_multilingual,
    }
)
"""By query."""
