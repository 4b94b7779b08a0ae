"""The parameters of a model that are traced, by name and role.

Imports torch at its top: import this module inside functions.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from torch import Tensor, nn

from mlv.compute.models.interfaces import Model
from mlv.schema.errors import UsageError

STACKS: Final = ("encoder", "decoder")
"""Halves of a T5, as its modules are called; the modules of an encoder lie in neither and are always traced."""


class Parameter(NamedTuple):
    """A traced parameter, as a matrix."""

    name: str
    group: str
    """Its role; see :func:`group_of`."""

    rows: int
    columns: int


def group_of(name: str, module: nn.Module) -> str:
    """Role of a module's parameters, by the names that T5 and BERT-like encoders give their modules."""
    if isinstance(module, nn.Embedding):
        return "position_bias" if is_position_bias(name) else "embedding"
    if not isinstance(module, nn.Linear):
        return "norm"
    if name == "lm_head" or name.startswith(("classifier", "score")) or "pooler" in name:
        return "output"
    return "attention" if "ttention" in name else "feed_forward"


def is_position_bias(name: str) -> bool:
    """Whether a module is the table of T5's relative position biases, or of DeBERTa's relative positions."""
    return name.endswith(("relative_attention_bias", "rel_embeddings"))


class TracedParameters:
    """The modules of a model whose parameters are traced, and these parameters.

    A parameter that several modules share is one parameter, named after the first of them. It is traced if one of its
    roles is among ``groups`` and one of its modules lies in ``stacks``, and then with all of its uses.
    """

    def __init__(self, model: Model, groups: Sequence[str], stacks: Sequence[str] = STACKS) -> None:
        _check_known(model)
        self.by_module: list[tuple[str, nn.Module, dict[str, Parameter]]] = []
        """Name, module, and its traced ``weight`` and ``bias``."""

        known: dict[int, Parameter] = {}
        named = {name: module for name, module in model.named_modules(remove_duplicate=False) if _is_leaf(module)}
        chosen = {
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
                if id(tensor) in chosen:
                    rows, columns = tensor.shape if tensor.ndim == 2 else (tensor.shape[0], 1)
                    found[kind] = known.setdefault(id(tensor), Parameter(f"{name}.{kind}", role, rows, columns))
            if found:
                self.by_module.append((name, module, found))
        self.parameters = list(known.values())


def _check_known(model: Model) -> None:
    """Raise UsageError if a model has parameters whose gradients are not taken, since scores would leave them out."""
    for name, _ in model.named_parameters():
        owner, _, kind = name.rpartition(".")
        module = model.get_submodule(owner)
        known = isinstance(module, nn.Linear | nn.Embedding | nn.LayerNorm) or hasattr(module, "variance_epsilon")
        if not known or kind not in ("weight", "bias"):
            raise UsageError(
                f"Influence is not computed for a {model.config.model_type} with {name}, a parameter of "
                f"{type(module).__name__}.",
                "Name a T5, BERT, RoBERTa, XLM-R or mDeBERTa.",
            )


def _is_leaf(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), nn.Parameter)


def _tensors(name: str, module: nn.Module) -> list[tuple[str, Tensor]]:
    """Roles and parameters of a module: its weight, then its bias if it has one."""
    role = group_of(name, module)
    found = [(role, cast(Tensor, module.weight))]
    bias: Tensor | None = getattr(module, "bias", None)
    if bias is not None:
        found.append(("norm" if role == "norm" else "bias", bias))
    return found
