"""What demonstrations do, on a random study with ties and gaps: another computation, in numpy."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from asked_study import counted_study
from battery_study import BATTERIES, QUESTIONS
from by_battery import Numbers, holm, interval, jackknife
from numpy.typing import NDArray
from scipy import stats

from mlv.queries import run
from mlv.schema.store.opening import open_store

Study = dict[str, pl.DataFrame]

RUNS = pl.DataFrame(
    [
        (f"{model}-{language}-{name}", model, language, draw, strategy, country if strategy else None)
        for model in ("alpha", "beta")
        for language, country in (("de", "DE"), ("ko", "KR"))
        for name, draw, strategy in (("zero", 1, None), ("again", 2, None), ("chrf", 1, "chrf"), ("drawn", 1, "random"))
    ],
    schema=["run", "model", "language", "draw", "strategy", "country"],
    orient="row",
)
LACKING = "beta-ko-again"
"""A control that was not asked."""


@pytest.fixture(scope="module")
def counts() -> pl.DataFrame:
    """How often each answer was given; one question in ten was not asked in a run."""
    rng = np.random.default_rng(3)
    rows = []
    for name in RUNS["run"]:
        for question in QUESTIONS:
            if name != LACKING and rng.random() < 0.9:
                unread = int(rng.integers(0, 3) == 0)
                first = int(rng.binomial(10 - unread, rng.choice([0, 0.2, 0.5, 0.9, 1])))
                rows.append((name, question, first, 10 - unread - first, unread))
    return pl.DataFrame(rows, schema=["run", "question", "first", "second", "unread"], orient="row")


@pytest.fixture(scope="module")
def majorities() -> pl.DataFrame:
    """One question in ten was not asked in a country; one is split evenly."""
    rng = np.random.default_rng(5)
    rows = [
        (country, q, rng.integers(0, 11) / 10, 0) for country in ("DE", "KR") for q in QUESTIONS if rng.random() < 0.9
    ]
    return pl.DataFrame(rows, schema=["country", "question", "p_first", "people"], orient="row")


@pytest.fixture(scope="module")
def store(make_asked_store: Callable[[Study], Path], counts: pl.DataFrame, majorities: pl.DataFrame) -> Path:
    """Two models in two languages."""
    questions = pl.DataFrame(
        [(question, category, BATTERIES[question]) for question, category in QUESTIONS.items()],
        schema=["question", "category", "battery"],
        orient="row",
    )
    runs = RUNS.filter(pl.col("run") != LACKING)
    return make_asked_store(counted_study(questions, majorities, runs, counts, ("de", "ko")))


def _asked(store: Path, name: str, **parameters: str) -> list[dict[str, Any]]:
    with open_store(store) as connection:
        rows = run(connection, name, parameters={"ci": "questions", **parameters}).frame.to_dicts()
    assert rows
    return rows


def _right(counts: pl.DataFrame, majorities: pl.DataFrame, country: str, excluded: bool, name: str) -> Numbers:
    """Right answers of ten, or of those that were read: [questions], NaN where not known."""
    people = dict(majorities.filter(country=country).select("question", "p_first").rows())
    said = {row[0]: row[1:] for row in counts.filter(run=name).select("question", "first", "second", "unread").rows()}
    shares = []
    for question in QUESTIONS:
        if question in people and question in said:
            first, second, unread = said[question]
            shares.append((first if people[question] >= 0.5 else second) / (first + second + unread * (not excluded)))
        else:
            shares.append(np.nan)
    return np.array(shares)


def _left_out(where: NDArray[Any]) -> Numbers:
    """Where something is left: of all, then without each battery, [1 + batteries, questions]."""
    of = np.array([BATTERIES[question] for question in QUESTIONS])
    return np.array([where, *(where * (of != battery) for battery in sorted(set(of)))], dtype=float)


def _percent(hits: NDArray[Any], left: Numbers) -> Numbers:
    with np.errstate(invalid="ignore"):
        share: Numbers = 100 * (left @ hits) / left.sum(axis=1)
    return share


def _three(row: dict[str, Any], right: Callable[[str], Numbers]) -> tuple[Numbers, Numbers, Numbers]:
    """Shares before, after and in the control; NaN where a run is not there."""
    before, after = right(f"{row['model']}-{row['language']}-zero"), right(row["run"])
    return before, after, right(f"{row['model']}-{row['language']}-again")


def _sign_p(ahead: Numbers, controlled: NDArray[Any]) -> float:
    of = np.array([BATTERIES[question] for question in QUESTIONS])
    sums = [ahead[(of == battery) & controlled].sum() for battery in set(of)]
    signs = np.sign(sums)
    n = int((signs != 0).sum())
    return 1.0 if n == 0 else float(stats.binomtest(int((signs > 0).sum()), n).pvalue)


@pytest.mark.parametrize("unparsed", ["misaligned", "excluded"])
def test_self_alignment(store: Path, counts: pl.DataFrame, majorities: pl.DataFrame, unparsed: str) -> None:
    rows = _asked(store, "self_alignment", unparsed=unparsed)
    assert len(rows) == 8
    signs: list[tuple[str, Any, Any]] = []
    paired: list[tuple[str, Any, Any]] = []
    for row in rows:
        before, after, control = _three(
            row, partial(_right, counts, majorities, row["country"], unparsed == "excluded")
        )
        both = ~np.isnan(before + after)
        wrong = both & (before < 1)
        assert row["probes"] == both.sum()
        assert row["misaligned"] == wrong.sum()
        assert row["right_before"] == pytest.approx(100 * before[both].mean())
        assert row["right_after"] == pytest.approx(100 * after[both].mean())
        rose, fell = after > before, after < before
        assert row["improved_of_all"] == pytest.approx(100 * rose[both].mean())
        assert row["worse_of_all"] == pytest.approx(100 * fell[both].mean())
        left = _left_out(wrong)
        improved = _percent(rose, left)
        assert row["improved"] == pytest.approx(improved[0])
        assert row["worse"] == pytest.approx(_percent(fell, left)[0])
        assert row["improved"] + row["same"] + row["worse"] == pytest.approx(100)
        ends = interval(improved, left.sum(axis=1), "share")
        assert (row["improved_low"], row["improved_high"]) == pytest.approx(ends, rel=1e-4)
        controlled = wrong & ~np.isnan(control)
        if not controlled.any():
            assert (row["control"], row["control_improved"], row["difference"], row["sign_p"]) == (None,) * 4
            continue
        left = _left_out(controlled)
        by_chance = control > before
        assert row["control_improved"] == pytest.approx(_percent(by_chance, left)[0])
        assert row["control_worse"] == pytest.approx(_percent(control < before, left)[0])
        known = jackknife(_percent(rose * 1.0 - by_chance, left), left.sum(axis=1))
        assert row["difference"] == pytest.approx(known.value)
        reach = known.quantile * (known.se or np.nan)
        assert row["difference_low"] == pytest.approx(known.value - reach, rel=1e-4, abs=1e-4)
        assert row["difference_high"] == pytest.approx(known.value + reach, rel=1e-4, abs=1e-4)
        assert row["p"] == pytest.approx(known.p)
        assert row["sign_p"] == pytest.approx(_sign_p(np.sign(np.nan_to_num(after - control)), controlled))
        paired.append((row["strategy"], known.p, row["p_family"]))
        signs.append((row["strategy"], row["sign_p"], row["sign_p_family"]))
    assert len(paired) == 6
    for tests in (paired, signs):
        for strategy in ("chrf", "random"):
            family = [test for test in tests if test[0] == strategy]
            assert [test[2] for test in family] == pytest.approx(holm([test[1] for test in family]))


def test_error_reduction(store: Path, counts: pl.DataFrame, majorities: pl.DataFrame) -> None:
    rows = _asked(store, "error_reduction")
    assert len(rows) == 8 * 6
    for row in rows:
        before, after, control = _three(row, partial(_right, counts, majorities, row["country"], False))
        wrong = ~np.isnan(before + after) & (before < 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            reduced, chance = (
                np.where(wrong & (share > before), 100 * (share - before) / (1 - before), np.nan)
                for share in (after, control)
            )
        end = 100.0 if row["reduction"] == "total" else float(row["reduction"].split("-")[1])
        start = 0.0 if row["reduction"] == "total" else end - 20
        inside, by_chance = ((share > start + 1e-6) & (share < end + 1e-6) for share in (reduced, chance))
        assert row["improved"] == inside.sum()
        share = 100 * inside.sum() / (~np.isnan(reduced)).sum()
        assert row["share"] == pytest.approx(share)
        if row["control"] is None:
            assert row["control_share"] is None
            continue
        assert row["control_improved"] == by_chance.sum()
        chance_share = 100 * by_chance.sum() / (~np.isnan(chance)).sum()
        assert row["control_share"] == pytest.approx(chance_share)
        if row["reduction"] == "total":
            assert (row["mean"], row["median"]) == pytest.approx((np.nanmean(reduced), np.nanmedian(reduced)))
            assert row["difference"] == pytest.approx(np.nanmean(reduced) - np.nanmean(chance))
        else:
            assert row["difference"] == pytest.approx(share - chance_share)


def test_themes_add_up(store: Path) -> None:
    whole = {row["run"]: row for row in _asked(store, "self_alignment")}
    themes = pl.DataFrame(_asked(store, "self_alignment_by_category"), infer_schema_length=None)
    assert set(themes["category"]) == set(QUESTIONS.values())
    for (name,), rows in themes.group_by("run"):
        row = whole[str(name)]
        assert rows["misaligned"].sum() == row["misaligned"]
        assert 100 * rows["improved_probes"].sum() / row["misaligned"] == pytest.approx(row["improved"])
        assert 100 * rows["worse_probes"].sum() / row["misaligned"] == pytest.approx(row["worse"])


def test_misalignment_and_sizes_of_errors(store: Path, counts: pl.DataFrame, majorities: pl.DataFrame) -> None:
    with open_store(store) as connection:
        sizes = run(connection, "error_distribution").frame
    for row in _asked(store, "misalignment"):
        right = _right(counts, majorities, row["country"], False, row["run"])
        left = _left_out(~np.isnan(right))
        wrong = _percent(right < 1, left)
        assert row["misaligned_share"] == pytest.approx(wrong[0])
        assert row["right_share"] == pytest.approx(100 * np.nanmean(right))
        ends = interval(wrong, left.sum(axis=1), "share")
        assert (row["misaligned_share_low"], row["misaligned_share_high"]) == pytest.approx(ends, rel=1e-4)
        said = counts.filter(run=row["run"])
        assert row["unparsed_share"] == pytest.approx(100 * said["unread"].sum() / (10 * said.height))
        binned = sizes.filter(run=row["run"]).sort("error")
        errors = np.round(10 * (1 - right[~np.isnan(right)])).astype(int)
        assert binned["probes"].to_list() == np.bincount(errors, minlength=11).tolist()
        assert binned["error"].to_list() == list(range(0, 101, 10))
        assert binned["share"].sum() == pytest.approx(100)
