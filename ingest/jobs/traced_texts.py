"""Labelled texts whose predictions are traced to the training examples of a classifier (Choenni, Garrette and Shutova
2023, section 5)."""

import json
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import polars as pl
from pydantic import Field

from mlv.ingest.jobs.lookup import find_run
from mlv.ingest.jobs.masks import UNMASKED, Chosen
from mlv.ingest.jobs.planning import Context, NotYetError
from mlv.ingest.jobs.request import Name
from mlv.ingest.jobs.tracing import Targets, Traced, in_turn, sample
from mlv.ingest.jobs.trained import corpora_of
from mlv.schema.errors import DataError, NotFoundError, joined
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.masks import Subnetwork

REFERENCE_TEXTS: Final = 256
"""Most texts that principal directions are learnt from, each with every class."""

SORTED: Final = 10
"""Texts of each language of which it is no chance that the first ones of a file are of one class."""

Pick = Literal["first", "random"]

TextSplit = Annotated[
    Name | None, Field(description="Of a classifier: edition of the texts that are traced; test if not given.")
]
AllowSeen = Annotated[
    bool, Field(description="Of a classifier: trace texts although it was trained on them, or on translations of them.")
]

_PREDICTED: Final = """
SELECT p.source, p.split AS edition, c.sha256 AS corpus_sha256, p.language, p.key AS question, g.text, g.text_pair,
       p.gold AS answer, p.correct
FROM (
    SELECT *, NULL AS digest FROM v_prediction
    UNION ALL
    SELECT k.* EXCLUDE (mask_id), m.digest FROM v_masked_prediction k JOIN mask m USING (mask_id)
) p
JOIN segment g USING (segment_id)
JOIN corpus c USING (corpus_id)
WHERE p.checkpoint_id = $checkpoint AND p.split = $split AND p.gold IS NOT NULL
    AND p.digest IS NOT DISTINCT FROM ($masks::JSON ->> p.language)
ORDER BY p.language, g.position
"""

_RIGHT_UNDER: Final = """
SELECT p.key, p.correct
FROM v_masked_prediction p
JOIN mask m USING (mask_id)
WHERE p.checkpoint_id = $checkpoint AND p.split = $split AND p.language = $language AND m.digest = $digest
"""

_SEEN: Final = """
SELECT DISTINCT parallel_key FROM v_training_example
WHERE run = $run AND split IN ('train', 'development') AND list_contains($keys, parallel_key)
ORDER BY parallel_key
"""

_TRACED: Final = "SELECT DISTINCT language, question FROM v_influence_target WHERE run = ?"


def predicted_texts(
    context: Context, traced: Traced, split: str | None, languages: Sequence[str], chosen: Chosen = UNMASKED
) -> pl.DataFrame:
    """The labelled texts of a split (None: test) that the final checkpoint was asked, in the order of their files:
    those in languages with masks under these.

    ``[source, edition, corpus_sha256, language, question, text, text_pair, answer, correct]``. Raises NotYetError if it
    was asked none in one of ``languages``, or none at all.
    """
    split = split or "test"
    values = {"checkpoint": traced.last, "split": split, "masks": json.dumps(chosen.digests())}
    found = frame_of(context.connection, _PREDICTED, values)
    missing = [code for code in languages if code not in set(found["language"])]
    if missing or found.is_empty():
        masked = chosen.for_languages(missing).names
        where = f" --language {','.join(missing)}" if missing else ""
        under = "".join(f" --mask '{code}={name}'" for code, name in masked.items())
        raise NotYetError(
            f"{traced.name} was not asked {split}{f' in {joined(missing)}' if missing else ''}"
            f"{' under ' + joined(dict.fromkeys(masked.values())) if masked else ''}.",
            f"Ask it first: mlv compute predict {traced.name} --split {split}{where}{under}",
        )
    return found


def right_under(
    context: Context, traced: Traced, split: str | None, texts: pl.DataFrame, language: str, under: Sequence[Subnetwork]
) -> pl.DataFrame:
    """Texts of a split (None: test), of which those in a language count as told right only if they are under each of
    some subnetworks too.

    Raises NotYetError where the final checkpoint was not asked them under one.
    """
    split = split or "test"
    keys = set(texts.filter(language=language)["question"])
    for subnetwork in under:
        values = {"checkpoint": traced.last, "language": language, "digest": subnetwork.mask.digest, "split": split}
        told = dict(context.connection.execute(_RIGHT_UNDER, values).fetchall())
        if not told:
            masked = f"--mask '{language}={subnetwork.name}'"
            raise NotYetError(
                f"{traced.name} was not asked {split} in {language} under {subnetwork.name}.",
                f"Ask it first: mlv compute predict {traced.name} --split {split} {masked}",
            )
        keys &= {key for key, correct in told.items() if correct}
    counts = pl.col("language").ne(language) | pl.col("question").is_in(list(keys))
    return texts.with_columns(correct=pl.col("correct") & counts)


def pick(texts: pl.DataFrame, per_language: int, how: Pick, seed: int) -> pl.DataFrame:
    """So many texts of each language that were told right: the first of a file, or drawn by hashes.

    Raises DataError if a language has fewer, or the file is sorted by class.
    """
    right = texts.filter("correct")
    counts = dict(right.group_by("language").len().iter_rows())
    few = {code: counts.get(code, 0) for code in texts["language"].unique().sort()}
    if short := {code: count for code, count in few.items() if count < per_language}:
        said = joined(f"{count:,} in {code}" for code, count in short.items())
        raise DataError(
            f"Of {per_language:,} texts in each language that the classifier has right there are {said}.",
            "Trace fewer: --per-language",
        )
    ordered = right if how == "first" else in_turn(right, str(seed))
    chosen = ordered.filter(pl.int_range(pl.len()).over("language") < per_language)
    if how == "first" and per_language >= SORTED and chosen["answer"].n_unique() == 1 < right["answer"].n_unique():
        raise DataError(
            f"The first {per_language:,} texts of each language are of one class: the file seems sorted by class.",
            "Draw them: --pick random",
        )
    return chosen


def those_of(context: Context, texts: pl.DataFrame, run: str) -> pl.DataFrame:
    """The texts that another influence run traced, as far as they are told right here too. Raises NotFoundError."""
    _, name = find_run(context.connection, run)
    wanted = frame_of(context.connection, _TRACED, [name])
    found = texts.filter("correct").join(wanted, on=["language", "question"], how="semi", maintain_order="left")
    if found.is_empty():
        raise NotFoundError(
            f"None of the {wanted.height:,} texts that {name} traced was asked and told right here.",
            "Name an influence run of the same task and split, or leave it out.",
        )
    return found


def named(texts: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """The texts of some keys, told right or not. Raises NotFoundError if one was not asked."""
    unknown = [key for key in keys if key not in set(texts["question"])]
    if unknown:
        raise NotFoundError(
            f"The classifier was not asked {joined(unknown)}.",
            "Keys are those of the split, e.g. test:17: mlv sql 'SELECT key FROM v_prediction'",
        )
    return texts.filter(pl.col("question").is_in(list(keys)))


def check_unseen(context: Context, traced: Traced, targets: pl.DataFrame) -> None:
    """Raise DataError if a text, or a translation of it, is among the examples of the run."""
    values = {"run": traced.name, "keys": targets["question"].to_list()}
    seen = frame_of(context.connection, _SEEN, values)["parallel_key"].to_list()
    if seen:
        raise DataError(
            f"{traced.name} was trained or watched on {joined(seen, most=5)}, in some language.",
            "Trace a split that it has not seen (--split); --allow-seen if it is meant.",
        )


def reference_texts(texts: pl.DataFrame) -> pl.DataFrame:
    """The texts that principal directions are learnt from, told right or not."""
    return sample(texts, REFERENCE_TEXTS)


def as_targets(chosen: pl.DataFrame, reference: pl.DataFrame) -> Targets:
    """Labelled texts as what is traced."""
    texts = ("language", "question", "text", "text_pair")
    return Targets(
        chosen.select(*texts, pl.col("answer").cast(pl.Int8)),
        reference.select(*texts),
        chosen["source"][0],
        chosen["edition"][0],
        corpora_of(pl.concat([chosen, reference])),
    )
