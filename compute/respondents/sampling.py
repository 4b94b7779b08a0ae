"""Drawing tokens: temperature, then top-k, then top-p, as transformers has them, and a draw by inverse distribution.

A number in [0, 1) picks the token in whose share of the cumulated probabilities it falls, tokens in the order of their
ids. Probabilities are in 64 bits: logits that differ in their last digits, as those of another batch do, give another
token only if the number lies as close to a border of two shares, about once in a million draws of 32-bit models.

Ties: all tokens as likely as the k-th stay, as in transformers; of tokens that are as likely at the border of top-p,
those of lower ids stay.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mlv.compute.machine.streams import FloatArray, IntArray
from mlv.schema.errors import JobError
from mlv.schema.jobs.respond import Decoding

if TYPE_CHECKING:
    from torch import Tensor

LOGITS_AT_ONCE: Final = 2**23
"""Logits in 64 bits at a time: 64 MB."""


class Drawn(NamedTuple):
    """A token and its log-probability at temperature 1 over the whole vocabulary, nats."""

    token: int
    logprob: float


def draw(logits: "Tensor", decoding: Decoding, numbers: Sequence[FloatArray]) -> list[list[Drawn]]:
    """A token for each number of each row; ``logits`` are [rows, vocabulary]. Raises JobError for NaN and infinity."""
    rows = max(1, LOGITS_AT_ONCE // logits.shape[1])
    return [
        drawn
        for start in range(0, len(numbers), rows)
        for drawn in _draw(logits[start : start + rows], decoding, numbers[start : start + rows])
    ]


def _draw(logits: "Tensor", decoding: Decoding, numbers: Sequence[FloatArray]) -> list[list[Drawn]]:
    whole = normaliser(logits)
    tokens, scores = _narrowed(logits, decoding.top_k)
    probabilities, logprobs = distribution(scores, decoding), scores - whole[:, None]
    found = []
    for row, cumulated in enumerate(np.cumsum(probabilities, axis=1)):
        places = np.searchsorted(cumulated, numbers[row] * cumulated[-1], side="right")
        # the product may be rounded up to the last sum, which tokens of no probability share
        chosen = np.minimum(places, np.searchsorted(cumulated, cumulated[-1]))
        found.append([Drawn(int(tokens[row, place]), float(logprobs[row, place])) for place in chosen])
    return found


def _narrowed(logits: "Tensor", top_k: int | None) -> tuple[IntArray, FloatArray]:
    """Tokens in the order of their ids and their logits, [rows, tokens]: all that may be drawn, and few others."""
    import torch

    vocabulary = logits.shape[1]
    kept = min(top_k or vocabulary, vocabulary)
    best = logits.topk(kept) if kept < vocabulary else None
    lowest = best.values[:, -1:] if best else logits.amin(1, keepdim=True)
    widest = int((logits >= lowest).sum(1).max())
    if best is None or widest == vocabulary:
        tokens = torch.arange(vocabulary, device=logits.device).expand(len(logits), vocabulary)
    else:
        # more than k only where several are as likely as the k-th
        tokens = (best if widest == kept else logits.topk(widest)).indices.sort(1).values
    scores = _doubles(logits.gather(1, tokens))
    scores[scores < lowest.to(scores)] = -torch.inf
    return tokens.cpu().numpy(), scores.cpu().numpy()


def distribution(scores: FloatArray, decoding: Decoding) -> FloatArray:
    """Probabilities of tokens with some logits, [rows, tokens]: 0 of those that top-p leaves out; not scaled to 1."""
    warm = scores / decoding.temperature
    likely: FloatArray = np.exp(warm - warm.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    if decoding.top_p < 1:
        order = np.argsort(-likely, axis=1, kind="stable")
        ordered = np.take_along_axis(likely, order, 1)
        before = np.cumsum(ordered, axis=1) - ordered
        np.put_along_axis(likely, order, np.where(before < decoding.top_p, ordered, 0.0), 1)
    return likely


def logprobs(logits: "Tensor", tokens: Sequence[int]) -> FloatArray:
    """Log-probabilities of a token for each row of ``logits`` [rows, vocabulary], over the whole vocabulary, nats."""
    import torch

    places = torch.tensor(tokens, device=logits.device)[:, None]
    scores: FloatArray = _doubles(logits.gather(1, places))[:, 0].cpu().numpy()
    return scores - normaliser(logits)


def normaliser(logits: "Tensor") -> FloatArray:
    """Logarithm of the sum of the exponentials of each row, [rows]. Raises JobError if it is not finite."""
    import torch

    found: npt.NDArray[np.float64] = torch.logsumexp(_doubles(logits), dim=1).cpu().numpy()
    if not np.isfinite(found).all():
        raise JobError("The model's logits became NaN or infinite.", "Ask it in 32 bits: plan with --precision fp32.")
    return found


def _doubles(logits: "Tensor") -> "Tensor":
    """In 64 bits, on the processor if the device has none."""
    return (logits.cpu() if logits.device.type == "mps" else logits).double()
