"""The sentences of D6 that take more than the span of a value. None quotes an attribute."""

import polars as pl

from mlv.queries.sentences import number, span


def stereotype_counts(rows: pl.DataFrame) -> str:
    """How many there are, of how many groups, and how many are single words."""
    whole = rows.filter(category="all")
    said, different, of, single = (
        f"{whole[column].sum():,}" for column in ("stereotypes", "pairs", "groups", "single_words")
    )
    return f"People say {said} things of {of} groups, {different} of them different; {single} are single words."


def stereotype_engines(rows: pl.DataFrame) -> str:
    """Where most were found."""
    first = rows.sort("stereotypes", descending=True, maintain_order=True).row(0, named=True)
    return f"Most, {number(first['percent'], '%', 1)}, are from {first['engine'] or 'where it is not said'}."


def stereotype_examples(rows: pl.DataFrame) -> str:
    """How many prompts there are; what people say is in the table."""
    return f"{rows.height:,} prompts were completed by {rows['stereotypes'].sum():,} attributes."


def model_details(rows: pl.DataFrame) -> str:
    """How large models are."""
    known = rows.drop_nulls("parameters")["parameters"]
    if known.is_empty():
        return f"There are {rows.height:,} models, none of whose sizes is known."
    low, high = (f"{size / 1e6:,.1f}" for size in (float(min(known)), float(max(known))))
    return f"Models have {low if low == high else f'{low} to {high}'} million parameters ({rows.height:,} models)."


def typicality_ranking(rows: pl.DataFrame) -> str:
    """How many of the first attributes people name as well."""
    firsts = rows.filter(typicality_rank=1)
    share = 100 * int(firsts["in_data"].sum()) / max(1, firsts.height)
    return f"Of the first attributes of {firsts.height:,} sentences {number(share, '%', 1)} are what people say, too."


def emotion_profiles(rows: pl.DataFrame) -> str:
    """The span of each emotion would be long: that of all shares."""
    return f"Shares of emotions go {span(rows, 'score')}."


def attribute_shift(rows: pl.DataFrame) -> str:
    """How many attributes are removed, added and kept."""
    counts = dict(rows.group_by("change").len().iter_rows())
    removed, added, kept = (counts.get(change, 0) for change in ("removed", "added", "kept"))
    return f"Fine-tuning removes {removed:,} of the first attributes of groups, adds {added:,} and keeps {kept:,}."
