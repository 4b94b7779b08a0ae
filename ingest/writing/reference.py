"""Writing reference rows: languages, countries, questions and categories, each entered when it is first needed."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import duckdb
import polars as pl

from mlv.ingest.reference.languages import CountryRow, LanguageRow, country, language
from mlv.ingest.reference.questions import category_of, number_of
from mlv.schema.errors import DataError, listed
from mlv.schema.papers import echoes
from mlv.schema.papers.echoes import CategoryRange
from mlv.schema.store.rows import ensure

N = TypeVar("N", bound=str | int)

LANGUAGE_COUNTRY_CITATION: Final = "dissertation Table 7.2"

OTHER: Final = "other"
"""Category of questions of one's own that are in none."""


def ensure_languages(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> dict[str, int]:
    """Keys of languages by the names given; new ones are added. Raises UsageError if there is no such language."""
    return _ensure_named(connection, "language", {name: language(name) for name in names})


def ensure_language(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Key of one language."""
    return ensure_languages(connection, [name])[name]


def ensure_countries(connection: duckdb.DuckDBPyConnection, names: Iterable[str | int]) -> dict[str | int, int]:
    """Keys of countries by the names given; new ones are added. Raises UsageError if there is no such country."""
    return _ensure_named(connection, "country", {name: country(name) for name in names})


def _ensure_named(
    connection: duckdb.DuckDBPyConnection, table: str, found: Mapping[N, LanguageRow | CountryRow]
) -> dict[N, int]:
    """Keys of languages or countries by the names that they were found by; new ones are added."""
    if not found:
        return {}
    rows: dict[str, dict[str, str]] = {row.code: row._asdict() for row in found.values()}
    ids: dict[str, int] = dict(ensure(connection, table, pl.DataFrame([*rows.values()]), ["code"]).iter_rows())
    return {name: ids[row.code] for name, row in found.items()}


def ensure_questions(
    connection: duckdb.DuckDBPyConnection, codes: Iterable[str], categories: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Keys of questions by code; new ones are added. The WVS categories have to be there.

    ``categories`` has the category of questions that are not of WVS wave 7; those without one stay where they are, and
    new ones are in ``OTHER``. Raises DataError if a question is in another category than it says.
    """
    wanted = {code: category.code if (category := _category(code)) else OTHER for code in codes}
    wanted |= categories or {}
    ids = _ensure_categories(connection, wanted.values())
    rows = [(code, number_of(code), ids[category]) for code, category in wanted.items()]
    schema = {"code": pl.String, "number": pl.Int64, "category_id": pl.Int64}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    questions = dict(ensure(connection, "question", frame, ["code"]).select("code", "question_id").iter_rows())
    _check_categories(connection, categories or {})
    return questions


def _category(code: str) -> CategoryRange | None:
    """The WVS category of a question; None for one of another origin."""
    number = number_of(code)
    return None if number is None else category_of(number)


def _ensure_categories(connection: duckdb.DuckDBPyConnection, codes: Iterable[str]) -> dict[str, int]:
    """Keys of categories by code; new ones are added."""
    frame = pl.DataFrame({"code": list(dict.fromkeys(codes))}, schema={"code": pl.String})
    rows = frame.with_columns(name=pl.col("code"), in_study=pl.lit(value=False))
    return dict(ensure(connection, "category", rows, ["code"]).iter_rows())


def _check_categories(connection: duckdb.DuckDBPyConnection, wanted: Mapping[str, str]) -> None:
    """Raise DataError if a question of the store is in another category than is wanted."""
    stored = connection.execute(
        "SELECT q.code, c.code FROM question q JOIN category c USING (category_id) WHERE q.code IN (SELECT unnest(?))",
        [list(wanted)],
    ).fetchall()
    if differing := [f"{code} is in {known}, not in {wanted[code]}" for code, known in stored if known != wanted[code]]:
        raise DataError(
            f"Questions of the store are in other categories:{listed(sorted(differing))}",
            "Nothing was written. An identifier means the same question in all collections, and who names it first "
            "gives it its category: write the same one or none, or another identifier.",
        )


def ensure_pairs(connection: duckdb.DuckDBPyConnection, pairs: Mapping[str, Iterable[str]], citation: str) -> None:
    """Add countries, by language, whose people a language is compared with. Raises UsageError for unknown ones."""
    named = [(language, country) for language, countries in pairs.items() for country in countries]
    languages = ensure_languages(connection, (language for language, _ in named))
    countries = ensure_countries(connection, (country for _, country in named))
    rows = [
        {"language_id": languages[language], "country_id": countries[country], "citation": citation}
        for language, country in named
    ]
    if rows:
        ensure(connection, "language_country", pl.DataFrame(rows), ["language_id", "country_id"])


def ensure_reference(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the study's languages, countries, which country stands for which language, and the WVS categories."""
    ensure_languages(connection, echoes.FINETUNING_LANGUAGES)
    pairs = {code: (alpha2,) for code, alpha2 in echoes.LANGUAGE_COUNTRY.items()}
    ensure_pairs(connection, pairs, LANGUAGE_COUNTRY_CITATION)
    connection.executemany(
        "INSERT INTO category (category_id, code, name, first_number, last_number, in_study) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        echoes.CATEGORIES,
    )
