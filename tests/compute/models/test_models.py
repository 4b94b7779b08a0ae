"""Models by content and by name; logits of the official layouts against an implementation of T5 of its own."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.models.folder import VOCABULARIES
from mlv.schema.errors import DataError, JobError, NotFoundError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.spec import ModelRef

Matrix = Any
"""A numpy array of 64-bit numbers; their shapes are said, their types would drown the formulas."""


class NumpyT5:
    """T5 in 64-bit numpy, read off the papers (Raffel et al. 2020, section 2.1; Shazeer 2020), from a weights file."""

    def __init__(self, folder: Path, *, gated: bool, tied: bool) -> None:
        from safetensors.numpy import load_file

        stored = load_file(folder / "model.safetensors")
        self.weights = {name: value.astype(np.float64) for name, value in stored.items()}
        self.config = json.loads((folder / "config.json").read_text())
        self.gated, self.tied = gated, tied

    def logits(self, inputs: list[int], decoded: list[int]) -> Matrix:
        """[decoded tokens, vocabulary] for one example."""
        encoded = self._stack("encoder", inputs, None)
        states = self._stack("decoder", decoded, encoded)
        if self.tied:
            return states * self.config["d_model"] ** -0.5 @ self.weights["shared.weight"].T
        return states @ self.weights["lm_head.weight"].T

    def _stack(self, side: str, tokens: list[int], encoded: Matrix | None) -> Matrix:
        states = self.weights["shared.weight"][tokens]
        bias = self._position_bias(side, len(tokens))
        for number in range(self.config["num_layers"]):
            block = f"{side}.block.{number}.layer"
            normed = self._norm(states, f"{block}.0.layer_norm")
            states = states + self._attend(normed, normed, f"{block}.0.SelfAttention", bias)
            if encoded is not None:
                normed = self._norm(states, f"{block}.1.layer_norm")
                states = states + self._attend(normed, encoded, f"{block}.1.EncDecAttention", 0.0)
            last = 1 if encoded is None else 2
            states = states + self._feed_forward(
                self._norm(states, f"{block}.{last}.layer_norm"), f"{block}.{last}.DenseReluDense"
            )
        return self._norm(states, f"{side}.final_layer_norm")

    def _norm(self, states: Matrix, name: str) -> Matrix:
        scale = np.sqrt((states**2).mean(axis=-1, keepdims=True) + 1e-6)
        return states / scale * self.weights[f"{name}.weight"]

    def _attend(self, asking: Matrix, asked: Matrix, name: str, bias: Matrix | float) -> Matrix:
        heads, width = self.config["num_heads"], self.config["d_kv"]

        def split(states: Matrix, part: str) -> Matrix:
            projected = states @ self.weights[f"{name}.{part}.weight"].T
            return projected.reshape(len(states), heads, width).transpose(1, 0, 2)

        scores = split(asking, "q") @ split(asked, "k").transpose(0, 2, 1) + bias
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = scores / scores.sum(axis=-1, keepdims=True) @ split(asked, "v")
        return mixed.transpose(1, 0, 2).reshape(len(asking), -1) @ self.weights[f"{name}.o.weight"].T

    def _feed_forward(self, states: Matrix, name: str) -> Matrix:
        if not self.gated:
            return np.maximum(states @ self.weights[f"{name}.wi.weight"].T, 0) @ self.weights[f"{name}.wo.weight"].T
        gate = states @ self.weights[f"{name}.wi_0.weight"].T
        gelu = 0.5 * gate * (1 + np.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate**3)))
        return gelu * (states @ self.weights[f"{name}.wi_1.weight"].T) @ self.weights[f"{name}.wo.weight"].T

    def _position_bias(self, side: str, length: int) -> Matrix:
        """[heads, length, length]; the decoder sees nothing to its right."""
        table = self.weights[f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        bias = np.empty((table.shape[1], length, length))
        for asking in range(length):
            for asked in range(length):
                hidden = side == "decoder" and asked > asking
                bias[:, asking, asked] = -np.inf if hidden else table[self._bucket(asked - asking, side)]
        return bias

    def _bucket(self, distance: int, side: str) -> int:
        buckets: int = self.config["relative_attention_num_buckets"]
        furthest: int = self.config["relative_attention_max_distance"]
        first = 0
        if side == "encoder":
            buckets //= 2
            first = buckets if distance > 0 else 0
        away = abs(distance) if side == "encoder" else max(-distance, 0)
        exact = buckets // 2
        if away < exact:
            return first + away
        far = exact + int(math.log(away / exact) / math.log(furthest / exact) * (buckets - exact))
        return first + min(far, buckets - 1)


INPUTS, DECODED = [30, 7, 99, 41, 12, 3, 250, 8, 77, 1], [0, 310, 45, 9, 17]


def transformers_logits(loaded: loading.LoadedModel) -> Matrix:
    import torch

    with torch.inference_mode():
        result = loaded.model(input_ids=torch.tensor([INPUTS]), decoder_input_ids=torch.tensor([DECODED]))
    return result.logits[0].double().numpy()


@pytest.mark.parametrize(
    ("fixture", "gated", "tied"),
    [("official_mt5", True, False), ("official_t5_1_1", True, False), ("official_t5", False, True)],
)
def test_logits_are_those_of_an_independent_t5_also_after_saving(
    fixture: str, gated: bool, tied: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    folder: Path = request.getfixturevalue(fixture)
    expected = NumpyT5(folder, gated=gated, tied=tied).logits(INPUTS, DECODED)
    loaded = loading.load(folder, SPAN)
    np.testing.assert_allclose(transformers_logits(loaded), expected, atol=2e-5)
    loaded.model.save_pretrained(tmp_path / "saved")
    loaded.tokenizer.save_pretrained(tmp_path / "saved")
    again = loading.load(tmp_path / "saved", SPAN)
    np.testing.assert_array_equal(transformers_logits(again), transformers_logits(loaded))


def test_both_matrices_of_an_untied_model_survive_saving(official_mt5: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    loaded = loading.load(official_mt5, SPAN)
    loaded.model.save_pretrained(tmp_path)
    before, after = load_file(official_mt5 / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert (before["lm_head.weight"] != before["shared.weight"]).any()
    for name in ("lm_head.weight", "shared.weight"):
        assert (before[name] == after[name]).all()
    assert json.loads((tmp_path / "config.json").read_text())["tie_word_embeddings"] is False


def test_an_untied_model_whose_output_matrix_is_missing_is_refused(official_mt5: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(official_mt5, tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    del state["lm_head.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match="output matrix"):
        loading.load(folder, SPAN)


def test_describe_counts_parameters_of_the_file_once(official_mt5: Path, official_t5: Path) -> None:
    from safetensors.numpy import load_file

    for folder, architecture in ((official_mt5, "mt5"), (official_t5, "t5")):
        weights = load_file(folder / "model.safetensors")
        assert loading.load(folder, SPAN).describe() == {
            "architecture": architecture,
            "parameters": sum(value.size for value in weights.values()),
            "vocabulary": weights["shared.weight"].shape[0],
        }


def test_digest_is_of_content_and_not_of_place(official_mt5: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(official_mt5, tmp_path / "elsewhere")
    (copy / "README.md").write_text("not part of the model")
    assert files.digest(copy) == files.digest(official_mt5)
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        changed = shutil.copytree(official_mt5, tmp_path / name)
        (changed / name).write_bytes((changed / name).read_bytes() + b" ")
        assert files.digest(changed) != files.digest(official_mt5), name


def test_resolving_a_folder_names_it_by_itself_or_by_its_run(official_mt5: Path, tmp_path: Path) -> None:
    checkpoint = shutil.copytree(official_mt5, tmp_path / "finetune-0123456789ab" / "checkpoints" / "epoch-3")
    assert files.resolve(str(checkpoint)).name == "finetune-0123456789ab/epoch-3"
    whole = files.resolve(str(official_mt5))
    assert (whole.name, whole.revision, whole.path) == ("tiny-mt5", "", str(official_mt5))


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_without_configuration_or_weights_is_no_model(
    official_mt5: Path, tmp_path: Path, missing: str
) -> None:
    folder = shutil.copytree(official_mt5, tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(NotFoundError, match="is not a model folder") as caught:
        files.resolve(str(folder))
    assert missing in caught.value.message


def test_a_model_without_a_tokenizer_is_refused_and_none_is_made_up(official_mt5: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(official_mt5, tmp_path / "model"))
    reference = files.resolve(str(folder))
    spec = ProbeSpec(model=reference, collection="", probe_set="", languages=(), inputs_digest="")
    job = JobDirectory.create(tmp_path, spec, {"model_paths": {reference.name: str(folder)}})
    (folder / "tokenizer.json").unlink()
    attempts: tuple[Callable[[], object], ...] = (
        lambda: files.resolve(str(folder)),
        lambda: files.locate(job, reference),
        lambda: loading.load_tokenizer(folder),
        lambda: loading.load(folder, SPAN),
    )
    for attempt in attempts:
        with pytest.raises(DataError, match=r"model has no tokenizer: none of tokenizer\.json, spiece\.model"):
            attempt()


def test_a_tokenizer_of_bytes_needs_no_file(official_t5: Path, tmp_path: Path) -> None:
    from transformers import ByT5Tokenizer

    folder = Path(shutil.copytree(official_t5, tmp_path / "model"))
    for name in VOCABULARIES:
        (folder / name).unlink(missing_ok=True)
    ByT5Tokenizer().save_pretrained(folder)
    assert files.resolve(str(folder)).path == str(folder)
    assert loading.load_tokenizer(folder)(["é"])["input_ids"] == [[0xC3 + 3, 0xA9 + 3, 1]]


@pytest.mark.parametrize("name", ["google/mt5-nowhere", "bad name!", "a/b/c", "./nowhere", "/nowhere/at/all"])
def test_an_unknown_model_says_what_to_do(name: str, hub: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        files.resolve(name)
    assert name in caught.value.message
    assert caught.value.hint


def test_a_model_in_the_hubs_cache_is_found_without_network(official_mt5: Path, hub: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = hub / "models--someone--tiny-mt5"
    shutil.copytree(official_mt5, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    found = files.resolve("someone/tiny-mt5")
    assert (found.name, found.revision) == ("someone/tiny-mt5", commit)
    assert found.digest == files.digest(official_mt5)
    assert files.resolve("someone/tiny-mt5", commit) == found
    with pytest.raises(NotFoundError, match="at other-branch"):
        files.resolve("someone/tiny-mt5", "other-branch")


def test_a_pickle_on_the_hub_is_to_be_converted_by_its_name_and_revision(official_mt5: Path, hub: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = shutil.copytree(official_mt5, hub / "models--someone--tiny-mt5" / "snapshots" / commit)
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(DataError, match="are pickles") as caught:
        files.resolve("someone/tiny-mt5", commit)
    assert caught.value.hint.endswith(f": mlv compute convert someone/tiny-mt5@{commit}")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, which cannot be reached."""
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def test_another_architecture_is_refused_before_its_weights_are_read(official_mt5: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(official_mt5, tmp_path / "model")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"type bert.*encoder-decoder"):
        loading.load(folder, SPAN)


def test_damaged_weights_are_named(official_mt5: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(official_mt5, tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"weights in .*model cannot be loaded"):
        loading.load(folder, SPAN)


def test_missing_weights_are_not_made_up(official_mt5: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(official_mt5, tmp_path / "model")
    state = load_file(folder / "model.safetensors")
    del state["decoder.final_layer_norm.weight"]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"lack decoder\.final_layer_norm\.weight"):
        loading.load(folder, SPAN)


def test_a_job_finds_its_model_only_with_the_content_it_was_planned_with(
    finetune_job: Callable[..., JobDirectory], reference: ModelRef, official_mt5: Path, tmp_path: Path
) -> None:
    job = finetune_job(tmp_path)
    assert files.locate(job, reference) == official_mt5
    job.update_provenance(model_paths={reference.name: str(tmp_path / "gone")})
    with pytest.raises(NotFoundError, match="gone"):
        files.locate(job, reference)
    changed = shutil.copytree(official_mt5, tmp_path / "changed")
    (changed / "config.json").write_text("{}")
    job.update_provenance(model_paths={reference.name: str(changed)})
    with pytest.raises(JobError, match="content has changed"):
        files.locate(job, reference)
