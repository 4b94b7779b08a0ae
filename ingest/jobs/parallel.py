"""In whose translations the sentences of a fine-tuning run have to be there.

Runs in several languages tell languages apart only if they read the same. So a run in one language is on sentences that
the languages it is compared with have as well (Echoes section 4.1 fine-tunes on multi-parallel texts throughout).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import duckdb
from pydantic import AfterValidator, BeforeValidator

from mlv.ingest.jobs.request import Languages, Option, each_once, language_code
from mlv.ingest.readers.sources import SOURCES, find_source
from mlv.schema.papers import echoes

ALONE: Final = ("none",)
"""Said of a run that is on the sentences of its own languages, whatever others have."""


def _read(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if names == ALONE else tuple(sorted(each_once(tuple(map(language_code, names)))))


ParallelWith = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: ALONE if value == ALONE[0] else value),
    AfterValidator(_read),
    Option(flag="parallel-with"),
]
"""Codes of languages in alphabetical order; ``none`` alone; or nothing, where :func:`in_store` or :func:`in_study` say
which."""


def together(languages: Languages, parallel_with: ParallelWith) -> tuple[str, ...] | None:
    """The languages that all have the sentences of a run, in alphabetical order; None for the text of one alone."""
    beside = () if parallel_with == ALONE else parallel_with
    found = tuple(sorted({*languages, *beside}))
    return found if len(found) > 1 else None


def in_store(connection: duckdb.DuckDBPyConnection, source: str, languages: Sequence[str]) -> tuple[str, ...]:
    """What holds if nothing is said: Echoes' fine-tuning languages, those that the source has, for runs in these."""
    if not _is_translated(source) or not set(languages) <= set(echoes.FINETUNING_LANGUAGES):
        return ALONE
    rows = connection.execute(
        'SELECT DISTINCT l.code FROM corpus JOIN source s USING (source_id) JOIN "language" l USING (language_id) '
        "WHERE s.code = ?",
        [source],
    ).fetchall()
    return tuple(sorted({code for (code,) in rows}.intersection(echoes.FINETUNING_LANGUAGES)))


def in_study(jobs: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """What holds for each run of a study if nothing is said: all languages that the study trains in on its source."""
    languages: dict[str, set[str]] = {}
    for job in jobs:
        languages.setdefault(job["source"], set()).update(job["languages"])
    found = {source: tuple(sorted(codes)) if _is_translated(source) else ALONE for source, codes in languages.items()}
    return [found[job["source"]] for job in jobs]


def _is_translated(source: str) -> bool:
    """Whether texts of a source are translations of each other, for a name as the store has it, e.g. news-fox."""
    reader = source.partition("-")[0]
    return reader not in SOURCES or find_source(reader).translated
