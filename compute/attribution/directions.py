"""Directions that gradients are projected on: random ones, and principal ones learnt from reference gradients.

Random numbers come from a counter keyed by (seed, parameter, side) and are made on the CPU: they do not depend on
device, batch or order. Gaussian directions are scaled so that inner products of projected gradients are unbiased.

Principal directions are those of the higher-order singular value decomposition (De Lathauwer et al. 2000) of reference
gradients ``G`` [rows, columns]: the leading eigenvectors of the sums of ``G Gᵀ`` and of ``Gᵀ G``. A score is an inner
product with a target's gradient: what lies outside the targets' directions adds nothing to it, so that directions are
learnt from gradients of the targets' kind, not from those of training (docs/decisions.md). The vocabulary's side is
too long for a covariance; its directions are those of a Nyström approximation, which needs only the covariance's
products with a few random vectors (Tropp et al. 2017, algorithm 3).

Imports torch at its top: import this module inside functions.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from mlv.compute.attribution.parameters import Parameter
from mlv.compute.attribution.sinks import Directions, Sink, by_example
from mlv.compute.machine.streams import Purpose, Stream
from mlv.schema.errors import JobError
from mlv.schema.jobs.attribution import VOCABULARY_DIRECTIONS

LONG_SIDE: Final = 2048
"""Length above which a side's covariance is not formed."""

OVERSAMPLING: Final = 32
"""Random vectors of the Nyström approximation, beyond the number of directions."""

SIGN_BLOCK: Final = 1024
"""Entries of a parameter whose signs come from one stream; a multiple of 64."""

Sweep = Callable[[Sink], None]
"""Passes the reference gradients to a sink."""


def sides(parameter: Parameter, dimensions: int) -> tuple[int, int]:
    """Numbers of directions of a parameter's left and right side: never more than the side is long."""
    if parameter.columns == 1:
        # the one side of a vector carries what a matrix has on both
        rows = dimensions**2
    else:
        rows = max(dimensions, VOCABULARY_DIRECTIONS) if _is_vocabulary(parameter) else dimensions
    return min(rows, parameter.rows), min(dimensions, parameter.columns)


def random_directions(
    parameters: Sequence[Parameter], dimensions: int, seed: int, device: str
) -> dict[str, Directions]:
    """Gaussian directions, [length, directions] with variance 1 / directions; None for a side that is kept whole."""
    found = {}
    for parameter in parameters:
        left, right = sides(parameter, dimensions)
        found[parameter.name] = Directions(
            _gaussian(parameter, "left", parameter.rows, left, seed, device),
            _gaussian(parameter, "right", parameter.columns, right, seed, device),
        )
    return found


def principal_directions(
    parameters: Sequence[Parameter], dimensions: int, sweep: Sweep, device: str
) -> dict[str, Directions]:
    """Orthonormal directions, [length, directions], of the gradients that ``sweep`` passes on.

    Raises JobError if these are NaN or infinite.
    """
    covariances = Covariances(parameters, dimensions, device)
    sweep(covariances)
    return covariances.directions()


class Covariances:
    """Sums of ``G Gᵀ`` and ``Gᵀ G``, on long sides of their products with random vectors; a :class:`Sink`.

    The uses of a shared matrix are summed one by one, without the products between them.
    """

    def __init__(self, parameters: Sequence[Parameter], dimensions: int, device: str) -> None:
        self._parameters = parameters
        self._sides = {parameter.name: sides(parameter, dimensions) for parameter in parameters}
        self._tests: dict[str, Tensor] = {}
        self._left: dict[str, Tensor] = {}
        self._right = {p.name: torch.zeros(p.columns, p.columns, device=device) for p in parameters}
        for parameter in parameters:
            test = None
            if parameter.rows > LONG_SIDE:
                count = self._sides[parameter.name][0] + OVERSAMPLING
                test = _gaussian(parameter, "range", parameter.rows, count, 0, device)
            if test is None:
                self._left[parameter.name] = torch.zeros(parameter.rows, parameter.rows, device=device)
            else:
                self._tests[parameter.name] = test
                self._left[parameter.name] = torch.zeros_like(test)

    def begin(self, examples: int) -> None:
        """Nothing: the sums are over all batches."""

    def keep(self, parameter: Parameter, inputs: Tensor) -> Tensor:  # noqa: ARG002 other sinks project them
        """The inputs as they are."""
        return inputs

    def outer_product(self, parameter: Parameter, kept: Tensor, gradient: Tensor) -> None:
        """Add a linear layer's part."""
        right = gradient @ gradient.transpose(1, 2)
        self._right[parameter.name] += _summed(kept, right @ kept)
        tokens = kept @ kept.transpose(1, 2)
        test = self._tests.get(parameter.name)
        self._left[parameter.name] += _summed(gradient, tokens @ (gradient if test is None else gradient @ test))

    def output_directions(self, parameter: Parameter) -> None:
        """None: the covariances are of the gradients themselves."""

    def per_token(self, parameter: Parameter, owners: Tensor, inputs: Tensor, gradient: Tensor) -> None:
        """Add the output matrix's part."""
        examples = int(owners.max()) + 1
        self.outer_product(parameter, by_example(owners, inputs, examples), by_example(owners, gradient, examples))

    def lookup(self, parameter: Parameter, ids: Tensor, gradient: Tensor) -> None:
        """Add an embedding's part."""
        same = (ids[:, :, None] == ids[:, None]).to(gradient.dtype)
        self._right[parameter.name] += _summed(gradient, same @ gradient)
        tokens = gradient @ gradient.transpose(1, 2)
        if parameter.name in self._tests:
            product = tokens @ self._tests[parameter.name][ids]
            self._left[parameter.name].index_add_(0, ids.flatten(), product.flatten(0, 1))
        else:
            entries = ids[:, :, None] * parameter.rows + ids[:, None]
            self._left[parameter.name].view(-1).index_add_(0, entries.flatten(), tokens.flatten())

    def full(self, parameter: Parameter, gradient: Tensor) -> None:
        """Add a small parameter's part. Raises JobError if its left side is a long one."""
        self._right[parameter.name] += _summed(gradient, gradient)
        if parameter.name in self._tests:
            raise JobError(f"{parameter.name} is too long for principal directions", "Leave its modules out.")
        transposed = gradient.transpose(1, 2)
        self._left[parameter.name] += _summed(transposed, transposed)

    def directions(self) -> dict[str, Directions]:
        """The leading eigenvectors of both sides of every parameter. Raises JobError if a sum is NaN or infinite."""
        return {parameter.name: self._directions(parameter.name) for parameter in self._parameters}

    def _directions(self, name: str) -> Directions:
        left, right = self._sides[name]
        for side in (self._left[name], self._right[name]):
            _check_finite(side, name)
        test = self._tests.get(name)
        rows = _leading(self._left[name], left) if test is None else _nystrom(self._left[name], test, left)
        return Directions(rows, _leading(self._right[name], right))


def _summed(one: Tensor, other: Tensor) -> Tensor:
    """Sum over examples and tokens of the outer products of [examples, tokens, a] and [examples, tokens, b], [a, b]."""
    return one.flatten(0, 1).T @ other.flatten(0, 1)


def _check_finite(side: Tensor, name: str) -> None:
    if not torch.isfinite(side).all():
        raise JobError(
            f"Gradients of {name} became NaN or infinite: the checkpoint is damaged, or overflows",
            "Probe the checkpoint (`mlv compute probe`); fine-tune again with a smaller `--learning-rate`.",
        )


def _leading(covariance: Tensor, count: int) -> Tensor:
    """The eigenvectors of the ``count`` largest eigenvalues, [length, count]."""
    # scipy's: torch.linalg.eigh does not always converge if many words never occur
    length = len(covariance)
    matrix = covariance.double().cpu().numpy()
    _, vectors = scipy.linalg.eigh(matrix, subset_by_index=[length - count, length - 1], check_finite=False)
    return torch.from_numpy(vectors[:, ::-1].astype(np.float32)).to(covariance.device)


def _nystrom(product: Tensor, test: Tensor, count: int) -> Tensor:
    """The leading eigenvectors, [length, count], of the covariance whose product with ``test`` is ``product``, both
    [length, vectors]."""
    test = test.double()
    # without a shift of the eigenvalues there is no Cholesky factor if the rank is below the number of vectors
    shift = torch.finfo(torch.float32).eps * torch.linalg.matrix_norm(product).double()
    shifted = product.double() + shift * test
    core = test.T @ shifted
    factor = torch.linalg.cholesky((core + core.T) / 2)
    root = torch.linalg.solve_triangular(factor, shifted.T, upper=False).T
    leading: Tensor = torch.linalg.svd(root, full_matrices=False)[0][:, :count].float()
    return leading


def _is_vocabulary(parameter: Parameter) -> bool:
    return parameter.group in ("embedding", "output") and parameter.rows > parameter.columns


def _gaussian(parameter: Parameter, side: str, length: int, count: int, seed: int, device: str) -> Tensor | None:
    """Gaussian numbers with variance 1 / ``count``, [length, count]; None if that would be the whole side."""
    if count >= length:
        return None
    uniform = _stream(parameter.name, side, seed).uniform(2 * length * count).reshape(2, length, count)
    # by Box and Muller; 1 - u is never 0
    normal = np.sqrt(-2 * np.log1p(-uniform[0])) * np.cos(2 * np.pi * uniform[1])
    return torch.from_numpy((normal / math.sqrt(count)).astype(np.float32)).to(device)


def random_signs(name: str, block: int, dimensions: int, seed: int) -> Tensor:
    """Random signs for a block of :data:`SIGN_BLOCK` entries of a parameter, [entries, dimensions], on the CPU."""
    words = _stream(name, str(block), seed).words(SIGN_BLOCK * dimensions // 64)
    bits = np.unpackbits(words.view(np.uint8)).reshape(SIGN_BLOCK, dimensions)
    signs: Tensor = torch.from_numpy(bits).float().mul_(2).sub_(1)
    return signs


def _stream(name: str, side: str, seed: int) -> Stream:
    """The random numbers of one side of one parameter."""
    key = int.from_bytes(hashlib.sha256(f"{name}\0{side}".encode()).digest()[:8], "little")
    return Stream(seed, Purpose.DIRECTIONS, position=key)
