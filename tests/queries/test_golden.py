"""Every released query on one of the two studies that golden/README.md computes by hand, to the byte.

A released query keeps its golden file for good. Write the file of a new one by hand, or with MLV_UPDATE_GOLDEN=1 and
compare it with the computation.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from mlv.queries import Query, all_versions, render, run
from mlv.schema.store.opening import open_store

GOLDEN = Path(__file__).parent / "golden"

PARAMETERS: dict[str, dict[str, str]] = {
    "alignment": {"countries": "DE,IR,KR"},
    "alignment_change": {"countries": "DE,IR,KR"},
    "coverage": {"ft_languages": "fa,ko", "sentences": "2000", "multilingual_sentences": "4000", "seeds": "1,2"},
    "similarity_structure": {"permutations": "9"},
}
"""What golden/README.md asks a query with, where that is not its defaults."""

GRID = {
    "domain_correlation",
    "profile_projection",
    "shift_overlap_test_languages",
    "shift_uniqueness",
    "similarity_structure",
    "size_effect",
    "unchanged_multilingual",
}
"""Queries that golden/README.md asks of the larger study."""


@pytest.fixture(scope="module")
def connection(hand_store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(hand_store) as connection:
        yield connection


@pytest.fixture(scope="module")
def grid(grid_store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(grid_store) as connection:
        yield connection


@pytest.mark.parametrize("reference", [query.reference for query in all_versions()])
def test_golden(connection: duckdb.DuckDBPyConnection, grid: duckdb.DuckDBPyConnection, reference: str) -> None:
    name, _, version = reference.partition("@")
    result = run(grid if name in GRID else connection, name, int(version), PARAMETERS.get(name, {}))
    path = GOLDEN / f"{name}.v{version}.csv"
    if os.environ.get("MLV_UPDATE_GOLDEN"):
        path.write_bytes(render(result, "csv"))
    assert render(result, "csv").decode() == path.read_text(encoding="utf-8")


def test_no_golden_file_without_query() -> None:
    released = {f"{query.name}.v{query.version}.csv" for query in all_versions()}
    assert {path.name for path in GOLDEN.glob("*.csv")} == released


@pytest.mark.parametrize("query", all_versions(), ids=lambda query: query.reference)
def test_columns_are_those_of_the_header(connection: duckdb.DuckDBPyConnection, query: Query) -> None:
    assert run(connection, query.name, query.version).frame.columns == list(query.columns)


def test_agreement_takes_other_checkpoints(connection: duckdb.DuckDBPyConnection) -> None:
    frame = run(connection, "agreement", parameters={"strategies": ["monolingual"], "seed": 1}).frame
    rows = frame.select("checkpoint_a", "checkpoint_b", "language", "agreement").rows()
    # fa-2 and ko-2: de 11221/12121, fa 22211/122-1, ko 11121/22111.
    assert rows == [
        ("finetune-fa/epoch-2", "finetune-ko/epoch-2", "de", 60.0),
        ("finetune-fa/epoch-2", "finetune-ko/epoch-2", "fa", 75.0),
        ("finetune-fa/epoch-2", "finetune-ko/epoch-2", "ko", 40.0),
        ("finetune-fa/epoch-2", "finetune-ko/epoch-2", "avg.", pytest.approx(175 / 3)),
    ]


def test_unchanged_takes_an_earlier_epoch(connection: duckdb.DuckDBPyConnection) -> None:
    frame = run(connection, "unchanged", parameters={"epoch": 1}).frame
    assert frame.select("run", "epoch", "unchanged").unique().rows() == [("finetune-fa", 1, 100.0)]


def test_another_score_and_probe_set(connection: duckdb.DuckDBPyConnection) -> None:
    by_sum = run(connection, "unchanged", parameters={"score": "sum", "probe_set": "wvs7-all", "seed": 1}).frame
    of_german = by_sum.filter(pl.col("language") == "de").select("run", "unchanged", "probes").rows()
    # By sum question 131 is missing; wvs7-all adds 176, which every run from alpha changes: 132, 164, 165, 166 and
    # 176 are left.
    assert of_german[0] == ("finetune-more", 80.0, 5)
    assert of_german[1:] == [("finetune-fa", 60.0, 5), ("finetune-ko", 60.0, 5), ("finetune-mult", 0.0, 5)]


def test_coverage_plans_what_the_texts_suffice_for(connection: duckdb.DuckDBPyConnection) -> None:
    def planned(**grid: list[int]) -> set[tuple[str, int]]:
        return set(run(connection, "coverage", parameters=grid).frame.select("ft_languages", "sentences").rows())

    # 2,000 segments in each of two languages: neither 10,000 nor an odd number over both.
    assert planned() == {("fa", 2000), ("ko", 2000)}
    assert planned(sentences=[2001], multilingual_sentences=[3999, 4000, 4002]) == {("fa,ko", 4000)}


def test_coverage_of_other_settings(connection: duckdb.DuckDBPyConnection) -> None:
    frame = run(connection, "coverage", parameters={"models": "alpha", "learning_rate": 0.5}).frame
    assert set(frame["status"]) == {"missing"}
    assert frame["command"].str.contains("--learning-rate 0.5", literal=True).all()


def test_strategies_take_continued_runs(connection: duckdb.DuckDBPyConnection) -> None:
    frame = run(
        connection, "alignment_change", parameters={"strategies": "continued", "countries": "DE,KR"}
    ).frame.select("base", "ft_languages", "country", "change")
    # From fa-2 (reversed ranks) back to those of alpha: .7071 + .7071 and -.2236 - .2236.
    assert frame.rows() == [
        ("finetune-fa/epoch-2", "ko", "DE", pytest.approx(2**0.5)),
        ("finetune-fa/epoch-2", "ko", "KR", pytest.approx(-(0.2**0.5))),
    ]


def test_unweighted_profiles_are_others(connection: duckdb.DuckDBPyConnection) -> None:
    frame = run(connection, "ground_truth_similarity", parameters={"weighting": "unweighted"}).frame
    assert frame["cosine"].to_list() == pytest.approx([1.0, 1.0, 1.0])


def test_rho_of_a_constant_profile_is_null_not_nan(connection: duckdb.DuckDBPyConnection) -> None:
    frame = run(connection, "alignment", parameters={"model": "alpha", "strategies": "pretrained"}).frame
    constant = frame.filter(pl.col("language") == "fa")
    assert constant["rho"].null_count() == constant["p_value"].null_count() == constant.height == 3
    assert constant["n"].to_list() == [5, 4, 5]
