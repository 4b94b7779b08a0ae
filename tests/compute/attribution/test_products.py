"""Products of gradients that are never stored, against autograd in 64 bits, for T5s and classifiers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from exact_gradients import Exact, tiny_classifier
from torch import Tensor

from mlv.compute.attribution import products
from mlv.compute.attribution.gradients import Tracer
from mlv.compute.attribution.products import Products, exact_products
from mlv.compute.machine.options import SILENT
from mlv.compute.models import loading
from mlv.compute.models.families import SPAN
from mlv.compute.training.objective import WeightedInput
from mlv.schema.errors import JobError
from mlv.schema.jobs.attribution import ModuleGroup

from .test_gradients import BERT_POSITIONS, rows_for

ALL = get_args(ModuleGroup)
Items = list[list[WeightedInput]]


@pytest.fixture(scope="module")
def make(official_mt5: Path, official_t5: Path) -> Callable[[str], Any]:
    """A fresh model: an mT5 with an output matrix of its own, a T5 whose three embeddings are one, classifiers."""
    folders = {"mt5": official_mt5, "t5": official_t5}
    return lambda kind: loading.load(folders[kind], SPAN).model if kind in folders else tiny_classifier(kind)


def items_for(model: Any, count: int, seed: int, most: int) -> Items:
    """Items of one to ``most`` rows each."""
    rows = rows_for(model, count * most, seed)
    return [rows[start : start + 1 + start % most] for start in range(0, len(rows), most)]


def gradients(model: Any, items: Items, groups: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Gradient of each item by autograd, [items, parameters], and its weighted log-probability, [items]."""
    exact = Exact(model)
    traced = {parameter.name for parameter in Tracer(model, groups).parameters} - {BERT_POSITIONS}
    found = []
    for rows in items:
        by_row = [exact.gradients(row) for row in rows]
        found.append(
            torch.cat([torch.stack([row[name] for row in by_row]).sum(0).flatten() for name in sorted(traced)])
        )
    logprobs = [sum(row.weight * exact.logprob(row) for row in rows) for rows in items]
    return torch.stack(found), torch.tensor(logprobs, dtype=torch.float64)


def streamed(model: Any, folder: Path, examples: Items, targets: Items, **settings: Any) -> Products:
    groups = settings.pop("groups", ALL)
    tracer = Tracer(model, groups)
    if BERT_POSITIONS in [parameter.name for parameter in tracer.parameters]:
        # autograd's own copy has no separate gradient for positions that are looked up once for all
        tracer.traced.by_module = [entry for entry in tracer.traced.by_module if f"{entry[0]}.weight" != BERT_POSITIONS]
    return exact_products(folder, {"of": "test"}, examples, targets, lambda: tracer, 60, SILENT, "", **settings)


@pytest.mark.parametrize("groups", [ALL, ("output",), ("embedding",), ("attention", "feed_forward")])
@pytest.mark.parametrize("kind", ["mt5", "t5", "xlmr", "bert", "deberta"])
def test_products_and_norms_are_those_of_autograd(
    make: Callable[[str], Any], kind: str, groups: Sequence[str], tmp_path: Path
) -> None:
    model = make(kind)
    # a classifier's items have one row
    examples, targets = (
        (items_for(model, 9, 1, 1), items_for(model, 4, 2, 1))
        if kind == "deberta"
        else (items_for(model, 9, 1, 3), items_for(model, 4, 2, 2))
    )
    found = streamed(make(kind), tmp_path, examples, targets, groups=groups)
    (one, _), (other, logprobs) = gradients(model, examples, groups), gradients(model, targets, groups)
    scale = other.norm(dim=1)[:, None] * one.norm(dim=1)
    assert float(((found.products - other @ one.T) / scale).abs().max()) < 1e-5
    assert torch.allclose(found.example_norms, one.norm(dim=1), rtol=1e-5)
    assert torch.allclose(found.target_norms, other.norm(dim=1), rtol=1e-5)
    assert torch.allclose(found.logprob, logprobs, rtol=1e-5)


@pytest.mark.parametrize("kind", ["t5", "xlmr"])
def test_parts_of_the_targets_and_shards_of_the_examples_give_the_same(
    make: Callable[[str], Any], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(kind)
    examples, targets = items_for(model, 9, 1, 3), items_for(model, 5, 2, 2)
    whole = streamed(model, tmp_path / "whole", examples, targets)
    monkeypatch.setattr(products, "EXAMPLES_AT_ONCE", 4)
    parts = streamed(model, tmp_path / "parts", examples, targets, memory=1)
    assert len(list((tmp_path / "parts").glob("products-*"))) == 5 * 3
    for one, other in zip(whole, parts, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5 * float(one.abs().max()))


def test_what_is_done_is_not_done_again(
    make: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make("xlmr")
    examples, targets = items_for(model, 9, 1, 3), items_for(model, 5, 2, 2)
    monkeypatch.setattr(products, "EXAMPLES_AT_ONCE", 4)
    whole = streamed(model, tmp_path, examples, targets)
    (tmp_path / "products-000000-0000004.safetensors").unlink()
    again = streamed(model, tmp_path, examples, targets)
    assert all(torch.equal(one, other) for one, other in zip(whole, again, strict=True))

    def load() -> Tracer:
        raise AssertionError("nothing is left to compute")

    read = exact_products(tmp_path, {"of": "test"}, examples, targets, load, 60, SILENT, "")
    assert torch.equal(read.products, whole.products)
    with pytest.raises(JobError, match="an index of something else: of differ"):
        exact_products(tmp_path, {"of": "another"}, examples, targets, load, 60, SILENT, "")


@pytest.mark.parametrize(("damaged", "what"), [("targets", "target"), ("examples", "example")])
def test_a_gradient_that_is_not_finite_is_said(
    make: Callable[[str], Any], damaged: str, what: str, tmp_path: Path
) -> None:
    model = make("xlmr")
    items = {"examples": items_for(model, 3, 1, 1), "targets": items_for(model, 3, 2, 1)}
    items[damaged][1][0] = items[damaged][1][0]._replace(weight=float("nan"))
    with pytest.raises(JobError, match=f"Gradients of 1 {what}s became NaN or infinite, the first that of {what} 1:"):
        streamed(model, tmp_path, items["examples"], items["targets"])
