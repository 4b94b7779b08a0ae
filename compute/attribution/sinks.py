"""What receives the gradients of single examples, and their projection into features.

Imports torch at its top: import this module inside functions.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from mlv.compute.attribution.parameters import Parameter


class Directions(NamedTuple):
    """What a parameter's gradient is projected on; None keeps a side whole."""

    left: Tensor | None
    """[rows, p]"""

    right: Tensor | None
    """[columns, q]"""


class Sink(Protocol):
    """Receives the gradients of a batch, piece by piece."""

    def begin(self, examples: int) -> None:
        """A batch of so many examples begins."""

    def keep(self, parameter: Parameter, inputs: Tensor) -> Tensor:
        """What is to be kept of a linear layer's inputs [examples, tokens, columns] until the backward pass."""

    def outer_product(self, parameter: Parameter, kept: Tensor, gradient: Tensor) -> None:
        """A linear layer's part: what was kept, and the gradient of its output [examples, tokens, rows]."""

    def lookup(self, parameter: Parameter, ids: Tensor, gradient: Tensor) -> None:
        """An embedding's part: ids [examples, tokens] and the gradient of its output [examples, tokens, columns]."""

    def output_directions(self, parameter: Parameter) -> Tensor | None:
        """What the gradient of the output matrix's output is wanted on, [rows, p]; None for itself."""

    def per_token(self, parameter: Parameter, owners: Tensor, inputs: Tensor, gradient: Tensor) -> None:
        """The output matrix's part, at scored tokens alone: the example of each, ascending, [scored]; what the matrix
        is given, [scored, columns]; the gradient of its output on :meth:`output_directions`, [scored, rows or p]."""

    def full(self, parameter: Parameter, gradient: Tensor) -> None:
        """A small parameter's gradient itself, [examples, rows, columns]."""


class FeatureSink:
    """Projects gradients into one row of features per example, parameter by parameter; a :class:`Sink`."""

    def __init__(self, parameters: Sequence[Parameter], directions: dict[str, Directions], device: str) -> None:
        self._directions = directions
        self._device = device
        self.places: dict[str, tuple[int, int, int]] = {}
        """By parameter: its first feature, and the rows and columns of its projected gradient."""

        start = 0
        for parameter in parameters:
            left, right = directions.get(parameter.name, Directions(None, None))
            rows = parameter.rows if left is None else left.shape[1]
            columns = parameter.columns if right is None else right.shape[1]
            self.places[parameter.name] = (start, rows, columns)
            start += rows * columns
        self.size = start
        self._examples = 0
        self._parts: dict[str, Tensor] = {}

    @property
    def sizes(self) -> list[int]:
        """Features of each parameter."""
        return [rows * columns for _, rows, columns in self.places.values()]

    @property
    def features(self) -> Tensor:
        """The features of the batch, [examples, size]."""
        unused = torch.zeros((), device=self._device)
        return torch.cat(
            [
                self._parts.get(name, unused.expand(self._examples, rows * columns))
                for name, (_, rows, columns) in self.places.items()
            ],
            1,
        )

    def begin(self, examples: int) -> None:
        """Forget the batch before."""
        self._examples = examples
        self._parts.clear()

    def _add(self, parameter: Parameter, part: Tensor) -> None:
        part = part.flatten(1).float()
        known = self._parts.get(parameter.name)
        self._parts[parameter.name] = part if known is None else known.add_(part)

    def keep(self, parameter: Parameter, inputs: Tensor) -> Tensor:
        """The inputs on the right directions, [examples, tokens, q]."""
        right = self._directions[parameter.name].right
        return inputs if right is None else inputs @ right

    def outer_product(self, parameter: Parameter, kept: Tensor, gradient: Tensor) -> None:
        """Add a linear layer's part."""
        left = self._directions[parameter.name].left
        rows = gradient if left is None else gradient @ left
        self._add(parameter, rows.transpose(1, 2) @ kept)

    def lookup(self, parameter: Parameter, ids: Tensor, gradient: Tensor) -> None:
        """Add an embedding's part."""
        left, right = self._directions[parameter.name]
        columns = gradient if right is None else gradient @ right
        if left is None:
            part = columns.new_zeros(ids.shape[0], parameter.rows, columns.shape[2])
            part.scatter_add_(1, ids[..., None].expand_as(columns), columns)
        else:
            part = left[ids].transpose(1, 2) @ columns
        self._add(parameter, part)

    def output_directions(self, parameter: Parameter) -> Tensor | None:
        """The left directions."""
        return self._directions[parameter.name].left

    def per_token(self, parameter: Parameter, owners: Tensor, inputs: Tensor, gradient: Tensor) -> None:
        """Add the output matrix's part."""
        right = self._directions[parameter.name].right
        sides = [gradient, inputs if right is None else inputs @ right]
        one, other = (by_example(owners, side, self._examples) for side in sides)
        self._add(parameter, one.transpose(1, 2) @ other)

    def full(self, parameter: Parameter, gradient: Tensor) -> None:
        """Add a small parameter's part."""
        left, right = self._directions[parameter.name]
        part = gradient if left is None else left.T @ gradient
        self._add(parameter, part if right is None else part @ right)


def by_example(owners: Tensor, values: Tensor, examples: int) -> Tensor:
    """Values [tokens, width] whose examples, ascending, are ``owners`` [tokens]: [examples, most, width], 0 after an
    example's own."""
    counts = torch.bincount(owners, minlength=examples)
    places = torch.arange(len(owners), device=owners.device) - (counts.cumsum(0) - counts)[owners]
    padded = values.new_zeros(examples, int(counts.max()), values.shape[1])
    padded[owners, places] = values
    return padded
