"""A list of two categories of groups, the sentences about them, and a lexicon of our own, as rows of a store."""

from typing import Any, Final

import duckdb
import polars as pl

from mlv.ingest.writing.reference import ensure_language
from mlv.schema.papers.stereotypes import TEMPLATES
from mlv.schema.store.rows import append

COLLECTION = "dataset"
"""Collection of the sentences that are no templates."""

GROUPS: Final = {"craft": ("bakers", "boat builders"), "leisure": ("gardeners", "sailors", "bakers")}
"""Groups by category; one name stands in two."""

OWN: Final = (
    ("craft", "bakers", COLLECTION, "why are bakers so good at [MASK] ?", "why are [GROUP] so good at [MASK] ?"),
    ("craft", "bakers", COLLECTION, "why are all of them so [MASK] ?", None),
    # a template's sentence that people were asked, too
    ("leisure", "sailors", COLLECTION, "why are sailors so [MASK] ?", "why are [GROUP] so [MASK] ?"),
)
"""Sentences of a collection: category, group, form, text, prior."""

EMOTIONS: Final = ("joy", "trust")


def clozes() -> pl.DataFrame:
    """All sentences as ``inputs/clozes.parquet`` has them."""
    columns = ("group_list", "category", "group_name", "language", "form", "text", "prior_text")
    templates = [
        ("own", category, name, "en", form, text.format(group=name), text.format(group="[GROUP]"))
        for category, names in GROUPS.items()
        for name in names
        for form, text in TEMPLATES["people"].items()
    ]
    others = [("own", category, name, "en", form, text, prior) for category, name, form, text, prior in OWN]
    return pl.DataFrame([*templates, *others], schema=list(columns), orient="row").sort(columns[1:6])


def enter_groups(connection: duckdb.DuckDBPyConnection, some: pl.DataFrame | None = None) -> None:
    """Enter groups and sentences, :func:`clozes` if not given, into a store that has none."""
    rows = clozes() if some is None else some
    named = rows.select("group_list", "category", "group_name").unique(maintain_order=True)
    lists = named.select(code="group_list").unique(maintain_order=True).with_row_index("group_list_id", 1)
    append(connection, "group_list", lists)
    groups = named.with_row_index("social_group_id", 1).rename({"group_name": "name"})
    numbers = pl.col("group_list").replace_strict(dict(zip(lists["code"], lists["group_list_id"], strict=True)))
    of_people = groups.with_columns(group_list_id=numbers, kind=pl.lit("people"))
    append(connection, "social_group", of_people.drop("group_list"))
    codes = {code: ensure_language(connection, code) for code in rows["language"].unique().sort()}
    numbered = rows.join(groups.rename({"name": "group_name"}), on=["group_list", "category", "group_name"])
    of_collection = pl.when(pl.col("form") == COLLECTION).then(1)
    sentences = numbered.with_row_index("cloze_id", 1).with_columns(
        language_id=pl.col("language").replace_strict(codes), stereotype_collection_id=of_collection
    )
    collection = {"stereotype_collection_id": 1, "code": COLLECTION, "group_list_id": 1, "citation": "own"}
    collection |= {"language_id": codes["en"], "licence": "", "sha256": "x"}
    append(connection, "stereotype_collection", pl.DataFrame([collection]))
    append(
        connection,
        "cloze",
        sentences.select(
            *("cloze_id", "social_group_id", "language_id", "form", "stereotype_collection_id", "text", "prior_text")
        ),
    )


def enter_lexicon(connection: duckdb.DuckDBPyConnection, values: dict[str, tuple[int, int]]) -> None:
    """Enter a lexicon, of words with whether they stand for each of :data:`EMOTIONS`."""
    row: dict[str, Any] = {"lexicon_id": 1, "code": "own", "citation": "own", "licence": "CC0-1.0", "sha256": "x"}
    row |= {"may_be_passed_on": True, "emotions": ",".join(EMOTIONS), "is_complete": True}
    append(connection, "lexicon", pl.DataFrame([row]))
    rows = [
        (1, word, emotion, value) for word, own in values.items() for emotion, value in zip(EMOTIONS, own, strict=True)
    ]
    columns = ["lexicon_id", "word", "emotion", "value"]
    append(connection, "lexicon_value", pl.DataFrame(rows, schema=columns, orient="row"))
