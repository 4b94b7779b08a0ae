"""Accuracies and F1 of classifiers: by hand, against a resampling of the texts, and how often intervals cover."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asked_texts import BY_HAND, KEPT, Asked

from mlv.schema.store.opening import connect


@pytest.fixture
def asked(empty_store: Path, tmp_path: Path) -> Any:
    path = tmp_path / "store.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        yield Asked(connection)


def f1(gold: Any, predicted: Any) -> float:
    """Mean over the classes that labels or predictions have."""
    classes = sorted({*gold.tolist(), *predicted.tolist()})
    hits = [2 * np.sum((gold == c) & (predicted == c)) / (np.sum(gold == c) + np.sum(predicted == c)) for c in classes]
    return float(np.mean(hits))


def test_by_hand(asked: Asked) -> None:
    rows = asked.ask([one for one in BY_HAND if one[0] == "de"])
    assert set(rows) == {"de", "all"}
    de = rows["de"]
    assert de["accuracy"] == pytest.approx(100 * 4 / 6)
    assert de["majority"] == pytest.approx(100 * 4 / 6)
    assert de["macro_f1"] == pytest.approx(100 * (6 / 8 + 2 / 4) / 2)
    # Wilson for 4 of 6
    assert (de["accuracy_low"], de["accuracy_high"]) == pytest.approx((29.9994, 90.3229), abs=1e-3)
    # fewer than 10 texts
    assert (de["macro_f1_low"], de["texts"]) == (None, 6)
    assert rows["all"] == de


def test_macro_f1_moves_as_its_jackknife_says(asked: Asked) -> None:
    random = np.random.default_rng(3)
    gold = random.integers(1, 4, 200)
    predicted = np.where(random.random(200) < 0.6, gold, random.integers(1, 4, 200))
    found = asked.ask([("de", str(n), int(g), int(p)) for n, (g, p) in enumerate(zip(gold, predicted, strict=True))])[
        "de"
    ]
    value = f1(gold, predicted)
    assert found["macro_f1"] == pytest.approx(100 * value)
    without = np.array([f1(np.delete(gold, n), np.delete(predicted, n)) for n in range(200)])
    se = np.sqrt(199 / 200 * np.sum((without - without.mean()) ** 2))
    low, high = (
        100 / (1 + np.exp(-(np.log(value / (1 - value)) + side * 1.97196 * se / (value * (1 - value)))))
        for side in (-1, 1)
    )
    assert (found["macro_f1_low"], found["macro_f1_high"]) == pytest.approx((low, high), abs=0.1)


def test_translations_are_one_draw(asked: Asked) -> None:
    """The same texts in three languages, told alike, say no more than in one."""
    one = [("de", str(n), 1 + n % 2, 1 + n % 2 if n % 5 else 3) for n in range(60)]
    rows = asked.ask([(code, key, gold, said) for code in ("de", "en", "ko") for _, key, gold, said in one])
    for name in KEPT[:-1]:
        assert rows["all"][name] == pytest.approx(rows["de"][name], rel=1e-9), name
    assert rows["all"]["texts"] == 180
    # told apart they say more
    apart = asked.ask([(code, f"{code}{key}", gold, said) for code in ("de", "en", "ko") for _, key, gold, said in one])
    widths = [rows["all"][f"{name}_high"] - rows["all"][f"{name}_low"] for name in ("accuracy", "macro_f1")]
    others = [apart["all"][f"{name}_high"] - apart["all"][f"{name}_low"] for name in ("accuracy", "macro_f1")]
    assert all(np.array(others) < 0.65 * np.array(widths))


def test_all_or_nothing_right_has_an_interval(asked: Asked) -> None:
    rows = asked.ask([(code, str(n), 1 + n % 3, 1 + n % 3) for code in ("de", "en") for n in range(30)])
    assert rows["de"]["accuracy"] == rows["de"]["macro_f1"] == 100
    # 30 texts, however many languages they are in
    assert rows["de"]["accuracy_low"] == pytest.approx(100 * 30 / (30 + 1.959964**2))
    assert rows["all"]["accuracy_low"] == pytest.approx(rows["de"]["accuracy_low"])
    assert rows["de"]["macro_f1_low"] is None


def test_intervals_cover(asked: Asked) -> None:
    """Texts in two languages whose mistakes go together: of 200 worlds 90% or more (the 1% point of 95% is 91%)."""
    random = np.random.default_rng(11)
    shares, table = np.array([0.5, 0.3, 0.2]), np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.2, 0.5]])
    truth = 100 * float(shares @ np.diag(table))
    told = shares @ table
    true_f1 = 100 * float(np.mean(2 * shares * np.diag(table) / (shares + told)))
    worlds = []
    for _ in range(200):
        gold = random.choice(3, 80, p=shares)
        drawn = [[random.choice(3, p=table[g]) for g in gold] for _ in range(2)]
        same = random.random(80) < 0.5
        second = np.where(same, drawn[0], drawn[1])
        said = [("de", str(n), int(g) + 1, int(drawn[0][n]) + 1) for n, g in enumerate(gold)]
        worlds.append(said + [("en", str(n), int(g) + 1, int(second[n]) + 1) for n, g in enumerate(gold)])
    covered = np.array(
        [
            [
                rows[code][f"{name}_low"] <= value <= rows[code][f"{name}_high"]
                for code in ("de", "all")
                for name, value in (("accuracy", truth), ("macro_f1", true_f1))
            ]
            for rows in asked.ask_each(worlds)
        ]
    )
    assert len(covered) == 200
    assert (covered.mean(axis=0) >= 0.9).all(), covered.mean(axis=0)
