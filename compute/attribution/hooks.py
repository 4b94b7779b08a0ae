"""Hooks that pass a model's gradients to a sink, example by example, while it runs forward and backward.

For a linear layer the sink is given the layer's inputs on the way forward and the gradient of its output on the way
back; for an embedding the gradient of its output; for a norm, a bias and a relative position bias, which are small, the
gradient of the parameter itself.

Imports torch at its top: import this module inside functions.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from mlv.compute.attribution.parameters import Parameter, TracedParameters, is_position_bias
from mlv.compute.attribution.sinks import Sink
from mlv.compute.models.interfaces import Model


@contextlib.contextmanager
def gradient_hooks(traced: TracedParameters, sink: Sink, examples: int) -> Iterator[None]:
    """Pass the parts of all traced parameters to ``sink``, but for those of the output matrix and position biases."""
    handles = [
        module.register_forward_hook(_hook(module, found, sink, examples))
        for name, module, found in traced.by_module
        if name != "lm_head" and not is_position_bias(name)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(module: nn.Module, found: dict[str, Parameter], sink: Sink, examples: int) -> Callable[..., Tensor]:
    if isinstance(module, nn.Linear):
        return lambda _, arguments, output: _hook_linear(found, sink, arguments[0], output)
    if isinstance(module, nn.Embedding):
        return lambda _, arguments, output: _hook_embedding(found["weight"], sink, arguments[0], output, examples)
    return lambda layer, arguments, output: _hook_norm(layer, found, sink, arguments[0], output)


def _hook_linear(found: dict[str, Parameter], sink: Sink, inputs: Tensor, output: Tensor) -> Tensor:
    weight, bias = found.get("weight"), found.get("bias")
    kept = sink.keep(weight, _with_tokens(inputs.detach())) if weight else None

    def receive(gradient: Tensor) -> None:
        if weight and kept is not None:
            sink.outer_product(weight, kept, _with_tokens(gradient))
        if bias:
            sink.full(bias, _with_tokens(gradient).sum(1)[..., None])

    output.register_hook(receive)  # type: ignore[no-untyped-call]
    return output


def _hook_embedding(weight: Parameter, sink: Sink, ids: Tensor, output: Tensor, examples: int) -> Tensor:
    if len(ids) < examples:
        # BERT looks its positions up once for all examples
        ids, output = ids.expand(examples, -1), output.expand(examples, -1, -1).clone()
    output.requires_grad_()
    output.register_hook(lambda gradient: sink.lookup(weight, ids, gradient))  # type: ignore[no-untyped-call]
    return output


def _hook_norm(module: nn.Module, found: dict[str, Parameter], sink: Sink, inputs: Tensor, output: Tensor) -> Tensor:
    weight, bias = found.get("weight"), found.get("bias")

    def receive(gradient: Tensor) -> None:
        if weight:
            normalised = _normalised(module, inputs.detach())
            sink.full(weight, (_with_tokens(gradient) * _with_tokens(normalised)).sum(1)[..., None])
        if bias:
            sink.full(bias, _with_tokens(gradient).sum(1)[..., None])

    output.register_hook(receive)  # type: ignore[no-untyped-call]
    return output


def _normalised(module: nn.Module, inputs: Tensor) -> Tensor:
    """What a norm multiplies with its weight: of a layer norm, or of T5's norm by the root mean square."""
    if isinstance(module, nn.LayerNorm):
        return nn.functional.layer_norm(inputs, module.normalized_shape, eps=module.eps)
    return inputs * torch.rsqrt(inputs.pow(2).mean(-1, keepdim=True) + cast(float, module.variance_epsilon))


def _with_tokens(tensor: Tensor) -> Tensor:
    """[examples, tokens, width], with one token if there is no such dimension."""
    return tensor if tensor.ndim == 3 else tensor[:, None]


@contextlib.contextmanager
def inputs_require_grad(model: Model) -> Iterator[None]:
    """Begin the graph at the output of the input embeddings, so that gradients reach everything above them."""
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


class PositionBiased(Protocol):
    """An attention of T5 that adds relative position biases."""

    compute_bias: Callable[..., Tensor]
    """Biases of all places, [1, heads, queries, keys]."""

    relative_attention_bias: nn.Embedding
    """[buckets, heads]"""


class RelativelyPlaced(Protocol):
    """The encoder of a DeBERTa, whose attention is given a table of relative positions by all its layers' queries and
    keys: once for all examples of a batch."""

    rel_embeddings: nn.Embedding
    """[positions, width]"""

    get_rel_embedding: Callable[[], Tensor]
    """The table as layers are given it, [positions, width]."""

    norm_rel_ebd: Sequence[str]
    LayerNorm: nn.LayerNorm


def relatively_placed(model: Model) -> dict[str, RelativelyPlaced]:
    """By name, the modules whose relative positions all examples of a batch share, so that it has to be of one."""
    found = {name: module for name, module in model.named_modules() if hasattr(module, "rel_embeddings")}
    return cast(dict[str, RelativelyPlaced], found)


@contextlib.contextmanager
def relative_position_hooks(model: Model, traced: TracedParameters, sink: Sink) -> Iterator[None]:
    """Begin the graph at tables of relative positions too, and pass on their gradients by a batch of one example."""
    tables = {name: found["weight"] for name, _, found in traced.by_module if is_position_bias(name)}
    encoders = relatively_placed(model)
    for name, encoder in encoders.items():
        encoder.get_rel_embedding = _relative_positions(encoder, tables.get(f"{name}.rel_embeddings"), sink)
    try:
        yield
    finally:
        for encoder in encoders.values():
            del encoder.get_rel_embedding


def _relative_positions(encoder: RelativelyPlaced, parameter: Parameter | None, sink: Sink) -> Callable[[], Tensor]:
    def get() -> Tensor:
        table = encoder.rel_embeddings.weight[None].detach().requires_grad_()
        if parameter:
            table.register_hook(lambda gradient: sink.full(parameter, gradient))  # type: ignore[no-untyped-call]
        return (encoder.LayerNorm(table) if "layer_norm" in encoder.norm_rel_ebd else table)[0]

    return get


@contextlib.contextmanager
def position_bias_hooks(model: Model, traced: TracedParameters, examples: int, sink: Sink) -> Iterator[None]:
    """Give every example relative position biases of its own, whose gradients are then its own, and pass these on."""
    attentions = []
    for name, _, found in traced.by_module:
        if name.endswith("relative_attention_bias"):
            attention = cast(PositionBiased, model.get_submodule(name.rpartition(".")[0]))
            attention.compute_bias = _bias_by_example(attention, found["weight"], examples, sink)
            attentions.append(attention)
    try:
        yield
    finally:
        for attention in attentions:
            del attention.compute_bias


def _bias_by_example(
    attention: PositionBiased, parameter: Parameter, examples: int, sink: Sink
) -> Callable[..., Tensor]:
    """``compute_bias`` of an attention, expanded over the examples; the gradient is summed into the buckets."""
    shared, table = attention.compute_bias, attention.relative_attention_bias

    def compute(*arguments: object, **settings: object) -> Tensor:
        buckets: list[Tensor] = []
        handle = table.register_forward_pre_hook(lambda _, given: buckets.append(given[0]))
        bias = shared(*arguments, **settings).expand(examples, -1, -1, -1).clone()
        handle.remove()

        def receive(gradient: Tensor) -> None:
            by_place = gradient.flatten(2).transpose(1, 2)
            summed = by_place.new_zeros(examples, parameter.rows, parameter.columns)
            sink.full(parameter, summed.index_add_(1, buckets[0].flatten(), by_place))

        bias.requires_grad_().register_hook(receive)  # type: ignore[no-untyped-call]
        return bias

    return compute
