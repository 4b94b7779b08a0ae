"""The catalogue: headers, what queries may read, and that released files never change."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlv.queries import Query, all_versions, catalogue, find, install_macros
from mlv.queries.engine.catalogue import parse_query
from mlv.queries.engine.macros import macro_bodies
from mlv.schema.errors import DataError, UsageError
from mlv.schema.papers import echoes
from mlv.schema.store.opening import connect
from mlv.schema.views.declared import VIEWS

HEADER = """/*
question = "?"
grain = "A row."
paper = "Table 1"
reason = "First version."
parameters = ["score"]
columns = ["n"]

[parameter.score]
type = "text"
about = "Way of scoring."
default = "mean"

[column]
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
    assert functions <= set(macro_bodies())


def _macro_reads(connection: duckdb.DuckDBPyConnection, body: str) -> tuple[set[str], set[str]]:
    definition = re.split(r"\bAS\b", body.rstrip(";"), maxsplit=1)[1].strip()
    return _reads(connection, definition.removeprefix("TABLE") if "AS TABLE" in body else f"SELECT {definition}")


@pytest.mark.parametrize("body", macro_bodies().values(), ids=list(macro_bodies()))
def test_macros_read_views_alone(connection: duckdb.DuckDBPyConnection, body: str) -> None:
    tables, functions = _macro_reads(connection, body)
    assert tables <= {view.name for view in VIEWS}
    assert functions <= set(macro_bodies())


def test_what_is_read_is_found(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "WITH a AS (FROM run) SELECT (SELECT max(x) FROM v_run) FROM a JOIN b(1) USING (c) WHERE d IN (FROM e)"
    assert _reads(connection, sql) == ({"run", "v_run", "e"}, {"b"})
    body = macro_bodies()["profile_correlations"]
    assert _macro_reads(connection, body)[0] == {"v_country_profile", "v_probe_set"}


@pytest.mark.parametrize("query", all_versions(), ids=lambda query: query.reference)
def test_header_and_sql_name_the_same_parameters(connection: duckdb.DuckDBPyConnection, query: Query) -> None:
    assert connection.extract_statements(query.text)[0].named_parameters == set(query.parameters)


@pytest.mark.parametrize("query", all_versions(), ids=lambda query: query.reference)
def test_allowed_values_are_columns_of_views(query: Query) -> None:
    columns = {f"{view.name}.{column}" for view in VIEWS for column in view.columns}
    domains = {parameter.values_from for parameter in query.parameters.values() if parameter.values_from}
    assert domains <= columns


def test_a_name_is_that_of_one_query_whosever_study_it_is() -> None:
    references = [query.reference for query in all_versions()]
    assert len(set(references)) == len(references)
    assert len({(query.name, query.study) for query in all_versions()}) == len(catalogue())


def test_papers_countries_are_those_of_the_macro() -> None:
    assert macro_bodies()["alignment_countries"].count(str(list(echoes.ALIGNMENT_COUNTRIES))) == 1


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
        (HEADER.replace('["n"]', '["n", "m"]'), "describes m"),
        (HEADER.replace('["n"]', "[]"), "do not name n"),
        (HEADER.replace("reason =", "reasons ="), "reasons"),
        (HEADER.replace('"?"', "?"), "does not fit"),
    ],
)
def test_bad_header_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        parse_query("few", 1, text)


def test_line_ends_do_not_change_the_hash() -> None:
    assert parse_query("few", 1, HEADER).sha256 == parse_query("few", 1, HEADER.replace("\n", "\r\n")).sha256
