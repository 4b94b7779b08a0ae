"""Gradients of single examples against autograd in 64 bits, for T5s and classifiers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from exact_gradients import Exact, tiny_classifier
from torch import Tensor

from mlv.compute.attribution import gradients
from mlv.compute.attribution.gradients import Tracer
from mlv.compute.attribution.parameters import Parameter
from mlv.compute.attribution.sinks import Directions, FeatureSink
from mlv.compute.models import loading
from mlv.compute.models.families import SPAN
from mlv.compute.training.objective import WeightedInput
from mlv.schema.errors import UsageError
from mlv.schema.jobs.attribution import ModuleGroup

ALL = get_args(ModuleGroup)
KINDS = ("mt5", "t5", "xlmr", "bert", "deberta")
BERT_POSITIONS = "bert.embeddings.position_embeddings.weight"

Make = Callable[[str], Any]


@pytest.fixture(scope="module")
def make(official_mt5: Path, official_t5: Path) -> Make:
    """A fresh model: an mT5 with an output matrix of its own, a T5 whose three embeddings are one, classifiers."""
    folders = {"mt5": official_mt5, "t5": official_t5}
    return lambda kind: loading.load(folders[kind], SPAN).model if kind in folders else tiny_classifier(kind)


def rows_for(model: Any, count: int = 6, seed: int = 1) -> list[WeightedInput]:
    """Rows of many lengths and weights; of a T5's decoder tokens some are not scored."""
    random = np.random.default_rng(seed)

    def tokens(shortest: int, longest: int) -> list[int]:
        drawn: list[int] = random.integers(5, 90, random.integers(shortest, longest + 1)).tolist()
        return drawn

    rows = []
    for number in range(count):
        inputs, decoder = tokens(3, 14), tokens(2, 8)
        if not model.config.is_encoder_decoder:
            decoder = []
        scored = int(random.integers(1, len(decoder) + 1) if decoder else random.integers(3))
        rows.append(WeightedInput(number, inputs, decoder, scored, float(random.uniform(0.2, 2))))
    return rows


def traced(
    model: Any, rows: Sequence[WeightedInput], groups: Sequence[str] = ALL, **settings: Any
) -> tuple[list[dict[str, Tensor]], Tensor]:
    """Unprojected gradients of one batch, by row and parameter [rows, columns], and log-probabilities."""
    tracer = Tracer(model, groups, **settings)
    if tracer.most < len(rows):
        alone = [traced(model, [row], groups, **settings) for row in rows]
        return [found for (found,), _ in alone], torch.cat([logprobs for _, logprobs in alone])
    sink = FeatureSink(tracer.parameters, {p.name: Directions(None, None) for p in tracer.parameters}, "cpu")
    logprobs = tracer.trace(rows, sink)
    found = [
        {
            name: features[start : start + height * width].reshape(height, width)
            for name, (start, height, width) in sink.places.items()
        }
        for features in sink.features
    ]
    return found, logprobs


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """One parameter at a time, relative to its norm; what cancels to nothing has the rounding of the whole."""
    whole = float(torch.stack([gradient.double().norm() for gradient in expected.values()]).norm())
    assert found
    for name, gradient in found.items():
        norm = float(expected[name].norm())
        error = float((gradient.double() - expected[name]).norm())
        assert error <= 1e-5 * (norm + 1e-2 * whole), f"{name}: off by {error} of {norm}"


# Every parameter -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["loss", "log_odds"])
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_every_parameter_are_those_of_autograd(make: Make, kind: str, output: str) -> None:
    model = make(kind)
    exact, rows = Exact(model), rows_for(model)
    found, logprobs = traced(model, rows, output=output)
    assert set(found[0]) == {name for name, _ in exact.model.named_parameters()}
    for row, some in zip(rows, found, strict=True):
        some.pop(BERT_POSITIONS, None)
        assert_close(some, exact.gradients(row, output))
    assert logprobs.tolist() == pytest.approx([exact.logprob(row) for row in rows], rel=1e-5)


def test_position_embeddings_of_bert_are_those_of_autograd(make: Make) -> None:
    model = make("bert")
    exact, rows = Exact(model), rows_for(model)
    for row, some in zip(rows, traced(model, rows)[0], strict=True):
        assert_close({BERT_POSITIONS: some[BERT_POSITIONS]}, exact.gradients(row))


@pytest.mark.parametrize("kind", ["mt5", "t5"])
def test_a_bounded_number_of_logits_is_held_at_a_time(make: Make, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(kind)
    rows = rows_for(model)
    whole, logprobs = traced(model, rows)
    # two tokens at a time: examples are torn
    monkeypatch.setattr(gradients, "LOGITS_AT_ONCE", 2 * model.config.vocab_size)
    torn, again = traced(model, rows)
    torch.testing.assert_close(again, logprobs)
    for one, other in zip(torn, whole, strict=True):
        assert_close(one, other)


# Invariance ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mt5", "t5", "xlmr"])
def test_an_examples_gradient_does_not_depend_on_its_batch(make: Make, kind: str) -> None:
    model = make(kind)
    rows = rows_for(model)
    together, logprobs = traced(model, rows)
    backwards, reverse = traced(model, rows[::-1])
    longer = WeightedInput(9, [7] * 30, [8] * 20 if rows[0].decoder else [], 1)
    padded, _ = traced(model, [longer, *rows])
    torch.testing.assert_close(reverse.flip(0), logprobs)
    for row, expected, reversed_, one in zip(rows, together, backwards[::-1], padded[1:], strict=True):
        (alone,), logprob = traced(model, [row])
        torch.testing.assert_close(logprob[0], logprobs[row.example])
        for other in (alone, reversed_, one):
            assert_close(other, expected)


def test_gradients_are_linear_in_the_weight_of_a_row(make: Make) -> None:
    model = make("mt5")
    row = rows_for(model)[0]
    (once, minus, nothing), logprobs = traced(model, [row._replace(weight=weight) for weight in (1, -2.5, 0)])
    assert_close(minus, {name: -2.5 * gradient for name, gradient in once.items()})
    assert all(not gradient.any() for gradient in nothing.values())
    # log-probabilities are the model's own
    torch.testing.assert_close(logprobs, logprobs[:1].expand(3))


def test_dropout_is_off_and_the_model_is_left_without_gradients_and_hooks(make: Make) -> None:
    model = make("xlmr").train()
    rows = rows_for(model)
    one, other = traced(model, rows)[0], traced(model, rows)[0]
    for first, second in zip(one, other, strict=True):
        assert all(torch.equal(gradient, second[name]) for name, gradient in first.items())
    assert not any(module.training for module in model.modules())
    assert all(tensor.grad is None and not tensor.requires_grad for tensor in model.parameters())


class BrokenOffError(Exception):
    """Stands for whatever ends a backward pass."""


class Breaks(FeatureSink):
    """A sink that fails at the first gradient of a norm or a position bias."""

    def full(self, parameter: Parameter, gradient: Tensor) -> None:
        raise BrokenOffError


def test_a_failure_leaves_no_hooks(make: Make) -> None:
    model = make("mt5")
    rows = rows_for(model)
    expected, _ = traced(model, rows)
    tracer = Tracer(model, ALL)
    sink = Breaks(tracer.parameters, {p.name: Directions(None, None) for p in tracer.parameters}, "cpu")
    with pytest.raises(BrokenOffError):
        tracer.trace(rows, sink)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "compute_bias" not in vars(module)
    for one, other in zip(traced(model, rows)[0], expected, strict=True):
        assert all(torch.equal(gradient, other[name]) for name, gradient in one.items())


# Objectives ------------------------------------------------------------------------------------------------------


def test_log_odds_have_a_gradient_where_a_probability_is_1(make: Make) -> None:
    model = make("xlmr")
    row = rows_for(model)[0]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([row.inputs])).logits[0]
        row = row._replace(scored=int(logits.argmax()))
        best = logits.topk(2).values
        for tensor in model.classifier.out_proj.parameters():
            tensor.mul_(20 / (best[0] - best[1]))
    (found,), logprobs = traced(model, [row], output="log_odds")
    # exp(-20) is lost in 32 bits, not in 64
    assert logprobs.exp().item() == 1
    assert_close(found, Exact(model).gradients(row, "log_odds"))
    with torch.no_grad():
        for tensor in model.classifier.out_proj.parameters():
            tensor.mul_(50)
    (sure,), _ = traced(model, [row], output="log_odds")
    assert all(gradient.isfinite().all() for gradient in sure.values())
    (loss,), _ = traced(model, [row])
    assert not any(gradient.any() for gradient in loss.values())


# Groups and stacks -----------------------------------------------------------------------------------------------

GROUPS = {
    "mt5": {
        "shared.weight": "embedding",
        "encoder.block.0.layer.0.SelfAttention.q.weight": "attention",
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight": "position_bias",
        "encoder.block.0.layer.0.layer_norm.weight": "norm",
        "encoder.block.1.layer.1.DenseReluDense.wi_0.weight": "feed_forward",
        "encoder.block.1.layer.1.DenseReluDense.wo.weight": "feed_forward",
        "decoder.block.1.layer.1.EncDecAttention.o.weight": "attention",
        "decoder.final_layer_norm.weight": "norm",
        "lm_head.weight": "output",
    },
    "t5": {"shared.weight": "embedding", "decoder.block.1.layer.2.DenseReluDense.wi.weight": "feed_forward"},
    "xlmr": {
        "roberta.embeddings.word_embeddings.weight": "embedding",
        "roberta.embeddings.position_embeddings.weight": "embedding",
        "roberta.embeddings.token_type_embeddings.weight": "embedding",
        "roberta.embeddings.LayerNorm.bias": "norm",
        "roberta.encoder.layer.0.attention.self.key.weight": "attention",
        "roberta.encoder.layer.0.attention.self.key.bias": "bias",
        "roberta.encoder.layer.0.attention.output.dense.weight": "attention",
        "roberta.encoder.layer.0.attention.output.LayerNorm.weight": "norm",
        "roberta.encoder.layer.1.intermediate.dense.weight": "feed_forward",
        "roberta.encoder.layer.1.output.dense.weight": "feed_forward",
        "classifier.dense.weight": "output",
        "classifier.out_proj.weight": "output",
        "classifier.out_proj.bias": "bias",
    },
    "bert": {
        "bert.embeddings.word_embeddings.weight": "embedding",
        "bert.encoder.layer.1.attention.self.value.weight": "attention",
        "bert.pooler.dense.weight": "output",
        "classifier.weight": "output",
        "classifier.bias": "bias",
    },
    "deberta": {
        "deberta.embeddings.word_embeddings.weight": "embedding",
        "deberta.encoder.rel_embeddings.weight": "position_bias",
        "deberta.encoder.LayerNorm.weight": "norm",
        "deberta.encoder.layer.1.attention.self.query_proj.weight": "attention",
        "pooler.dense.weight": "output",
        "classifier.weight": "output",
    },
}


def test_a_model_with_parameters_of_other_kinds_is_refused() -> None:
    """A DeBERTa with a convolution, as v2 has it."""
    with pytest.raises(UsageError, match=r"deberta\.encoder\.conv\.conv\.weight, a parameter of Conv1d"):
        Tracer(tiny_classifier("deberta", conv_kernel_size=3), ALL)


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_grouped_by_their_roles(make: Make, kind: str) -> None:
    model = make(kind)
    parameters = Tracer(model, ALL).parameters
    groups = {parameter.name: parameter.group for parameter in parameters}
    assert {name: groups[name] for name in GROUPS[kind]} == GROUPS[kind]
    shapes = {name: (len(tensor), tensor.numel() // len(tensor)) for name, tensor in model.named_parameters()}
    assert {parameter.name: (parameter.rows, parameter.columns) for parameter in parameters} == shapes
    for group in ALL:
        alone = {parameter.name for parameter in Tracer(model, [group]).parameters}
        # the T5's output matrix is its embedding
        shared = {"shared.weight"} if (kind, group) == ("t5", "output") else set()
        assert alone == {name for name, own in groups.items() if own == group} | shared


@pytest.mark.parametrize(
    ("kind", "groups"),
    [
        ("mt5", ["attention"]),
        ("mt5", ["feed_forward", "norm"]),
        ("mt5", ["position_bias", "output"]),
        ("t5", ["embedding"]),
        ("t5", ["output"]),
        ("xlmr", ["bias"]),
        ("xlmr", ["output", "norm"]),
    ],
)
def test_some_groups_alone_have_the_gradients_they_have_among_all(make: Make, kind: str, groups: list[str]) -> None:
    model = make(kind)
    exact, rows = Exact(model), rows_for(model)
    found, _ = traced(model, rows, groups)
    names = [parameter.name for parameter in Tracer(model, groups).parameters]
    assert list(found[0]) == names
    for row, some in zip(rows, found, strict=True):
        assert_close(some, exact.gradients(row))


def test_groups_that_a_model_lacks_have_no_parameters(make: Make) -> None:
    assert Tracer(make("mt5"), []).parameters == []
    assert Tracer(make("xlmr"), ["position_bias"]).parameters == []


@pytest.mark.parametrize(("stack", "other"), [("encoder", "decoder"), ("decoder", "encoder")])
@pytest.mark.parametrize("kind", ["mt5", "t5"])
def test_half_a_model_leaves_the_other_half_out_and_keeps_what_they_share(
    make: Make, kind: str, stack: str, other: str
) -> None:
    model = make(kind)
    exact, rows = Exact(model), rows_for(model)
    found, _ = traced(model, rows, stacks=(stack,))
    every = {name for name, _ in exact.model.named_parameters()}
    assert set(found[0]) == {name for name in every if not name.startswith(f"{other}.")}
    assert "shared.weight" in found[0]
    for row, some in zip(rows, found, strict=True):
        assert_close(some, exact.gradients(row))


def test_an_encoder_takes_part_whatever_the_stacks(make: Make) -> None:
    model = make("xlmr")
    assert Tracer(model, ALL, stacks=("decoder",)).parameters == Tracer(model, ALL).parameters
