"""Which examples a classifier is given: of each language as many, of one language more, of another none (Choenni,
Garrette and Shutova 2023, sections 4.1, 8.3 and 8.4).

Where texts of the languages are translations of each other all languages have the same ones, by their keys, those of a
language that is left out included; otherwise each has its own. Keys come in the order of the files, or of hashes of a
seed and the key, so that a draw is the same with every version of every library, and a smaller one is the beginning of
a larger one.
"""

import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import duckdb
import polars as pl

from mlv.ingest.jobs.tasks import StoredTask, splits_of
from mlv.schema.errors import DataError, NotFoundError, joined
from mlv.schema.fetching import frame_of

_OFFERED: Final = """
SELECT s.code AS source, l.code AS language, c.edition, c.sha256 AS corpus_sha256, g.position, g.parallel_key,
       g.text, g.text_pair, b.class_number
FROM segment g
JOIN corpus c USING (corpus_id)
JOIN source s USING (source_id)
JOIN "language" l USING (language_id)
JOIN task t ON t.source_id = s.source_id
JOIN task_label b ON b.task_id = t.task_id AND b.label = g.label AND b.class_number IS NOT NULL
WHERE t.code = $task AND c.edition = $edition AND list_contains($languages, l.code)
ORDER BY l.code, g.position
"""


class Composition(NamedTuple):
    """How many examples of which languages."""

    languages: tuple[str, ...]
    """Languages that have the examples, those that are left out included, in alphabetical order."""

    examples: int
    """Of each."""

    left_out: tuple[str, ...] = ()
    added_language: str | None = None
    added_percent: int = 0
    first: bool = False
    """Whether the first are taken, instead of drawn ones."""

    balanced: bool = False
    seed: int = 1

    @property
    def added(self) -> int:
        """How many more there are of one language."""
        return round(self.examples * self.added_percent / 100)


def offered(
    connection: duckdb.DuckDBPyConnection, task: StoredTask, edition: str, languages: Sequence[str]
) -> pl.DataFrame:
    """The texts of a split that have a class in a task, with it.

    ``[source, language, edition, corpus_sha256, position, parallel_key, text, text_pair, class_number]``. Raises
    NotFoundError if a language has none.
    """
    values = {"task": task.code, "edition": edition, "languages": list(languages)}
    found = frame_of(connection, _OFFERED, values)
    if missing := [code for code in languages if code not in set(found["language"])]:
        raise NotFoundError(
            f"The store has no labelled text of {task.code} in {joined(missing)}, {edition}.",
            f"It has {splits_of(connection, task)}. Ingest more, or name a split: --split",
        )
    return found


def compose(texts: pl.DataFrame, wanted: Composition) -> pl.DataFrame:
    """The examples of a run, of ``texts`` in all its languages, as :func:`offered` has them.

    Raises DataError if there are too few.
    """
    ordered = _ordered(texts, wanted)
    shared = _shared(ordered, wanted.languages)
    common = ordered if shared is None else ordered.join(shared, on="parallel_key", how="semi")
    chosen = _first(common, wanted)
    if shared is not None:
        chosen = common.join(chosen.filter(language=wanted.languages[0]), on="parallel_key", how="semi")
    _check_enough(chosen, common, wanted)
    chosen = chosen.filter(~pl.col("language").is_in(list(wanted.left_out)))
    return pl.concat([chosen, _added(ordered, chosen, wanted)]).drop("place").sort("language", "position")


def _ordered(texts: pl.DataFrame, wanted: Composition) -> pl.DataFrame:
    """Texts with their places in the order in which a language's are taken."""
    if wanted.first:
        return texts.with_columns(place=pl.col("position").cast(pl.String).str.zfill(20))
    hashes = {
        key: hashlib.sha256(f"{wanted.seed} {key}".encode()).hexdigest() for key in texts["parallel_key"].unique()
    }
    return texts.with_columns(place=pl.col("parallel_key").replace_strict(hashes, return_dtype=pl.String))


def _shared(texts: pl.DataFrame, languages: Sequence[str]) -> pl.DataFrame | None:
    """Keys that all languages have, with one class; None where none does: these are no translations."""
    if len(languages) == 1:
        return None
    keys = texts.group_by("parallel_key").agg(
        languages=pl.col("language").n_unique(), classes=pl.col("class_number").n_unique()
    )
    everywhere = keys.filter(pl.col("languages") == len(languages))
    return everywhere.filter(pl.col("classes") == 1).select("parallel_key") if everywhere.height else None


def _first(texts: pl.DataFrame, wanted: Composition) -> pl.DataFrame:
    """The first of each language, of each class as many if that is asked for."""
    ordered = texts.sort("language", "place")
    if not wanted.balanced:
        return ordered.filter(pl.int_range(pl.len()).over("language") < wanted.examples)
    each = wanted.examples // texts["class_number"].n_unique()
    return ordered.filter(pl.int_range(pl.len()).over("language", "class_number") < each)


def _added(texts: pl.DataFrame, chosen: pl.DataFrame, wanted: Composition) -> pl.DataFrame:
    """Further examples of one language. Raises DataError if there are too few."""
    own = texts.filter(pl.col("language") == (wanted.added_language or ""))
    further = own.join(chosen, on=["language", "parallel_key"], how="anti").sort("place").head(wanted.added)
    if further.height < wanted.added:
        raise DataError(
            f"{wanted.added_language} has {further.height:,} examples beyond those of all languages; {wanted.added:,} "
            f"are {wanted.added_percent}% of {wanted.examples:,}.",
            "Add less (--add), or take fewer examples (--examples).",
        )
    return further


def _check_enough(chosen: pl.DataFrame, common: pl.DataFrame, wanted: Composition) -> None:
    """Raise DataError if a language has too few examples."""
    counts = dict(chosen.group_by("language").len().iter_rows())
    short = {code: counts.get(code, 0) for code in wanted.languages if counts.get(code, 0) < wanted.examples}
    if short:
        there = dict(common.group_by("language").len().iter_rows())
        said = joined(f"{there.get(code, 0):,} in {code}" for code in short)
        even = " with as many of each class" if wanted.balanced else ""
        raise DataError(
            f"{wanted.examples:,} examples of each language{even} are needed; there are {said}.",
            "Take fewer: --examples",
        )


def check_classes(examples: pl.DataFrame, classes: int) -> None:
    """Raise DataError unless training examples have all of so many classes."""
    if examples["class_number"].n_unique() < classes:
        raise DataError(
            "The examples that were chosen do not have every class of the task.",
            "The file may be sorted by class, or they are very few: draw at random (--draw random), take more, or as "
            "many of each class (--balanced).",
        )
