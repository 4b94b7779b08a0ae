"""Regression to the mean: models that demonstrations do nothing to, and models that they do something known to.

A hundred models, each with probabilities of right answers of its own, drawn from Beta(.5, .5): what they answer
zero-shot, again, and with demonstrations without and with an effect.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from asked_study import counted_study
from scipy import stats

from mlv.queries import run
from mlv.schema.store.opening import open_store

MODELS = 100
BATTERIES = 30
SIZE = 4
"""Questions of a battery."""

SAMPLES = 10
TIMES = np.arange(SAMPLES + 1)
CONDITIONS = (("zero", 1, None), ("again", 2, None), ("nothing", 1, "random"), ("effect", 1, "chrf"))


def _helped(right: np.ndarray) -> np.ndarray:
    """Demonstrations with an effect halve the probability of a wrong answer."""
    return 1 - (1 - right) / 2


@pytest.fixture(scope="module")
def rights() -> np.ndarray:
    """Probabilities of a right answer, [models, questions]."""
    return np.random.default_rng(1).beta(0.5, 0.5, (MODELS, BATTERIES * SIZE))


@pytest.fixture(scope="module")
def rows(make_asked_store: Callable[[dict[str, pl.DataFrame]], Path], rights: np.ndarray) -> pl.DataFrame:
    """What the query says of all models and both kinds of demonstrations."""
    rng = np.random.default_rng(2)
    names = [str(number) for number in range(1000, 1000 + BATTERIES * SIZE)]
    questions = pl.DataFrame(
        {
            "question": names,
            "category": "security",
            "battery": [f"battery-{place // SIZE:02}" for place in range(len(names))],
        }
    )
    majorities = pl.DataFrame({"country": "DE", "question": names, "p_first": 1.0, "people": 0})
    runs, counts = [], []
    for model in range(MODELS):
        for name, draw, strategy in CONDITIONS:
            right = rng.binomial(SAMPLES, _helped(rights[model]) if name == "effect" else rights[model])
            one = f"{model:03}-{name}"
            runs.append((one, f"{model:03}", "de", draw, strategy, "DE" if strategy else None))
            counts.append(
                pl.DataFrame({"run": one, "question": names, "first": right, "second": SAMPLES - right, "unread": 0})
            )
    told = pl.DataFrame(runs, schema=["run", "model", "language", "draw", "strategy", "country"], orient="row")
    store = make_asked_store(counted_study(questions, majorities, told, pl.concat(counts), ("de",)))
    with open_store(store) as connection:
        frame = run(connection, "self_alignment", parameters={"ci": "questions"}).frame
    assert frame.height == 2 * MODELS
    return frame


def _expected(before: np.ndarray, after: np.ndarray) -> tuple[float, float, float]:
    """Percentages of misaligned questions that improve, stay and get worse, in expectation over the samples."""
    first, second = (stats.binom.pmf(TIMES, SAMPLES, p.reshape(-1, 1)) for p in (before, after))
    joint = first[:, :, None] * second[:, None, :] * (TIMES < SAMPLES)[None, :, None]
    rose = np.triu(np.ones((SAMPLES + 1,) * 2), 1)
    parts = [float((joint * kind).sum()) for kind in (rose, np.eye(SAMPLES + 1), rose.T)]
    return tuple(100 * part / sum(parts) for part in parts)  # type: ignore[return-value]


def test_without_any_effect_more_than_a_third_improve(rows: pl.DataFrame, rights: np.ndarray) -> None:
    """37 improve, 32 stay, 31 get worse: the control has as many, whatever the demonstrations are."""
    expected = _expected(rights, rights)
    assert expected == pytest.approx((37, 32, 31), abs=1)
    for columns in (("improved", "same", "worse"), ("control_improved", "control_same", "control_worse")):
        means = rows.filter(strategy="random").select(columns).mean().row(0)
        assert means == pytest.approx(expected, abs=1.5)


def test_without_any_effect_the_difference_is_0_in_95_of_100_models(rows: pl.DataFrame) -> None:
    nothing = rows.filter(strategy="random")
    covered = nothing.filter((pl.col("difference_low") <= 0) & (pl.col("difference_high") >= 0)).height
    assert nothing["difference"].mean() == pytest.approx(0, abs=1.5)
    assert 89 <= covered <= 99
    assert 0 <= nothing.filter(pl.col("sign_p") < 0.05).height <= 10
    assert nothing.filter(pl.col("p_family") < 0.05).height <= 1


def test_a_known_effect_is_found_and_covered(rows: pl.DataFrame, rights: np.ndarray) -> None:
    expected = [_expected(one, _helped(one))[0] - _expected(one, one)[0] for one in rights]
    found = rows.filter(strategy="chrf").with_columns(expected=pl.Series(expected))
    assert found["difference"].mean() == pytest.approx(np.mean(expected), abs=1.5)
    covered = found.filter(pl.col("expected").is_between(pl.col("difference_low"), pl.col("difference_high"))).height
    assert 89 <= covered <= 100
    assert found.filter(pl.col("sign_p_family") < 0.05).height > 50
    improved = found["improved"].mean()
    assert improved == pytest.approx(np.mean([_expected(one, _helped(one))[0] for one in rights]), abs=1.5)


def test_all_probes_do_not_regress(rows: pl.DataFrame, rights: np.ndarray) -> None:
    """Right answers of questions that were not chosen by their answers rise by the effect alone."""
    for strategy, wanted in (("random", rights), ("chrf", _helped(rights))):
        change = (
            rows.filter(strategy=strategy).select(pl.col("right_after") - pl.col("right_before")).to_series().mean()
        )
        assert change == pytest.approx(100 * (wanted - rights).mean(), abs=0.5)
