"""Choosing the sentences of a fine-tuning run from the corpora of a store (Echoes section 4.2)."""

from collections.abc import Mapping, Sequence
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.reference.languages import language as resolve
from mlv.schema.errors import DataError, MlvError, NotFoundError, UsageError, joined
from mlv.schema.fetching import frame_of
from mlv.schema.jobs.training import IN_ARTICLE

ALONE: Final = "--parallel-with none"
"""The option that does without the languages of other runs."""

# the keys that all corpora of $together have, ranked by their position in the first
_CHOSEN: Final = """
WITH shared AS (
    SELECT parallel_key, row_number() OVER (ORDER BY min(position) FILTER (corpus_id = $together[1])) AS rank
    FROM segment WHERE list_contains($together, corpus_id)
    GROUP BY parallel_key HAVING count(*) = len($together)
)
SELECT l.code AS language, c.edition, c.sha256 AS corpus_sha256, g.position, g.parallel_key, g.text
FROM shared JOIN segment g USING (parallel_key) JOIN corpus c USING (corpus_id) JOIN "language" l USING (language_id)
WHERE shared.rank <= $each AND list_contains($corpora, g.corpus_id)
ORDER BY shared.rank, list_position($corpora, g.corpus_id)
"""

# the first articles of each of $corpora, whole, in the order of the source
_ARTICLES: Final = """
WITH sentences AS (
    SELECT
        g.*, l.code AS language, c.edition, c.sha256 AS corpus_sha256,
        CASE WHEN starts_with(parallel_key, edition || ':') THEN parallel_key
            ELSE regexp_replace(parallel_key, $within, '') END AS article
    FROM segment g
    JOIN corpus c USING (corpus_id)
    JOIN "language" l USING (language_id)
    WHERE list_contains($corpora, corpus_id)
),
articles AS (
    SELECT corpus_id, article, min(position) AS begins,
           row_number() OVER (PARTITION BY corpus_id ORDER BY min(position)) AS number
    FROM sentences
    GROUP BY corpus_id, article
)
SELECT language, edition, corpus_sha256, position, parallel_key, text, number
FROM sentences
JOIN articles USING (corpus_id, article)
WHERE number <= $articles
ORDER BY list_position($corpora, corpus_id), begins, position
"""


def select_segments(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    languages: Sequence[str],
    sentences: int,
    editions: Mapping[str, str] | None = None,
    parallel_with: Sequence[str] = (),
) -> pl.DataFrame:
    """The sentences of a fine-tuning run.

    One language: the first ``sentences`` consecutive segments. Several: the first ``sentences / languages`` keys that
    all of them have, in the order of the first language, each in every language. ``parallel_with``: the first keys that
    these have as well, in the order of the first of these, so that runs in different languages are on the same ones.

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
    own = _codes(languages)
    together = list(dict.fromkeys([*_codes(parallel_with or own), *own]))
    corpora = _find_corpora(connection, source, own, together, editions or {})
    if sentences < 1 or sentences % len(own):
        raise UsageError(
            f"{sentences:,} sentences do not divide into {len(own)} languages.",
            f"Each language gets as many: --sentences {max(1, round(sentences / len(own))) * len(own)}",
        )
    each = sentences // len(own)
    keys = {"corpora": [corpora[code] for code in own], "together": [corpora[code] for code in together]}
    found = frame_of(connection, _CHOSEN, {**keys, "each": each})
    if found.height < sentences:
        raise _too_few(source, own, together, found.height, each)
    return found


def select_articles(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    languages: Sequence[str],
    articles: int,
    share: float = 1.0,
    editions: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Of the first ``articles`` of a source in each language the first ``share``, at least one, in whole.

    Sentences whose keys are alike but for a number after a colon are of one article, unless what is before it is the
    edition, as in labelled data.

    Returns and raises what :func:`select_segments` does; DataError if there are fewer articles.
    """
    own = _codes(languages)
    corpora = _find_corpora(connection, source, own, own, editions or {})
    given = {"corpora": list(corpora.values()), "articles": articles, "within": IN_ARTICLE}
    found = frame_of(connection, _ARTICLES, given)
    for code in own:
        there = found.filter(language=code)["number"].n_unique()
        if there < articles:
            raise DataError(
                f"{source} has {there:,} articles in {code}; {articles:,} are needed.",
                f"Take fewer: --articles {there}",
            )
    return found.filter(pl.col("number") <= max(1, round(articles * share))).drop("number")


def _codes(languages: Sequence[str]) -> list[str]:
    """Codes of languages, in their order. Raises UsageError if there is none, or one of them twice."""
    codes = [resolve(name).code for name in languages]
    if not codes or len(set(codes)) < len(codes):
        raise UsageError(
            f"These are not one or more different languages: {joined(languages)}.", "Name each language once."
        )
    return codes


def _too_few(source: str, own: Sequence[str], together: Sequence[str], found: int, each: int) -> DataError:
    """Says how many of the sentences that each language needs there are, and what to do."""
    shared = f"that {', '.join(together)} share" if len(together) > 1 else f"in {together[0]}"
    message = f"{source} has {found // len(own):,} sentences {shared}; {each:,} are needed."
    fewer = f"Take fewer: --sentences {found}" if found else "Ingest texts that are translations of each other."
    if len(together) == len(own):
        return DataError(message, fewer)
    return DataError(message, f"{fewer.rstrip('.')}, or those of {', '.join(own)} alone: {ALONE}")


def _find_corpora(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    own: Sequence[str],
    together: Sequence[str],
    editions: Mapping[str, str],
) -> dict[str, int]:
    """Keys of the corpora of a source by language; ``own`` are the languages of the run, of those ``together``."""
    edition_of = {resolve(name).code: edition for name, edition in editions.items()}
    rows = connection.execute(
        'SELECT s.code, l.code, c.edition, c.corpus_id FROM corpus c JOIN source s USING (source_id) JOIN "language" l '
        "USING (language_id) ORDER BY ALL"
    ).fetchall()
    found = {}
    for code in together:
        try:
            found[code] = _find_corpus(rows, source, code, edition_of.get(code))
        except MlvError as error:
            if code not in own:
                error.hint += f" Or take the sentences of {', '.join(own)} alone: {ALONE}"
            raise
    return found


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
