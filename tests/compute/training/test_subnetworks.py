"""Training subnetworks: batches of one language, gates, what a step changes, and resumption to the bit."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from classifying import assert_same, examples, planned, weights
from tiny_encoder import LANGUAGES, save_encoder
from workers import run_job

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Silent
from mlv.compute.machine.stopping import StoppedError
from mlv.compute.models import classifiers
from mlv.compute.models.heads import gated, gates_of, head_weights
from mlv.compute.training import course, trainer
from mlv.compute.training.classes import Classes, Labelled
from mlv.compute.training.objective import Examples, read_splits
from mlv.compute.training.objectives import objective_of
from mlv.compute.training.subnetworks import Subnetworks
from mlv.compute.training.updates import MOMENTS
from mlv.schema.errors import DataError
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.masks import Mask, Subnetwork

OPTIONS = ExecuteOptions(device="cpu", threads=1)

MASKS = {"de": Mask.of([[True, False], [True, True]]), "en": Mask.of([[False, True], [True, False]])}
"""French trains all heads."""

FULL = Mask.of([[True, True], [True, True]])


def subnetworks(masks: dict[str, Mask]) -> dict[str, Any]:
    """Settings of a specification."""
    found = tuple(Subnetwork(name=f"prune-{language}", mask=mask, origin="pruned") for language, mask in masks.items())
    return {"masks": {language: f"prune-{language}" for language in masks}, "subnetworks": found}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder(tmp_path_factory.mktemp("models") / "encoder")


def spec_of(job: JobDirectory) -> ClassifySpec:
    spec = job.spec()
    assert isinstance(spec, ClassifySpec)
    return spec


# Batches ---------------------------------------------------------------------------------------------------------


def of_languages(counts: dict[str, int]) -> Examples:
    items = [Labelled(classifiers.Encoded([1], []), 0, code) for code, count in counts.items() for _ in range(count)]
    return Examples(list(range(len(items))), items)


def batches(encoder: Path, folder: Path, some: Examples, epoch: int, seed: int = 1) -> list[list[int]]:
    objective = Subnetworks(spec_of(planned(folder, encoder, seed=seed, **subnetworks(MASKS))))
    order = course.epoch_order(seed, epoch, len(some.positions))
    return [batch.tolist() for batch in objective.batches(some, order, epoch)]


def languages_of(some: Examples, found: Sequence[Sequence[int]]) -> list[str]:
    """The language of each batch, which has no other."""
    ((_, *rest),) = [{len({some.items[place].language for place in batch}) for batch in found}]
    assert not rest
    return [some.items[batch[0]].language for batch in found]


def test_an_epoch_has_every_example_once_and_every_language_equally_often(encoder: Path, tmp_path: Path) -> None:
    some = of_languages({"de": 22, "en": 22, "fr": 22})
    found = batches(encoder, tmp_path, some, 1)
    assert sorted(place for batch in found for place in batch) == list(range(66))
    assert Counter(languages_of(some, found)) == {"de": 6, "en": 6, "fr": 6}
    assert sorted(map(len, found)) == [2] * 3 + [4] * 15
    # examples of a language come in the order of the epoch
    order = course.epoch_order(1, 1, 66).tolist()
    for code in LANGUAGES:
        own = [batch for batch, language in zip(found, languages_of(some, found), strict=True) if language == code]
        expected = [place for place in order if some.items[place].language == code]
        assert sorted(own) == sorted(expected[start : start + 4] for start in range(0, 22, 4))


def test_languages_come_in_an_order_of_the_seed_and_the_epoch(encoder: Path, tmp_path: Path) -> None:
    some = of_languages({"de": 40, "en": 40, "fr": 40})
    keys = [(1, 1), (1, 2), (2, 1), (1, 1)]
    orders = [
        languages_of(some, batches(encoder, tmp_path / str(number), some, epoch, seed))
        for number, (seed, epoch) in enumerate(keys)
    ]
    assert orders[0] == orders[3]
    assert len({tuple(order) for order in orders}) == 3
    # neither one after another nor in turns
    assert all(5 < sum(one != other for one, other in pairwise(order)) < 29 for order in orders)


def test_a_language_with_fewer_examples_has_fewer_batches(encoder: Path, tmp_path: Path) -> None:
    some = of_languages({"de": 20, "en": 3, "fr": 9})
    assert Counter(languages_of(some, batches(encoder, tmp_path, some, 1))) == {"de": 5, "en": 1, "fr": 3}


# Training --------------------------------------------------------------------------------------------------------


class Watched(transformers.TrainerCallback):  # type: ignore[misc]
    """Notes weights and moments of a model's heads before each step and after it."""

    def __init__(self, model: Any) -> None:
        self._weights = head_weights(model)
        self.steps: list[list[list[dict[str, torch.Tensor]]]] = []
        """Of each step, before it and after, each parameter of heads: tensors by name, [heads, ...]."""

    def on_step_begin(self, *_: object, optimizer: Any, **__: object) -> None:
        self.steps.append([self._now(optimizer)])

    def on_step_end(self, *_: object, optimizer: Any, **__: object) -> None:
        self.steps[-1].append(self._now(optimizer))

    def _now(self, optimizer: Any) -> list[dict[str, torch.Tensor]]:
        found = []
        for part in self._weights:
            moments = optimizer.state.get(part.parameter, {})
            zero = torch.zeros_like(part.parameter)
            named = {"weight": part.parameter.detach()} | {name: moments.get(name, zero) for name in MOMENTS}
            found.append({name: part.by_head(tensor.clone()) for name, tensor in named.items()})
        return found

    def changes(self, enabled: Sequence[np.ndarray[Any, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Of each step, the absolute changes by name of disabled heads and of enabled ones; ``enabled`` of each step
        [layers, heads]."""
        for (before, after), chosen in zip(self.steps, enabled, strict=True):
            sides: tuple[dict[str, list[Any]], dict[str, list[Any]]] = ({}, {})
            for part, one, other in zip(self._weights, before, after, strict=True):
                for name in one:
                    change = (other[name] - one[name]).abs().numpy()
                    for side, which in zip(sides, (~chosen[part.layer], chosen[part.layer]), strict=True):
                        side.setdefault(name, []).append(change[which].ravel())
            yield tuple({name: np.concatenate(found) for name, found in side.items()} for side in sides)  # type: ignore[misc]


def trained(job: JobDirectory, encoder: Path) -> tuple[Any, Watched, list[list[str]]]:
    """The Trainer after its training, what its steps did, and the languages of their batches."""
    runtime.prepare("cpu", 1, 0)
    spec = spec_of(job)
    objective = objective_of(spec)
    loaded = objective.load(encoder, "cpu")
    objective.begin(loaded)
    splits = read_splits(job, objective, loaded.tokenizer)

    def order(epoch: int) -> Any:
        return course.epoch_order(spec.seed, epoch, 30)

    made = course.make_trainer(job, objective, loaded, splits, order, SILENT, None)
    watched = Watched(loaded.model)
    made.add_callback(watched)
    made.train()
    size = spec.course.gradient_accumulation
    steps = []
    for epoch in range(1, spec.epochs + 1):
        batches_of_it = [batch.tolist() for batch in objective.batches(splits["train"], order(epoch), epoch)]
        found = languages_of(splits["train"], batches_of_it)
        steps += [found[start : start + size] for start in range(0, len(found), size)]
    return made, watched, steps


def enabled(languages: Sequence[str]) -> np.ndarray[Any, Any]:
    """Heads that one of the batches of a step enables, [layers, heads]."""
    found: np.ndarray[Any, Any] = np.any([MASKS.get(code, FULL).rows() for code in languages], axis=0)
    return found


@pytest.mark.parametrize("accumulation", [None, 2])
def test_strict_updates_leave_disabled_heads_and_their_moments_as_they_are(
    encoder: Path, tmp_path: Path, accumulation: int | None
) -> None:
    settings = {"weight_decay": 0.1, "gradient_accumulation": accumulation, **subnetworks(MASKS)}
    made, watched, steps = trained(planned(tmp_path, encoder, updates="strict", **settings), encoder)
    assert len(steps) == len(watched.steps) == (18 if accumulation is None else 10)
    found = list(watched.changes([enabled(languages) for languages in steps]))
    assert sum(disabled["weight"].size > 0 for disabled, _ in found) > 3
    for disabled, others in found:
        for name in ("weight", *MOMENTS):
            np.testing.assert_array_equal(disabled[name], 0)
            assert others[name].mean() > 0
    assert {entry["leak"] for entry in made.state.log_history if "leak" in entry} == {0.0}


def test_gradients_of_0_move_disabled_heads_all_the_same_and_the_leak_says_by_how_much(
    encoder: Path, tmp_path: Path
) -> None:
    made, watched, steps = trained(planned(tmp_path, encoder, updates="gradient", **subnetworks(MASKS)), encoder)
    found = list(watched.changes([enabled(languages) for languages in steps]))
    expected = {}
    for step, (disabled, others) in enumerate(found, start=1):
        if disabled["weight"].size:
            expected[step] = disabled["weight"].mean() / others["weight"].mean()
    # the loss is recorded at every step
    leaks = {entry["step"]: entry["leak"] for entry in made.state.log_history if "leak" in entry}
    assert leaks == pytest.approx(expected, rel=1e-5)
    # from the second epoch on every head has momentum
    assert min(leak for step, leak in leaks.items() if step > 9) > 0.05


def test_a_head_that_no_language_has_is_moved_by_weight_decay_unless_updates_are_strict(
    encoder: Path, tmp_path: Path
) -> None:
    without = Mask.of([[False, True], [True, True]])
    for updates in ("gradient", "strict"):
        settings = subnetworks(dict.fromkeys(LANGUAGES, without)) | {"weight_decay": 0.1, "updates": updates}
        job = planned(tmp_path / updates, encoder, epochs=1, **settings)
        run_job(job, OPTIONS)
        name = "roberta.encoder.layer.0.attention.self.query.weight"
        before, after = (weights(folder)[name] for folder in (encoder, job.checkpoints / "epoch-1"))
        assert np.array_equal(before[:16], after[:16]) == (updates == "strict")
        assert not np.array_equal(before[16:], after[16:])


def test_masks_of_all_heads_are_training_without_masks_on_the_same_batches(
    encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked = planned(tmp_path / "masked", encoder, **subnetworks(dict.fromkeys(LANGUAGES, FULL)))
    run_job(masked, OPTIONS)
    monkeypatch.setattr(Classes, "batches", Subnetworks.batches)
    plain = planned(tmp_path / "plain", encoder)
    run_job(plain, OPTIONS)
    for epoch in (1, 2):
        assert_same(*(weights(job.checkpoints / f"epoch-{epoch}") for job in (masked, plain)))
    measured = [pl.read_parquet(job.outputs / "metrics.parquet") for job in (masked, plain)]
    assert "leak" not in measured[0]["name"].to_list()
    assert measured[0].filter(name="eval_loss").equals(measured[1].filter(name="eval_loss"))


def test_development_examples_are_told_apart_under_the_mask_of_their_language(encoder: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, encoder, batch_size=3, **subnetworks(MASKS))
    run_job(job, OPTIONS)
    frame = examples().filter(split="development")
    measured = pl.read_parquet(job.outputs / "metrics.parquet").filter(name="eval_loss")["value"].to_list()
    for epoch, loss in enumerate(measured, start=1):
        loaded = classifiers.load(job.checkpoints / f"epoch-{epoch}", ("negative", "positive"), "praise")
        losses = []
        for code in LANGUAGES:
            some = frame.filter(language=code)
            encoded, _ = classifiers.encode(some, loaded.tokenizer, 128)
            with gated(loaded.model, gates_of([MASKS.get(code, FULL)])):
                logits = torch.from_numpy(classifiers.logits(loaded, encoded, 1))
            labels = torch.from_numpy(some["class_number"].to_numpy() - 1)
            losses += torch.nn.functional.cross_entropy(logits, labels, reduction="none").tolist()
        assert loss == pytest.approx(np.mean(losses), rel=1e-5)


def test_all_examples_trained_again_give_the_weights_of_the_run(encoder: Path, tmp_path: Path) -> None:
    job = planned(tmp_path, encoder, updates="strict", **subnetworks(MASKS))
    run_job(job, OPTIONS)
    runtime.prepare("cpu", 1, 0)
    objective = objective_of(spec_of(job))
    loaded = objective.load(encoder, "cpu")
    objective.begin(loaded)
    splits = read_splits(job, objective, loaded.tokenizer)
    course.retrain(job, objective, loaded, splits, np.ones(30, dtype=bool), 2, SILENT, "retraining")
    last = classifiers.load(job.checkpoints / "epoch-2", ("negative", "positive"), "praise")
    assert_same(*({name: value.numpy() for name, value in one.model.state_dict().items()} for one in (loaded, last)))


# Resumption ------------------------------------------------------------------------------------------------------


KILLED = """
import os, signal, sys
from pathlib import Path
from mlv.compute.machine.options import ExecuteOptions, Silent
from mlv.compute.running.execute import execute

class Killer(Silent):
    steps = 0
    def advance(self, amount, **info):
        self.steps += amount
        if self.steps > 12:
            os.kill(os.getpid(), signal.SIGKILL)

execute(Path(sys.argv[1]), ExecuteOptions(device="cpu", threads=1), Killer())
"""


@pytest.mark.parametrize("updates", ["gradient", "strict"])
def test_a_killed_job_resumes_with_the_same_languages_and_ends_as_an_unbroken_one(
    encoder: Path, tmp_path: Path, updates: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[str] = []
    whole, killed = (
        planned(tmp_path / name, encoder, weight_decay=0.1, updates=updates, **subnetworks(MASKS))
        for name in ("whole", "killed")
    )
    _note_gates(monkeypatch, fed)
    run_job(whole, OPTIONS)
    all_of_them, fed[:] = list(fed), []
    ended = subprocess.run([sys.executable, "-c", KILLED, str(killed.path)], env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (killed.work / "state-9").is_dir()
    run_job(killed, OPTIONS)
    assert len(all_of_them) == 18
    assert fed == all_of_them[9:]
    for epoch in (1, 2):
        assert_same(*(weights(job.checkpoints / f"epoch-{epoch}") for job in (whole, killed)))
    measured = [
        pl.read_parquet(job.outputs / "metrics.parquet").filter(pl.col("name") != "examples_per_second")
        for job in (whole, killed)
    ]
    assert measured[0].equals(measured[1])
    assert "leak" in measured[0]["name"].to_list()


def _note_gates(monkeypatch: pytest.MonkeyPatch, fed: list[str]) -> None:
    """Note the gates of every batch that is trained on: all of its rows have the same."""
    compute_loss = trainer.OrderedTrainer.compute_loss

    def noting(self: Any, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        if model.training:
            (gates,) = {str(row.tolist()) for row in inputs["gates"]}
            fed.append(gates)
        return compute_loss(self, model, inputs, *rest, **named)

    monkeypatch.setattr(trainer.OrderedTrainer, "compute_loss", noting)


class Ends(Silent):
    """Ends in the middle of an epoch, as a signal would."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def advance(self, *_: object, **__: object) -> None:
        self.left -= 1
        if not self.left:
            raise StoppedError


def test_a_stopped_job_resumes_from_the_step_where_it_was(encoder: Path, tmp_path: Path) -> None:
    whole, stopped = (planned(tmp_path / name, encoder, **subnetworks(MASKS)) for name in ("whole", "stopped"))
    run_job(whole, OPTIONS)
    with pytest.raises(StoppedError):
        run_job(stopped, OPTIONS, Ends(12))
    assert (stopped.work / "state-12").is_dir()
    run_job(stopped, OPTIONS)
    assert_same(*(weights(job.checkpoints / "epoch-2") for job in (whole, stopped)))
    logged = [pl.read_parquet(job.outputs / "metrics.parquet").filter(name="leak") for job in (whole, stopped)]
    assert logged[0].equals(logged[1])


def test_gates_are_taken_off_after_training(encoder: Path, tmp_path: Path) -> None:
    made, _, _ = trained(planned(tmp_path, encoder, epochs=1, **subnetworks(MASKS)), encoder)
    modules = [module for module in made.model.modules() if module._forward_pre_hooks]
    assert not modules


def test_masks_of_another_model_are_refused_before_anything_is_trained(encoder: Path, tmp_path: Path) -> None:
    masks = {"de": FULL, "en": Mask.of([[True, True]])}
    job = planned(tmp_path, encoder, **subnetworks(masks))
    with pytest.raises(DataError, match=r"The mask of en is of 1 x 2 attention heads .* the model has 2 x 2"):
        run_job(job, OPTIONS)
    assert not job.checkpoints.exists() or not list(job.checkpoints.iterdir())
