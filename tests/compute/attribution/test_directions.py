"""Projections: Lᵀ G R of the exact gradients, unbiased random directions, and principal ones by numpy."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
from exact_gradients import Exact, tiny_classifier
from threadpoolctl import threadpool_info
from torch import Tensor

from mlv.compute.attribution import directions as projection
from mlv.compute.attribution import gradients
from mlv.compute.attribution.directions import SIGN_BLOCK, principal_directions, random_directions, random_signs, sides
from mlv.compute.attribution.gradients import Tracer
from mlv.compute.attribution.parameters import Parameter
from mlv.compute.attribution.sinks import Directions, FeatureSink, Sink, by_example
from mlv.compute.machine import runtime
from mlv.compute.models import loading
from mlv.compute.models.families import SPAN
from mlv.compute.training.objective import WeightedInput
from mlv.schema.errors import JobError
from mlv.schema.jobs.attribution import VOCABULARY_DIRECTIONS, ModuleGroup

ALL = get_args(ModuleGroup)
Array = npt.NDArray[np.float64]
Make = Callable[[str], Any]

NOT_CONVERGED: type[Exception] = torch.linalg.LinAlgError  # type: ignore[attr-defined]

MATRIX = Parameter("block.wi.weight", "feed_forward", 40, 30)
VOCABULARY = Parameter("shared.weight", "embedding", 300, 8)
VECTOR = Parameter("norm.weight", "norm", 40, 1)


@pytest.fixture(scope="module")
def make(official_mt5: Path) -> Make:
    """A fresh untied mT5 or XLM-R classifier."""
    return lambda kind: loading.load(official_mt5, SPAN).model if kind == "mt5" else tiny_classifier(kind)


def rows_for(model: Any, count: int = 12) -> list[WeightedInput]:
    """Rows of many lengths; for a T5, answers to be scored."""
    random = np.random.default_rng(5)
    rows = []
    for number in range(count):
        inputs, decoder = (random.integers(5, 90, random.integers(2, longest)).tolist() for longest in (12, 7))
        if model.config.is_encoder_decoder:
            rows.append(WeightedInput(number, inputs, decoder, len(decoder) - 1, 1 / len(decoder)))
        else:
            rows.append(WeightedInput(number, inputs, [], number % 3))
    return rows


def sweeping(tracer: Tracer, rows: Sequence[WeightedInput]) -> Callable[[Sink], None]:
    """A sweep over ``rows`` in batches of 5."""

    def sweep(sink: Sink) -> None:
        for start in range(0, len(rows), 5):
            tracer.trace(rows[start : start + 5], sink)

    return sweep


def exact_gradients(model: Any, rows: Sequence[WeightedInput]) -> dict[str, Array]:
    """By parameter, [examples, rows, columns]."""
    exact = Exact(model)
    found = [exact.gradients(row) for row in rows]
    return {name: np.stack([some[name].numpy() for some in found]) for name in found[0]}


def projected(tracer: Tracer, rows: Sequence[WeightedInput], directions: dict[str, Directions]) -> FeatureSink:
    """A sink with the features of one batch."""
    sink = FeatureSink(tracer.parameters, directions, "cpu")
    tracer.trace(rows, sink)
    return sink


# Features --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mt5", "xlmr"])
def test_features_are_the_gradient_between_the_directions(make: Make, kind: str) -> None:
    model = make(kind)
    rows, tracer = rows_for(model, 5), Tracer(model, ALL)
    torch.manual_seed(3)
    # both sides, one of them, none
    directions = {
        parameter.name: Directions(
            None if number % 3 == 1 else torch.randn(parameter.rows, 3),
            None if number % 3 == 2 or parameter.columns == 1 else torch.randn(parameter.columns, 2),
        )
        for number, parameter in enumerate(tracer.parameters)
    }
    sink = projected(tracer, rows, directions)
    exact = exact_gradients(model, rows)
    whole = np.sqrt(sum(np.square(some).sum() for some in exact.values()))
    for name, (left, right) in directions.items():
        expected = exact[name]
        if left is not None:
            expected = np.einsum("lp,elc->epc", left.double(), expected)
        if right is not None:
            expected = np.einsum("cq,epc->epq", right.double(), expected)
        start, height, width = sink.places[name]
        assert expected.shape == (5, height, width)
        found = sink.features[:, start : start + height * width].reshape(expected.shape)
        error = np.linalg.norm(found.numpy() - expected)
        assert error <= 1e-5 * (np.linalg.norm(expected) + 1e-2 * whole), name
    assert sum(height * width for _, height, width in sink.places.values()) == sink.size == sink.features.shape[1]


def test_every_side_gets_the_directions_it_has_room_for() -> None:
    assert sides(MATRIX, 5) == (5, 5)
    assert sides(MATRIX, 35) == (35, 30)
    assert sides(VOCABULARY, 4) == (VOCABULARY_DIRECTIONS, 4)
    assert sides(VOCABULARY._replace(rows=100), 4) == (100, 4)
    # the classes of a classifier are no vocabulary
    assert sides(Parameter("classifier.weight", "output", 3, 24), 4) == (3, 4)
    # a vector has on its one side what a matrix has on both
    assert sides(VECTOR, 5) == (25, 1)
    assert sides(VECTOR, 7) == (40, 1)


@pytest.mark.parametrize("kind", ["mt5", "xlmr"])
@pytest.mark.parametrize("projection_", ["principal", "random"])
def test_directions_on_all_sides_keep_inner_products(make: Make, kind: str, projection_: str) -> None:
    model = make(kind)
    rows, tracer = rows_for(model, 6), Tracer(model, ALL)
    if projection_ == "principal":
        directions = principal_directions(tracer.parameters, 10**4, sweeping(tracer, rows[:2]), "cpu")
    else:
        directions = random_directions(tracer.parameters, 10**4, 0, "cpu")
    exact = exact_gradients(model, rows)
    gram = sum(np.einsum("arc,brc->ab", some, some) for some in exact.values())
    features = projected(tracer, rows, directions).features.double().numpy()
    np.testing.assert_allclose(features @ features.T, gram, atol=1e-5 * np.abs(gram).max())


# Random directions -----------------------------------------------------------------------------------------------


def _estimates(parameter: Parameter, one: Array, other: Array, seeds: int) -> Array:
    """Inner products of two projected gradients, by seed."""
    found = []
    for seed in range(seeds):
        left, right = random_directions([parameter], 4, seed, "cpu")[parameter.name]
        left = torch.eye(parameter.rows) if left is None else left
        right = torch.eye(parameter.columns) if right is None else right
        first, second = (left.double().numpy().T @ gradient @ right.double().numpy() for gradient in (one, other))
        found.append(np.sum(first * second))
    return np.array(found)


@pytest.mark.parametrize(("parameter", "seeds"), [(MATRIX, 600), (VOCABULARY, 150), (VECTOR, 600)])
def test_inner_products_of_projected_gradients_are_unbiased(parameter: Parameter, seeds: int) -> None:
    random = np.random.default_rng(2)
    one = random.normal(size=(parameter.rows, parameter.columns))
    other = one + random.normal(size=one.shape)
    estimates = _estimates(parameter, one, other, seeds)
    exact, error = np.sum(one * other), estimates.std(ddof=1) / np.sqrt(seeds)
    assert abs(estimates.mean() - exact) < 4 * error
    # so little that a wrong scale would be seen
    assert error < 0.04 * exact


def test_directions_are_gaussian_numbers_of_a_counter() -> None:
    left, right = random_directions([MATRIX], 4, 7, "cpu")[MATRIX.name]
    assert left is not None
    assert right is not None
    for side, found in (("left", left), ("right", right)):
        # Box and Muller's transform of numpy's own uniform numbers
        key = int.from_bytes(hashlib.sha256(f"{MATRIX.name}\0{side}".encode()).digest()[:8], "little")
        generator = np.random.Generator(np.random.Philox(key=7, counter=[0, 8, 0, key]))
        radius, angle = generator.random(2 * found.numel()).reshape(2, *found.shape)
        points = np.sqrt(-2 * np.log(1 - radius)) * np.exp(2j * np.pi * angle)
        np.testing.assert_allclose(found, points.real / 2, rtol=1e-6)
    many = random_directions([VOCABULARY], 4, 7, "cpu")[VOCABULARY.name].left
    assert many is not None
    numbers = many.double().numpy().ravel() * np.sqrt(VOCABULARY_DIRECTIONS)
    # of 76,800 numbers a mean has a standard deviation of 0.0036, a variance one of 0.0051
    assert abs(numbers.mean()) < 0.015
    assert abs(numbers.var() - 1) < 0.02
    assert abs((np.abs(numbers) < 1).mean() - 0.6827) < 0.007


def test_directions_are_keyed_by_parameter_side_and_seed() -> None:
    square = Parameter("square.weight", "attention", 30, 30)
    alike = square._replace(name="alike.weight")
    forwards, backwards = (random_directions(some, 4, 0, "cpu") for some in ([square, alike], [alike, square]))
    drawn: list[Tensor] = []
    for name, found in forwards.items():
        for side, again in zip(found, backwards[name], strict=True):
            assert side is not None
            assert again is not None
            assert torch.equal(side, again)
            drawn.append(side)
    other = random_directions([square], 4, 1, "cpu")[square.name].left
    assert other is not None
    drawn.append(other)
    correlations = np.corrcoef([some.flatten().numpy() for some in drawn])
    # of 120 numbers one has a standard deviation of 0.09
    assert np.abs(correlations - np.eye(5)).max() < 0.4


def test_random_signs_are_as_often_either_and_independent() -> None:
    signs = random_signs("a.weight", 1, 70, 0)
    assert signs.shape == (SIGN_BLOCK, 70)
    assert set(signs.flatten().tolist()) == {-1, 1}
    # a mean of 71,680 signs has a standard deviation of 0.004
    assert abs(float(signs.mean())) < 0.015
    assert float((signs @ signs.T / 70 - torch.eye(SIGN_BLOCK)).abs().max()) < 0.8
    assert torch.equal(signs, random_signs("a.weight", 1, 70, 0))
    for name, block, seed in (("b.weight", 1, 0), ("a.weight", 2, 0), ("a.weight", 1, 1)):
        assert abs(float((signs * random_signs(name, block, 70, seed)).mean())) < 0.015


# Principal directions --------------------------------------------------------------------------------------------


def _covariances(exact: Array) -> tuple[Array, Array]:
    """Of both sides, of gradients [examples, rows, columns]: sums of G Gᵀ and of Gᵀ G."""
    return np.einsum("erc,esc->rs", exact, exact), np.einsum("erc,erd->cd", exact, exact)


def assert_leading(found: Tensor | None, covariance: Array, share: float = 1 - 1e-5) -> None:
    """Orthonormal, with ``share`` of the variance that as many of numpy's eigenvectors have, and the same span as these
    where there is a gap after them."""
    assert found is not None
    basis = found.double().numpy()
    count = basis.shape[1]
    np.testing.assert_allclose(basis.T @ basis, np.eye(count), atol=1e-5)
    values, vectors = np.linalg.eigh(covariance)
    assert np.trace(basis.T @ covariance @ basis) >= share * values[-count:].sum()
    if share > 0.9999 and count < len(values) and values[-count] - values[-count - 1] > 0.02 * values[-1]:
        leading = vectors[:, -count:]
        np.testing.assert_allclose(basis @ basis.T, leading @ leading.T, atol=1e-3)


class Batch:
    """Made-up inputs and gradients of 6 examples, and what their exact gradients are."""

    def __init__(self, rows: int, columns: int, tokens: int = 7) -> None:
        random = np.random.default_rng(rows)
        # directions of decreasing weight, as gradients have them
        self.inputs = torch.tensor(random.normal(size=(6, tokens, columns)) * 0.8 ** np.arange(columns)).float()
        self.gradient = torch.tensor(random.normal(size=(6, tokens, rows)) * 0.9 ** np.arange(rows)).float()
        # frequent words and rare ones; words recur within an example
        self.ids = torch.tensor(np.minimum(random.zipf(1.3, size=(6, tokens)), rows) - 1)
        self.lengths = torch.tensor(random.integers(1, tokens + 1, 6))
        self.scored = torch.arange(tokens) < self.lengths[:, None]

    def pass_on(self, sink: Sink, parameter: Parameter, way: str) -> None:
        """Hand the batch to a sink, as the tracer would."""
        sink.begin(6)
        if way == "outer":
            sink.outer_product(parameter, sink.keep(parameter, self.inputs), self.gradient)
        elif way == "lookup":
            sink.lookup(parameter, self.ids, self.inputs)
        elif way == "packed":
            owners = self.scored.nonzero()[:, 0]
            left, gradient = sink.output_directions(parameter), self.gradient[self.scored]
            sink.per_token(parameter, owners, self.inputs[self.scored], gradient if left is None else gradient @ left)
        else:
            sink.full(parameter, self.gradient.transpose(1, 2) @ self.inputs)

    def exact(self, parameter: Parameter, way: str) -> Array:
        """Gradients, [examples, rows, columns]."""
        rows = self.gradient
        if way == "lookup":
            rows = torch.nn.functional.one_hot(self.ids, parameter.rows).float()
        elif way == "packed":
            rows = rows * self.scored[..., None]
        return torch.einsum("etr,etc->erc", rows, self.inputs).double().numpy()


@pytest.mark.parametrize("way", ["outer", "lookup", "packed", "whole"])
def test_principal_directions_are_numpys_eigenvectors(way: str) -> None:
    parameter, batch = Parameter("a.weight", "attention", 30, 20), Batch(30, 20)
    found = principal_directions([parameter], 4, lambda sink: batch.pass_on(sink, parameter, way), "cpu")
    for side, covariance in zip(found["a.weight"], _covariances(batch.exact(parameter, way)), strict=True):
        assert side is not None
        assert side.shape == (len(covariance), 4)
        assert_leading(side, covariance)


@pytest.mark.parametrize("way", ["outer", "lookup", "packed"])
def test_directions_of_a_long_side_have_nearly_the_variance_of_eigenvectors(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameter, batch = Parameter("a.weight", "embedding", 600, 20), Batch(600, 20, tokens=40)
    monkeypatch.setattr(projection, "LONG_SIDE", 100)
    # 12 and 32 more of 600, where the gradients span some 100
    monkeypatch.setattr(projection, "VOCABULARY_DIRECTIONS", 12)
    directions = principal_directions([parameter], 4, lambda sink: batch.pass_on(sink, parameter, way), "cpu")
    left, right = directions["a.weight"]
    assert left is not None
    assert left.shape == (600, 12)
    rows, columns = _covariances(batch.exact(parameter, way))
    assert np.linalg.matrix_rank(rows) > 60
    assert_leading(left, rows, 0.995)
    assert_leading(right, columns)


@pytest.mark.parametrize("long", [4096, 20])
@pytest.mark.parametrize("kind", ["mt5", "xlmr"])
def test_principal_directions_of_a_models_gradients(
    make: Make, kind: str, long: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(kind)
    rows = rows_for(model)
    # a vector has no long side
    tracer = Tracer(model, ("attention", "feed_forward", "embedding", "output", "position_bias"))
    monkeypatch.setattr(projection, "LONG_SIDE", long)
    monkeypatch.setattr(projection, "VOCABULARY_DIRECTIONS", 20)
    directions = principal_directions(tracer.parameters, 4, sweeping(tracer, rows), "cpu")
    exact = exact_gradients(model, rows)
    for parameter in tracer.parameters:
        found = directions[parameter.name]
        if parameter.name == "shared.weight":
            continue
        left, right = _covariances(exact[parameter.name])
        assert_leading(found.left, left, 0.99 if parameter.rows > long else 1 - 1e-5)
        assert_leading(found.right, right)


def test_norms_and_biases_have_principal_directions(make: Make) -> None:
    model = make("xlmr")
    rows, tracer = rows_for(model), Tracer(model, ("norm", "bias"))
    directions = principal_directions(tracer.parameters, 3, sweeping(tracer, rows), "cpu")
    exact = exact_gradients(model, rows)
    for parameter in tracer.parameters:
        if parameter.name.endswith("key.bias"):
            # softmax does not see a bias of the keys: its gradient is rounding
            continue
        left, right = _covariances(exact[parameter.name])
        assert_leading(directions[parameter.name].left, left)
        assert_leading(directions[parameter.name].right, right)


def test_principal_directions_of_a_shared_matrix_hold_nearly_all_that_the_best_would(make: Make) -> None:
    # its uses are taken one by one, without the products between them
    model = make("mt5")
    rows, tracer = rows_for(model), Tracer(model, ("embedding",))
    found = principal_directions(tracer.parameters, 4, sweeping(tracer, rows), "cpu")["shared.weight"]
    for side, covariance in zip(found, _covariances(exact_gradients(model, rows)["shared.weight"]), strict=True):
        assert side is not None
        held = np.trace(side.double().numpy().T @ covariance @ side.double().numpy())
        assert held > 0.9 * np.linalg.eigvalsh(covariance)[-side.shape[1] :].sum()


def test_principal_directions_do_not_depend_on_how_many_logits_are_held(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make("mt5")
    rows, tracer = rows_for(model), Tracer(model, ("output",))
    monkeypatch.setattr(gradients, "LOGITS_AT_ONCE", 2 * model.config.vocab_size)
    found = principal_directions(tracer.parameters, 4, sweeping(tracer, rows), "cpu")["lm_head.weight"]
    left, right = _covariances(exact_gradients(model, rows)["lm_head.weight"])
    assert_leading(found.left, left)
    assert_leading(found.right, right)


def test_words_that_do_not_occur_do_not_keep_eigenvectors_from_being_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # a matrix most of whose rows are 0 does not always converge in torch: it depends on rounding, here it never does
    solve = torch.linalg.eigh

    def gives_up(matrix: Tensor, *arguments: Any, **settings: Any) -> Any:
        if not matrix.any(0).all():
            raise NOT_CONVERGED("linalg.eigh: The algorithm failed to converge")
        return solve(matrix, *arguments, **settings)

    monkeypatch.setattr(torch.linalg, "eigh", gives_up)
    parameter, batch = Parameter("a.weight", "embedding", 300, 20), Batch(300, 20)
    found = principal_directions([parameter], 4, lambda sink: batch.pass_on(sink, parameter, "lookup"), "cpu")
    for side, covariance in zip(found["a.weight"], _covariances(batch.exact(parameter, "lookup")), strict=True):
        assert_leading(side, covariance)


def test_linear_algebra_has_the_threads_that_torch_has(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("mt5")
    tracer = Tracer(model, ("attention",))
    found: set[int] = set()
    leading = projection._leading

    def watched(covariance: Tensor, count: int) -> Tensor:
        found.update(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")
        return leading(covariance, count)

    monkeypatch.setattr(projection, "_leading", watched)
    runtime.prepare("cpu", 1, seed=1)
    principal_directions(tracer.parameters, 4, sweeping(tracer, rows_for(model)), "cpu")
    assert found == {1}


def test_reference_gradients_that_are_no_numbers_are_refused(make: Make) -> None:
    model = make("mt5")
    with torch.no_grad():
        model.get_submodule("decoder.block.1.layer.2.DenseReluDense.wo").weight[0, 0] = torch.nan
    tracer = Tracer(model, ("attention", "feed_forward", "embedding", "output"))
    with pytest.raises(JobError, match=r"Gradients of \S+\.weight became NaN or infinite") as caught:
        principal_directions(tracer.parameters, 4, sweeping(tracer, rows_for(model)), "cpu")
    assert "--learning-rate" in caught.value.hint


def test_a_vector_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "LONG_SIDE", 30)
    with pytest.raises(JobError, match="too long"):
        principal_directions([VECTOR], 2, lambda sink: sink.full(VECTOR, torch.ones(2, 40, 1)), "cpu")


def test_packed_tokens_are_set_out_by_example() -> None:
    values = torch.arange(10.0).reshape(5, 2)
    found = by_example(torch.tensor([0, 0, 2, 2, 2]), values, 4)
    expected = torch.zeros(4, 3, 2)
    expected[0, :2], expected[2] = values[:2], values[2:]
    assert torch.equal(found, expected)
