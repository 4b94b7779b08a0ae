"""Gradients of single examples, two-sided projected, without ever forming a gradient of a weight.

For the matrix ``W`` [rows, columns] of a linear layer the gradient of one example is the sum over tokens of ``g aᵀ``,
with ``a`` the layer's input and ``g`` the gradient of its output; with directions ``L`` [rows, p] and ``R``
[columns, q] its feature ``Lᵀ (sum g aᵀ) R`` is a product of ``g L`` and ``a R``, [p, q], and ``a R`` is all that the
forward pass has to keep. An embedding is a linear layer of one-hot inputs, whose side of the product is a lookup in
``L``. The uses of a shared matrix (the input embedding of encoder and decoder, a tied output matrix) add up. Vectors
(norms, biases) are matrices of one column; a relative position bias is summed into its buckets, example by example.

Weights need no gradients, so the backward pass computes those with respect to activations alone. Examples of a batch
are independent of each other in a T5 or an encoder: one backward pass of the summed objective gives every example its
own gradient.

Imports torch at its top: import this module inside functions.
"""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

import torch
from torch import Tensor, nn

from mlv.compute.attribution.hooks import (
    gradient_hooks,
    inputs_require_grad,
    position_bias_hooks,
    relative_position_hooks,
    relatively_placed,
)
from mlv.compute.attribution.parameters import STACKS, Parameter, TracedParameters
from mlv.compute.attribution.sinks import Sink
from mlv.compute.models.heads import check_mask, gated, gates_of, shape
from mlv.compute.models.interfaces import Model
from mlv.compute.models.tensors import Tokens, head_input, pad
from mlv.compute.training.objective import WeightedInput
from mlv.schema.jobs.masks import Mask

LOGITS_AT_ONCE: Final = 2**23
"""Logits in memory at a time: 32 MB in 32 bits."""


class Tracer:
    """Takes the gradients of single examples in a T5, or in an encoder with a classifier.

    The model is left in evaluation mode, and its weights without gradients.
    """

    def __init__(
        self, model: Model, groups: Sequence[str], stacks: Sequence[str] = STACKS, output: str = "loss"
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.traced = TracedParameters(model, groups, stacks)
        self._log_odds = output == "log_odds"

    @property
    def most(self) -> int:
        """Rows that :meth:`trace` can take together."""
        return 1 if relatively_placed(self.model) else sys.maxsize

    @property
    def parameters(self) -> list[Parameter]:
        """The traced parameters."""
        return self.traced.parameters

    def trace(self, rows: Sequence[WeightedInput], sink: Sink) -> Tensor:
        """Run ``rows`` as one batch and pass their gradients to ``sink``; return log-probabilities, [rows], nats.

        The gradient is that of a row's weight times the sum over scored tokens of their log-probability, or of
        ``log(p / (1 - p))``; its sign is that of the log-probability, not of the loss.
        """
        sink.begin(len(rows))
        with (
            gradient_hooks(self.traced, sink, len(rows)),
            inputs_require_grad(self.model),
            relative_position_hooks(self.model, self.traced, sink),
            _masked(self.model, rows),
            torch.enable_grad(),
        ):
            if self.model.config.is_encoder_decoder:
                return self._generate(rows, sink)
            return self._classify(rows)

    def _classify(self, rows: Sequence[WeightedInput]) -> Tensor:
        inputs, attention = self._pad([row.inputs for row in rows])
        types = {"token_type_ids": self._pad([row.types for row in rows])[0]} if len(rows[0].types) else {}
        logits = self.model(input_ids=inputs, attention_mask=attention, **types).logits
        labels, weights = self._tensor([row.scored for row in rows]), self._weights(rows)
        logprobs, expected = _score(logits.detach(), labels, self._log_odds)
        torch.autograd.backward(logits, _gradient(expected, labels, weights))
        return logprobs

    def _generate(self, rows: Sequence[WeightedInput], sink: Sink) -> Tensor:
        inputs, attention = self._pad([row.inputs for row in rows])
        labels, given = self._pad([row.decoder for row in rows])
        start = self.model.config.decoder_start_token_id
        shifted = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], 1)
        unscored = self._tensor([len(row.decoder) - row.scored for row in rows])
        scored = given.bool() & (torch.arange(labels.shape[1], device=labels.device) >= unscored[:, None])
        head = self.model.get_output_embeddings()
        with head_input(head) as caught, position_bias_hooks(self.model, self.traced, len(rows), sink):
            self.model(input_ids=inputs, attention_mask=attention, decoder_input_ids=shifted, use_cache=False)
            states = caught[0][scored]
            owners = scored.nonzero()[:, 0]
            logprobs, gradient = self._head(states.detach(), labels[scored], owners, self._weights(rows), sink)
            torch.autograd.backward(states, gradient)
        return states.new_zeros(len(rows)).index_add_(0, owners, logprobs)

    def _head(
        self, states: Tensor, labels: Tensor, owners: Tensor, weights: Tensor, sink: Sink
    ) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the labels [scored], and the gradient of the states [scored, width]; a bounded number of
        logits at a time."""
        head = self.model.get_output_embeddings()
        parameter = next((found["weight"] for _, module, found in self.traced.by_module if module is head), None)
        directions = sink.output_directions(parameter) if parameter else None
        # in one product: the vocabulary is as dear to read as the rest of a small model
        matrix = head.weight if directions is None else torch.cat([head.weight, directions], 1)
        logprobs, gradients = [], []
        counts = _chunk_lengths(owners, max(1, LOGITS_AT_ONCE // head.out_features))
        for some, wanted, whose in zip(
            torch.split(states, counts), torch.split(labels, counts), torch.split(owners, counts), strict=True
        ):
            logprob, expected = _score(nn.functional.linear(some, head.weight), wanted, self._log_odds)
            own = weights[whose]
            found = (matrix[wanted] - expected @ matrix).mul_(own[:, None])
            if parameter:
                rows = _gradient(expected, wanted, own) if directions is None else found[:, head.in_features :]
                sink.per_token(parameter, whose, some, rows)
            logprobs.append(logprob)
            gradients.append(found[:, : head.in_features])
        return torch.cat(logprobs), torch.cat(gradients)

    def _pad(self, sequences: Sequence[Tokens]) -> tuple[Tensor, Tensor]:
        return pad(sequences, device=self.model.device)

    def _tensor(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, device=self.model.device)

    def _weights(self, rows: Sequence[WeightedInput]) -> Tensor:
        return torch.tensor([row.weight for row in rows], device=self.model.device)


def _masked(model: Model, rows: Sequence[WeightedInput]) -> AbstractContextManager[None]:
    """Put each row of a batch through its mask until the block ends. Raises DataError if one does not fit the model."""
    places = {mask: place for place, mask in enumerate(dict.fromkeys(row.mask for row in rows))}
    if set(places) == {None}:
        return nullcontext()
    of_model = shape(model.config)
    for mask in filter(None, places):
        check_mask(mask, of_model)
    every = Mask.of([[True] * of_model.heads] * of_model.layers)
    gates = gates_of([mask or every for mask in places], model.device)
    return gated(model, gates[[places[row.mask] for row in rows]])


def _chunk_lengths(owners: Tensor, most: int) -> list[int]:
    """Lengths of chunks of tokens, about ``most`` each, that split no example; ``owners`` [tokens] ascend."""
    ends = [*(owners[1:] != owners[:-1]).nonzero()[:, 0].add(1).tolist(), len(owners)]
    lengths, start = [], 0
    for end, following in zip(ends, [*ends[1:], None], strict=True):
        if following is None or following - start > most:
            lengths.append(end - start)
            start = end
    return lengths


def _score(logits: Tensor, labels: Tensor, log_odds: bool) -> tuple[Tensor, Tensor]:
    """Log-probability of each label [scored], and what the objective expects of each class [scored, classes].

    The gradient of the objective by the ``logits`` [scored, classes] is ``onehot`` minus that: of ``log p`` the
    softmax, of ``log(p / (1 - p))`` the softmax over the other classes.
    """
    logits = logits.float()
    logprobs = logits.log_softmax(1)
    found = logprobs.gather(1, labels[:, None])[:, 0]
    if log_odds:
        logprobs = logits.scatter(1, labels[:, None], -torch.inf).log_softmax(1)
    return found, logprobs.exp_()


def _gradient(expected: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The gradient of the weighted objective by the logits, [scored, classes], in the place of ``expected``."""
    return expected.mul_(-weights[:, None]).scatter_add_(1, labels[:, None], weights[:, None])
