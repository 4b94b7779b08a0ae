"""The sentences of H that take more than the span of a value."""

import polars as pl

from mlv.queries.sentences import behind, cell, number, place, span


def influence_mean(rows: pl.DataFrame) -> str:
    """The ends of the mean score, which has no unit that decimals would suit."""
    ends = [rows.sort("influence", maintain_order=True).row(at, named=True) for at in (0, -1)]
    low, high = (f"{end['influence']:.1e}".replace("-", "\N{MINUS SIGN}") + f" ({place(end, rows)})" for end in ends)
    return f"The mean score goes from {low} to {high} over {rows.height:,} cells{behind(rows, 'targets', 'probes')}."


def influence_quality(rows: pl.DataFrame) -> str:
    """The best prediction of retraining, by models with seeds of their own if there are any, and how sure it is."""
    halves = rows.filter(test="lds")
    rows = halves if halves.height else rows
    headline = rows.filter(pl.col("reading") == "headline")
    best = (headline if headline.height else rows).sort("lds", maintain_order=True).row(-1, named=True)
    ends = [best["lds_low"], best["lds_high"]]
    interval = "" if None in ends else f" ({' to '.join(number(end, '', 2) for end in ends)})"
    label = {"headline": "seeds of their own", "given the seed": "the run's seed"}.get(best["reading"], "a smoke test")
    return (
        f"The best prediction of retraining has an LDS of {cell(best, rows, 'lds', '', 2)}{interval}, over "
        f"{best['targets']} probes and {best['n']} retrained models ({label})."
    )


def influence_by_epoch(rows: pl.DataFrame) -> str:
    """The span of the shares, and how many steps between epochs are told from none."""
    tested = rows.drop_nulls("wilcoxon_p")
    shares = f"The shares go {span(rows, 'contribution')}"
    if tested.is_empty():
        return f"{shares}; no step between epochs changes enough probes for a test."
    significant = tested.filter(pl.col("wilcoxon_p") < 0.05).height
    return (
        f"{shares}; {significant:,} of {tested.height:,} steps between epochs have p < 0.05 before any correction for "
        "their number."
    )


def influence_distribution(rows: pl.DataFrame) -> str:
    """How many scores are 0 or above, by training and test language."""
    positive = pl.col("share").filter(pl.col("sign") == "positive").sum()
    places = [name for name in rows.columns if name not in ("sign", "low", "high", "n", "share")]
    cells = rows.group_by(places, maintain_order=True).agg(positive)
    return f"Scores of 0 and above are {span(cells, 'share')}{behind(cells, 'targets', 'probes')}."


def influence_concentration(rows: pl.DataFrame) -> str:
    """How many different examples the lists have beside chance, and in how many the commonest one is."""
    return (
        f"Different examples in the lists, over those in lists drawn at random, go {span(rows, 'lift', '', 2)}"
        f"{behind(rows, 'targets', 'lists')}; of the lists, the commonest example is in {span(rows, 'most')}."
    )


def influence_epoch_test(rows: pl.DataFrame) -> str:
    """How many tests tell two epochs apart, before and after a correction for their number."""
    tests, significant, holm = (rows[name].sum() for name in ("targets", "significant", "significant_holm"))
    return (
        f"Of {tests:,} tests of one probe's scores at two epochs {significant:,} have p < 0.05, and {holm:,} corrected "
        "for those of their run and test language."
    )


def influence_examples(rows: pl.DataFrame) -> str:
    """How many of the examples have the class of the text that they influence, and are in its language."""
    texts = rows.select("run", "language", "key").n_unique()
    own = 100 * rows.filter(pl.col("language") == pl.col("train_language")).height / rows.height
    shares = [
        f"{number(100 * float(group['same_class'].mean()), '%', 1)} of the {direction} ones"  # type: ignore[arg-type]
        for (direction,), group in rows.group_by("direction", maintain_order=True)
    ]
    return (
        f"Of {rows.height:,} examples of {texts:,} texts {number(own, '%', 1)} are in the text's language; "
        f"of its class are {' and '.join(shares)}."
    )


def accuracy(rows: pl.DataFrame) -> str:
    """The span of the accuracies, beside that of predicting the most frequent class."""
    each = rows.filter(pl.col("language") != "all")
    return (
        f"Classifiers have {span(each, 'accuracy')} of texts right; the most frequent class alone has "
        f"{span(each, 'majority')}{behind(each, 'texts', 'texts')}."
    )
