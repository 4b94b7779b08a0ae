"""Every released query on one of the studies that a golden/README.md computes by hand, to the byte.

A released query keeps its golden file for good, in the folder of its study; asked.toml there says what it is asked
with. Write the file of a new one by hand, or with MLV_UPDATE_GOLDEN=1 and compare it with the computation.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from asked import asked, golden

from mlv.queries import Query, all_versions, render, run
from mlv.queries.studies import STUDIES
from mlv.queries.study import Study
from mlv.schema.store.opening import open_store


@pytest.fixture(scope="module")
def connection(hand_store: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_store(hand_store) as connection:
        yield connection


@pytest.mark.parametrize("query", all_versions(), ids=lambda query: query.reference)
def test_golden(request: pytest.FixtureRequest, query: Query) -> None:
    store, parameters, _ = asked(query)
    with open_store(request.getfixturevalue(store)) as connection:
        result = run(connection, query.name, query.version, parameters)
    path = golden(query.study) / f"{query.name}.v{query.version}.csv"
    if os.environ.get("MLV_UPDATE_GOLDEN"):
        path.write_bytes(render(result, "csv"))
    assert render(result, "csv").decode() == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.code)
def test_no_golden_file_without_query(study: Study) -> None:
    released = {f"{query.name}.v{query.version}.csv" for query in all_versions() if query.study == study.code}
    assert {path.name for path in golden(study.code).glob("*.csv")} == released


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


@pytest.mark.parametrize(
    ("name", "probe_set", "column", "expected"),
    [
        ("language_contribution", "echoes-2024", "targets", {"de": 2, "fa": None, "ko": None}),
        ("language_contribution", "wvs7-all", "targets", {"de": 3, "fa": 1, "ko": 1}),
        ("influence_consistency", "wvs7-all", "questions", {"de": 1, "fa": 1}),
        ("influence_consistency", "echoes-2024", "questions", {"de": None, "fa": None}),
        ("translation_share", "wvs7-all", "targets", {"fa": None, "ko": 1}),
        ("influence_mean", "echoes-2024", "targets", {"de": 2}),
    ],
)
def test_targets_of_a_probe_set(
    connection: duckdb.DuckDBPyConnection, name: str, probe_set: str, column: str, expected: dict[str, int | None]
) -> None:
    """trace-mult traced 131 and 132, of echoes-2024, 176, of wvs7-all, and 177, of neither."""
    frame = run(connection, name, parameters={"probe_set": probe_set, "run": "trace-mult"}).frame
    language = "language" if "language" in frame.columns else "language_a"
    rows = frame.filter(pl.col("direction") == "positive") if "direction" in frame.columns else frame
    assert {code: rows.filter(pl.col(language) == code)[column].max() for code in expected} == expected


def test_contributions_and_overlaps_of_a_probe_set(connection: duckdb.DuckDBPyConnection) -> None:
    of_study = {"probe_set": "echoes-2024", "run": "trace-mult", "direction": "positive"}
    shares = run(connection, "language_contribution", parameters=of_study).frame
    # 131: three of four Persian; 132: two
    assert shares.select("language", "ft_language", "contribution").rows() == [("de", "fa", 62.5), ("de", "ko", 37.5)]
    pairs = run(connection, "parallel_overlap", parameters={"probe_set": "wvs7-all"}).frame
    assert pairs.select("language", "overlap", "questions").rows() == [("de", 50, 1), ("fa", 75, 1), ("avg.", 62.5, 2)]
    assert run(connection, "parallel_overlap", parameters={"probe_set": "echoes-2024"}).frame.is_empty()
    steps = run(connection, "influence_by_epoch", parameters={"probe_set": "echoes-2024"}).frame
    assert set(steps["language"]) == {"de"}
    assert set(run(connection, "influence_by_epoch").frame["language"]) == {"de", "fa"}


def test_coverage_says_which_test_languages_lack_answers(connection: duckdb.DuckDBPyConnection) -> None:
    frame = run(connection, "coverage", parameters={"source": "pbc", "strategies": "multilingual"}).frame
    assert frame.select("ft_languages", "seed", "status", "runs", "lacking").rows() == [
        ("fa,ko", 1, "present", 1, None),
        ("fa,ko", 3, "partial", 1, "de,fa,ko"),
    ]


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


def test_a_language_is_aligned_with_its_own_countries(connection: duckdb.DuckDBPyConnection) -> None:
    """Whatever countries are named."""
    pretrained = {"strategies": "pretrained"}
    frame = run(connection, "alignment", parameters={**pretrained, "countries": "KR", "own_country_only": True}).frame
    assert frame.select("language", "country").rows() == [("de", "DE"), ("fa", "IR")]
    assert frame["own_country"].all()
    some = run(
        connection, "alignment", parameters={**pretrained, "countries": "DE,KR", "own_country_only": False}
    ).frame
    assert some.filter(language="de").select("country", "own_country").rows() == [("DE", True), ("KR", False)]


def test_rho_of_a_constant_profile_is_null_not_nan(connection: duckdb.DuckDBPyConnection) -> None:
    frame = run(connection, "alignment", parameters={"model": "alpha", "strategies": "pretrained"}).frame
    constant = frame.filter(pl.col("language") == "fa")
    assert constant["rho"].null_count() == constant.height == 3
    assert constant["n"].to_list() == [5, 4, 5]
