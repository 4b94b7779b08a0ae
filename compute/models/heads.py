"""Attention heads of encoders: masks over them, how important each is, and which weights are whose.

The output projection of an attention is given the outputs of its heads side by side, [rows, tokens, heads x width].
A gate is a factor of one head's output there: 0 disables the head, 1 leaves it as it is. This is the gate on attention
probabilities of Michel et al. (2019), since what a head gives is linear in these; and the gradients of a disabled
head's queries, keys, values and columns of the output projection are exactly 0.

Imports torch at its top: import this module inside functions.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from mlv.compute.models.interfaces import Model, ModelConfig
from mlv.schema.errors import DataError, joined
from mlv.schema.jobs.masks import Mask, Subnetwork


class Projections(NamedTuple):
    """The linear layers of an attention by name, as they end in a model of some type."""

    output: str
    """What is given the heads' outputs side by side."""

    inputs: tuple[str, ...]
    """What makes queries, keys and values, whose rows are head by head; those that a model does without are not
    there."""

    fused: int = 1
    """How many of queries, keys and values one of ``inputs`` makes, one below the other."""


_BERT: Final = Projections(
    "attention.output.dense", ("attention.self.query", "attention.self.key", "attention.self.value")
)

ARCHITECTURES: Final[Mapping[str, Projections]] = {
    "bert": _BERT,
    "camembert": _BERT,
    "deberta-v2": Projections(
        "attention.output.dense",
        tuple(f"attention.self.{name}_proj" for name in ("query", "key", "value", "pos_key", "pos_query")),
    ),
    "distilbert": Projections("attention.out_lin", ("attention.q_lin", "attention.k_lin", "attention.v_lin")),
    "electra": _BERT,
    "modernbert": Projections("attn.Wo", ("attn.Wqkv",), fused=3),
    "roberta": _BERT,
    "xlm": Projections("out_lin", ("q_lin", "k_lin", "v_lin")),
    "xlm-roberta": _BERT,
}
"""By the ``model_type`` of their configuration."""


class HeadShape(NamedTuple):
    """How many attention heads a model has."""

    layers: int
    heads: int
    """Of a layer."""

    def __str__(self) -> str:
        return f"{self.layers} x {self.heads}"


class Masked(Protocol):
    """A specification that puts texts through subnetworks."""

    @property
    def masks(self) -> Mapping[str, str] | None:
        """Name of the subnetwork of each language that has one."""

    @property
    def subnetworks(self) -> Sequence[Subnetwork] | None:
        """These, and those that they are derived from."""


def shape(config: ModelConfig) -> HeadShape:
    """How many attention heads a model with a configuration has.

    Raises DataError if it is of a type whose heads are not known.
    """
    _projections(config)
    return HeadShape(config.num_hidden_layers, config.num_attention_heads)


def masks_of(spec: Masked, of_model: HeadShape) -> dict[str, Mask]:
    """The mask of each language that has one. Raises DataError if one does not fit the model."""
    masks = {part.name: part.mask for part in spec.subnetworks or ()}
    chosen = {language: masks[name] for language, name in (spec.masks or {}).items()}
    for language, mask in chosen.items():
        check_mask(mask, of_model, f"The mask of {language}")
    return chosen


def check_mask(mask: Mask, of_model: HeadShape, what: str = "The mask") -> None:
    """Raise DataError if a mask, called ``what``, is of a model with other heads."""
    own = HeadShape(mask.layers, mask.heads)
    if own != of_model:
        raise DataError(
            f"{what} is of {own} attention heads (layers x heads of each), and the model has {of_model}.",
            "Take a subnetwork of this model; they are listed by: mlv masks list",
        )


def gates_of(masks: Sequence[Mask], device: torch.device | str = "cpu") -> Tensor:
    """The masks as gates, [masks, layers, heads]."""
    return torch.tensor([mask.rows() for mask in masks], dtype=torch.float32, device=device)


@contextlib.contextmanager
def gated(model: Model, gates: Tensor | Callable[[], Tensor]) -> Iterator[None]:
    """Put gates on the heads of a model until the block ends.

    ``gates`` [rows or 1, layers, heads] are of the rows of a batch, or of all of them; a callable gives those of the
    batch that is under way, and is asked in each layer. Raises DataError if the heads of the model are not known.
    """

    def gate(layer: int, states: Tensor) -> Tensor:
        return _scaled(states, (gates() if callable(gates) else gates)[:, layer])

    with _at_outputs(model, gate):
        yield


@contextlib.contextmanager
def masked(model: Model, mask: Mask | None) -> Iterator[None]:
    """Put a mask on the heads of a model until the block ends; None: leave it as it is."""
    with gated(model, gates_of([mask], model.device)) if mask else contextlib.nullcontext():
        yield


def gate_gradients(model: Model, inputs: Mapping[str, Tensor], labels: Tensor, gates: Tensor | None = None) -> Tensor:
    """The derivative of each row's loss by the gate of every head, [rows, layers, heads] (dissertation equation 4.3
    takes its absolute value).

    It is the sum over tokens and width of a head's output by the gradient of what the gate makes of it: no gradient of
    a weight is formed. ``labels`` [rows] are classes from 0, and the loss of a row is its cross entropy in nats;
    ``gates`` [rows or 1, layers, heads] are those that the derivative is taken at, None: all 1. Leaves the model in
    evaluation mode, and its weights without gradients. Raises DataError if the heads of the model are not known.
    """
    model.eval().requires_grad_(False)
    heads = shape(model.config).heads
    found: dict[int, Tensor] = {}

    def gate(layer: int, states: Tensor) -> Tensor:
        given = states if gates is None else _scaled(states, gates[:, layer])
        # below the first layer's heads nothing needs a gradient
        given = given if given.requires_grad else given.detach().requires_grad_()

        def receive(gradient: Tensor) -> None:
            found[layer] = torch.unflatten(states.detach() * gradient, -1, (heads, -1)).sum((1, 3))

        given.register_hook(receive)  # type: ignore[no-untyped-call]
        return given

    with _at_outputs(model, gate), torch.enable_grad():
        logits = model(**inputs).logits
        exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
        torch.autograd.backward(nn.functional.cross_entropy(exact, labels, reduction="sum"))
    return torch.stack([found[layer] for layer in sorted(found)], 1)


class HeadWeights(NamedTuple):
    """A parameter whose parts belong to the heads of a layer."""

    layer: int
    parameter: nn.Parameter
    heads: int
    output: bool
    """Whether it is the matrix of the output projection, whose columns are head by head, not its rows."""

    fused: int
    """How many times the heads come, one series below the other."""

    def by_head(self, tensor: Tensor) -> Tensor:
        """A view of a tensor like the parameter, e.g. its gradient or a moment of an optimizer: [heads, ...]."""
        if self.output:
            return torch.unflatten(tensor, 1, (self.heads, -1)).movedim(1, 0)
        return torch.unflatten(tensor, 0, (self.fused, self.heads, -1)).movedim(1, 0)


def head_weights(model: Model) -> list[HeadWeights]:
    """All parameters that belong to heads: matrices and biases of queries, keys and values, and the matrix of the
    output projection. Its bias is no head's. Raises DataError if the heads of the model are not known."""
    names, heads = _projections(model.config), shape(model.config).heads
    modules = dict(model.named_modules())
    found = []
    for layer, name in enumerate(_outputs(model)):
        place = name.removesuffix(names.output)
        found.append(HeadWeights(layer, modules[name].get_parameter("weight"), heads, output=True, fused=1))
        found += [
            HeadWeights(layer, parameter, heads, output=False, fused=names.fused)
            for projection in names.inputs
            if place + projection in modules
            for parameter in modules[place + projection].parameters()
        ]
    return found


def _projections(config: ModelConfig) -> Projections:
    found = ARCHITECTURES.get(config.model_type)
    if found is None:
        raise DataError(
            f"The attention heads of a model of type {config.model_type} are not known.",
            f"Masks are for encoders of the types {joined(ARCHITECTURES)}.",
        )
    return found


def _outputs(model: Model) -> list[str]:
    """Names of the output projections, layer by layer."""
    ending = f".{_projections(model.config).output}"
    return [name for name, _ in model.named_modules() if name.endswith(ending)]


@contextlib.contextmanager
def _at_outputs(model: Model, change: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    """Give the output projection of each layer what ``change`` makes of the layer, from 0, and of the heads' outputs,
    [rows, tokens, heads x width]."""

    def hook(layer: int) -> Callable[[nn.Module, tuple[Tensor, ...]], tuple[Tensor]]:
        return lambda _, arguments: (change(layer, arguments[0]),)

    handles = [
        model.get_submodule(name).register_forward_pre_hook(hook(layer)) for layer, name in enumerate(_outputs(model))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _scaled(states: Tensor, gates: Tensor) -> Tensor:
    """The heads' outputs [rows, tokens, heads x width] by their gates [rows or 1, heads]."""
    by_head = torch.unflatten(states, -1, (gates.shape[1], -1))
    return (by_head * gates.to(states.dtype)[:, None, :, None]).flatten(-2)
