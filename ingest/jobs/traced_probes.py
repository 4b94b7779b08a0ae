"""Probes whose answers are traced to the training examples of a run."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import polars as pl

from mlv.ingest.jobs.lookup import default_probe_set
from mlv.ingest.jobs.planning import Context, NothingToDoError, NotYetError
from mlv.ingest.jobs.probe import check_probes
from mlv.ingest.jobs.tracing import Targets, Traced, sample
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.spec import ModelRef

REFERENCE_PROBES: Final = 512
"""Most probes that principal directions are learnt from: some dozens in each of the papers' 13 languages."""

_PROBE_COLUMNS: Final = ("language", "question", "template", "answer_first", "answer_second")


class Unanswered(NamedTuple):
    """Probes that a model state has not answered."""

    model: ModelRef
    probe_set: str
    languages: tuple[str, ...]


class NotAnsweredError(NotYetError):
    """A run whose probes were not answered before or after it."""

    def __init__(self, missing: Sequence[Unanswered]) -> None:
        lacking = (f"{one.model.name} lacks answers to {one.probe_set} in {','.join(one.languages)}" for one in missing)
        super().__init__(f"{'; '.join(lacking)}.", "Probe it first.")
        self.missing = tuple(missing)


def find_probes(context: Context, traced: Traced, probe_set: str | None, languages: Sequence[str]) -> pl.DataFrame:
    """The probes of a set, in their order, with the answers before and after the run.

    ``[collection, probe_set, language, question, template, answer_first, answer_second, before, answer,
    shift_sign]``, with NULL as ``before`` or ``answer`` if there is none. Raises NotFoundError if there is no such
    set, DataError if it lacks one of ``languages``.
    """
    probe_set = probe_set or default_probe_set(context.connection)
    probes = frame_of(
        context.connection,
        "WITH given AS (SELECT * FROM v_answer WHERE score = 'mean' AND checkpoint_id IN ($start, $last)) "
        "SELECT p.collection, s.probe_set, p.language, p.question, p.template, p.answer_first, p.answer_second, "
        "       b.answer AS before, a.answer, CASE WHEN a.margin > b.margin THEN 1 ELSE -1 END AS shift_sign "
        "FROM v_probe p JOIN v_probe_set s ON s.collection = p.collection AND s.question = p.question "
        "LEFT JOIN given b ON b.checkpoint_id = $start AND b.collection = p.collection AND b.language = p.language "
        "     AND b.question = p.question "
        "LEFT JOIN given a ON a.checkpoint_id = $last AND a.collection = p.collection AND a.language = p.language "
        "     AND a.question = p.question "
        "WHERE s.probe_set = $probe_set "
        "ORDER BY p.language, p.number, p.question",
        {"start": traced.start, "last": traced.last, "probe_set": probe_set},
    )
    check_probes(context.connection, probes, probe_set, languages)
    return probes


def answered_probes(traced: Traced, languages: Sequence[str], probes: pl.DataFrame) -> pl.DataFrame:
    """The probes that were answered before and after the run.

    Raises NotAnsweredError if there are none in one of ``languages``, or none at all.
    """
    answered = probes.drop_nulls(["before", "answer"])
    needed = languages or ([] if answered.height else probes["language"].unique().sort())
    without = [language for language in needed if language not in set(answered["language"])]
    present = {column: set(probes.drop_nulls(column)["language"]) for column in ("before", "answer")}
    # a language in which both answered, but not the same probes, lacks answers of both
    apart = present["before"] & present["answer"]
    missing = []
    for column, model in (("before", traced.spec.model), ("answer", traced.last_checkpoint)):
        lacking = tuple(code for code in without if code in apart or code not in present[column])
        if lacking:
            missing.append(Unanswered(model, probes["probe_set"][0], lacking))
    if missing:
        raise NotAnsweredError(missing)
    return answered


def shifted_probes(answered: pl.DataFrame, traced: Traced) -> pl.DataFrame:
    """The probes whose answer the run changed. Raises NothingToDoError if there is none."""
    shifted = answered.filter(pl.col("answer") != pl.col("before"))
    if shifted.is_empty():
        raise NothingToDoError(
            f"{traced.name} shifted none of its {answered.height} values in "
            f"{', '.join(answered['language'].unique().sort())}.",
            "Trace all of them (--targets all), or other languages (--language).",
        )
    return shifted


def reference_probes(answered: pl.DataFrame) -> pl.DataFrame:
    """The probes that principal directions are learnt from: of those that were answered, since a tokenizer may not be
    able to tell the answers of others apart."""
    return sample(answered, REFERENCE_PROBES).select(_PROBE_COLUMNS)


def as_targets(probes: pl.DataFrame, reference: pl.DataFrame) -> Targets:
    """Probes as what is traced."""
    targets = probes.select(*_PROBE_COLUMNS, pl.col("answer", "shift_sign").cast(pl.Int8))
    return Targets(targets, reference, probes["collection"][0], probes["probe_set"][0])
