"""Scores against closed forms: ridge regression, exact leave-one-out, numpy in 64 bits; rankings against a sort."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from safetensors.torch import save_file

from mlv.compute.attribution import kernels
from mlv.compute.attribution.index import GradientIndex
from mlv.compute.attribution.scores import Scorer, Side, ranked, ranking_table, score_table, summary_table
from mlv.schema.errors import JobError
from mlv.schema.files import write_json
from mlv.schema.jobs.attribution import Attribution

Array = npt.NDArray[np.float64]
Write = Callable[..., GradientIndex]

TRAK = Attribution()
TRACIN = Attribution(method="tracin", damping=0.0)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes an index of given features, in shards of 5 and in an order of its own."""
    folders = iter(range(100))

    def make(
        features: Array, logprob: Array | None = None, tokens: Array | None = None, sizes: Sequence[int] | None = None
    ) -> GradientIndex:
        folder = tmp_path / f"index-{next(folders)}"
        folder.mkdir()
        write_json(folder / "sizes.json", {"shard": 5, "features": sizes or [features.shape[1]]})
        count, norms = len(features), np.linalg.norm(features, axis=1)
        order = np.random.default_rng(count).permutation(count)
        for number, start in enumerate(range(0, count, 5)):
            some = order[start : start + 5]
            shard = {
                "features": torch.tensor(features[some] / np.maximum(norms[some, None], 1e-300)).float(),
                "squared_norms": torch.tensor(norms[some] ** 2),
                "logprob": torch.tensor(-np.ones(count) if logprob is None else logprob)[some].float(),
                "tokens": torch.tensor(np.ones(count) if tokens is None else tokens)[some].float(),
                "examples": torch.tensor(some),
            }
            save_file(shard, folder / f"shard-{number:05}.safetensors")
        return GradientIndex(folder)

    return make


def single(*shape: int, seed: int = 0) -> Array:
    """Normal numbers that 32 bits hold exactly."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32).astype(np.float64)


def scores(examples: GradientIndex, targets: GradientIndex, attribution: Attribution) -> Array:
    """Scores of all targets, [targets, examples]."""
    found: Array = Scorer(Side(examples, targets, 1.0), attribution).scores(0, len(targets)).double().numpy()
    return found


def dual(features: Array, targets: Array, damping: float) -> Array:
    """TRAK with the kernel of examples, lambda in units of the mean squared norm."""
    kernel = features @ features.T
    inverse = np.linalg.inv(kernel + damping * np.trace(kernel) / len(kernel) * np.eye(len(kernel)))
    result: Array = targets @ features.T @ inverse
    return result


def assert_near(found: Array, expected: Array, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max(), rtol=0)


# Methods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("examples", "size"), [(23, 9), (9, 40), (16, 16)])
@pytest.mark.parametrize("damping", [0.01, 1.0, 30.0])
def test_trak_is_ridge_regression_in_the_features(write: Write, examples: int, size: int, damping: float) -> None:
    features, targets = single(examples, size), single(7, size, seed=1)
    penalty = damping * np.square(features).sum(1).mean()
    hessian = features.T @ features + penalty * np.eye(size)
    primal = targets @ np.linalg.solve(hessian, features.T)
    # with more examples than features, the kernel is singular but for lambda
    assert_near(scores(write(features), write(targets), Attribution(damping=damping)), primal, 1e-5 + 5e-7 / damping)


def test_trak_is_exact_leave_one_out_of_a_linear_regression_up_to_leverage(write: Write) -> None:
    features, targets = single(30, 6), single(5, 6, seed=1)
    labels = np.random.default_rng(2).normal(size=30) * 0.2
    penalty = 0.5 * np.square(features).sum(1).mean()

    def fit(kept: npt.NDArray[np.bool_]) -> Array:
        """Weights of the ridge regression."""
        x = features[kept]
        weights: Array = np.linalg.solve(x.T @ x + penalty * np.eye(6), x.T @ labels[kept])
        return weights

    every = np.ones(30, dtype=bool)
    weights = fit(every)
    residuals = labels - features @ weights
    left_out = np.array([targets @ (weights - fit(every & (np.arange(30) != one))) for one in range(30)]).T
    hessian = features.T @ features + penalty * np.eye(6)
    leverage = np.einsum("ij,ij->i", features, np.linalg.solve(hessian, features.T).T)
    # Q = 1 - p stands for the residual: in a regression both are the loss's derivative by the output
    index = write(features, logprob=np.log1p(-residuals))
    found = scores(index, write(targets), Attribution(damping=0.5, confidence=True))
    assert_near(found, left_out * (1 - leverage))
    assert np.abs(leverage).min() > 0.01


@pytest.mark.parametrize("attribution", [TRAK, TRAK.model_copy(update={"similarity": "cosine"})])
def test_trak_does_not_depend_on_the_scale_of_gradients(write: Write, attribution: Attribution) -> None:
    features, targets = single(12, 20), single(4, 20, seed=1)
    one = scores(write(features), write(targets), attribution)
    assert_near(scores(write(features * 1024), write(targets * 1024), attribution), one, 1e-6)
    # a target's own scale stays, unless gradients are normalised
    factor = 1 if attribution.similarity == "cosine" else 1024
    assert_near(scores(write(features), write(targets * 1024), attribution), factor * one, 1e-6)


def test_a_cosine_normalises_gradients_first(write: Write) -> None:
    features, targets = single(12, 20) * np.arange(1, 13)[:, None], single(4, 20, seed=1)
    normal, directions = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (features, targets))
    cosine = {"similarity": "cosine"}
    found = scores(write(features), write(targets), TRACIN.model_copy(update=cosine))
    assert_near(found, directions @ normal.T)
    found = scores(write(features), write(targets), TRAK.model_copy(update=cosine))
    assert_near(found, dual(normal, directions, 1.0))


@pytest.mark.parametrize("method", ["trak", "tracin"])
def test_a_gradient_of_nothing_has_no_influence(write: Write, method: Any) -> None:
    features, targets = single(12, 20), single(4, 20, seed=1)
    features[3] = targets[1] = 0
    found = scores(write(features), write(targets), Attribution(method=method, similarity="cosine"))
    assert np.isfinite(found).all()
    assert not found[1].any()
    assert not found[:, 3].any()


def test_tracin_is_the_inner_product(write: Write) -> None:
    features, targets = single(12, 20), single(4, 20, seed=1)
    assert_near(scores(write(features), write(targets), TRACIN), targets @ features.T)


@pytest.mark.parametrize("attribution", [TRAK, TRACIN])
def test_confidence_is_1_minus_the_probability_per_token(write: Write, attribution: Attribution) -> None:
    features, targets = single(12, 20), single(4, 20, seed=1)
    random = np.random.default_rng(3)
    tokens = random.integers(1, 9, 12).astype(float)
    # from certain to hopeless
    probabilities = np.array([1 - 1e-6, 1e-9, *random.uniform(size=10)])
    index = write(features, tokens * np.log(probabilities), tokens)
    plain = scores(index, write(targets), attribution)
    found = scores(index, write(targets), attribution.model_copy(update={"confidence": True}))
    np.testing.assert_allclose(found, plain * (1 - probabilities), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("attribution", [TRAK, TRACIN.model_copy(update={"similarity": "cosine"})])
def test_blocks_of_columns_and_targets_change_nothing(
    write: Write, attribution: Attribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, targets = write(single(12, 20)), write(single(8, 20, seed=1))
    expected = scores(features, targets, attribution)
    # 3 columns at a time
    monkeypatch.setattr(kernels, "COLUMN_BYTES", 3 * 4 * 12)
    monkeypatch.setattr(kernels, "ROWS_AT_ONCE", 5)
    assert_near(scores(features, targets, attribution), expected, 1e-6)
    scorer = Scorer(Side(features, targets, 1.0), attribution)
    parts = [scorer.scores(start, stop).numpy() for start, stop in ((0, 1), (1, 6), (6, 8))]
    assert_near(np.concatenate(parts), expected, 1e-6)


def test_many_features_in_32_bits_are_near_64_bits(write: Write) -> None:
    # alike gradients of different sizes, as training examples have them
    common = single(1, 5000)
    features = (common + 0.3 * single(60, 5000, seed=1)) * np.geomspace(0.1, 10, 60)[:, None]
    targets = common + single(3, 5000, seed=2)
    found = scores(write(features), write(targets), Attribution(damping=0.1))
    assert_near(found, dual(features, targets, 0.1), 1e-4)


def test_a_singular_kernel_is_refused(write: Write) -> None:
    features = single(12, 20)
    features[5] = features[4]
    index, targets = write(features), write(single(4, 20, seed=1))
    with pytest.raises(JobError, match="12 examples are not independent: lambda 0 ") as caught:
        scores(index, targets, Attribution(damping=0.0))
    assert "--lambda" in caught.value.hint
    assert_near(scores(index, targets, Attribution(damping=0.1)), dual(features, single(4, 20, seed=1), 0.1))


@pytest.mark.parametrize("kernel", ["joint", "module"])
def test_gradients_that_all_vanish_are_refused(write: Write, kernel: Any) -> None:
    with pytest.raises(JobError, match="gradients of all 4 examples are 0"):
        scores(write(np.zeros((4, 3)), sizes=[1, 2]), write(single(2, 3)), Attribution(kernel=kernel))


# Kernels ---------------------------------------------------------------------------------------------------------

# of three matrices, the first with more features than there are examples
SIZES = [30, 4, 9]


def by_matrix(features: Array) -> list[Array]:
    """The features of each matrix."""
    return np.split(features, np.cumsum(SIZES)[:-1], axis=1)


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("damping", [0.1, 2.0])
def test_a_kernel_by_module_adds_up_the_scores_of_the_matrices(write: Write, cosine: bool, damping: float) -> None:
    features, targets = single(12, 43) * np.arange(1, 13)[:, None], single(4, 43, seed=1)
    attribution = Attribution(kernel="module", damping=damping, similarity="cosine" if cosine else "dot")
    found = scores(write(features, sizes=SIZES), write(targets, sizes=SIZES), attribution)
    if cosine:
        features, targets = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (features, targets))
    parts = zip(by_matrix(features), by_matrix(targets), strict=True)
    assert_near(found, np.sum([dual(one, other, damping) for one, other in parts], axis=0))


def test_a_matrix_without_gradients_adds_nothing_by_module(write: Write) -> None:
    features, targets = single(12, 43), single(4, 43, seed=1)
    features[:, 30:34] = 0
    found = scores(write(features, sizes=SIZES), write(targets, sizes=SIZES), Attribution(kernel="module"))
    first, _, last = zip(by_matrix(features), by_matrix(targets), strict=True)
    assert_near(found, dual(*first, 1.0) + dual(*last, 1.0))


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("damping", [1e-6, 0.5])
def test_a_diagonal_kernel_divides_features_by_their_second_moments(write: Write, cosine: bool, damping: float) -> None:
    features, targets = single(12, 43) * np.geomspace(0.1, 10, 43), single(4, 43, seed=1)
    # what no example has says nothing of a target
    features[:, 40] = 0
    attribution = Attribution(kernel="diagonal", damping=damping, similarity="cosine" if cosine else "dot")
    found = scores(write(features, sizes=SIZES), write(targets, sizes=SIZES), attribution)
    moments = np.concatenate([some + damping * some.mean() for some in by_matrix(np.square(features).mean(0)[None])], 1)
    white, others = (np.delete(some / np.sqrt(moments), 40, axis=1) for some in (features, targets))
    if cosine:
        white, others = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (white, others))
    assert_near(found, others @ white.T)


# Rankings and tables ---------------------------------------------------------------------------------------------


def with_ties(rows: int = 6, columns: int = 41) -> torch.Tensor:
    """Scores of seven values and both zeros."""
    values = np.random.default_rng(4).integers(-3, 4, (rows, columns)) / 4.0
    values[0] = 0
    values[1, ::2] *= -0.0
    return torch.tensor(values).float()


@pytest.mark.parametrize("k", [1, 7, 40, 41])
def test_rankings_are_those_of_a_full_stable_sort(k: int) -> None:
    values = with_ties()
    found = ranked(values, k)
    for row, positive, negative in zip(values.tolist(), found.positive.tolist(), found.negative.tolist(), strict=True):
        assert positive == sorted(range(41), key=lambda place: -row[place])[:k]
        assert negative == sorted(range(41), key=lambda place: row[place])[:k]


LANGUAGES = [("ko", "fa", "hi")[n % 5 % 3] for n in range(41)]
POSITIONS = list(range(3, 3 + 2 * 41, 2))


def full(values: torch.Tensor, first: int) -> pl.DataFrame:
    """All scores with target, position and language, in 64 bits."""
    rows = [
        (first + target, POSITIONS[place], LANGUAGES[place], score)
        for target, row in enumerate(values.tolist())
        for place, score in enumerate(row)
    ]
    return pl.DataFrame(rows, schema=["target", "position", "language", "score"], orient="row")


@pytest.mark.parametrize("values", [with_ties(), torch.tensor(single(6, 41)).float()])
def test_tables_are_those_of_all_scores(values: torch.Tensor) -> None:
    every = full(values, 10)
    target = pl.col("target").cast(pl.Int32)
    parts = []
    for direction, descending in (("positive", True), ("negative", False)):
        best = every.sort("target", "score", "position", descending=[False, descending, False]).group_by(
            "target", maintain_order=True
        )
        parts.append(
            best.head(5).with_columns(
                direction=pl.lit(direction),
                rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("target"),
            )
        )
    columns = [target, "direction", "rank", "position", pl.col("score").cast(pl.Float32)]
    assert_frame_equal(ranking_table(values, 10, POSITIONS, 5), pl.concat(parts).select(columns), check_exact=True)
    summary = every.group_by(target, "language").agg(
        n=pl.len().cast(pl.Int32),
        score_sum=pl.col("score").sum(),
        score_sum_squares=pl.col("score").pow(2).sum(),
        score_min=pl.col("score").min(),
        score_max=pl.col("score").max(),
    )
    found = summary_table(values, 10, LANGUAGES)
    assert set(found.columns) == set(summary.columns)
    keys = ["target", "language"]
    assert_frame_equal(found.select(summary.columns).sort(keys), summary.sort(keys), rel_tol=1e-12, abs_tol=1e-12)
    assert sorted(set(found["language"])) == ["fa", "hi", "ko"]
    kept = score_table(values, 10, POSITIONS)
    assert_frame_equal(kept, every.select(target, "position", pl.col("score").cast(pl.Float32)), check_exact=True)


def test_the_examples_of_one_language_have_one_summary() -> None:
    found = summary_table(torch.tensor([[1.0, -2.0, 4.0]]), 3, ["fa"] * 3)
    assert found.rows(named=True) == [
        {
            "target": 3,
            "language": "fa",
            "n": 3,
            "score_sum": 3.0,
            "score_sum_squares": 21.0,
            "score_min": -2.0,
            "score_max": 4.0,
        }
    ]
