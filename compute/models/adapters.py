"""LoRA adapters (Hu et al. 2021): low-rank matrices that are added to those of a model, through PEFT.

One that lies beside a model's weights is merged into them when these are loaded; one that is trained is merged whenever
a checkpoint is written. So nothing else knows of adapters. PEFT is an extra of mlv, ``lora``, and imported inside
functions: without it each of these raises ModuleNotFoundError.
"""

import copy
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from mlv.compute.models.folder import LONGEST_QUOTE, quote
from mlv.compute.models.interfaces import Model
from mlv.schema.errors import DataError, JobError, excerpt, joined
from mlv.schema.jobs.settings import words

if TYPE_CHECKING:
    from torch import nn


class Tuner(Protocol):
    """What is used of peft's LoraModel: a model with an adapter in it."""

    def merge_and_unload(self, *, safe_merge: bool) -> Model:
        """Add the adapter to the weights, in place; the model, as it was before it had one."""


class Shape(NamedTuple):
    """How an adapter is built."""

    rank: int
    alpha: float
    """The product of its two matrices counts alpha / rank times."""

    dropout: float
    targets: Sequence[str]
    """Names of the modules that get one, in all layers."""


def merge(model: Model, folder: Path) -> str:
    """Merge the adapter in ``folder`` into the weights; what it is, in words.

    Raises DataError if it does not fit the model to the last tensor.
    """
    import peft

    hint = "Put the adapter beside the model that it was trained for, or take its files out of the folder."
    try:
        config = peft.PeftConfig.from_pretrained(str(folder))
        # what they warn of is an error here, or another library's affair
        with warnings.catch_warnings(action="ignore"):
            _merge(model, peft.PeftModel(model, config), folder)
    # a configuration of other types than it should have fails anywhere in peft or torch
    except Exception as error:
        raise DataError(f"The adapter in {folder} cannot be merged: {quote(error)}", hint) from error
    return _describe(config)


def _merge(model: Model, adapted: Any, folder: Path) -> None:
    """Merge what ``adapted``, peft's PeftModel, puts into ``model``. Raises ValueError if they do not fit."""
    _check_apart(adapted)
    report = adapted.load_adapter(str(folder), "default", torch_device="cpu")
    astray = [*report.missing_keys, *report.unexpected_keys]
    if astray:
        raise ValueError(f"it and the model differ in {joined(sorted(astray), most=5)}")
    adapted.merge_and_unload(safe_merge=True)
    # PEFT has frozen all but the adapter
    model.requires_grad_(True)


def _describe(config: Any) -> str:
    """An adapter in words, by PEFT's configuration."""
    targets = config.target_modules
    shape = {
        "rank": config.r,
        "alpha": config.lora_alpha,
        "targets": targets if isinstance(targets, str) else sorted(targets or ()),
    }
    return excerpt(" ".join(["DoRA" if config.use_dora else "LoRA", *words(shape)]), LONGEST_QUOTE)


def add(model: Model, shape: Shape, seed: int) -> Tuner:
    """Put a new adapter into a model, in place, and leave only its own matrices to be trained.

    It begins as nothing: one matrix is random, by ``seed`` alone, the other zero. Raises JobError if the model lacks
    the modules, or shares their weights with others.
    """
    import peft
    import torch

    config = peft.LoraConfig(
        r=shape.rank, lora_alpha=shape.alpha, lora_dropout=shape.dropout, target_modules=list(shape.targets)
    )
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            tuner: Tuner = peft.LoraModel(model, config, "default")
        _check_apart(tuner)
    except ValueError as error:
        raise JobError(
            f"LoRA cannot be trained on {joined(sorted(shape.targets), most=5)}: {quote(error)}",
            "Plan the job with other modules, e.g. `--lora-targets q,k,v,o`.",
        ) from error
    return tuner


def merged(tuner: Tuner) -> Model:
    """A copy of the model with the adapter in its weights; training goes on with the one that was copied."""
    return copy.deepcopy(tuner).merge_and_unload(safe_merge=True)


def _check_apart(adapted: Any) -> None:
    """Raise ValueError if an adapter changes weights that modules share: merged, it would change them everywhere."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils import AuxiliaryTrainingWrapper

    module: nn.Module
    owners: dict[int, set[str]] = {}
    changed: set[int] = set()
    for name, module in adapted.named_modules(remove_duplicate=False):
        own = [id(parameter) for parameter in module.parameters(recurse=False)]
        for parameter in own:
            owners.setdefault(parameter, set()).add(name)
        if isinstance(module, BaseTunerLayer | AuxiliaryTrainingWrapper):
            changed.update(id(parameter) for parameter in module.parameters())
    shared = [sorted(owners[parameter]) for parameter in changed if len(owners[parameter]) > 1]
    if shared:
        raise ValueError(f"{joined(min(shared), most=5)} share their weights")
