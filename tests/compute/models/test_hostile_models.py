"""Models that came from somebody else: no program in them is run, and what is damaged is refused in words."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fuzzing import damaged, examples, outcome
from hypothesis import given
from hypothesis import strategies as st
from resuming import BreaksAfter, BrokenOffError

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.running.execute import execute
from mlv.schema.errors import DataError, JobError
from mlv.schema.jobs.directory import JobDirectory


class Program:
    """What a pickle of this is opened makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """A folder that is there once a program was run."""
    return tmp_path / "a-program-was-run"


@pytest.fixture
def model(official_mt5: Path, tmp_path: Path) -> Path:
    """A model of one's own to damage."""
    return Path(shutil.copytree(official_mt5, tmp_path / "model"))


def _pickled(model: Path, content: object) -> Path:
    """The model with a pickle for its weights."""
    import torch

    (model / "model.safetensors").unlink(missing_ok=True)
    torch.save(content, model / "pytorch_model.bin")
    return model


def test_the_trap_works(trace: Path) -> None:
    pickle.loads(pickle.dumps(Program(trace)))
    assert trace.exists()


def test_a_pickle_is_refused_and_never_opened(model: Path, trace: Path) -> None:
    _pickled(model, {"shared.weight": Program(trace)})
    with pytest.raises(DataError, match="can run any program") as caught:
        files.resolve(str(model))
    assert f"mlv compute convert {model}" in caught.value.hint
    with pytest.raises(DataError, match="cannot be loaded"):
        loading.load(model, SPAN)
    assert not trace.exists()


def test_a_pickle_beside_safetensors_is_not_opened(model: Path, trace: Path) -> None:
    import torch

    torch.save({"shared.weight": Program(trace)}, model / "pytorch_model.bin")
    loading.load(model, SPAN)
    assert files.convert(str(model)) == model
    assert not trace.exists()


@pytest.mark.parametrize("legacy", [False, True])
def test_converting_takes_tensors_and_runs_nothing(model: Path, trace: Path, legacy: bool) -> None:
    import torch

    _pickled(model, {})
    torch.save(Program(trace), model / "pytorch_model.bin", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(DataError, match="cannot be read as tensors alone"):
        files.convert(str(model))
    assert not trace.exists() and not (model / "model.safetensors").exists()


@pytest.mark.parametrize("content", [[1, 2], {"shared.weight": "text"}, {"shared.weight": {}}])
def test_converting_what_is_no_table_of_tensors(model: Path, content: object) -> None:
    with pytest.raises(DataError, match="more than tensors by name"):
        files.convert(str(_pickled(model, content)))


def test_a_converted_model_is_the_model(model: Path, official_mt5: Path) -> None:
    import torch

    weights = loading.load(official_mt5, SPAN).model.state_dict()
    _pickled(model, weights)
    assert loading.load(files.convert(str(model)), SPAN).model.state_dict().keys() == weights.keys()
    again = loading.load(model, SPAN).model.state_dict()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in again.items())
    assert files.resolve(str(model)).digest


@pytest.mark.parametrize("place", ["../secret.safetensors", "/etc/passwd", "pytorch_model.bin", "model.bin", 3])
def test_an_index_that_names_other_files_is_refused(model: Path, place: object) -> None:
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"shared.weight": place}}))
    with pytest.raises(DataError, match=r"index\.json names"):
        files.resolve(str(model))


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_a_model_is_not_run(model: Path, trace: Path, name: str) -> None:
    for module in ("evil", "modeling_evil", "tokenization_evil"):
        (model / f"{module}.py").write_text(f"import os\nos.mkdir({str(trace)!r})\nclass Evil: pass\n")
    path = model / name
    classes = dict.fromkeys(("AutoConfig", "AutoModelForSeq2SeqLM"), "evil.Evil") | {
        "AutoTokenizer": ["evil.Evil", "evil.Evil"]
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": classes, "tokenizer_class": "Evil"}))
    outcome(lambda: loading.load(model, SPAN))
    assert not trace.exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "rng_state.pth"])
def test_a_training_state_that_is_a_program_is_refused(
    finetune_job: Callable[..., JobDirectory], options: ExecuteOptions, tmp_path: Path, trace: Path, name: str
) -> None:
    import torch

    job = finetune_job(tmp_path, epochs=2)
    with pytest.raises(BrokenOffError):
        execute(job.path, options, BreaksAfter(7))
    (state,) = job.work.glob("state-*")
    assert (state / name).exists()
    torch.save(Program(trace), state / name)
    with pytest.raises(JobError, match="cannot be read as tensors alone") as caught:
        execute(job.path, options)
    assert str(job.work) in caught.value.hint and not trace.exists()
    shutil.rmtree(job.work)
    assert execute(job.path, options)


CONFIGS = st.sampled_from(("config.json", "tokenizer_config.json", "tokenizer.json"))


@examples(25)
@given(data=st.data(), name=CONFIGS)
def test_damaged_configurations_and_tokenizers(
    official_mt5: Path, tmp_path: Path, data: st.DataObject, name: str
) -> None:
    model = Path(shutil.copytree(official_mt5, tmp_path / "model", dirs_exist_ok=True))
    content = (model / name).read_bytes()
    (model / name).write_bytes(data.draw(damaged([content], gzipped=False)))
    outcome(lambda: loading.load(model, SPAN))


VALUES: st.SearchStrategy[object] = st.sampled_from(
    (None, -1, 0, 1.5, 10**12, 10**30, "x", "../x", [], {}, True, float("nan"))
)
KEYS = (
    "vocab_size",
    "d_model",
    "num_heads",
    "model_type",
    "feed_forward_proj",
    "decoder_start_token_id",
    "dtype",
    "num_layers",
)


@examples(25)
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_a_configuration_that_says_other_things(official_mt5: Path, tmp_path: Path, key: str, value: object) -> None:
    model = Path(shutil.copytree(official_mt5, tmp_path / "model", dirs_exist_ok=True))
    raw = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**raw, key: value}))
    outcome(lambda: loading.load(model, SPAN))


@pytest.mark.parametrize("key", ["num_layers", "num_decoder_layers", "num_hidden_layers"])
def test_layers_beyond_number_are_refused_before_they_are_made(model: Path, key: str) -> None:
    raw = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**raw, key: 10**12}))
    with pytest.raises(
        DataError, match=rf"cannot be loaded: config\.json has {key} 1000000000000, and the weights have"
    ):
        loading.load(model, SPAN)


@examples(25)
@given(data=st.data())
def test_damaged_weights(official_mt5: Path, tmp_path: Path, data: st.DataObject) -> None:
    model = Path(shutil.copytree(official_mt5, tmp_path / "model", dirs_exist_ok=True))
    content = (model / "model.safetensors").read_bytes()
    header = content[: 8 + int.from_bytes(content[:8], "little")]
    (model / "model.safetensors").write_bytes(data.draw(damaged([header], gzipped=False)) + content[len(header) :])
    outcome(lambda: loading.load(model, SPAN))
