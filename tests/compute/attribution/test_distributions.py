"""Histograms against numpy's, whatever the blocks; tests of two epochs against scipy's, one target at a time."""

import warnings
from collections import Counter

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from scipy import stats

from mlv.compute.attribution import distributions
from mlv.compute.attribution.distributions import EpochScores, bin_width, epoch_tests, histogram_table, joined
from mlv.schema.jobs.attribution import Attribution

Array = npt.NDArray[np.float64]

TRAK = Attribution()
DOT = Attribution(method="tracin", damping=0.0)
COSINE = Attribution(method="tracin", similarity="cosine", damping=0.0)

LANGUAGES = ["fa"] * 30 + ["ko"] * 50 + ["fa"] * 20


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape)).float()


@pytest.mark.parametrize("width", [0.1, 0.03, 5.0])
def test_every_example_is_in_the_bin_that_its_score_falls_into(width: float) -> None:
    scores = normal(3, 100)
    scores[1, :7] = 0
    found = histogram_table(scores, 40, LANGUAGES, width)
    expected = Counter[tuple[int, str, int]]()
    for target, row in enumerate(scores.double().numpy(), 40):
        for language, score in zip(LANGUAGES, row, strict=True):
            expected[target, language, int(np.floor(score / width))] += 1
    assert {row[:3]: row[3] for row in found.select("target", "language", "bin", "n").rows()} == expected
    assert found.filter(target=41, bin=0, language="fa")["n"].item() >= 7
    assert found["width"].unique().to_list() == [width]
    assert found.rows() == sorted(found.rows())


def test_zero_parts_the_signs() -> None:
    scores = torch.tensor([[-1e-12, 0.0, 1e-12, -0.25, 0.25]])
    found = histogram_table(scores, 0, ["fa"] * 5, 0.25)
    assert found.select("bin", "n").rows() == [(-1, 2), (0, 2), (1, 1)]


def test_cosines_have_a_hundred_bins_on_each_side_whatever_they_are() -> None:
    assert bin_width(COSINE, 5, normal(2, 100)) == 0.05
    found = histogram_table(torch.tensor([[-5.0, 4.999, 0.0]]), 0, ["fa"] * 3, 0.05)
    assert found["bin"].to_list() == [-100, 0, 99]


@pytest.mark.parametrize("attribution", [TRAK, DOT, Attribution(similarity="cosine")])
@pytest.mark.parametrize("scale", [1.0, 3e-9, 7e8, 1e-3])
def test_scores_without_a_bound_have_bins_of_a_round_part_of_their_spread(
    attribution: Attribution, scale: float
) -> None:
    scores = normal(4, 500) * scale * torch.tensor([[1.0], [0.1], [0.01], [0.0]])
    width = bin_width(attribution, 3, scores)
    assert f"{width:e}".rstrip("0123456789").removesuffix("e-").removesuffix("e+") in ("1.000000", "5.000000")
    bins_a_deviation = float(scores[0].double().numpy().std()) / width
    assert 10 <= bins_a_deviation < 50


@pytest.mark.parametrize(
    ("most", "width"), [(0.05, 0.05), (0.049, 0.01), (1.0, 1.0), (0.001, 0.001), (4.99e7, 1e7), (9.9e-12, 5e-12)]
)
def test_widths_are_one_or_five_times_a_power_of_ten(most: float, width: float) -> None:
    assert distributions.round_width(most) == width


@pytest.mark.parametrize("score", [0.0, 2.5, float("nan"), float("inf")])
def test_scores_that_do_not_vary_or_are_none_have_a_width_too(score: float) -> None:
    assert bin_width(DOT, 1, torch.full((2, 3), score)) == 1.0


@pytest.mark.parametrize("attribution", [DOT, COSINE])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_blocks_of_targets_change_nothing(attribution: Attribution, rows: int) -> None:
    scores = normal(5, 100) * torch.tensor([[1.0], [30.0], [0.002], [0.0], [7.0]])

    def histograms(rows: int) -> distributions.Histograms:
        """Of blocks of so many targets."""
        blocks = [
            histogram_table(scores[at : at + rows], at, LANGUAGES, bin_width(attribution, 1, scores[at : at + rows]))
            for at in range(0, 5, rows)
        ]
        return joined(pl.concat(blocks))

    one, several = histograms(5), histograms(rows)
    assert one.width == several.width
    assert_frame_equal(one.counts, several.counts)
    assert one.counts.group_by("target", "language").agg(pl.col("n").sum())["n"].to_list() == [50] * 10


def epochs() -> list[EpochScores]:
    """Three epochs of 70 targets: ties, equal scores, one target that an epoch leaves as it was, one that all do."""
    random = np.random.default_rng(5)
    first = random.normal(size=(70, 300)).astype(np.float32)
    second = first + random.normal(0.1, 0.5, size=first.shape).round(1).astype(np.float32)
    third = first - random.exponential(0.1, size=first.shape).astype(np.float32)
    second[3], third[3], third[4] = first[3], first[3], first[4]
    third[5, 1:] = first[5, 1:]
    return [EpochScores(70 * place, torch.tensor(some)) for place, some in enumerate((first, second, third), 1)]


def test_epochs_are_tested_as_scipy_does() -> None:
    scores = epochs()
    found = pl.concat(epoch_tests(scores))
    assert found.schema == distributions.EPOCH_TESTS
    assert found.select("target", "other_target").rows() == [
        (a + target, b + target) for a, b in ((70, 140), (70, 210), (140, 210)) for target in range(70)
    ]
    rows = {(target, other): row for target, other, *row in found.rows()}
    by_number = {
        one.first_target + place: row.double().numpy() for one in scores for place, row in enumerate(one.scores)
    }
    for (target, other), (n, z, p) in rows.items():
        difference = by_number[other] - by_number[target]
        assert n == np.count_nonzero(difference)
        if n == 0:
            assert (z, p) == (None, None)
            continue
        expected = stats.wilcoxon(difference, zero_method="wilcox", correction=False, method="approx")
        assert p == pytest.approx(expected.pvalue, rel=1e-9)
        assert abs(z) == pytest.approx(abs(expected.zstatistic), rel=1e-12)
    assert [rows[target][0] for target in ((73, 143), (73, 213), (74, 214), (75, 215))] == [0, 0, 0, 1]


def test_z_is_above_zero_where_the_later_scores_are_the_higher_ones() -> None:
    """Of n differences above 0 the rank sum is n (n + 1) / 2: z = n (n + 1) / 4 / sqrt(n (n + 1) (2 n + 1) / 24)."""
    before = torch.zeros(1, 20)
    after = torch.arange(1.0, 21)[None]
    (found,) = epoch_tests([EpochScores(1, before), EpochScores(2, after)])
    assert found["z"].item() == pytest.approx(20 * 21 / 4 / (20 * 21 * 41 / 24) ** 0.5)
    (turned,) = epoch_tests([EpochScores(1, after), EpochScores(2, before)])
    assert turned["z"].item() == -found["z"].item()
    assert turned["p"].item() == found["p"].item() < 1e-4


def test_one_epoch_is_tested_against_none_and_nothing_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(epoch_tests(epochs()[:1])) == []
        assert len(list(epoch_tests(epochs()))) == 9
