"""What scores compare: features of gradients as vectors, and TRAK's inverses of their second moments.

The second moments of all features, ``PhiᵀPhi``, are too many for a model. Three approximations, by an attribution's
``kernel``:

- joint: all of them, by the inverse of ``Phi Phiᵀ``, [examples, examples] (the dual form).
- module: those of the features of one matrix of the model with each other; blocks of different matrices are 0.
- diagonal: those of every feature with itself: each is divided by the root of its mean square, as Adam does. Where
  features lie along the principal directions of both sides of a matrix this is what EK-FAC does (George et al. 2018).

Imports torch at its top: import this module inside functions.
"""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor

from mlv.compute.attribution.index import GradientIndex
from mlv.schema.errors import JobError

COLUMN_BYTES: Final = 2**28
"""Memory for the features of a block of columns."""

ROWS_AT_ONCE: Final = 1024
"""Rows of a symmetric product that are made at once."""

Part = tuple[int, int]
"""Some features: the first, and the one after the last."""


class Vectors:
    """The features of an index as they are compared: whitened, then of length 1, as far as that is wanted."""

    def __init__(self, index: GradientIndex, scale: Tensor | None, cosine: bool) -> None:
        self.whole: Part = (0, index.size)
        self.count = len(index)
        self._index, self._scale, self._norms = index, scale, None
        if cosine:
            self._norms = self._lengths()

    def columns(self, part: Part) -> Tensor:
        """Some of the features of all examples, [examples, features]."""
        columns = self._index.columns(*part)
        if self._scale is not None:
            columns *= self._scale[slice(*part)]
        return columns if self._norms is None else columns.div_(self._norms[:, None])

    def blocks(self, part: Part) -> Iterator[Part]:
        """A part in pieces that fit into memory."""
        return _blocks(part, self.count)

    def _lengths(self) -> Tensor:
        """Norms of the features, [examples]; 1 for features that are all 0."""
        squares = self._index.squared_norms
        if self._scale is not None:
            blocks = self.blocks(self.whole)
            squares = torch.stack([self.columns(block).double().square().sum(1) for block in blocks]).sum(0)
        norms = squares.sqrt().float()
        return torch.where(norms > 0, norms, 1)


def whitening(index: GradientIndex, damping: float) -> Tensor:
    """One over the root of every feature's second moment over the examples, [size].

    To each is added lambda times the mean of those of its matrix; 0 for features that are 0 in all examples.
    """
    blocks = _blocks((0, index.size), len(index))
    moments = torch.cat([index.columns(*block).square().mean(0) for block in blocks])
    damped = [some + damping * some.mean() for some in (moments[slice(*part)] for part in index.parts)]
    return torch.where(moments > 0, torch.cat(damped).rsqrt(), 0)


class Inverse:
    """The inverse of some features' second moments, plus lambda times the identity.

    Of more examples than features it is that of ``PhiᵀPhi``, otherwise that of ``Phi Phiᵀ``, which serves as well:
    ``(PhiᵀPhi + lambda I)⁻¹ Phiᵀ = Phiᵀ (Phi Phiᵀ + lambda I)⁻¹``.
    """

    def __init__(self, vectors: Vectors, part: Part, damping: float) -> None:
        self.part = part
        self._vectors = vectors
        self._primal = part[1] - part[0] <= vectors.count
        moments = self._moments().double()
        penalty = moments.trace() / vectors.count
        self.is_zero = not penalty
        """Whether the features are 0 in all examples: there is nothing to invert."""

        if not self.is_zero:
            moments.diagonal().add_(damping * penalty)
            self._factor = _cholesky(moments, vectors.count, damping)

    def scores(self, targets: Vectors, start: int, stop: int) -> Tensor:
        """``x (PhiᵀPhi + lambda I)⁻¹ Phiᵀ`` of the targets from ``start`` to ``stop``, [targets, examples]."""
        if self._primal:
            return self._solve(targets.columns(self.part)[start:stop]) @ self._vectors.columns(self.part).T
        return self._solve(products(targets, self._vectors, self.part, slice(start, stop)))

    def _moments(self) -> Tensor:
        """The second moments; of ``Phi Phiᵀ`` little more than the lower triangle, which is all that is read."""
        if self._primal:
            columns = self._vectors.columns(self.part)
            return columns.T @ columns
        moments = torch.zeros(self._vectors.count, self._vectors.count)
        for block in self._vectors.blocks(self.part):
            columns = self._vectors.columns(block)
            for start in range(0, len(columns), ROWS_AT_ONCE):
                rows = slice(start, start + ROWS_AT_ONCE)
                moments[rows, : rows.stop].addmm_(columns[rows], columns[: rows.stop].T)
        return moments

    def _solve(self, rows: Tensor) -> Tensor:
        """``rows`` [rows, n] times the inverse."""
        return torch.cholesky_solve(rows.T.to(self._factor.dtype), self._factor).T.float()


def products(one: Vectors, other: Vectors, part: Part, rows: slice) -> Tensor:
    """Inner products over a part of the features, of some of ``one`` with all of ``other``."""
    found = torch.zeros(len(range(one.count)[rows]), other.count)
    for block in other.blocks(part):
        found.addmm_(one.columns(block)[rows], other.columns(block).T)
    return found


def _blocks(part: Part, examples: int) -> Iterator[Part]:
    width = max(1, COLUMN_BYTES // (4 * examples))
    for start in range(*part, width):
        yield start, min(start + width, part[1])


def _cholesky(moments: Tensor, examples: int, damping: float) -> Tensor:
    """The lower Cholesky factor. Raises JobError if ``moments`` are singular."""
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(moments)
    if failed or not torch.isfinite(factor.diagonal()).all():
        raise JobError(
            f"The gradients of {examples:,} examples are not independent: lambda {damping:g} leaves their kernel "
            "singular",
            "Use a larger `--lambda`; it is in units of the gradients' mean squared norm, and 1 is the default.",
        )
    return factor
