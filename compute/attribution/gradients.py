"""Gradients of single examples, two-sided projected, without ever forming a gradient of a weight.

For the matrix ``W`` [rows, columns] of a linear layer the gradient of one example is the sum over tokens of ``g aᵀ``,
with ``a`` what the layer is given and ``g`` the gradient of what it gives; with directions ``L`` [rows, p] and ``R``
[columns, q] its feature ``Lᵀ (sum g aᵀ) R`` is a product of ``g L`` and ``a R``, [p, q], and ``a R`` is all that the
forward pass has to keep. An embedding is a linear layer of one-hot inputs, whose side of the product is a lookup in
``L``. The uses of a shared matrix (the input embedding of encoder and decoder, a tied output matrix) add up. Vectors
(norms, biases) are matrices of one column; a relative position bias is summed into its buckets, example by example.

Weights need no gradients, so the backward pass computes those with respect to activations alone. Examples of a batch
never meet in a T5 or an encoder: one backward pass of the summed objective gives every example its own gradient.

Imports torch at its top: import this module inside functions.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from mlv.compute.training.streams import IntArray

LOGITS_AT_ONCE: Final = 2**23
"""Logits held at a time: 32 MB in 32 bits."""

STACKS: Final = ("encoder", "decoder")
"""Halves of a T5, as its modules are called; an encoder's modules lie in neither and always take part."""


class Row(NamedTuple):
    """One pass of an example through the model; the rows of an example add up."""

    example: int
    """Index of the example."""

    inputs: Sequence[int] | IntArray
    """Encoder tokens."""

    decoder: Sequence[int] | IntArray
    """Decoder tokens, without the start token; empty for a classifier."""

    scored: int
    """How many of the decoder's tokens, from the end, are scored; for a classifier, the class."""

    weight: float = 1.0
    """Factor of the row's objective."""


class Parameter(NamedTuple):
    """A parameter that takes part, as a matrix."""

    name: str
    group: str
    rows: int
    columns: int


class Directions(NamedTuple):
    """What a parameter's gradient is projected on; None on a side keeps all of it."""

    left: Tensor | None
    """[rows, p]"""

    right: Tensor | None
    """[columns, q]"""


class Sink(Protocol):
    """Receives the gradients of a batch, piece by piece."""

    def begin(self, examples: int) -> None:
        """A batch of so many rows begins."""

    def keep(self, parameter: Parameter, inputs: Tensor) -> Tensor:
        """What is to be kept of a linear layer's inputs [examples, tokens, columns] until the backward pass."""

    def outer(self, parameter: Parameter, kept: Tensor, gradient: Tensor) -> None:
        """A linear layer's part: what was kept, and the gradient of its output [examples, tokens, rows]."""

    def lookup(self, parameter: Parameter, ids: Tensor, gradient: Tensor) -> None:
        """An embedding's part: ids [examples, tokens] and the gradient of its output [examples, tokens, columns]."""

    def packed(self, parameter: Parameter, rows: Tensor, inputs: Tensor, gradient: Tensor) -> None:
        """The output matrix's part at scored tokens alone: whose token each is, in order, [scored]; what the matrix is
        given, [scored, columns]; the gradient of what it gives, [scored, rows]."""

    def whole(self, parameter: Parameter, gradient: Tensor) -> None:
        """A small parameter's gradient itself, [examples, rows, columns]."""


def group_of(name: str, module: nn.Module) -> str:
    """Role of a module's parameters, by the names that T5 and BERT-like encoders give their modules."""
    if isinstance(module, nn.Embedding):
        return "position_bias" if name.endswith("relative_attention_bias") else "embedding"
    if not isinstance(module, nn.Linear):
        return "norm"
    if name == "lm_head" or name.startswith(("classifier", "score")) or "pooler" in name:
        return "output"
    return "attention" if "ttention" in name else "feed_forward"


class Uses:
    """The modules of a model whose parameters take part, and the parameters behind them.

    A parameter that several modules share is one parameter, named after the first of them; it takes part where one of
    its roles is asked for, with all of its uses.
    """

    def __init__(self, model: nn.Module, groups: Sequence[str], stacks: Sequence[str] = STACKS) -> None:
        self.by_module: list[tuple[str, nn.Module, dict[str, Parameter]]] = []
        known: dict[int, Parameter] = {}
        named = {name: module for name, module in model.named_modules(remove_duplicate=False) if _is_leaf(module)}
        wanted = {
            id(tensor)
            for name, module in named.items()
            if name.partition(".")[0] not in {*STACKS} - {*stacks}
            for role, tensor in _tensors(name, module)
            if role in groups
        }
        seen: set[int] = set()
        for name, module in named.items():
            if id(module) in seen:
                continue
            seen.add(id(module))
            found = {}
            for kind, (role, tensor) in zip(("weight", "bias"), _tensors(name, module), strict=False):
                if id(tensor) in wanted:
                    rows, columns = tensor.shape if tensor.ndim == 2 else (tensor.shape[0], 1)
                    found[kind] = known.setdefault(
                        id(tensor), Parameter(f"{name}.{kind}", role, int(rows), int(columns))
                    )
            if found:
                self.by_module.append((name, module, found))
        self.parameters = list(known.values())


def _is_leaf(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), nn.Parameter)


def _tensors(name: str, module: nn.Module) -> list[tuple[str, Tensor]]:
    """Roles and parameters of a module: its weight, then its bias where it has one."""
    role = group_of(name, module)
    bias = getattr(module, "bias", None)
    found: list[tuple[str, Tensor]] = [(role, module.weight)]  # type: ignore[list-item]
    if bias is not None:
        found.append(("norm" if role == "norm" else "bias", bias))
    return found


class FeatureSink:
    """Projects gradients into one row of features per example, parameter by parameter."""

    def __init__(self, parameters: Sequence[Parameter], directions: dict[str, Directions], device: str) -> None:
        self._directions = directions
        self._device = device
        self.places: dict[str, tuple[int, int, int]] = {}
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
        """A batch of so many rows begins."""
        self._examples = examples
        self._parts.clear()

    def _add(self, parameter: Parameter, part: Tensor) -> None:
        part = part.flatten(1).float()
        known = self._parts.get(parameter.name)
        self._parts[parameter.name] = part if known is None else known.add_(part)

    def keep(self, parameter: Parameter, inputs: Tensor) -> Tensor:
        right = self._directions[parameter.name].right
        return inputs if right is None else inputs @ right

    def outer(self, parameter: Parameter, kept: Tensor, gradient: Tensor) -> None:
        left = self._directions[parameter.name].left
        rows = gradient if left is None else gradient @ left
        self._add(parameter, rows.transpose(1, 2) @ kept)

    def lookup(self, parameter: Parameter, ids: Tensor, gradient: Tensor) -> None:
        left, right = self._directions[parameter.name]
        columns = gradient if right is None else gradient @ right
        if left is None:
            part = columns.new_zeros(ids.shape[0], parameter.rows, columns.shape[2])
            part.scatter_add_(1, ids[..., None].expand_as(columns), columns)
        else:
            part = left[ids].transpose(1, 2) @ columns
        self._add(parameter, part)

    def packed(self, parameter: Parameter, rows: Tensor, inputs: Tensor, gradient: Tensor) -> None:
        left, right = self._directions[parameter.name]
        sides = [gradient if left is None else gradient @ left, inputs if right is None else inputs @ right]
        one, other = (unpacked(rows, side, self._examples) for side in sides)
        self._add(parameter, one.transpose(1, 2) @ other)

    def whole(self, parameter: Parameter, gradient: Tensor) -> None:
        left, right = self._directions[parameter.name]
        part = gradient if left is None else left.T @ gradient
        self._add(parameter, part if right is None else part @ right)


@contextlib.contextmanager
def _tapped(uses: Uses, sink: Sink, examples: int) -> Iterator[None]:
    """Pass what the modules are given and the gradients of what they give on to ``sink``."""
    handles = [
        module.register_forward_hook(_tap(module, found, sink, examples))
        for name, module, found in uses.by_module
        if name != "lm_head" and not _is_bias(name)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _tap(module: nn.Module, found: dict[str, Parameter], sink: Sink, examples: int) -> Callable[..., Tensor]:
    if isinstance(module, nn.Linear):
        return lambda _, arguments, output: _tap_linear(found, sink, arguments[0], output)
    if isinstance(module, nn.Embedding):
        return lambda _, arguments, output: _tap_embedding(found, sink, arguments[0], output, examples)
    return lambda layer, arguments, output: _tap_norm(layer, found, sink, arguments[0], output)


def _tap_linear(found: dict[str, Parameter], sink: Sink, inputs: Tensor, output: Tensor) -> Tensor:
    weight, bias = found.get("weight"), found.get("bias")
    kept = sink.keep(weight, _tokens(inputs.detach())) if weight else None

    def receive(gradient: Tensor) -> None:
        if weight and kept is not None:
            sink.outer(weight, kept, _tokens(gradient))
        if bias:
            sink.whole(bias, _tokens(gradient).sum(1)[..., None])

    output.register_hook(receive)  # type: ignore[no-untyped-call]
    return output


def _tap_embedding(found: dict[str, Parameter], sink: Sink, ids: Tensor, output: Tensor, examples: int) -> Tensor:
    if len(ids) < examples:
        # BERT looks its positions up once for all examples
        ids, output = ids.expand(examples, -1), output.expand(examples, -1, -1).clone()
    output.requires_grad_()
    output.register_hook(lambda gradient: sink.lookup(found["weight"], ids, gradient))  # type: ignore[no-untyped-call]
    return output


def _tap_norm(module: nn.Module, found: dict[str, Parameter], sink: Sink, inputs: Tensor, output: Tensor) -> Tensor:
    weight, bias = found.get("weight"), found.get("bias")

    def receive(gradient: Tensor) -> None:
        if weight:
            sink.whole(weight, (_tokens(gradient) * _tokens(_normalised(module, inputs.detach()))).sum(1)[..., None])
        if bias:
            sink.whole(bias, _tokens(gradient).sum(1)[..., None])

    output.register_hook(receive)  # type: ignore[no-untyped-call]
    return output


def _normalised(module: Any, inputs: Tensor) -> Tensor:
    """What a norm multiplies with its weight: of a layer norm, or of T5's norm by the root mean square."""
    if isinstance(module, nn.LayerNorm):
        return nn.functional.layer_norm(inputs, module.normalized_shape, eps=module.eps)
    return inputs * torch.rsqrt(inputs.pow(2).mean(-1, keepdim=True) + module.variance_epsilon)


def _tokens(tensor: Tensor) -> Tensor:
    """[examples, tokens, width], also of what has no tokens."""
    return tensor if tensor.ndim == 3 else tensor[:, None]


def unpacked(rows: Tensor, values: Tensor, examples: int) -> Tensor:
    """Values [scored, width] of the examples that ``rows`` names in ascending order, as [examples, most, width]."""
    counts = torch.bincount(rows, minlength=examples)
    places = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    padded = values.new_zeros(examples, int(counts.max()), values.shape[1])
    padded[rows, places] = values
    return padded


class Tracer:
    """Takes the gradients of single examples in a T5, or in an encoder with a classifier.

    The model is left without gradients of its weights, in evaluation mode.
    """

    def __init__(self, model: Any, groups: Sequence[str], stacks: Sequence[str] = STACKS, output: str = "loss") -> None:
        self.model = model.eval().requires_grad_(False)
        self.uses = Uses(model, groups, stacks)
        self._log_odds = output == "log_odds"

    @property
    def parameters(self) -> list[Parameter]:
        """The parameters that take part."""
        return self.uses.parameters

    def trace(self, rows: Sequence[Row], sink: Sink) -> Tensor:
        """Run ``rows`` as one batch and pass their gradients to ``sink``; return log-probabilities, [rows], nats.

        The gradient is that of a row's weight times the sum over scored tokens of their log-probability, or of
        ``log(p / (1 - p))``; its sign is that of the log-probability, not of the loss.
        """
        sink.begin(len(rows))
        with _tapped(self.uses, sink, len(rows)), _grounded(self.model), torch.enable_grad():
            if self.model.config.is_encoder_decoder:
                return self._generate(rows, sink)
            return self._classify(rows)

    def _classify(self, rows: Sequence[Row]) -> Tensor:
        inputs, attention = self._padded([row.inputs for row in rows])
        logits = self.model(input_ids=inputs, attention_mask=attention).logits
        labels, weights = self._tensor([row.scored for row in rows]), self._weights(rows)
        logprobs, gradient = _score(logits.detach(), labels, weights, self._log_odds)
        torch.autograd.backward(logits, gradient)
        return logprobs

    def _generate(self, rows: Sequence[Row], sink: Sink) -> Tensor:
        inputs, attention = self._padded([row.inputs for row in rows])
        labels, given = self._padded([row.decoder for row in rows])
        start = self.model.config.decoder_start_token_id
        fed = torch.cat([torch.full_like(labels[:, :1], start), labels[:, :-1]], 1)
        unscored = self._tensor([len(row.decoder) - row.scored for row in rows])
        scored = given.bool() & (torch.arange(labels.shape[1], device=labels.device) >= unscored[:, None])
        with _head_input(self.model) as caught, _position_biases(self.model, self.uses, len(rows), sink):
            self.model(input_ids=inputs, attention_mask=attention, decoder_input_ids=fed, use_cache=False)
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
        head = self.model.lm_head
        parameter = next((found["weight"] for name, module, found in self.uses.by_module if module is head), None)
        logprobs, gradients = [], []
        counts = _whole_examples(owners, max(1, LOGITS_AT_ONCE // head.out_features))
        for some, wanted, whose in zip(
            torch.split(states, counts), torch.split(labels, counts), torch.split(owners, counts), strict=True
        ):
            logprob, gradient = _score(nn.functional.linear(some, head.weight), wanted, weights[whose], self._log_odds)
            if parameter:
                sink.packed(parameter, whose, some, gradient)
            logprobs.append(logprob)
            gradients.append(gradient @ head.weight)
        return torch.cat(logprobs), torch.cat(gradients)

    def _padded(self, sequences: Sequence[Sequence[int] | IntArray]) -> tuple[Tensor, Tensor]:
        """Sequences padded with 0 and where they are not padding, both [rows, longest]."""
        lengths = self._tensor([len(sequence) for sequence in sequences])
        padded = nn.utils.rnn.pad_sequence([torch.as_tensor(sequence) for sequence in sequences], batch_first=True)
        padded = padded.to(self.model.device)
        return padded, (torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]).long()

    def _tensor(self, values: Sequence[int]) -> Tensor:
        return torch.tensor(values, device=self.model.device)

    def _weights(self, rows: Sequence[Row]) -> Tensor:
        return torch.tensor([row.weight for row in rows], device=self.model.device)


def _whole_examples(owners: Tensor, most: int) -> list[int]:
    """Lengths of chunks of tokens, about ``most`` each, that tear no example apart; ``owners`` [tokens] ascend."""
    ends = [*(owners[1:] != owners[:-1]).nonzero()[:, 0].add(1).tolist(), len(owners)]
    lengths, start = [], 0
    for end, following in zip(ends, [*ends[1:], None], strict=True):
        if following is None or following - start > most:
            lengths.append(end - start)
            start = end
    return lengths


def _score(logits: Tensor, labels: Tensor, weights: Tensor, log_odds: bool) -> tuple[Tensor, Tensor]:
    """Log-probability of each label [scored], and the gradient of the weighted objective by the logits.

    ``logits`` and the gradient are [scored, classes]. With ``q`` the softmax, the gradient of ``log p`` is
    ``onehot - q``, and that of ``log(p / (1 - p))`` is ``onehot`` minus the softmax over the other classes.
    """
    logits = logits.float()
    normaliser = logits.logsumexp(1, keepdim=True)
    logprobs = logits.gather(1, labels[:, None]) - normaliser
    if log_odds:
        logits = logits.scatter(1, labels[:, None], -torch.inf)
        normaliser = logits.logsumexp(1, keepdim=True)
    gradient = (logits - normaliser).exp_().mul_(-weights[:, None])
    gradient.scatter_add_(1, labels[:, None], weights[:, None])
    return logprobs[:, 0], gradient


@contextlib.contextmanager
def _grounded(model: Any) -> Iterator[None]:
    """Let gradients reach down to the input embeddings, whose output is where the graph begins."""
    embedding = model.get_input_embeddings()
    modules = [module for module in model.modules() if getattr(module, "weight", None) is embedding.weight]
    handles = [
        module.register_forward_hook(lambda _, __, output: output.requires_grad_())
        for module in modules
        if isinstance(module, nn.Embedding)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def _head_input(model: Any) -> Iterator[list[Tensor]]:
    """Catch what the output matrix is given, [rows, tokens, width], scaled by the model's own rule."""
    caught: list[Tensor] = []

    def catch(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor]:
        caught.append(arguments[0])
        return (arguments[0].detach()[:, :0],)

    handle = model.lm_head.register_forward_pre_hook(catch)
    try:
        yield caught
    finally:
        handle.remove()


@contextlib.contextmanager
def _position_biases(model: Any, uses: Uses, examples: int, sink: Sink) -> Iterator[None]:
    """Give every example a relative position bias of its own, so that its gradient is its own too."""
    attentions = {name.rpartition(".")[0]: found["weight"] for name, _, found in uses.by_module if _is_bias(name)}
    changed = []
    for name, parameter in attentions.items():
        attention = model.get_submodule(name)
        attention.compute_bias = _own_bias(attention, parameter, examples, sink)
        changed.append(attention)
    try:
        yield
    finally:
        for attention in changed:
            del attention.compute_bias


def _is_bias(name: str) -> bool:
    return name.endswith("relative_attention_bias")


def _own_bias(attention: Any, parameter: Parameter, examples: int, sink: Sink) -> Callable[..., Tensor]:
    """``compute_bias`` of an attention, expanded over the examples and tapped."""
    shared, buckets_of = type(attention).compute_bias, attention.relative_attention_bias

    def compute(*arguments: Any, **settings: Any) -> Tensor:
        buckets: list[Tensor] = []
        handle = buckets_of.register_forward_pre_hook(lambda _, given: buckets.append(given[0]))
        bias: Tensor = shared(attention, *arguments, **settings).expand(examples, -1, -1, -1).clone()
        handle.remove()

        def receive(gradient: Tensor) -> None:
            by_place = gradient.flatten(2).transpose(1, 2)
            summed = by_place.new_zeros(examples, parameter.rows, parameter.columns)
            sink.whole(parameter, summed.index_add_(1, buckets[0].flatten(), by_place))

        bias.requires_grad_().register_hook(receive)  # type: ignore[no-untyped-call]
        return bias

    return compute
