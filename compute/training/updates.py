"""What a training step does to attention heads that its batches disable (D5 section 5.4.2, note 1).

Their gradients are 0. AdamW moves their weights all the same, by momentum and weight decay: by how much is the metric
``leak``, the mean absolute change of a weight of a disabled head, in units of that of an enabled one. Strict updates
undo it: weights and moments of the disabled heads are then as before the step.

Imports torch and transformers at its top: import this module inside functions.
"""

import contextlib
import math
from collections.abc import Mapping
from typing import Any, Final

import torch
import transformers
from torch import Tensor

from mlv.compute.models.heads import HeadWeights, gated, head_weights, shape
from mlv.compute.models.interfaces import Model
from mlv.compute.training.trainer import LogEntry, TrainingState

MOMENTS: Final = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of a parameter beside its number of steps, as torch calls it."""


class HeadUpdates(transformers.TrainerCallback):  # type: ignore[misc]
    """Takes the ``gates`` [rows, layers, heads] from what a model in training is given, and puts them on its heads.

    A head is disabled in a step if none of the step's batches enables it.
    """

    def __init__(self, model: Model, *, strict: bool) -> None:
        self._model = model
        self._strict = strict
        self._weights = head_weights(model)
        self._hooks = contextlib.ExitStack()
        self._gates = torch.ones(1, *shape(model.config), device=model.device)
        self._enabled = self._gates[0] < 0
        self._before: list[dict[str, Tensor]] = []
        self._changes = torch.zeros(2, 2, dtype=torch.float64, device=model.device)
        """Of disabled heads and of enabled ones, the sum of the changes of their weights and how many these are."""

    def on_train_begin(self, *_: object, **__: object) -> None:
        """Put gates on every pass from now on."""
        self._hooks.enter_context(gated(self._model, lambda: self._gates))
        handle = self._model.register_forward_pre_hook(self._take_gates, with_kwargs=True)
        self._hooks.callback(handle.remove)

    def _take_gates(
        self, _: object, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        self._gates = named.pop("gates")
        if self._model.training:
            self._enabled |= self._gates.amax(0) > 0
        return arguments, named

    def on_train_end(self, *_: object, **__: object) -> None:
        """Take the gates off."""
        self._hooks.close()

    def on_pre_optimizer_step(self, *_: object, optimizer: torch.optim.Optimizer, **__: object) -> None:
        """Note the weights of all heads, and their moments if these are to stay."""
        self._before = [
            {name: tensor.clone() for name, tensor in self._tensors(part, optimizer).items()} for part in self._weights
        ]

    def on_optimizer_step(self, *_: object, optimizer: torch.optim.Optimizer, **__: object) -> None:
        """Undo what was done to disabled heads if updates are strict, and note the changes."""
        for part, before in zip(self._weights, self._before, strict=True):
            enabled = self._enabled[part.layer]
            for name, tensor in self._tensors(part, optimizer).items():
                if self._strict:
                    # moments begin at 0
                    was = part.by_head(before.get(name, torch.zeros_like(tensor)))
                    now = part.by_head(tensor)
                    now.copy_(torch.where(enabled.view(-1, *[1] * (now.ndim - 1)), now, was))
            self._note(part.by_head(part.parameter.detach() - before["weight"]).abs().flatten(1), enabled)
        self._enabled.zero_()

    def _tensors(self, part: HeadWeights, optimizer: torch.optim.Optimizer) -> Mapping[str, Tensor]:
        """The parameter; if updates are strict, with its moments as far as there are any."""
        moments = optimizer.state.get(part.parameter, {}) if self._strict else {}
        return {"weight": part.parameter.detach()} | {name: moments[name] for name in MOMENTS if name in moments}

    def _note(self, changes: Tensor, enabled: Tensor) -> None:
        """Add up changes [heads, weights] of disabled heads and of enabled ones."""
        chosen = torch.stack([~enabled, enabled]).double()
        sums = chosen @ changes.sum(1, dtype=torch.float64)
        self._changes += torch.stack([sums, chosen.sum(1) * changes.shape[1]], 1)

    def on_log(self, _: object, state: TrainingState, *__: object, logs: LogEntry, **___: object) -> None:
        """Record the leak of the steps since the loss was last recorded, if heads were disabled in them."""
        if "loss" in logs:
            disabled, enabled = (self._changes[:, 0] / self._changes[:, 1]).tolist()
            if enabled > 0 and not math.isnan(disabled):
                state.log_history.append({"leak": disabled / enabled, "epoch": state.epoch, "step": state.global_step})
            self._changes.zero_()
