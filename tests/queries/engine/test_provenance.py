"""What a result rests on: the state of the store, the runs that its rows name, and the formats that carry both."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from command_line import Mlv

from mlv.cli.edge import ExitCode
from mlv.queries import QueryResult, execute_sql, find, render, run
from mlv.queries.engine.provenance import provenance
from mlv.queries.engine.state import StoreState, store_state
from mlv.schema.store import opening


@pytest.fixture
def connection(hand_store: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of the hand store, open for writing."""
    copy = tmp_path / "mlv.duckdb"
    copy.write_bytes(hand_store.read_bytes())
    with opening.open_store(copy, read_only=False) as connection:
        yield connection


def _state(connection: duckdb.DuckDBPyConnection) -> StoreState:
    state = store_state(connection)
    assert state is not None
    return state


ANOTHER_RUN = """
INSERT INTO run
SELECT * REPLACE (99 AS run_id, 'probe-new' AS name, 'new' AS spec_hash) FROM run WHERE name = 'finetune-fa'
"""
ANOTHER_FILE = "INSERT INTO ingest_file VALUES (1, 'corpus', 'pbc/fa', 'fa.xml', '00', 1, 1, 0, 0, now()::TIMESTAMP)"


@pytest.mark.parametrize(
    ("added", "taken"),
    [
        (ANOTHER_RUN, "DELETE FROM run WHERE run_id = 99"),
        (ANOTHER_FILE, "DELETE FROM ingest_file"),
    ],
)
def test_the_state_is_that_of_the_runs_and_files(connection: duckdb.DuckDBPyConnection, added: str, taken: str) -> None:
    before = _state(connection)
    connection.execute(added)
    assert _state(connection).digest != before.digest
    connection.execute(taken)
    assert _state(connection) == before


def test_a_run_that_is_being_deleted_is_gone(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(ANOTHER_RUN)
    there = _state(connection)
    connection.execute("UPDATE run SET status = 'deleting' WHERE run_id = 99")
    assert set(there.runs) - set(_state(connection).runs) == {"probe-new"}
    assert _state(connection).digest != there.digest


def test_neither_keys_nor_the_order_of_rows_enter_the_state(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(ANOTHER_RUN)
    before = _state(connection)
    connection.execute("DELETE FROM run WHERE run_id = 99")
    connection.execute(ANOTHER_RUN.replace("99", "-5"))
    assert _state(connection) == before


def test_sql_that_went_elsewhere_has_no_state(connection: duckdb.DuckDBPyConnection) -> None:
    result = execute_sql(connection, "ATTACH ':memory:' AS other; USE other; SELECT 1 AS a", sealed=False)
    assert (result.store, result.frame.rows()) == (None, [(1,)])
    assert provenance(result)["store"] is None


@pytest.mark.parametrize(
    ("reference", "parameters", "runs"),
    [
        ("unchanged", {"seed": 2}, ["finetune-fb", "finetune-hot"]),
        # named as checkpoints, finetune-fa/epoch-2
        ("agreement", {"strategies": ["monolingual"], "seed": 1}, ["finetune-fa", "finetune-ko"]),
        # what a mean is over is not in its rows; the base of the continued run is
        ("alignment_change", {}, []),
        ("alignment_change", {"strategies": ["continued"]}, ["finetune-fa"]),
    ],
)
def test_runs_that_rows_name(
    connection: duckdb.DuckDBPyConnection, reference: str, parameters: dict[str, object], runs: list[str]
) -> None:
    result = run(connection, reference, parameters=parameters)  # type: ignore[arg-type]
    assert result.frame.height > 0
    assert provenance(result)["runs_in_rows"] == runs


def test_parquet_carries_everything_and_keeps_its_rows(connection: duckdb.DuckDBPyConnection) -> None:
    result = run(connection, "unchanged", parameters={"source": "pbc"})
    rendered = render(result, "parquet")
    carried = json.loads(pl.read_parquet_metadata(io.BytesIO(rendered))["mlv"])
    assert carried["query"], carried["version"] == ("unchanged", 1)
    assert carried["sql_sha256"] == find("unchanged@1").sha256
    assert carried["parameters"]["source"] == "pbc"
    assert carried["store"] == {
        "revision": opening.SCHEMA_REVISION,
        "state": _state(connection).digest,
        "runs": list(_state(connection).runs),
    }
    assert pl.read_parquet(io.BytesIO(rendered)).equals(result.frame)


def test_comments_say_where_a_table_came_from() -> None:
    state = StoreState("0003", "0123456789abcdef", ("a", "b"))
    result = QueryResult(pl.DataFrame({"runs": [1]}), "sql", None, "ff", {"text": "<!-- -->"}, state)
    comment = "store at revision 0003, state 0123456789ab, 2 runs"
    assert render(result, "latex").decode().splitlines()[:2] == [f"% {result.title}", f"% {comment}"]
    table, _, comments = render(result, "markdown").decode().partition("\n\n")
    assert table == "| runs |\n| ---: |\n|    1 |"
    assert comments.splitlines()[1] == f"<!-- {comment} -->"
    assert comments.splitlines()[0].count("-->") == 1
    assert render(result, "csv") == b"runs\n1\n"


@pytest.fixture
def mlv(hand_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command line on a copy of the hand store."""
    (tmp_path / "mlv.duckdb").write_bytes(hand_store.read_bytes())
    return Mlv(tmp_path, capsys)


def test_a_file_beside_the_result_says_what_made_it(mlv: Mlv, tmp_path: Path) -> None:
    target = tmp_path / "unchanged.csv"
    assert mlv("query", "run", "unchanged", "-o", str(target)).code == ExitCode.OK
    plain = target.read_bytes()
    assert not (tmp_path / "unchanged.csv.provenance.json").exists()
    done = mlv("query", "run", "unchanged", "-o", str(target), "--provenance")
    assert (done.code, target.read_bytes()) == (ExitCode.OK, plain)
    assert "unchanged.csv.provenance.json" in done.err
    beside = json.loads((tmp_path / "unchanged.csv.provenance.json").read_text(encoding="utf-8"))
    assert (beside["query"], beside["rows"]) == ("unchanged", plain.count(b"\n") - 1)


def test_provenance_needs_a_file_to_lie_beside(mlv: Mlv) -> None:
    done = mlv("query", "run", "unchanged", "--provenance")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "-o PATH" in done.err
