"""Choosing the sentences of a fine-tuning run from the corpora of a store (Echoes section 4.2)."""

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.reference.languages import language as resolve
from mlv.schema.errors import DataError, NotFoundError, UsageError, joined

# the keys that all corpora have, ranked by their position in the first
_CHOSEN: Final = """
WITH shared AS (
    SELECT parallel_key, row_number() OVER (ORDER BY min(position) FILTER (corpus_id = $corpora[1])) AS rank
    FROM segment WHERE list_contains($corpora, corpus_id)
    GROUP BY parallel_key HAVING count(*) = len($corpora)
)
SELECT l.code AS language, c.edition, c.sha256 AS corpus_sha256, g.position, g.parallel_key, g.text
FROM shared JOIN segment g USING (parallel_key) JOIN corpus c USING (corpus_id) JOIN "language" l USING (language_id)
WHERE shared.rank <= $each AND list_contains($corpora, g.corpus_id)
ORDER BY shared.rank, list_position($corpora, g.corpus_id)
"""


def select_segments(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    languages: Sequence[str],
    sentences: int,
    editions: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """The sentences of a fine-tuning run.

    One language: the first ``sentences`` consecutive segments. Several: the first ``sentences / languages`` keys that
    all of them have, in the order of the first language, each in every language.

    Args:
        sentences: In all languages together.
        editions: Edition by language, needed if the store has several.

    Returns:
        ``[language, edition, corpus_sha256, position, parallel_key, text]``, key by key.

    Raises:
        UsageError: Sentences do not divide by languages, a language is named twice, or its edition is ambiguous.
        NotFoundError: The store has no such corpus.
        DataError: There are too few sentences.
    """
    corpora = _find_corpora(connection, source, languages, editions or {})
    if sentences < 1 or sentences % len(corpora):
        raise UsageError(
            f"{sentences:,} sentences do not divide into {len(corpora)} languages.",
            f"Each language gets as many: --sentences {max(1, round(sentences / len(corpora))) * len(corpora)}",
        )
    each = sentences // len(corpora)
    found = connection.execute(_CHOSEN, {"corpora": corpora, "each": each}).pl()
    if found.height < sentences:
        shared = f"that {', '.join(languages)} share" if len(languages) > 1 else f"in {languages[0]}"
        raise DataError(
            f"{source} has {found.height // len(corpora):,} sentences {shared}; {each:,} are needed.",
            f"Take fewer: --sentences {found.height}"
            if found.height
            else "Ingest texts that are translations of each other.",
        )
    return found


def _find_corpora(
    connection: duckdb.DuckDBPyConnection, source: str, languages: Sequence[str], editions: Mapping[str, str]
) -> list[int]:
    """Keys of the corpora of a source, in the order of ``languages``."""
    codes = [resolve(name).code for name in languages]
    if not codes or len(set(codes)) < len(codes):
        raise UsageError(
            f"These are not one or more different languages: {joined(languages)}.", "Name each language once."
        )
    edition_of = {resolve(name).code: edition for name, edition in editions.items()}
    rows = connection.execute(
        'SELECT s.code, l.code, c.edition, c.corpus_id FROM corpus c JOIN source s USING (source_id) JOIN "language" l '
        "USING (language_id) ORDER BY ALL"
    ).fetchall()
    return [_find_corpus(rows, source, code, edition_of.get(code)) for code in codes]


def _find_corpus(rows: Sequence[tuple[str, str, str, int]], source: str, language: str, edition: str | None) -> int:
    """Key of the one corpus that fits. Raises NotFoundError, or UsageError if there are several."""
    in_language = {name: key for owner, code, name, key in rows if (owner, code) == (source, language)}
    fitting = {name: key for name, key in in_language.items() if edition in (None, name)}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    if fitting:
        raise UsageError(
            f"{source} has several editions in {language}: {', '.join(fitting)}.",
            f"Choose one: --edition {language}={next(iter(fitting))}",
        )
    if in_language:
        known = ", ".join(in_language)
        raise NotFoundError(f"{source} has no edition {edition!r} in {language}.", f"Its editions: {known}")
    same_source = [f"{source}/{code}/{name}" for owner, code, name, _ in rows if owner == source]
    others = same_source or sorted({owner for owner, *_ in rows})
    raise NotFoundError(
        f"The store has no corpus of {source} in {language}. It has {joined(others)}.",
        f"Ingest it: mlv ingest corpus --source {source.partition('-')[0]} PATH",
    )
