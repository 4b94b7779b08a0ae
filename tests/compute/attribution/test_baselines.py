"""Baselines: derangements, normal numbers, and cosines of characters by hand."""

import numpy as np
import pytest

from mlv.compute.attribution.baselines import bm25, character_ngrams, random_baselines
from mlv.compute.machine.streams import FloatArray

SCORES = np.random.default_rng(1).normal(size=(4, 41))


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[FloatArray]]:
    """The draws of every baseline for :data:`SCORES`."""
    by_name: dict[str, list[FloatArray]] = {}
    for name, matrix in random_baselines(SCORES, seed=7):
        by_name.setdefault(name, []).append(matrix)
    return by_name


def test_every_random_baseline_has_its_draws_and_depends_on_the_seed(drawn: dict[str, list[FloatArray]]) -> None:
    names = ("random", "shuffled-probes")
    assert {name: len(matrices) for name, matrices in drawn.items()} == dict.fromkeys(names, 20)
    other = next(matrix for name, matrix in random_baselines(SCORES, seed=8) if name == "random")
    assert not np.array_equal(drawn["random"][0], other)


def test_shuffled_probes_never_keep_their_own_scores(drawn: dict[str, list[FloatArray]]) -> None:
    for matrix in drawn["shuffled-probes"]:
        rows = [int(np.flatnonzero((row == SCORES).all(axis=1))[0]) for row in matrix]
        assert sorted(rows) == [0, 1, 2, 3]
        assert all(row != place for place, row in enumerate(rows))


def test_every_probe_meets_every_other() -> None:
    met = {
        (place, int(row[0]))
        for seed in range(3)
        for name, matrix in random_baselines(np.arange(4.0)[:, None], seed)
        if name == "shuffled-probes"
        for place, row in enumerate(matrix)
    }
    assert met == {(place, row) for place in range(4) for row in range(4) if row != place}


def test_random_scores_are_normal_and_never_the_same(drawn: dict[str, list[FloatArray]]) -> None:
    random = np.concatenate([matrix.ravel() for matrix in drawn["random"]])
    # 3,280 numbers: a mean has a standard deviation of 0.017, the share within one of 0.008
    assert abs(random.mean()) < 0.06
    assert abs((np.abs(random) < 1).mean() - 0.6827) < 0.03
    assert len(np.unique(random)) == len(random)


def test_a_single_target_has_no_other_to_shuffle_with() -> None:
    assert {name for name, _ in random_baselines(np.ones((1, 41)), 0)} == {"random"}


def test_cosines_of_characters_by_hand() -> None:
    # a, b, ab | a, b, c, ab, bc, abc | a twice, aa | nothing in common | nothing at all
    found = character_ngrams(["ab", "a"], ["abc", "aa", "xyz", ""])
    expected = [[3 / np.sqrt(3 * 6), 2 / np.sqrt(3 * 5), 0, 0], [1 / np.sqrt(6), 2 / np.sqrt(5), 0, 0]]
    np.testing.assert_allclose(found, expected, atol=1e-15)


def test_bm25_is_its_formula() -> None:
    queries, texts = [[1, 2, 2], [9], []], [[1, 1, 3], [2], [], [1, 2, 3, 4, 4, 5]]
    mean = np.mean([len(text) for text in texts])
    expected = np.zeros((3, 4))
    for row, query in enumerate(queries):
        for column, text in enumerate(texts):
            for token in query:
                within = sum(token in other for other in texts)
                rarity = np.log(1 + (len(texts) - within + 0.5) / (within + 0.5))
                times = text.count(token)
                expected[row, column] += rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * len(text) / mean))
    np.testing.assert_allclose(bm25(queries, texts), expected, rtol=1e-12)
    assert expected.astype(bool).sum() == 3
    assert bm25([[]], [[], []]).tolist() == [[0, 0]]
