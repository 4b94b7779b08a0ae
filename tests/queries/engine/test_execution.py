"""Running queries and SQL by hand: read-only, sealed, and with errors a person can act on."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from mlv.queries import catalogue, execute_sql, find, open_store, run
from mlv.schema.errors import StoreError, UsageError
from mlv.schema.store import opening


@pytest.fixture
def connection(hand_store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with opening.open_store(hand_store) as connection:
        yield connection


def test_result_says_how_to_get_it_again(connection: duckdb.DuckDBPyConnection) -> None:
    result = run(connection, "unchanged", 1, {"source": "pbc"})
    assert (result.name, result.version, result.sql_sha256) == ("unchanged", 1, find("unchanged").sha256)
    assert result.title == (
        "unchanged@1 score=mean probe_set=echoes-2024 strategies=monolingual,multilingual,continued source=pbc "
        f"(SHA-256 {find('unchanged').sha256[:12]})"
    )


@pytest.mark.parametrize("name", [query.name for query in catalogue()])
def test_empty_store_gives_no_rows_but_columns(empty_store: Path, name: str) -> None:
    with opening.open_store(empty_store) as connection:
        frame = run(connection, name).frame
    assert frame.height == 0
    assert frame.columns == list(find(name).columns)


def test_last_of_several_statements_is_the_result(connection: duckdb.DuckDBPyConnection) -> None:
    result = execute_sql(connection, "CREATE TEMP TABLE t AS SELECT 1 AS a; SELECT a + $b AS c FROM t -- ;", {"b": 2})
    assert result.frame.to_dicts() == [{"c": 3}]
    assert (result.name, result.version) == ("sql", None)


def test_macros_serve_sql_by_hand(connection: duckdb.DuckDBPyConnection) -> None:
    sql = "FROM profile_correlations([1], 'mean', 'echoes-2024', 'wvs7', 'weighted', ['DE'], NULL) ORDER BY language"
    assert execute_sql(connection, sql).frame["n"].to_list() == [5, 5]


@pytest.mark.parametrize("sql", ["", " \n", "-- nothing"])
def test_no_statement_is_refused(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    with pytest.raises(UsageError, match="no SQL"):
        execute_sql(connection, sql)


@pytest.mark.parametrize(
    ("sql", "words", "hint"),
    [
        ("SELEC 1", "syntax error", ""),
        ("SELECT * FROM answers", "answers does not exist", "v_answer"),
        ("SELECT answr FROM v_answer", "answr", "DESCRIBE v_answer"),
        ("SELECT 'a'::INTEGER", "Could not convert", ""),
        ("SELECT INTERVAL 1 DAY AS gap", "Column gap is of type INTERVAL", 'CAST("gap" AS VARCHAR)'),
        ("SELECT MAP([1], [2]) AS m", "Column m is of type MAP", "CAST"),
        ("SELECT [{'gap': INTERVAL 1 DAY}] AS g", "Column g is of type STRUCT", "CAST"),
        ("SELECT $missing", "missing", ""),
    ],
)
def test_errors_are_duckdbs_words_and_a_hint(
    connection: duckdb.DuckDBPyConnection, sql: str, words: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        execute_sql(connection, sql)
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "sql", ["DELETE FROM probe_answer", "CREATE TABLE t (a INTEGER)", "DROP VIEW v_run", "UPDATE run SET seed = 2"]
)
def test_a_store_open_for_reading_cannot_be_written(
    connection: duckdb.DuckDBPyConnection, hand_store: Path, sql: str
) -> None:
    before = hand_store.read_bytes()
    with pytest.raises(UsageError, match="read-only") as caught:
        execute_sql(connection, sql)
    assert "--write" in caught.value.hint
    assert hand_store.read_bytes() == before


def test_a_query_that_needs_more_memory_than_there_is_says_what_to_leave_out(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    connection.execute("SET memory_limit = '20MB'")
    connection.execute("SET max_temp_directory_size = '0MB'")
    with pytest.raises(UsageError, match="The query ran out of memory: ") as caught:
        execute_sql(connection, "SELECT list(md5(i::VARCHAR) ORDER BY i) FROM range(5000000) t(i)", sealed=False)
    assert "--no-ci" in caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/out.duckdb'",
        "SELECT * FROM read_csv('{folder}/secret.csv')",
        "SELECT * FROM '{folder}/secret.csv'",
        "SELECT * FROM glob('{folder}/*')",
        "INSTALL httpfs",
        "SET enable_external_access = true",
    ],
)
def test_a_sealed_connection_reaches_nothing_but_the_store(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str
) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(UsageError):
        execute_sql(connection, sql.format(folder=tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["secret.csv"]


def test_a_sealed_connection_sees_no_python_variable(connection: duckdb.DuckDBPyConnection) -> None:
    given = pl.DataFrame({"a": [1]})
    with pytest.raises(UsageError, match="given does not exist"):
        execute_sql(connection, "SELECT * FROM given")
    assert given.height == 1


def test_an_unsealed_connection_reads_files(hand_store: Path, tmp_path: Path) -> None:
    # a copy, since a seal is that of a file for as long as anybody has it open
    copy = Path(shutil.copy(hand_store, tmp_path))
    (tmp_path / "open.csv").write_text("a\n1\n")
    with opening.open_store(copy, sealed=False) as connection:
        frame = execute_sql(connection, f"FROM read_csv('{tmp_path}/open.csv')", sealed=False).frame
    assert frame.to_dicts() == [{"a": 1}]


def test_store_for_notebooks(hand_store: Path) -> None:
    with open_store(hand_store) as opened:
        assert opened.query("unchanged@1", source="pbc", seed=1).height == 10
        assert opened.query("agreement", strategies=["monolingual"], seed=1).height == 4
        assert opened.sql("SELECT $a + 1 AS b", {"a": 1})["b"].to_list() == [2]
        with pytest.raises(UsageError, match="read-only"):
            opened.sql("DELETE FROM metric")
    with pytest.raises(StoreError, match="no store"), open_store(hand_store.parent / "none.duckdb"):
        pass
