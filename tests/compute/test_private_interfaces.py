"""Interfaces of other libraries that are not public: these tests fail if one goes or is not used any more.

docs/decisions.md lists them, with those of DuckDB, whose guard is ``tests/schema/store/test_wal.py``, and of Slurm's
requeueing, whose guard is ``tests/cli/test_slurm.py``.
"""

import inspect
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import submitit
import torch
from submitit.slurm.slurm import SlurmJobEnvironment
from torch import Tensor

from mlv.compute.attribution.hooks import position_bias_hooks
from mlv.compute.attribution.parameters import TracedParameters
from mlv.compute.attribution.sinks import Directions, FeatureSink
from mlv.compute.models import loading
from mlv.compute.training.trainer import single_device_arguments


def test_the_trainer_takes_the_number_of_gpus_from_the_attribute_that_is_set(tmp_path: Path) -> None:
    arguments: Any = single_device_arguments(tmp_path, "cpu", per_device_train_batch_size=2)
    assert arguments.n_gpu <= 1
    arguments._n_gpu = 4
    assert arguments.n_gpu == 4
    assert arguments.train_batch_size == 8


def test_t5_adds_the_position_biases_that_are_put_in_the_place_of_its_own(loaded: loading.LoadedModel) -> None:
    traced = TracedParameters(loaded.model, ["position_bias"])
    encoder, decoder = (f"{side}.block.0.layer.0.SelfAttention" for side in ("encoder", "decoder"))
    names = [f"{name}.relative_attention_bias.weight" for name in (encoder, decoder)]
    assert [parameter.name for parameter in traced.parameters] == names
    sink = FeatureSink(traced.parameters, {name: Directions(None, None) for name in names}, "cpu")
    sink.begin(2)
    shapes: list[tuple[int, ...]] = []
    with position_bias_hooks(loaded.model, traced, 2, sink):
        for name in (encoder, decoder):
            attention: Any = loaded.model.get_submodule(name)
            attention.compute_bias = _noting(attention.compute_bias, shapes)
        inputs = torch.tensor([[30, 7, 99], [5, 6, 7]])
        torch.autograd.backward(loaded.model(input_ids=inputs, decoder_input_ids=inputs[:, :2]).logits.sum())
    heads = traced.parameters[0].columns
    assert shapes == [(2, heads, 3, 3), (2, heads, 2, 2)]
    assert all(part.norm() > 0 for row in sink.features for part in row.chunk(2))


def _noting(compute_bias: Callable[..., Tensor], shapes: list[tuple[int, ...]]) -> Callable[..., Tensor]:
    def noting(*arguments: Any, **settings: Any) -> Tensor:
        bias = compute_bias(*arguments, **settings)
        shapes.append(tuple(bias.shape))
        return bias

    return noting


def test_submitit_has_a_handler_for_the_signal_of_slurm_when_a_worker_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: dict[int, Callable[[int], object]] = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    paths = submitit.core.utils.JobPaths(folder=Path("nowhere"))
    SlurmJobEnvironment()._handle_signals(paths, submitit.helpers.DelayedSubmission(print))
    handler = handlers[signal.Signals[f"SIG{submitit.JobEnvironment.USR_SIG}"]]
    assert "requeue" in handler.__name__
    inspect.signature(handler).bind(signal.SIGUSR2)
