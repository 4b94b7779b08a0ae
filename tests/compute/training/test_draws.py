"""Which segments are pretrained on, and how they are batched."""

import numpy as np

from mlv.compute.training.draws import batch_order, draw_segments


def test_languages_are_drawn_by_the_power_of_their_size() -> None:
    languages = np.array(["a"] * 1000 + ["b"] * 10)
    draws = draw_segments(languages, 30_000, seed=1)
    expected = 10**0.3 / (1000**0.3 + 10**0.3)
    # 30,000 draws: standard error 0.0023
    assert abs((languages[draws] == "b").mean() - expected) < 0.009


def test_all_segments_of_a_language_come_before_any_comes_again() -> None:
    languages = np.array(["a", "b"] * 20)
    draws = draw_segments(languages, 500, seed=4)
    for language in ("a", "b"):
        own = [draw for draw in draws.tolist() if languages[draw] == language]
        for start in range(0, len(own) - 20, 20):
            assert len(set(own[start : start + 20])) == 20


def test_batches_hold_every_draw_once_and_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(1, 64, 8 * 100)
    order = batch_order(lengths, 8, seed=1)
    assert sorted(order.tolist()) == list(range(800))
    batches = lengths[order].reshape(-1, 8)
    padded = (batches.max(axis=1) * 8).sum() / lengths.sum()
    unsorted = (lengths.reshape(-1, 8).max(axis=1) * 8).sum() / lengths.sum()
    assert padded < 1.1
    assert unsorted > 1.5
    # batches are not in the order of their length
    assert abs(np.corrcoef(np.arange(100), batches.max(axis=1))[0, 1]) < 0.4
