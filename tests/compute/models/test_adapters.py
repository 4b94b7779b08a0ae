"""What lies beside a model's weights: an adapter is merged and counts, what would make another model is refused."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.models.folder import identifying_files
from mlv.schema.errors import DataError, NotFoundError

RANK, ALPHA = 4, 8
CONFIG = {
    "peft_type": "LORA",
    "task_type": "SEQ_2_SEQ_LM",
    "base_model_name_or_path": "someone/else",
    "r": RANK,
    "lora_alpha": ALPHA,
    "lora_dropout": 0.5,
    "inference_mode": True,
    "target_modules": ["v", "q"],
}
STEM = "base_model.model."

opened: list[Path] | None = None
"""Files that Python opens, while a test watches."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and opened is not None and isinstance(arguments[0], str):
        opened.append(Path(arguments[0]))


sys.addaudithook(_watch)


@pytest.fixture
def watched() -> Iterator[list[Path]]:
    """What is opened while it is in use."""
    global opened  # noqa: PLW0603 a hook cannot be removed
    opened = []
    yield opened
    opened = None


@pytest.fixture
def model(official_mt5: Path, tmp_path: Path) -> Path:
    """A model of one's own."""
    return Path(shutil.copytree(official_mt5, tmp_path / "model"))


def weights(folder: Path) -> dict[str, Any]:
    """Tensors of the weights file of a folder."""
    from safetensors.numpy import load_file

    tensors: dict[str, Any] = load_file(folder / "model.safetensors")
    return tensors


def loaded_weights(folder: Path) -> dict[str, Any]:
    """Tensors of the model in a folder as it is loaded."""
    return {name: tensor.numpy() for name, tensor in loading.load(folder, SPAN).model.state_dict().items()}


def add_adapter(
    folder: Path, targets: tuple[str, ...] = ("q", "v"), **settings: Any
) -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Put a random adapter beside the weights of a folder; its two matrices by the name of the weights."""
    from safetensors.numpy import save_file

    random = np.random.default_rng(3)
    pairs, tensors = {}, {}
    for name, weight in weights(folder).items():
        module = name.removesuffix(".weight")
        if module.rpartition(".")[2] in targets:
            down, up = (random.normal(size=shape) for shape in ((RANK, weight.shape[1]), (weight.shape[0], RANK)))
            pairs[name] = (down, up)
            tensors[f"{STEM}{module}.lora_A.weight"] = down.astype(np.float32)
            tensors[f"{STEM}{module}.lora_B.weight"] = up.astype(np.float32)
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, "target_modules": list(targets), **settings}))
    return pairs


def test_an_adapter_is_merged_by_its_formula(model: Path) -> None:
    pytest.importorskip("peft", reason="needs PEFT, the extra lora")
    pairs, before = add_adapter(model), weights(model)
    after = loaded_weights(model)
    assert len(pairs) == 2 * (2 + 2 * 2)
    for name, weight in before.items():
        down, up = pairs.get(name, (np.zeros((1, weight.shape[-1])), np.zeros((weight.shape[0], 1))))
        expected = weight + ALPHA / RANK * up @ down if name in pairs else weight
        np.testing.assert_allclose(after[name], expected, rtol=1e-5, atol=1e-5, err_msg=name)


def test_a_merged_model_answers_as_peft_has_the_adapter_answer(model: Path, official_mt5: Path) -> None:
    peft = pytest.importorskip("peft", reason="needs PEFT, the extra lora")
    import torch
    import transformers

    add_adapter(model)
    merged = loading.load(model, SPAN)
    # transformers applies it by itself, unmerged
    apart = transformers.AutoModelForSeq2SeqLM.from_pretrained(model, dtype=torch.float32).eval()
    assert any(isinstance(module, peft.tuners.tuners_utils.BaseTunerLayer) for module in apart.modules())
    tokens = {"input_ids": torch.tensor([[30, 7, 99, 41, 1]]), "decoder_input_ids": torch.tensor([[0, 310, 45]])}
    with torch.inference_mode():
        ours, theirs = merged.model(**tokens).logits, apart(**tokens).logits
        bare = loading.load(official_mt5, SPAN).model(**tokens).logits
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert (ours - bare).abs().max() > 0.1


def test_a_merged_model_is_a_model_like_any_other(model: Path, official_mt5: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="needs PEFT, the extra lora")
    add_adapter(model)
    merged, bare = loading.load(model, SPAN), loading.load(official_mt5, SPAN)
    assert merged.describe() == {**bare.describe(), "adapter": "LoRA alpha=8 rank=4 targets=q,v"}
    names = [[name for name, _ in one.model.named_modules()] for one in (merged, bare)]
    assert names[0] == names[1]
    assert all(parameter.requires_grad for parameter in merged.model.parameters())
    merged.model.save_pretrained(tmp_path / "saved")
    merged.tokenizer.save_pretrained(tmp_path / "saved")
    again = loaded_weights(tmp_path / "saved")
    assert all(np.array_equal(again[name], tensor) for name, tensor in merged.model.state_dict().items())


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_the_digest_is_over_model_and_adapter(model: Path, official_mt5: Path, name: str) -> None:
    add_adapter(model)
    with_adapter = files.resolve(str(model)).digest
    assert with_adapter != files.digest(official_mt5)
    content = bytearray((model / name).read_bytes())
    content[-2] ^= 1
    (model / name).write_bytes(content)
    assert files.digest(model) != with_adapter


def test_without_peft_an_adapter_is_not_ignored(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_adapter(model)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        loading.load(model, SPAN)
    assert caught.value.name == "peft"


def test_a_bare_model_is_loaded_without_peft(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    assert loading.load(model, SPAN).adapter == ""


def _without(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).unlink()


def _pickled(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def _of_another_type(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, "peft_type": "IA3"}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without("adapter_config.json"), "has no adapter_config.json"),
        (_without("adapter_model.safetensors"), "has no adapter_model.safetensors"),
        (_pickled, r"has no adapter_model\.safetensors \(it has adapter_model\.bin; a pickle can run any program\)"),
        (_of_another_type, "is of type IA3"),
        (_without("config.json"), r"model holds an adapter alone, made for someone/else"),
    ],
)
def test_an_adapter_that_cannot_be_merged_is_refused_in_words(
    model: Path, damage: Callable[[Path], object], said: str
) -> None:
    add_adapter(model)
    damage(model)
    with pytest.raises(DataError, match=said) as caught:
        files.resolve(str(model))
    assert caught.value.hint


def test_an_adapter_of_another_model_is_refused_and_not_half_applied(model: Path) -> None:
    pytest.importorskip("peft", reason="needs PEFT, the extra lora")
    from safetensors.numpy import load_file, save_file

    add_adapter(model)
    whole = load_file(model / "adapter_model.safetensors")
    first = min(whole)
    for tensors in (
        {name: tensor for name, tensor in whole.items() if name != first},
        {**whole, f"{STEM}encoder.block.9.layer.0.SelfAttention.q.lora_A.weight": whole[first]},
        {**whole, first: whole[first][:, :-1].copy()},
        {**whole, first: np.full_like(whole[first], np.nan)},
    ):
        save_file(tensors, model / "adapter_model.safetensors", {"format": "pt"})
        with pytest.raises(DataError, match="cannot be merged"):
            loading.load(model, SPAN)


def test_an_adapter_on_shared_weights_is_refused(model: Path) -> None:
    pytest.importorskip("peft", reason="needs PEFT, the extra lora")
    add_adapter(model, ("shared",))
    with pytest.raises(DataError, match=r"encoder\.embed_tokens, .*shared.* share their weights"):
        loading.load(model, SPAN)


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("config.json", "auto_map", {"AutoModelForSeq2SeqLM": "evil.Evil"}),
        ("config.json", "quantization_config", {"quant_method": "bitsandbytes", "load_in_8bit": True}),
        ("config.json", "transformers_weights", "other.safetensors"),
        ("config.json", "configuration_files", ["config.4.0.0.json"]),
        ("tokenizer_config.json", "auto_map", {"AutoTokenizer": ["evil.Evil", None]}),
    ],
)
def test_a_configuration_that_leads_elsewhere_is_refused(model: Path, name: str, key: str, value: object) -> None:
    raw = json.loads((model / name).read_text())
    (model / name).write_text(json.dumps({**raw, key: None}))
    assert files.resolve(str(model))
    (model / name).write_text(json.dumps({**raw, key: value}))
    with pytest.raises(DataError, match=rf"{name} asks by {key} for"):
        files.resolve(str(model))


BESIDE = (
    *("pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "model.fp16.bin", "modeling_mt5.py", "train.py"),
    *("config.4.0.0.json", "quantize_config.json", "adapter.json", "preprocessor_config.json"),
)
"""Files that lie beside many models, and are no part of what is loaded."""


def test_what_lies_beside_a_model_and_is_not_in_its_digest_changes_nothing(model: Path, official_mt5: Path) -> None:
    for name in BESIDE:
        (model / name).write_text("something else")
    assert files.digest(model) == files.digest(official_mt5)
    one, other = loaded_weights(model), loaded_weights(official_mt5)
    assert all(np.array_equal(one[name], other[name]) for name in other)
    vocabularies = [loading.load_tokenizer(folder).get_vocab() for folder in (model, official_mt5)]
    assert vocabularies[0] == vocabularies[1]


def test_all_that_is_opened_of_a_model_is_in_its_digest(model: Path, watched: list[Path]) -> None:
    for name in (
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "spiece.model",
        "added_tokens.json",
        "special_tokens_map.json",
    ):
        (model / name).write_text("{}")
    shutil.copy(model / "tokenizer.json", model / "tokenizer.4.0.0.json")
    settings = json.loads((model / "tokenizer_config.json").read_text())
    named = {"fast_tokenizer_files": ["tokenizer.4.0.0.json", "tokenizer.json"]}
    (model / "tokenizer_config.json").write_text(json.dumps({**settings, **named}))
    loading.load(model, SPAN)
    names = {path.name for path in identifying_files(model)}
    assert "tokenizer.4.0.0.json" in names
    assert all(any(fnmatch(name, pattern) for pattern in files.FETCHED) for name in names)
    mine = {path.name for path in watched if path.parent == model}
    assert {"config.json", "tokenizer_config.json"} <= mine
    assert mine <= names


def test_a_folder_with_the_settings_of_an_adapter_alone_is_no_model(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(DataError, match=r"has no adapter_model\.safetensors\."):
        files.resolve(str(folder))
    with pytest.raises(NotFoundError, match="is not a model folder"):
        files.resolve(str(tmp_path))
