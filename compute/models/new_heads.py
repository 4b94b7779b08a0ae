"""Heads that the files of a model lack: they are drawn as transformers draws them, by a counter, so that they are the
same for a seed whatever was drawn before."""

from typing import Final

import numpy as np
from scipy.special import ndtri

from mlv.compute.machine.streams import Purpose, Stream
from mlv.compute.models.loading import LoadedModel

NORMS: Final = ("LayerNorm.weight", "layer_norm.weight")
"""How the factors of norms are called."""


def draw(loaded: LoadedModel, seed: int) -> None:
    """Draw what is new of a head: weights normal, as the configuration has it, factors of norms 1 and biases 0."""
    import torch

    parameters = dict(loaded.model.named_parameters())
    for place, name in enumerate(sorted(loaded.drawn)):
        parameter = parameters[name]
        drawn = np.full(parameter.numel(), float(name.endswith(NORMS)))
        if parameter.ndim > 1:
            uniform = Stream(seed, Purpose.HEAD, place).uniform(parameter.numel())
            # half a step off, since 0 has no quantile
            drawn = ndtri(uniform + 2.0**-54) * loaded.model.config.initializer_range
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(drawn).reshape(parameter.shape))
