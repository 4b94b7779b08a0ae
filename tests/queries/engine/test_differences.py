"""How two results differ: a made-up second version of a query, two stores, and frames that are hard to compare."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from command_line import Mlv

from mlv.cli.edge import ExitCode
from mlv.queries import all_versions, find, run
from mlv.queries.engine.catalogue import parse_query
from mlv.queries.engine.differences import ROUNDING, differences, key_columns, summary
from mlv.schema.errors import UsageError
from mlv.schema.store.opening import open_store

MADE_UP = """{header}
WITH before AS ({sql})
SELECT
    * REPLACE (CASE WHEN run = 'finetune-fa' AND language = 'de' THEN 81 ELSE unchanged END AS unchanged),
    100 - unchanged AS shifted
FROM before
WHERE run <> 'finetune-hot'
UNION ALL
SELECT * REPLACE ('finetune-new' AS run), 100 - unchanged
FROM before
WHERE run = 'finetune-hot'
ORDER BY ALL DESC
"""
"""A version of unchanged with a cell that was 80, a row under another name, a column more, and another order."""


@pytest.fixture
def second_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The catalogue with ``unchanged@2``."""
    header, sql = find("unchanged@1").text.split("*/")
    header = re.sub(r'reason = ".*"', 'reason = "Made up."', header) + "*/"
    header = header.replace("[intervals]", 'shifted = "Percentage of probes that shifted."\n\n[intervals]')
    everything = (*all_versions(), parse_query("unchanged", 2, MADE_UP.format(header=header, sql=sql)))
    # by its name in sys.modules: the package exports a function that is called like the module
    monkeypatch.setattr(sys.modules["mlv.queries.engine.catalogue"], "all_versions", lambda: everything)


@pytest.fixture
def mlv(hand_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Mlv:
    """The command line on a copy of the hand store."""
    (tmp_path / "mlv.duckdb").write_bytes(hand_store.read_bytes())
    return Mlv(tmp_path, capsys)


@pytest.mark.usefixtures("second_version")
def test_two_versions_differ_in_a_cell_a_row_and_a_column(mlv: Mlv) -> None:
    done = mlv("query", "diff", "unchanged@1", "unchanged@2", "--format", "json")
    columns = ("run", "language", "difference", "column", "first", "second", "change")
    assert [tuple(row[name] for name in columns) for row in json.loads(done.out)] == [
        (None, None, "column only in unchanged@2", "shifted", None, None, None),
        ("finetune-hot", "de", "row only in unchanged@1", None, None, None, None),
        ("finetune-new", "de", "row only in unchanged@2", None, None, None, None),
        ("finetune-fa", "de", "changed", "unchanged", "80.0", "81.0", 1.0),
    ]
    assert done.code == ExitCode.DIFFERENT
    assert "reason of unchanged@2: Made up." in done.err
    assert f"(SHA-256 {find('unchanged@1').sha256[:12]})" in done.err
    assert f"(SHA-256 {find('unchanged@2').sha256[:12]})" in done.err


@pytest.mark.usefixtures("second_version")
def test_parameters_are_those_of_both_sides(mlv: Mlv) -> None:
    """The cell that was changed is of a run with seed 1."""
    done = mlv(
        "query", "diff", "unchanged@1", "unchanged@2", "-p", "seed=2", "--key", "run,language", "--format", "json"
    )
    assert [row["difference"] for row in json.loads(done.out)] == [
        "column only in unchanged@2",
        "row only in unchanged@1",
        "row only in unchanged@2",
    ]
    assert list(json.loads(done.out)[0])[:3] == ["run", "language", "difference"]


def test_a_version_does_not_differ_from_itself(mlv: Mlv) -> None:
    done = mlv("query", "diff", "unchanged@1", "unchanged", "--format", "csv")
    assert (done.code, done.out.count("\n")) == (ExitCode.OK, 1)
    assert done.err.endswith("no difference\n")


def test_two_stores_differ_in_the_answer_that_was_changed(mlv: Mlv, tmp_path: Path) -> None:
    other = tmp_path / "other.duckdb"
    other.write_bytes(mlv.store.read_bytes())
    assert mlv("query", "diff", "unchanged", "--against", str(other)).code == ExitCode.OK
    # of the five probes in German that finetune-hot answers otherwise than alpha, one more agrees: 0 and 20%
    with open_store(other, read_only=False) as connection:
        connection.execute(
            "UPDATE probe_answer SET answer = 3 - answer WHERE score = 'mean' "
            "AND probe_id = (SELECT probe_id FROM v_probe WHERE language = 'de' AND question = '131') "
            "AND checkpoint_id = (SELECT checkpoint_id FROM v_checkpoint WHERE run = 'finetune-hot')"
        )
    done = mlv("query", "diff", "unchanged", "--against", str(other), "--format", "json")
    assert done.code == ExitCode.DIFFERENT
    assert [(row["run"], row["column"], row["change"]) for row in json.loads(done.out)] == [
        ("finetune-hot", "unchanged", 20.0)
    ]


def test_keys_of_a_store_are_not_compared_with_anothers(mlv: Mlv, tmp_path: Path) -> None:
    """A pretrained model is checkpoint 1 here and 51 there."""
    other = tmp_path / "other.duckdb"
    other.write_bytes(mlv.store.read_bytes())
    with open_store(other, read_only=False) as connection:
        for table in ("probe_answer", "checkpoint"):
            connection.execute(f"UPDATE {table} SET checkpoint_id = 51 WHERE checkpoint_id = 2")
    done = mlv("query", "diff", "agreement", "--against", str(other))
    assert done.code == ExitCode.OK, done.out


@pytest.mark.parametrize("rest", [[], ["unchanged@1", "--against", "other.duckdb"]])
def test_what_is_compared_has_to_be_clear(mlv: Mlv, rest: list[str]) -> None:
    done = mlv("query", "diff", "unchanged", *rest)
    assert done.code == ExitCode.USAGE
    assert "--against OTHER.duckdb" in done.err


LABELS = ("one", "two")


def _found(first: pl.DataFrame, second: pl.DataFrame, *key: str) -> list[tuple[Any, ...]]:
    frame = differences(first, second, LABELS, key)
    return frame.select("difference", "column", "first", "second", "change").rows()


def test_missing_cells_are_values() -> None:
    first = pl.DataFrame({"key": ["a", "b", None], "x": [None, 1.0, 2.0], "text": ["t", None, "u"]})
    second = pl.DataFrame({"key": ["b", None, "a"], "x": [None, 2.0, None], "text": [None, "v", "t"]})
    assert _found(first, second) == [
        ("changed", "x", "1.0", None, None),
        ("changed", "text", "u", "v", None),
    ]


def test_the_order_of_a_sum_is_no_difference() -> None:
    first = pl.DataFrame({"key": list("abcde"), "x": [0.1 + 0.2, 100.0, float("nan"), 0.0, 1e-9]})
    near, far = 100 * (1 + ROUNDING / 2), 100 * (1 + 3 * ROUNDING)
    assert _found(first, first.with_columns(x=pl.Series([0.3, near, float("nan"), 0.1 + 0.2 - 0.3, 1e-9]))) == []
    found = differences(first, first.with_columns(x=pl.Series([0.3, far, 0.0, 0.0, 2e-9])), LABELS)
    assert found["key"].to_list() == ["b", "c", "e"]


def test_types_may_differ_where_values_do_not() -> None:
    first = pl.DataFrame({"key": [1, 2], "x": [0.5, 1.0], "n": [3, 4], "m": ["3", "4"]})
    second = pl.DataFrame({"key": [1, 2], "x": [0.5, 1.0], "n": [3.0, 5.0], "m": [3, 4]}).cast({"key": pl.Int8})
    assert _found(first, second) == [("changed", "n", "4", "5.0", 1.0)]


def test_rows_that_the_key_does_not_tell_apart_are_refused() -> None:
    first = pl.DataFrame({"run": ["a", "a"], "language": ["de", "fa"], "x": [1.0, 2.0]})
    finer = first.with_columns(language=pl.lit("de"), category=pl.Series(["c", "d"]))
    with pytest.raises(UsageError, match="Several rows of two have the same run, language"):
        differences(first, finer, LABELS)
    with pytest.raises(UsageError, match="one has no column category"):
        differences(first, finer, LABELS, ["category"])
    with pytest.raises(UsageError, match="no column to match"):
        differences(first.select("x"), first.select("x"), LABELS)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("unchanged", "run model source ft_languages strategy sentences seed epoch settings language"),
        ("ground_truth_similarity", "country_a country_b"),
        # no real numbers: the fewest columns that tell rows apart
        ("coverage", "model source strategy ft_languages sentences seed"),
    ],
)
def test_keys_of_queries(hand_store: Path, name: str, key: str) -> None:
    with open_store(hand_store) as connection:
        frame = run(connection, name).frame
    assert key_columns(frame, frame) == key.split()


def test_where_columns_before_the_first_real_number_tell_no_rows_apart_later_ones_do() -> None:
    """As in profile_pca, which says what a run's components explain before what its rows are."""
    frame = pl.DataFrame({"run": ["a", "a"], "explained": [0.5, 0.5], "language": ["de", "fa"], "x": [1.0, 2.0]})
    assert key_columns(frame, frame) == ["run", "language"]
    changed = frame.with_columns(x=pl.Series([1.0, 3.0]))
    assert _found(frame, changed) == [("changed", "x", "2.0", "3.0", 1.0)]


@pytest.mark.parametrize("reference", [query.reference for query in all_versions()])
def test_every_query_can_be_compared(hand_store: Path, reference: str) -> None:
    name, _, version = reference.partition("@")
    with open_store(hand_store) as connection:
        frame = run(connection, name, int(version)).frame
    assert differences(frame, frame.sample(fraction=1, shuffle=True, seed=1), LABELS).is_empty()
    assert summary(differences(frame, frame.clear(), LABELS)) in (
        f"{frame.height:,} row only in one",
        "no difference",
    )


def test_two_queries_are_not_two_versions(mlv: Mlv) -> None:
    done = mlv("query", "diff", "unchanged", "agreement")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "versions of one" in done.err
