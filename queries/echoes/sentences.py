"""The sentences of E that take more than the span of a value."""

import polars as pl

from mlv.queries.sentences import behind, cell, number, significant, span


def alignment_change(rows: pl.DataFrame) -> str:
    """How many cells are nearer to the country, and by how much."""
    known = rows.drop_nulls("change")
    if known.is_empty():
        return f"Not one of {rows.height:,} cells is defined."
    nearer, farther = (known.filter(pl.col("change") * sign > 0).height for sign in (1, -1))
    sentence = (
        f"After fine-tuning the profile is nearer to the country's in {nearer:,} of {known.height:,} cells and farther "
        f"in {farther:,}; rho changes {span(rows, 'change', '', 2, '+')}{behind(rows, 'n', 'questions')}."
    )
    without = " There are no p-values here: no single cell can be told from no change."
    return f"{sentence}{significant(rows) or without}"


def unchanged_multilingual(rows: pl.DataFrame) -> str:
    """Multilingual fine-tuning beside monolingual."""
    apart = rows.filter(strategy="difference")
    if apart.is_empty():
        return f"No seed has both kinds of runs, nothing to compare: unchanged are {span(rows, 'unchanged')}."
    fewer = apart.filter(pl.col("unchanged") < 0).height
    mean = number(float(apart["unchanged"].mean() or 0), "", 1, "+")  # type: ignore[arg-type]
    return (
        f"Multilingual fine-tuning leaves fewer values unchanged than monolingual in {fewer:,} of {apart.height:,} "
        f"test languages and setups, on average {mean} percentage points.{significant(apart)}"
    )


def similarity_structure(rows: pl.DataFrame) -> str:
    """Rho before and after fine-tuning."""
    before = rows.filter(pl.col("source").is_null()).drop_nulls("rho")["rho"]
    after = rows.drop_nulls(["source", "rho"])
    first = f"Before fine-tuning rho is {', '.join(number(rho, '', 2) for rho in before)}; " if len(before) else ""
    if after.is_empty():
        return f"{first}0 of {rows.height - len(before):,} fine-tuned checkpoints have a defined rho."
    return f"{first}after it, {span(after, 'rho', '', 2)}{behind(after, 'n', 'pairs of languages')}."


def ground_truth_similarity(rows: pl.DataFrame) -> str:
    """Cosines; all of them are defined if there are rows."""
    return f"Cosines of countries' profiles go {span(rows, 'cosine', '', 2)}{behind(rows, 'questions', 'questions')}."


def language_contribution(rows: pl.DataFrame) -> str:
    """Mean shares of the languages of runs on several."""
    several = rows.filter(pl.col("ft_languages").str.contains(","))
    if several.is_empty():
        return "Every traced run was fine-tuned in one language, so that all examples are from it."
    means = several.group_by("ft_language").agg(pl.col("contribution").mean()).sort("contribution", "ft_language")
    shares = ", ".join(f"{language} {number(share, '%', 1)}" for language, share in means.reverse().iter_rows())
    return (
        f"In runs on several languages, the mean shares over test languages are {shares}; single cells go "
        f"{span(several, 'contribution')}{behind(several, 'targets', 'probes')}."
    )


def profile_pca(rows: pl.DataFrame) -> str:
    """What two dimensions show, and the longest move."""
    explained = rows.row(0, named=True)
    share = 100 * (explained["explained_x"] + explained["explained_y"])
    moved = rows.drop_nulls(["source", "base_x"]).with_columns(
        length=((pl.col("x") - pl.col("base_x")) ** 2 + (pl.col("y") - pl.col("base_y")) ** 2).sqrt()
    )
    sentence = f"Two dimensions show {share:.0f}% of the variance of the profiles"
    if moved.is_empty():
        return f"{sentence}."
    last = moved.sort("length", maintain_order=True).row(-1, named=True)
    return f"{sentence}; the longest of {moved.height:,} moves is {cell(last, moved, 'length', '', 2)}."


def coverage(rows: pl.DataFrame) -> str:
    """How many setups have all answers."""
    counts = {status: rows.filter(status=status).height for status in ("present", "partial")}
    return (
        f"Of {rows.height:,} setups, {counts['present']:,} have answers in all test languages, "
        f"{counts['partial']:,} lack some."
    )
