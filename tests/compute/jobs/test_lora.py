"""Fine-tuning that trains a LoRA adapter: its arithmetic, what is written of it, and resumption."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from resuming import BreaksAfter, BrokenOffError, assert_same_run, weights
from workers import run_job, spec_of

from mlv.compute.jobs import finetune
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import adapters, files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.training import spans
from mlv.ingest.jobs.finetune import LORA as DEFAULTS
from mlv.schema.errors import JobError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import CheckpointWritten
from mlv.schema.jobs.finetune import FinetuneSpec

peft = pytest.importorskip("peft", reason="needs PEFT, the extra lora")

Plan = Callable[..., JobDirectory]

LORA = {"lora": 2, "lora_alpha": 8.0, "lora_dropout": 0.1, "lora_targets": ("q", "v")}


@pytest.fixture(scope="module")
def adapted(finetune_job: Plan, options: ExecuteOptions, tmp_path_factory: pytest.TempPathFactory) -> JobDirectory:
    """A run of three epochs that trained an adapter. Tests do not change it."""
    job = finetune_job(tmp_path_factory.mktemp("adapted"), **LORA)
    run_job(job, options)
    return job


def test_an_adapter_changes_its_modules_by_its_rank_and_nothing_else(adapted: JobDirectory, official_mt5: Path) -> None:
    from safetensors.numpy import load_file

    before, after = load_file(official_mt5 / "model.safetensors"), weights(adapted, 3)
    assert before.keys() == after.keys()
    for name, weight in before.items():
        change = np.linalg.svd(after[name].astype(np.float64) - weight, compute_uv=False) if weight.ndim == 2 else None
        if name.endswith((".q.weight", ".v.weight")):
            assert change is not None and change[1] > 1e-5 > 10 * change[2], name
        else:
            np.testing.assert_array_equal(after[name], weight, err_msg=name)


def test_a_step_of_an_adapter_is_that_of_its_matrices_by_hand(
    finetune_job: Plan, options: ExecuteOptions, official_mt5: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    start = Path(shutil.copytree(official_mt5, tmp_path / "start"))
    config = json.loads((start / "config.json").read_text())
    (start / "config.json").write_text(json.dumps({**config, "dropout_rate": 0.0}))
    reference = files.resolve(str(start))
    # one step, of all 23 examples
    job = finetune_job(tmp_path, epochs=1, batch_size=23, **{**LORA, "lora_dropout": 0.0})
    job.update_provenance(model_paths={reference.name: str(start)})
    spec = spec_of(job, FinetuneSpec).model_copy(update={"model": reference})
    finetune.run(job, spec, options)

    model: Any = loading.load(start, SPAN).model
    rows: Any = spans.collate(0)(spans.corrupted_examples(job, spec, 1))
    model(**rows).loss.backward()
    state = load_file(job.work / "state-1" / "model.safetensors")
    downs = {
        name.removesuffix(".lora_A.default.weight"): tensor for name, tensor in state.items() if ".lora_A." in name
    }
    # with W + 4 B A and B = 0 the gradient of B is 4 (dL/dW) A', and A has none
    gradients = {name: 4 * model.get_submodule(name).weight.grad @ down.T for name, down in downs.items()}
    norm = sum(float((gradient**2).sum()) for gradient in gradients.values()) ** 0.5
    assert len(downs) == 2 * (2 + 2 * 2)
    for name, down in downs.items():
        clipped = gradients[name] * min(1.0, 1.0 / (norm + 1e-6))
        # AdamW's first step
        up = -1e-3 * clipped / (clipped.abs() + 1e-8)
        expected = model.get_submodule(name).weight.detach() + 4 * up @ down
        np.testing.assert_allclose(weights(job, 1)[f"{name}.weight"], expected, atol=2e-6, err_msg=name)


@pytest.mark.parametrize("steps", [3, 8, 17])
def test_a_broken_off_adapter_ends_with_the_weights_of_an_unbroken_one(
    adapted: JobDirectory, finetune_job: Plan, options: ExecuteOptions, tmp_path: Path, steps: int
) -> None:
    job = finetune_job(tmp_path / "broken", **LORA)
    with pytest.raises(BrokenOffError):
        run_job(job, options, BreaksAfter(steps))
    run_job(job, options)
    assert_same_run(job, adapted, epochs=3)


def test_an_adapter_is_begun_by_the_seed_alone(loaded: loading.LoadedModel) -> None:
    import torch

    def begun(seed: int, drawn: int) -> Any:
        torch.manual_seed(drawn)
        model = copy.deepcopy(loaded.model)
        adapters.add(model, adapters.Shape(2, 8.0, 0.0, ("q",)), seed)
        after = float(torch.rand(1))
        torch.manual_seed(drawn)
        assert after == float(torch.rand(1))
        return {name: tensor for name, tensor in model.state_dict().items() if ".lora_A." in name}

    one, again, other = begun(1, 5), begun(1, 6), begun(2, 5)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_the_record_of_an_adapter_says_that_it_is_merged(adapted: JobDirectory, loaded: loading.LoadedModel) -> None:
    assert [event.merged for event in adapted.logged(CheckpointWritten)] == [True] * 3
    # of the model that it started from
    assert adapted.read_json("outputs/model.json")["parameters"] == loaded.describe()["parameters"]


def test_training_from_a_model_with_an_adapter_trains_all_of_its_weights(
    finetune_job: Plan, options: ExecuteOptions, adapted: JobDirectory, official_mt5: Path, tmp_path: Path
) -> None:
    start = Path(shutil.copytree(official_mt5, tmp_path / "start"))
    model = peft.get_peft_model(loading.load(start, SPAN).model, peft.LoraConfig(r=2, target_modules=["q"]))
    model.save_pretrained(start)
    reference = files.resolve(str(start))
    job = finetune_job(tmp_path, epochs=1)
    job.update_provenance(model_paths={reference.name: str(start)})
    finetune.run(job, spec_of(job, FinetuneSpec).model_copy(update={"model": reference}), options)
    before, after = loading.load(start, SPAN).model.state_dict(), weights(job, 1)
    assert all((after[name] != before[name].numpy()).any() for name in after if "layer_norm" not in name)
    assert job.read_json("outputs/model.json")["adapter"] == "LoRA alpha=8 rank=2 targets=q"
    assert not (job.checkpoints / "epoch-1" / "adapter_config.json").exists()


@pytest.mark.parametrize(
    ("targets", "said"), [(("nowhere",), "nowhere"), (("shared",), "share their weights"), (("final_layer_norm",), "")]
)
def test_modules_that_cannot_have_an_adapter_are_named(
    finetune_job: Plan, options: ExecuteOptions, tmp_path: Path, targets: tuple[str, ...], said: str
) -> None:
    job = finetune_job(tmp_path, **{**LORA, "lora_targets": targets})
    with pytest.raises(JobError, match=rf"LoRA cannot be trained on {targets[0]}: .*{said}"):
        run_job(job, options)


def test_the_settings_of_an_adapter_are_pefts_own_unless_others_are_given() -> None:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as TARGETS

    usual = peft.LoraConfig()
    assert {"lora_alpha": usual.lora_alpha, "lora_dropout": usual.lora_dropout} == {
        name: DEFAULTS[name] for name in ("lora_alpha", "lora_dropout")
    }
    for architecture in SPAN.architectures:
        assert tuple(TARGETS[architecture]) == DEFAULTS["lora_targets"]
