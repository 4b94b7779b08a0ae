"""SQL and parameters by hand, and stores that came from somebody else: an answer or a refusal."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from fuzzing import examples, outcome
from hypothesis import given
from hypothesis import strategies as st

from mlv.migrations import upgrade
from mlv.queries import catalogue, execute_sql, run_query
from mlv.queries.engine.catalogue import Query, find
from mlv.queries.engine.parameters import parse_assignments
from mlv.queries.engine.rendering import FORMATS, render
from mlv.queries.notebook import open_store as open_notebook
from mlv.schema.errors import MlvError, StoreError, UsageError
from mlv.schema.store.opening import connect, open_store

TEXTS = st.one_of(
    st.text(),
    st.text(alphabet=st.characters()),
    st.sampled_from(
        ("'; DROP TABLE run; --", '"', "\x00", "\ud800", "nan", "inf", "1e400", "9" * 5000, "-1", "a,b", ",,", "$run")
    ),
)
SQL = r"""
SELECT FROM WHERE v_run run kind * ( ) , ; ' " -- /* count(*) 1 NULL $a ? AS UNION ALL WITH x ORDER BY
PRAGMA SHOW DESCRIBE SUMMARIZE EXPLAIN PIVOT UNNEST [1] {'a':1} INTERVAL 'x'::DATE 1e400 DROP TABLE INSERT INTO
CREATE TEMP VALUES (1) SET threads=1 range(3) read_csv('/etc/passwd') ATTACH ':memory:' COPY TO '/tmp/x'
"""
WORDS = st.sampled_from((*SQL.split(), "\ud800"))
EXTREMES = (
    *(
        "'infinity'::TIMESTAMP",
        "'-infinity'::DATE",
        "'290000-01-01'::DATE",
        "[TIMESTAMP 'infinity']",
        "{'d': DATE 'infinity'}",
    ),
    *("340282366920938463463374607431768211455::UHUGEINT", "170141183460469231731687303715884105727::HUGEINT"),
    *(
        "123::BIGNUM",
        "'POINT(1 1)'::GEOMETRY",
        "'12:34:56+15'::TIMETZ",
        "ROW(1, 2)",
        "['\\xff'::BLOB]",
        "'\\xff'::BLOB",
    ),
    *("'nan'::DOUBLE", "'-inf'::FLOAT", "chr(0)", "chr(27) || '[31m'", "MAP {1: 2}", "INTERVAL 1 DAY", "uuid()", "[]"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "mlv.duckdb"
    upgrade(path)
    return path


@pytest.fixture(scope="module")
def connection(store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(store) as connection:
        yield connection


@examples(60)
@given(
    text=st.one_of(TEXTS, st.lists(WORDS, max_size=12).map(" ".join)),
    parameters=st.dictionaries(TEXTS, TEXTS, max_size=2),
)
def test_any_sql(connection: duckdb.DuckDBPyConnection, text: str, parameters: dict[str, str]) -> None:
    outcome(lambda: execute_sql(connection, text, parameters))
    assert connection.execute("SELECT count(*) FROM run").fetchone() == (0,)


@pytest.mark.parametrize("value", EXTREMES)
def test_any_type_is_shown_or_refused(connection: duckdb.DuckDBPyConnection, value: str) -> None:
    result = outcome(lambda: execute_sql(connection, f"SELECT {value} AS v"))
    for name in FORMATS if result else ():
        outcome(lambda name=name: render(result, name))  # type: ignore[misc, arg-type]


def test_a_number_that_would_be_shown_wrongly_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError, match="UHUGEINT, which results cannot hold"):
        execute_sql(connection, "SELECT 340282366920938463463374607431768211455::UHUGEINT AS n")


@examples(60)
@given(query=st.sampled_from(catalogue()), data=st.data())
def test_any_parameter_of_a_query(connection: duckdb.DuckDBPyConnection, query: Query, data: st.DataObject) -> None:
    name = data.draw(st.one_of(st.sampled_from(sorted(query.parameters)), TEXTS)) if query.parameters else "x"
    value = data.draw(TEXTS)
    outcome(lambda: run_query(connection, query, parse_assignments([f"{name}={value}"])))


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_text('{file}')",
        "FROM '{file}'",
        "FROM glob('{folder}/*')",
        "COPY (SELECT 1) TO '{folder}/x.csv'",
        "ATTACH '{folder}/x.duckdb'",
        "EXPORT DATABASE '{folder}/x'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "FROM read_csv('http://127.0.0.1:9/x')",
        "SET enable_external_access = true",
        "SET log_query_path = '{folder}/x'",
        "SET temp_directory = '{folder}/x'",
        "CREATE TABLE x (i INT)",
    ],
)
def test_sql_reaches_nothing_but_the_store(connection: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str) -> None:
    file = tmp_path / "secret.txt"
    file.write_text("secret")
    with pytest.raises(UsageError):
        execute_sql(connection, sql.format(file=file, folder=tmp_path))
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def hostile(store: Path, tmp_path: Path) -> Path:
    """A copy of the store for somebody to put views and macros into."""
    return Path(shutil.copyfile(store, tmp_path / "hostile.duckdb"))


def _put(path: Path, sql: str) -> None:
    with connect(path, read_only=False) as connection:
        connection.execute(sql)


def test_a_view_of_a_store_that_reads_files_is_refused(hostile: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    _put(hostile, f"CREATE OR REPLACE VIEW v_run AS SELECT content AS run FROM read_text('{tmp_path}/secret.txt')")
    _put(hostile, "CREATE VIEW v_own AS FROM v_run")
    with open_store(hostile) as connection, pytest.raises(duckdb.PermissionException):
        connection.execute("FROM v_run")
    for view in ("v_own", "v_run"):
        with open_store(hostile) as connection, pytest.raises(MlvError, match="disabled by configuration"):
            execute_sql(connection, f"FROM {view}")
        with (
            open_notebook(hostile, sealed=True) as notebook,
            pytest.raises(MlvError, match="disabled by configuration"),
        ):
            notebook.sql(f"FROM {view}")


def test_a_view_of_a_store_that_writes_files_writes_none(hostile: Path, tmp_path: Path) -> None:
    goal = tmp_path / "profile.json"
    _put(hostile, f"CREATE VIEW v_trap AS FROM enable_profiling(format = 'json', save_location = '{goal}')")
    # DuckDB, kept from writing the profile, may take that for a fault of its own
    with contextlib.suppress(duckdb.InternalException, UsageError), open_store(hostile) as connection:
        execute_sql(connection, "FROM v_trap; SELECT 42")
    assert not goal.exists()
    with open_notebook(hostile) as notebook:
        notebook.sql("FROM v_trap; SELECT 42")
    assert goal.exists()


@pytest.mark.parametrize(
    "macro", ["lower(x) AS 'evil'", "count(x) AS 5", "isfinite(x) AS true", "range(x) AS TABLE SELECT 1"]
)
def test_a_store_whose_macros_take_the_place_of_functions_is_refused(hostile: Path, macro: str) -> None:
    _put(hostile, f"CREATE MACRO {macro}")
    with open_store(hostile) as connection, pytest.raises(StoreError, match=f"macros .* {macro.partition('(')[0]}"):
        execute_sql(connection, "SELECT 1")


def test_macros_of_ones_own_stay(hostile: Path) -> None:
    _put(hostile, "CREATE MACRO twice(x) AS 2 * x; CREATE MACRO spearman_rho(a, b) AS 0")
    with open_store(hostile) as connection:
        assert execute_sql(connection, "SELECT twice(21) AS x").frame.item() == 42
        assert (
            execute_sql(
                connection, "SELECT function_name FROM duckdb_functions() WHERE function_name = 'spearman_rho'"
            ).frame.height
            == 2
        )


def test_a_notebook_can_read_other_files(hostile: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a\n1\n")
    with open_notebook(hostile) as notebook:
        assert notebook.sql(f"FROM '{tmp_path}/mine.csv'").item() == 1


def test_a_value_that_is_no_text_is_refused(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(UsageError, match=r"task takes text, not '\\ud800'"):
        run_query(connection, find("accuracy"), parse_assignments(["task=\ud800"]))
