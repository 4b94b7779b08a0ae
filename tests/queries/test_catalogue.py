"""The catalogue: headers, what queries may read, and that released files never change."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlv.queries import Query, all_versions, catalogue, find, install_macros, lock
from mlv.queries.engine.catalogue import parse_query
from mlv.schema.errors import DataError, UsageError
from mlv.schema.papers import echoes
from mlv.schema.store.opening import connect
from mlv.schema.views.declared import VIEWS

RELEASED = {
    "agreement",
    "agreement_by_category",
    "agreement_by_language",
    "alignment",
    "alignment_change",
    "coverage",
    "domain_correlation",
    "ground_truth_similarity",
    "influence_by_epoch",
    "influence_consistency",
    "influence_mean",
    "influence_quality",
    "language_contribution",
    "parallel_overlap",
    "profile_projection",
    "removal_effect",
    "seed_robustness",
    "shift_overlap_test_languages",
    "shift_uniqueness",
    "similarity_structure",
    "size_effect",
    "translation_share",
    "unchanged",
    "unchanged_by_category",
    "unchanged_multilingual",
}

HEADER = """/*
question = "?"
grain = "A row."
paper = "Table 1"
reason = "First version."

[parameters.score]
type = "text"
about = "Way of scoring."
default = "mean"

[columns]
n = "Rows."
*/
SELECT 1 AS n
"""


@pytest.fixture(scope="module")
def connection(empty_store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(empty_store) as connection:
        install_macros(connection)
        yield connection


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a parsed statement."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _nodes(value)


def _reads(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[set[str], set[str]]:
    """Tables and views that a SELECT reads, and table functions it calls; its own CTEs left out."""
    row = connection.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchone()
    tree = json.loads(row[0] if row else "{}")
    assert not tree["error"], tree
    nodes = list(_nodes(tree))
    own = {entry["key"] for node in nodes for entry in node.get("cte_map", {}).get("map", [])}
    tables = {node["table_name"] for node in nodes if node.get("type") == "BASE_TABLE"}
    functions = {node["function"]["function_name"] for node in nodes if node.get("type") == "TABLE_FUNCTION"}
    return tables - own, functions


@pytest.mark.parametrize("query", all_versions(), ids=lambda query: query.reference)
def test_queries_read_views_alone(connection: duckdb.DuckDBPyConnection, query: Query) -> None:
    tables, functions = _reads(connection, query.text)
    assert tables <= {view.name for view in VIEWS}
    assert functions <= set(lock.macro_bodies())


def _macro_reads(connection: duckdb.DuckDBPyConnection, body: str) -> tuple[set[str], set[str]]:
    definition = re.split(r"\bAS\b", body.rstrip(";"), maxsplit=1)[1].strip()
    return _reads(connection, definition.removeprefix("TABLE") if "AS TABLE" in body else f"SELECT {definition}")


@pytest.mark.parametrize("body", lock.macro_bodies().values(), ids=list(lock.macro_bodies()))
def test_macros_read_views_alone(connection: duckdb.DuckDBPyConnection, body: str) -> None:
    tables, functions = _macro_reads(connection, body)
    assert tables <= {view.name for view in VIEWS}
    assert functions <= set(lock.macro_bodies())


def test_what_is_read_is_found(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "WITH a AS (FROM run) SELECT (SELECT max(x) FROM v_run) FROM a JOIN b(1) USING (c) WHERE d IN (FROM e)"
    assert _reads(connection, sql) == ({"run", "v_run", "e"}, {"b"})
    body = lock.macro_bodies()["profile_correlations"]
    assert _macro_reads(connection, body)[0] == {"v_model_profile", "v_country_profile", "v_probe_set"}


@pytest.mark.parametrize("query", all_versions(), ids=lambda query: query.reference)
def test_header_and_sql_name_the_same_parameters(connection: duckdb.DuckDBPyConnection, query: Query) -> None:
    assert connection.extract_statements(query.text)[0].named_parameters == set(query.parameters)


@pytest.mark.parametrize("query", all_versions(), ids=lambda query: query.reference)
def test_allowed_values_are_columns_of_views(query: Query) -> None:
    columns = {f"{view.name}.{column}" for view in VIEWS for column in view.columns}
    domains = {parameter.values_from for parameter in query.parameters.values() if parameter.values_from}
    assert domains <= columns


def test_catalogue_has_every_query() -> None:
    assert {query.name for query in catalogue()} == RELEASED


def test_papers_countries_are_those_of_the_macro() -> None:
    assert lock.macro_bodies()["alignment_countries"].count(str(list(echoes.ALIGNMENT_COUNTRIES))) == 1


def test_coverage_asks_for_the_papers_settings() -> None:
    defaults = {name: parameter.default for name, parameter in find("coverage").parameters.items()}
    assert (defaults["epochs"], defaults["batch_size"]) == (echoes.EPOCHS, echoes.BATCH_SIZE)
    assert (defaults["learning_rate"], defaults["ft_languages"]) == (
        echoes.LEARNING_RATE,
        list(echoes.FINETUNING_LANGUAGES),
    )


def test_papers_languages_are_in_alphabetical_order() -> None:
    """Results are ordered by language code, which is the order of the columns of Table 1."""
    assert sorted(echoes.TEST_LANGUAGES) == list(echoes.TEST_LANGUAGES)


def test_newest_version_unless_named() -> None:
    assert find("agreement") == find(f"agreement@{find('agreement').version}")


def test_unknown_query_names_near_ones() -> None:
    with pytest.raises(UsageError) as caught:
        find("agreements")
    assert "'agreements'" in caught.value.message
    assert "Did you mean agreement" in caught.value.hint
    assert "mlv query list" in caught.value.hint


def test_unknown_version_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="no version '99'") as caught:
        find("agreement@99")
    assert "1" in caught.value.hint


def test_header_is_read() -> None:
    query = parse_query("few", 2, HEADER)
    assert (query.reference, query.paper, query.parameters["score"].default) == ("few@2", "Table 1", "mean")
    assert query.columns == {"n": "Rows."}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("SELECT 1", "has no header"),
        (HEADER.replace('grain = "A row."\n', ""), "grain"),
        (HEADER.replace('type = "text"', 'type = "string"'), "type"),
        (HEADER.replace("reason =", "reasons ="), "reasons"),
        (HEADER.replace('"?"', "?"), "does not fit"),
    ],
)
def test_bad_header_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        parse_query("few", 1, text)


def test_line_ends_do_not_change_the_hash() -> None:
    assert parse_query("few", 1, HEADER).sha256 == parse_query("few", 1, HEADER.replace("\n", "\r\n")).sha256


def test_what_is_released_never_changed() -> None:
    """A failure here is mended by restoring the file, and releasing the change as a new version or macro."""
    assert lock.present() == lock.locked()


def test_lock_takes_new_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOCK", tmp_path / "lock.json")
    monkeypatch.setattr(lock, "present", lambda: {"a@1": "x"})
    assert lock.update() == ["a@1"]
    monkeypatch.setattr(lock, "present", lambda: {"a@1": "x", "a@2": "y"})
    assert lock.update() == ["a@2"]
    assert lock.locked() == {"a@1": "x", "a@2": "y"}


@pytest.mark.parametrize(("found", "complaint"), [({"a@1": "y"}, "a@1 has changed"), ({}, "a@1 is gone")])
def test_lock_refuses_what_changed(
    found: dict[str, str], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "LOCK", tmp_path / "lock.json")
    monkeypatch.setattr(lock, "present", lambda: {"a@1": "x"})
    lock.update()
    before = lock.LOCK.read_bytes()
    monkeypatch.setattr(lock, "present", lambda: found)
    with pytest.raises(DataError, match=complaint) as caught:
        lock.update()
    assert "new version" in caught.value.hint
    assert lock.LOCK.read_bytes() == before
