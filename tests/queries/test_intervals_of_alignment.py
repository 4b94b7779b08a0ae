"""Intervals of levels of rho, by batteries that have the same two answers: against numpy, and where there is none."""

from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from battery_study import (
    BATTERIES,
    COUNTRIES,
    MakeStore,
    Study,
    drawn,
    effective_batteries,
    left_out,
    near,
    pairs_left_out,
    random_study,
    rhos_of,
)
from by_battery import ends, fisher_z, holm, interval, jackknife, rho_ends

from mlv.queries import run
from mlv.schema.store.opening import open_store


@pytest.fixture(scope="module")
def study() -> Study:
    """One run on the second source, and two on the first, of which one is alike in all else."""
    runs = (("pbc-fa-1", "pbc", 1), ("pbc-fa-2", "pbc", 2), ("tanzil-fa-1", "tanzil", 1))
    return random_study([(name, source, "fa", 40, seed) for name, source, seed in runs])


def _aligned(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    return _rows(connection, "alignment", strategies="pretrained")


def _rows(connection: duckdb.DuckDBPyConnection, name: str, **parameters: str) -> list[dict[str, Any]]:
    rows = run(connection, name, parameters={"ci": "questions", "countries": COUNTRIES, **parameters}).frame.to_dicts()
    assert rows
    return rows


def test_a_rho_with_ties_and_gaps(make_store: MakeStore, study: Study) -> None:
    """Batteries with one pair of answers are left out at once; they may have several, and turned around."""
    with open_store(drawn(make_store, study)) as opened:
        rows, tests = _aligned(opened), []
    for row in rows:
        where = ("alpha", row["language"], row["country"])
        left = pairs_left_out(study, row["language"])
        assert len(left) - 1 < len(set(BATTERIES.values())) / 2
        rhos, items = rhos_of(study, *where, left)
        tests.append(jackknife(fisher_z(rhos), items, effective_batteries(study, *where)))
        assert near(row, "rho", rho_ends(tests[-1]))
        assert row["p_value"] == pytest.approx(tests[-1].p)
        assert row["design_effect"] == pytest.approx((tests[-1].se or np.nan) ** 2 * (items[0] - 3) / 1.06)
    assert [row["p_family"] for row in rows] == pytest.approx(holm([test.p or np.nan for test in tests]))


def test_a_rho_of_batteries_that_have_answers_of_their_own(make_store: MakeStore, study: Study) -> None:
    """It is as if batteries were left out, like everywhere else."""
    own = study["answer_pairs"].with_columns(first=pl.col("question").replace(BATTERIES), second=pl.lit(""))
    with open_store(drawn(make_store, {**study, "answer_pairs": own})) as opened:
        for row in _aligned(opened):
            rhos, items = rhos_of(study, "alpha", row["language"], row["country"], left_out())
            assert near(row, "rho", interval(rhos, items, "rho"))
            assert row["p_value"] == pytest.approx(jackknife(fisher_z(rhos), items).p)


def _answered_alike(study: Study, number: int) -> Study:
    """The study, all batteries having one pair of answers but for the last of so many, each of which has its own."""
    apart = sorted(set(BATTERIES.values()))[len(set(BATTERIES.values())) - number :]
    battery = pl.col("question").replace(BATTERIES)
    first = pl.when(battery.is_in(apart)).then(battery).otherwise(pl.lit("yes"))
    return {**study, "answer_pairs": study["answer_pairs"].with_columns(first=first, second=pl.lit("no"))}


def test_a_rho_has_an_interval_from_two_effective_pairs_of_answers(make_store: MakeStore, study: Study) -> None:
    """One pair of answers says nothing about others, however many batteries have it; they are enough for a change."""
    for number, some in ((0, False), (3, False), (20, True)):
        with open_store(drawn(make_store, _answered_alike(study, number))) as opened:
            rows = _aligned(opened)
            changes = _rows(opened, "alignment_change")
        for name in ("rho_low", "rho_high", "p_value", "p_family", "design_effect"):
            assert {row[name] is not None for row in rows} == {some}, (number, name)
        assert {row["rho"] is not None for row in rows} == {True}
        assert any(row["change_low"] is not None for row in changes)


def test_a_rho_has_no_interval_below_ten_effective_batteries(make_store: MakeStore, study: Study) -> None:
    """However many pairs of answers these are of."""
    few = study["probe_sets"].with_columns(battery=(pl.col("question").cast(pl.Int64) % 9).cast(pl.String))
    with open_store(drawn(make_store, {**study, "probe_sets": few})) as opened:
        rows = _aligned(opened)
        assert {row["rho_low"] for row in rows} == {row["p_value"] for row in rows} == {None}


def test_a_difference_of_rhos_after_two_sources_is_paired(make_store: MakeStore, study: Study) -> None:
    with open_store(drawn(make_store, study)) as opened:
        sides = [
            _rows(opened, "alignment_difference", strategies="monolingual", source_a=a, source_b=b)
            for a, b in (("pbc", "tanzil"), ("tanzil", "pbc"))
        ]
    tests = []
    for row in sides[0]:
        left = pairs_left_out(study, row["language"])
        (first, items_first), (second, items_second) = (
            rhos_of(study, checkpoint, row["language"], row["country"], left)
            for checkpoint in ("pbc-fa-1", "tanzil-fa-1")
        )
        batteries = min(
            effective_batteries(study, checkpoint, row["language"], row["country"])
            for checkpoint in ("pbc-fa-1", "tanzil-fa-1")
        )
        tests.append(jackknife(first - second, np.minimum(items_first, items_second), batteries))
        assert (row["pairs"], row["ft_languages"]) == (1, "fa")
        assert row["difference"] == pytest.approx(first[0] - second[0]) == pytest.approx(row["rho_a"] - row["rho_b"])
        assert near(row, "difference", ends(tests[-1]))
        assert row["p"] == pytest.approx(tests[-1].p)
    assert [row["p_family"] for row in sides[0]] == pytest.approx(holm([test.p or np.nan for test in tests]))
    for one, other in zip(*sides, strict=True):
        assert one["difference"] == pytest.approx(-other["difference"])
        assert one["difference_low"] == pytest.approx(-other["difference_high"])
        assert (one["rho_a"], one["p"]) == (other["rho_b"], pytest.approx(other["p"]))
