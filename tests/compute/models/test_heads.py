"""Masks and importances of attention heads, in every architecture whose heads are known."""

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from mlv.compute.models.heads import (
    ARCHITECTURES,
    HeadShape,
    check_mask,
    gate_gradients,
    gated,
    gates_of,
    head_weights,
    masks_of,
    shape,
)
from mlv.schema.errors import DataError
from mlv.schema.jobs.masks import Mask, Subnetwork
from mlv.schema.jobs.predict import PredictSpec
from mlv.schema.jobs.spec import ModelRef

LAYERS, HEADS, WIDTH = 2, 3, 24
SHAPE = HeadShape(LAYERS, HEADS)
OWN: dict[str, dict[str, Any]] = {
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 4},
    "modernbert": {"pad_token_id": 1},
}
"""What their configurations have beside :data:`USUAL`."""
USUAL = {
    "vocab_size": 60,
    "hidden_size": WIDTH,
    "intermediate_size": 40,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_labels": 3,
}
MASK = Mask.of([[True, False, True], [False, True, True]])


def classifier(kind: str, **settings: Any) -> Any:
    """A random classifier in 64 bits, without dropout."""
    torch.manual_seed(5)
    given = {**USUAL, **OWN.get(kind, {}), **settings}
    config = transformers.AutoConfig.for_model(kind, **given)
    model = transformers.AutoModelForSequenceClassification.from_config(config).double().eval()
    with torch.no_grad():
        # some architectures draw their weights by rules of their own, too small to tell anything apart
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3 + (parameter.ndim == 1) * 0.1)
    return model


@pytest.fixture(params=ARCHITECTURES)
def model(request: pytest.FixtureRequest) -> Any:
    """A random classifier of each type."""
    return classifier(request.param)


def batch(lengths: tuple[int, ...] = (9, 5, 7)) -> dict[str, Tensor]:
    """Random tokens, padded."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(5, 60, (len(lengths), max(lengths)), generator=generator)
    attention = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": tokens * attention + (1 - attention), "attention_mask": attention}


def logits(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """[rows, classes]"""
    with torch.no_grad():
        found: Tensor = model(**inputs).logits
    return found


def losses(model: Any, inputs: dict[str, Tensor], labels: Tensor) -> Tensor:
    """Cross entropy of each row."""
    return torch.nn.functional.cross_entropy(model(**inputs).logits, labels, reduction="none")


LABELS = torch.tensor([0, 2, 1])


def test_the_shape_is_that_of_the_configuration(model: Any) -> None:
    assert shape(model.config) == SHAPE
    assert str(SHAPE) == "2 x 3"


def test_gates_of_one_change_nothing_to_the_bit(model: Any) -> None:
    plain = logits(model, batch())
    with gated(model, torch.ones(1, LAYERS, HEADS)):
        assert torch.equal(logits(model, batch()), plain)


def test_a_mask_is_zero_columns_of_the_output_projection(model: Any) -> None:
    plain = logits(model, batch())
    with gated(model, gates_of([MASK])):
        masked = logits(model, batch())
    assert not torch.allclose(masked, plain)
    assert torch.equal(logits(model, batch()), plain), "gates end with their block"
    for weights in head_weights(model):
        if weights.output:
            weights.by_head(weights.parameter.data)[~torch.tensor(MASK.rows()[weights.layer])] = 0
    torch.testing.assert_close(logits(model, batch()), masked, rtol=0, atol=1e-13)


def test_gates_of_rows_are_those_of_separate_batches(model: Any) -> None:
    gates = torch.rand(3, LAYERS, HEADS, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    inputs = batch((9, 9, 9))
    with gated(model, lambda: gates):
        together = logits(model, inputs)
    for row in range(3):
        with gated(model, gates[row : row + 1]):
            alone = logits(model, {name: given[row : row + 1] for name, given in inputs.items()})
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_gates_are_those_of_autograd_and_of_finite_differences(model: Any, masked: bool) -> None:
    start = gates_of([MASK]).double() if masked else torch.ones(1, LAYERS, HEADS, dtype=torch.float64)
    found = gate_gradients(model, batch(), LABELS, start if masked else None)
    assert found.shape == (3, LAYERS, HEADS)
    assert (found.abs() > 1e-6).all()

    gates = start.expand(3, -1, -1).clone().requires_grad_()
    with gated(model, gates):
        torch.autograd.backward(losses(model, batch(), LABELS).sum())
    torch.testing.assert_close(found, gates.grad, rtol=1e-9, atol=1e-13)

    # the softmax of XLM and the rotations of ModernBERT are in 32 bits whatever the model is in
    step, off = (1e-3, 2e-3) if model.config.model_type in ("modernbert", "xlm") else (1e-5, 1e-8)
    for layer in range(LAYERS):
        for head in range(HEADS):
            either = []
            for sign in (1, -1):
                moved = start.clone()
                moved[:, layer, head] += sign * step
                with gated(model, moved), torch.no_grad():
                    either.append(losses(model, batch(), LABELS))
            slope = (either[0] - either[1]) / (2 * step)
            torch.testing.assert_close(found[:, layer, head], slope, rtol=1e-5, atol=off)


@pytest.mark.parametrize("kind", [*ARCHITECTURES, "deberta-v2 shared"])
def test_a_disabled_heads_weights_are_all_that_it_says_and_get_no_gradient(kind: str) -> None:
    settings = {"share_att_key": True} if kind.endswith("shared") else {}
    model = classifier(kind.split(maxsplit=1)[0], **settings)
    owned = head_weights(model)
    assert {weights.layer for weights in owned} == set(range(LAYERS))
    with gated(model, gates_of([MASK])):
        torch.autograd.backward(losses(model, batch(), LABELS).sum())
        plain = logits(model, batch())
        for weights in owned:
            disabled = ~torch.tensor(MASK.rows()[weights.layer])
            assert weights.parameter.grad is not None
            gradient = weights.by_head(weights.parameter.grad)
            assert not gradient[disabled].any()
            if weights.parameter.ndim == 2:
                assert gradient[~disabled].flatten(1).any(1).all()
            weights.by_head(weights.parameter.data)[disabled] += 1
        assert torch.equal(logits(model, batch()), plain), "what a disabled head's weights are does not matter"
        for weights in owned:
            weights.by_head(weights.parameter.data)[torch.tensor(MASK.rows()[weights.layer])] += 0.5
        assert not torch.allclose(logits(model, batch()), plain)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_the_gate_is_that_on_attention_probabilities(attention: str) -> None:
    """Michel et al. (2019), equation 2: here by the values, in which probabilities are linear."""
    model = classifier("xlm-roberta", attn_implementation=attention)
    with gated(model, gates_of([MASK])):
        masked = logits(model, batch())
    for layer, module in enumerate(model.roberta.encoder.layer):
        value = module.attention.self.value
        rows = torch.tensor(MASK.rows()[layer]).repeat_interleave(WIDTH // HEADS)
        value.weight.data[~rows] = 0
        value.bias.data[~rows] = 0
    torch.testing.assert_close(logits(model, batch()), masked, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["albert", "gpt2"])
def test_other_architectures_are_refused_by_name(kind: str) -> None:
    config = transformers.AutoConfig.for_model(kind)
    with pytest.raises(DataError, match=f"of a model of type {kind} are not known") as raised:
        shape(config)
    assert "xlm-roberta" in raised.value.hint


def test_a_mask_of_another_shape_is_refused() -> None:
    check_mask(MASK, SHAPE)
    with pytest.raises(DataError, match=r"The mask is of 2 x 3 attention heads .* the model has 12 x 12"):
        check_mask(MASK, HeadShape(12, 12))


def test_masks_of_a_specification_are_by_language() -> None:
    other = Mask.of([[True] * 3, [False] * 3])
    spec = PredictSpec(
        model=ModelRef(name="made-up", digest="0"),
        task="topics",
        classes=("a", "b"),
        source="made-up",
        split="test",
        languages=("de", "en", "ko"),
        corpora=(),
        inputs_digest="0",
        masks={"de": "prune-b", "en": "prune-a"},
        subnetworks=(
            Subnetwork(name="prune-a", mask=MASK, origin="pruned"),
            Subnetwork(name="prune-b", mask=other, origin="pruned"),
        ),
    )
    assert masks_of(spec, SHAPE) == {"de": other, "en": MASK}
    assert masks_of(spec.model_copy(update={"masks": None, "subnetworks": None}), SHAPE) == {}
    with pytest.raises(DataError, match="The mask of de is of 2 x 3"):
        masks_of(spec, HeadShape(4, 8))
