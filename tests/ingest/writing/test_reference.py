"""Reference rows enter the store once, whatever a language or country is called."""

import duckdb

from mlv.ingest.writing.reference import ensure_countries, ensure_language, ensure_questions, ensure_reference
from mlv.schema.papers import echoes


def test_reference_is_added_once(store: duckdb.DuckDBPyConnection) -> None:
    for _ in range(2):
        ensure_reference(store)
    pairs = store.execute(
        'SELECT l.code, c.code FROM language_country x JOIN "language" l USING (language_id) '
        "JOIN country c USING (country_id)"
    ).fetchall()
    assert dict(pairs) == echoes.LANGUAGE_COUNTRY and len(pairs) == 14
    categories = store.execute("SELECT * FROM category ORDER BY category_id").fetchall()
    assert categories == [tuple(category) for category in echoes.CATEGORIES]
    languages = {code for (code,) in store.execute('SELECT code FROM "language"').fetchall()}
    assert languages == {*echoes.LANGUAGE_COUNTRY, *echoes.FINETUNING_LANGUAGES}


def test_names_of_one_language_share_a_key(store: duckdb.DuckDBPyConnection) -> None:
    assert ensure_language(store, "pes_Arab") == ensure_language(store, "fa") != ensure_language(store, "ko")
    countries = ensure_countries(store, ["IRN", 364, "KR"])
    assert countries["IRN"] == countries[364] != countries["KR"]
    assert ensure_countries(store, ["KOR", "JP"])["KOR"] == countries["KR"]
    assert store.execute("SELECT country_id, code FROM country ORDER BY 1").fetchall() == [
        (1, "IR"),
        (2, "KR"),
        (3, "JP"),
    ]
    assert ensure_countries(store, []) == {}


def test_both_poles_are_questions_of_one_number(store: duckdb.DuckDBPyConnection) -> None:
    ensure_reference(store)
    ids = ensure_questions(store, ["106a", "106b", "7"])
    again = ensure_questions(store, ["7", "106b"])
    assert again == {"7": ids["7"], "106b": ids["106b"]}
    rows = store.execute(
        "SELECT q.code, number, c.code FROM question q JOIN category c USING (category_id) ORDER BY number, 1"
    ).fetchall()
    assert rows == [
        ("7", 7, "social_values"),
        ("106a", 106, "economic_values"),
        ("106b", 106, "economic_values"),
    ]
