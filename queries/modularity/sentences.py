"""The sentences of D5 that take more than the span of a value."""

import polars as pl

from mlv.queries.sentences import behind, number, span


def contribution_change(rows: pl.DataFrame) -> str:
    """The change of own examples, how many changes are told from none, and what is noise."""
    masked = rows.filter(pl.col("masks") != "noise")
    own = masked.filter(pl.col("language") == pl.col("ft_language"))
    noise = rows["noise"].mean()
    beside = (
        "what other random directions change is not known, since no run without masks was traced with two seeds of them"
        if noise is None
        else f"other random directions alone change a cell by {number(float(noise), ' points', 1)} on average"  # type: ignore[arg-type]
    )
    if own.is_empty():
        return f"No run was traced under such masks; {beside}."
    tested = masked.drop_nulls("p_holm")
    significant = tested.filter(pl.col("p_holm") < 0.05).height
    return (
        f"Under masks own examples change by {span(own, 'change', ' points', 1, '+')}{behind(own, 'targets', 'texts')}"
        f"; of {tested.height:,} cells with a test {significant:,} have p < 0.05, corrected for those of their runs "
        f"and direction; {beside}."
    )


def specialization(rows: pl.DataFrame) -> str:
    """The span of the shares, and of how many times chance they are."""
    whole = rows.filter(pl.col("epoch").is_null())
    return (
        f"Own examples go {span(whole, 'own_share')}{behind(whole, 'targets', 'texts')}; over chance they go "
        f"{span(whole, 'lift', '', 2)}."
    )


def correlation(rows: pl.DataFrame) -> str:
    """The span of the correlations, and how many are told from none."""
    places = [name for name in ("run", "direction", "layer") if name in rows.columns]
    # a point's own columns say nothing of the correlation
    runs = rows.unique(places, maintain_order=True).drop("language", "ft_language", "epoch", strict=False)
    if runs["spearman"].count() == 0:
        return "Not one of the correlations is defined."
    significant = runs.filter(pl.col("p_value") < 0.05).height
    return (
        f"Spearman's correlation goes {span(runs, 'spearman', '', 2, '+')}{behind(runs, 'n', 'points')}; "
        f"{significant:,} of {runs['p_value'].count():,} have p < 0.05 before any correction for their number."
    )


def mask_overlap(rows: pl.DataFrame) -> str:
    """How many heads pairs share, beside chance."""
    whole = rows.filter(pl.col("layer").is_null())
    beyond, expected = whole.filter(pl.col("p_value") < 0.05).height, float(whole["expected_shared"].mean())  # type: ignore[arg-type]
    return (
        f"Two subnetworks share {span(whole, 'shared', ' heads', 0)}; random ones of their sizes would share "
        f"{number(expected, '', 1)} on average. {beyond:,} of {whole.height:,} pairs share "
        "more with p < 0.05, before any correction for their number."
    )


def head_sharing(rows: pl.DataFrame) -> str:
    """How many heads all need, and how many none."""
    every = rows.filter(pl.col("n") == pl.col("subnetworks")).height
    none = rows.filter(pl.col("n") == 0).height
    return f"Of {rows.height:,} attention heads {every:,} are in the subnetworks of all languages, {none:,} in none."


def subnetwork_accuracy(rows: pl.DataFrame) -> str:
    """The span of the accuracies, what masks cost, and how many are at chance."""
    compared = rows.drop_nulls("change")
    cost = "" if compared.is_empty() else f", which is {span(compared, 'change', ' points', 1, '+')} beside no mask"
    return (
        f"Under masks classifiers have {span(rows, 'accuracy')} of texts right{behind(rows, 'texts', 'texts')}{cost}. "
        f"{rows.filter('at_chance').height:,} of {rows.height:,} are not told from the most frequent class."
    )
