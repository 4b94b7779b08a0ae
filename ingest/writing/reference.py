"""Writing reference rows: languages, countries, questions and categories, each entered when it is first needed."""

from collections.abc import Iterable
from typing import Final

import duckdb
import polars as pl

from mlv.ingest.reference.languages import country, language
from mlv.ingest.reference.questions import category_of, number_of
from mlv.schema.papers import echoes
from mlv.schema.store.rows import ensure

LANGUAGE_COUNTRY_CITATION: Final = "dissertation Table 7.2"


def ensure_language(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Key of a language, which is added if it is new. Raises UsageError if there is no such language."""
    row = pl.DataFrame([language(name)._asdict()])
    return int(ensure(connection, "language", row, ["code"])["language_id"][0])


def ensure_country(connection: duckdb.DuckDBPyConnection, name: str | int) -> int:
    """Key of a country, which is added if it is new. Raises UsageError if there is no such country."""
    row = pl.DataFrame([country(name)._asdict()])
    return int(ensure(connection, "country", row, ["code"])["country_id"][0])


def ensure_questions(connection: duckdb.DuckDBPyConnection, codes: Iterable[str]) -> dict[str, int]:
    """Keys of questions by code; new ones are added. Every code has a ``number_of``."""
    rows = [(code, number_of(code)) for code in codes]
    frame = pl.DataFrame(rows, schema={"code": pl.String, "number": pl.Int64}, orient="row").with_columns(
        category_id=pl.col("number").map_elements(_category_number, return_dtype=pl.Int64),
    )
    return dict(ensure(connection, "question", frame, ["code"]).select("code", "question_id").iter_rows())


def _category_number(number: int) -> int | None:
    category = category_of(number)
    return None if category is None else category.number


def ensure_reference(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the study's languages, countries, which country stands for which language, and the WVS categories."""
    for code in echoes.FINETUNING_LANGUAGES:
        ensure_language(connection, code)
    pairs = [
        {
            "language_id": ensure_language(connection, code),
            "country_id": ensure_country(connection, alpha2),
            "citation": LANGUAGE_COUNTRY_CITATION,
        }
        for code, alpha2 in echoes.LANGUAGE_COUNTRY.items()
    ]
    ensure(connection, "language_country", pl.DataFrame(pairs), ["language_id", "country_id"])
    connection.executemany(
        "INSERT INTO category (category_id, code, name, first_number, last_number, in_study) "
        "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        echoes.CATEGORIES,
    )
