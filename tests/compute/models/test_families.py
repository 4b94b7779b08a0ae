"""Families: each loads all of its architectures with their head, and refuses other models in words."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_model import save_random, tiny_tokenizer
from torch import Tensor

from mlv.compute.models import loading
from mlv.compute.models.families import CAUSAL, CLASSIFIER, FAMILIES, MASKED, SPAN, Family
from mlv.schema.errors import DataError

ALL = [(family, architecture) for family in FAMILIES for architecture in family.architectures]
NAMES = [f"{family.name}-{architecture}" for family, architecture in ALL]


def logits_of(model: Any) -> Tensor:
    """Logits for a short input, [tokens, vocabulary], of a classifier [classes]."""
    inputs = {"input_ids": torch.tensor([[30, 7, 99, 41]])}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = torch.tensor([[0, 31]])
    with torch.inference_mode():
        logits: Tensor = model(**inputs).logits[0]
    return logits


@pytest.mark.parametrize(("family", "architecture"), ALL, ids=NAMES)
def test_a_family_loads_its_architectures_with_head_and_tokenizer(
    family: Family, architecture: str, tmp_path: Path
) -> None:
    model = save_random(tmp_path, family, architecture)
    loaded = loading.load(tmp_path, family)
    assert not loaded.model.training
    # not to the bit: on some processors products depend on where in memory the weights lie
    torch.testing.assert_close(logits_of(loaded.model), logits_of(model), rtol=1e-5, atol=1e-7)
    assert all(torch.equal(weights, model.state_dict()[name]) for name, weights in loaded.model.state_dict().items())
    assert loaded.describe() == {
        "architecture": architecture,
        "parameters": sum(tensor.numel() for tensor in model.parameters()),
        "vocabulary": len(tiny_tokenizer()),
    }
    assert loaded.tokenizer(["<extra_id_0>"])["input_ids"] == [[loaded.sentinels[0], loaded.tokenizer.eos_token_id]]


# transformers makes no T5 from a configuration with an output matrix of its own; test_models.py has the official layout
@pytest.mark.parametrize(("family", "architecture"), [(MASKED, "bert"), (MASKED, "xlm-roberta"), (CAUSAL, "llama")])
def test_an_output_matrix_of_its_own_stays_so_when_saved(family: Family, architecture: str, tmp_path: Path) -> None:
    model = save_random(tmp_path / "model", family, architecture, tied=False)
    loaded = loading.load(tmp_path / "model", family)
    assert loaded.model.get_output_embeddings().weight is not loaded.model.get_input_embeddings().weight
    loaded.model.save_pretrained(tmp_path / "saved")
    loaded.tokenizer.save_pretrained(tmp_path / "saved")
    again = loading.load(tmp_path / "saved", family)
    torch.testing.assert_close(logits_of(again.model), logits_of(model), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES, ids=[family.name for family in FAMILIES])
def test_another_architecture_is_refused_before_its_weights_are_read(family: Family, tmp_path: Path) -> None:
    other = next(name for some in FAMILIES for name in some.architectures if name not in family.architectures)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": other}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        loading.load(tmp_path, family)
    assert f"holds a model of type {other}, which is not {family.description} (" in caught.value.message
    assert caught.value.hint == family.hint


def test_a_masked_model_needs_a_mask_token(tmp_path: Path) -> None:
    save_random(tmp_path, MASKED, "bert")
    tiny_tokenizer(mask=False).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="no mask token") as caught:
        loading.load(tmp_path, MASKED)
    assert caught.value.hint == MASKED.hint


def test_special_tokens_beyond_the_vocabulary_are_refused(tmp_path: Path) -> None:
    save_random(tmp_path, MASKED, "bert")
    tokenizer: Any = loading.load_tokenizer(tmp_path)
    tokenizer.add_tokens(["one", "more"])
    tokenizer.add_special_tokens({"mask_token": "<another-mask>"})
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(DataError, match=f"special tokens beyond the model's {len(tiny_tokenizer())} entries"):
        loading.load(tmp_path, MASKED)


def test_an_encoder_without_a_classifier_is_not_given_one(tmp_path: Path) -> None:
    save_random(tmp_path, MASKED, "xlm-roberta")
    with pytest.raises(DataError, match=r"lack classifier\.dense\.bias"):
        loading.load(tmp_path, CLASSIFIER)


def test_a_model_for_one_family_is_not_one_of_another(tmp_path: Path) -> None:
    save_random(tmp_path, CAUSAL, "llama")
    with pytest.raises(DataError, match="type llama, which is not an encoder-decoder with sentinels"):
        loading.load(tmp_path, SPAN)
