"""The statistics of linear datamodeling scores: ranks, resamples, intervals and nulls, on scores of known worth."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from mlv.compute.machine.streams import FloatArray
from mlv.compute.validation import correlation
from mlv.compute.validation.correlation import Resamples


def test_spearman_takes_ties_at_their_mean_rank_and_says_nothing_of_constants() -> None:
    random = np.random.default_rng(0)
    one, other = random.integers(0, 5, size=(2, 30, 9)).astype(float)
    expected = [spearmanr(a, b).statistic for a, b in zip(one, other, strict=True)]
    np.testing.assert_allclose(correlation.spearman(one, other), expected, atol=1e-12)
    constant = correlation.spearman(np.array([[1.0, 2, 3], [2, 2, 2]]), np.array([[4.0, 4, 4], [1, 2, 3]]))
    assert np.isnan(constant).all()


def test_a_resample_is_ranked_as_if_its_values_were_written_out() -> None:
    random = np.random.default_rng(0)
    one, other = random.integers(0, 6, size=(2, 12)).astype(float)
    drawn = correlation.draw_resamples(seed=3, resamples=20, halves=12, targets=4, kind=0)
    assert drawn.halves.shape == (20, 12) and (drawn.halves.sum(axis=1) == 12).all()
    assert drawn.targets.shape == (20, 4) and (drawn.targets.sum(axis=1) == 4).all()
    written = [np.repeat(np.arange(12), times.astype(int)) for times in drawn.halves]
    expected = [spearmanr(one[some], other[some]).statistic for some in written]
    np.testing.assert_allclose(correlation.resampled(one, other, drawn.halves), expected, atol=1e-12)


def test_resamples_are_the_same_with_the_same_seed_and_others_with_another() -> None:
    first, again, other, kind = (
        correlation.draw_resamples(seed, 5, 12, 4, kind).halves for seed, kind in ((1, 0), (1, 0), (2, 0), (1, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other) and not np.array_equal(first, kind)


def test_a_mean_counts_targets_as_often_as_they_are_drawn_and_leaves_undefined_ones_out() -> None:
    values = np.array([[1.0, 2, 3], [1, 2, 3], [1, 2, 3]])
    predicted = {"some": np.array([[1.0, 2, 3], [3, 2, 1], [0, 0, 0]])}
    drawn = Resamples(np.ones((3, 3)), np.array([[1.0, 1, 1], [2, 0, 1], [0, 0, 3]]))
    means = correlation.resampled_scores(predicted, values, drawn)["some"]
    np.testing.assert_allclose(means, [0.0, 1.0, np.nan])


def test_each_score_has_the_null_of_its_own_tails() -> None:
    """Scores that are all about one example have a wider null than even ones: half of the halves have it or not."""
    random = np.random.default_rng(5)
    even, peaked = random.normal(size=(2, 30, 60))
    peaked[:, 0] += 1e3
    kept = np.stack([random.permutation(60) < 30 for _ in range(40)]).astype(float)
    values = np.tile(random.normal(size=40), (30, 1))
    narrow, wide = (correlation.null(scores, kept, values, seed=0) for scores in (even, peaked))
    assert len(narrow) == correlation.NULL_DRAWS
    assert abs(narrow.mean()) < 0.05
    assert wide.std() > 2 * narrow.std()


def draw_world(random: np.random.Generator, halves: int, targets: int) -> tuple[dict[str, FloatArray], FloatArray]:
    """Predictions of two sets of scores, and what models show, of targets that differ and have much in common.

    r is 0.34 on average, and nine tenths of that for the second, as in what performance.md reports.
    """

    def latent() -> FloatArray:
        shared, own = random.normal(size=(1, halves)), random.normal(size=(targets, halves))
        both: FloatArray = np.sqrt(0.3) * shared + np.sqrt(0.7) * own
        return both

    r = np.clip(random.normal(0.34, 0.15, size=(targets, 1)), -0.95, 0.95)
    first = latent()
    values = r * first + np.sqrt(1 - r**2) * latent()
    return {"first": first, "second": 0.9 * first + np.sqrt(0.19) * latent()}, values


@pytest.mark.parametrize(("halves", "targets"), [(16, 40), (64, 40)])
def test_intervals_contain_the_true_score_and_the_true_difference(halves: int, targets: int) -> None:
    """True: of normal variables of r, Spearman's rho is 6 / pi asin(r / 2)."""
    random = np.random.default_rng(11)
    r = np.clip(random.normal(0.34, 0.15, size=100_000), -0.95, 0.95)
    first, second = (float((6 / np.pi * np.arcsin(share * r / 2)).mean()) for share in (1.0, 0.9))
    covered = []
    for world in range(120):
        predicted, values = draw_world(random, halves, targets)
        drawn = correlation.draw_resamples(world, 200, halves, targets, 0)
        means = correlation.resampled_scores(predicted, values, drawn)
        ends = correlation.interval(means["first"]), correlation.interval(means["second"] - means["first"])
        true = first, second - first
        covered.append([low <= value <= high for (low, high), value in zip(ends, true, strict=True)])
    # 0.97 and 0.99 are expected: what a target and a half have in common is counted twice. Of 120 worlds 0.95 less two
    # standard errors is 0.91
    assert (np.mean(covered, axis=0) >= 0.92).all(), np.mean(covered, axis=0)
