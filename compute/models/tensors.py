"""Token rows as tensors, and what a model's output matrix is given.

Imports torch at its top: import this module inside functions.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

Tokens = Sequence[int] | npt.NDArray[np.int64]
"""Token ids of one row."""


def pad(rows: Sequence[Tokens], value: int = 0, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Rows of different lengths, padded on the right with ``value``, and 1 for each of their tokens, 0 for padding.

    Both [rows, longest], 64-bit integers.
    """
    lengths = np.array([len(row) for row in rows])
    padded = np.full((len(rows), lengths.max()), value, dtype=np.int64)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    attention = (np.arange(padded.shape[1]) < lengths[:, None]).astype(np.int64)
    return torch.from_numpy(padded).to(device), torch.from_numpy(attention).to(device)


@contextlib.contextmanager
def only_at(body: nn.Module, places: Tensor) -> Iterator[None]:
    """Have a model's head see one token of each row, that at ``places`` [rows]: its logits are [rows, 1, vocabulary].

    The body is the model without its head; every architecture's head is a function of single tokens.
    """

    def choose(_: nn.Module, __: object, output: Any) -> Any:
        states = output.last_hidden_state
        output.last_hidden_state = states[torch.arange(len(states), device=states.device), places][:, None]
        return output

    handle = body.register_forward_hook(choose)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def head_input(head: nn.Linear) -> Iterator[list[Tensor]]:
    """Catch what the output matrix is given, [batch, tokens, width] for each pass, and let it project no token.

    Caught there, the states are scaled by the model's own rule, which differs between T5 and mT5.
    """
    caught: list[Tensor] = []

    def catch(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor]:
        caught.append(arguments[0])
        return (arguments[0].detach()[:, :0],)

    handle = head.register_forward_pre_hook(catch)
    try:
        yield caught
    finally:
        handle.remove()
