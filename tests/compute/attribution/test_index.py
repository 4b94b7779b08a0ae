"""The index on disk: what it holds, that it goes on where it was broken off, and what it refuses."""

import errno
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
import safetensors.torch
import torch
from exact_gradients import Exact
from torch import Tensor

from mlv.compute.attribution import index as gradient_index
from mlv.compute.attribution.gradients import Tracer
from mlv.compute.attribution.index import GradientIndex, Recipe, build, folder_of
from mlv.compute.attribution.parameters import Parameter
from mlv.compute.attribution.sinks import Sink
from mlv.compute.machine.options import SILENT, Silent
from mlv.compute.models import loading
from mlv.compute.models.families import SPAN
from mlv.compute.training.objective import WeightedInput
from mlv.schema.errors import JobError, UsageError
from mlv.schema.jobs.attribution import Gradients

NONE = Gradients(projection="none", dimensions=0)
PRINCIPAL = Gradients(dimensions=3)
SHARD = 3
"""Examples of a shard, where tests make them small."""


class BrokenOffError(Exception):
    """Stands for a kill."""


class Toy:
    """Stands for a tracer: gradients and log-probabilities that a row's tokens say."""

    parameters = (Parameter("a.weight", "attention", 6, 5), Parameter("b.weight", "norm", 4, 1))
    size = 6 * 5 + 4
    model = SimpleNamespace(device="cpu")
    most = 9

    def __init__(self, broken: int | None = None) -> None:
        self.traced: list[WeightedInput] = []
        self._broken = broken

    def trace(self, rows: Sequence[WeightedInput], sink: Sink) -> Tensor:
        """Pass gradients on; infinite ones for rows that begin with the broken token."""
        self.traced.extend(rows)
        sink.begin(len(rows))
        for parameter in self.parameters:
            sink.full(parameter, torch.stack([self.gradient(parameter, row) for row in rows]))
        return torch.tensor([-float(sum(row.inputs)) for row in rows])

    def gradient(self, parameter: Parameter, row: WeightedInput) -> Tensor:
        """A row's weighted gradient, [rows, columns]."""
        random = np.random.default_rng([parameter.rows, *row.inputs])
        gradient = row.weight * random.normal(size=(parameter.rows, parameter.columns))
        return torch.tensor(gradient * (np.inf if row.inputs[0] == self._broken else 1)).float()

    def features(self, rows: Sequence[Sequence[WeightedInput]]) -> Tensor:
        """Unprojected gradients of examples, [examples, size]."""
        found = [
            sum(torch.cat([self.gradient(parameter, row).flatten() for parameter in self.parameters]) for row in some)
            for some in rows
        ]
        return torch.stack([torch.as_tensor(some) for some in found])


def toy_rows(examples: int = 11) -> list[list[WeightedInput]]:
    """One to three rows an example, whose first token is the example's number; lengths are mixed."""
    random = np.random.default_rng(8)
    return [
        [
            WeightedInput(
                number, [number, *random.integers(0, 50, random.integers(1, 9)).tolist()], [3] * scored, scored, weight
            )
            for scored, weight in zip((2, 5, 1)[: 1 + number % 3], (0.5, 0.3, 0.2), strict=False)
        ]
        for number in range(examples)
    ]


def toy_job(gradients: Gradients = NONE, *, batch_tokens: int = 60, examples: int = 11) -> Recipe:
    """The indexing of :func:`toy_rows`."""
    rows = toy_rows(examples)
    return Recipe({"of": "toys"}, gradients, rows, [row for some in rows[:4] for row in some], batch_tokens)


class Built(NamedTuple):
    """A finished index, and what it was made with."""

    opened: GradientIndex
    toy: Toy
    folder: Path


Build = Callable[..., Built]


@pytest.fixture
def toy_index(tmp_path: Path) -> Build:
    """Builds the toys' index, in a folder of its own unless one is named."""
    made = iter(range(10**6))

    def make(
        gradients: Gradients = NONE, folder: Path | None = None, broken: int | None = None, **settings: Any
    ) -> Built:
        toy, folder = Toy(broken), folder or tmp_path / f"index-{next(made)}"
        progress = settings.pop("progress", SILENT)
        tracer: Any = toy
        index = build(folder, toy_job(gradients, **settings), lambda: tracer, progress, "indexing")
        return Built(index, toy, folder)

    return make


@pytest.fixture
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards of :data:`SHARD` examples where gradients are exact."""
    monkeypatch.setattr(gradient_index, "SHARD_BYTES", 4 * Toy.size * SHARD // 64 + 1)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def whole(index: GradientIndex) -> Tensor:
    """All features, [examples, size]."""
    return index.columns(0, index.size)


# What it holds ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_small_shards")
def test_examples_are_read_in_their_own_order_from_many_shards(toy_index: Build) -> None:
    index, toy, folder = toy_index()
    rows = toy_rows()
    assert len(list(folder.glob("shard-*"))) == 4
    assert (len(index), index.size) == (11, Toy.size)
    expected = toy.features(rows)
    torch.testing.assert_close(whole(index), expected)
    torch.testing.assert_close(index.columns(4, 9), expected[:, 4:9])
    torch.testing.assert_close(index.squared_norms, expected.double().square().sum(1), rtol=1e-6, atol=0)
    # rows count by their weights
    logprobs = [-sum(row.weight * sum(row.inputs) for row in some) for some in rows]
    assert index.logprob.tolist() == pytest.approx(logprobs)
    assert index.tokens.tolist() == pytest.approx([sum(row.weight * row.scored for row in some) for some in rows])


@pytest.mark.usefixtures("_small_shards")
@pytest.mark.parametrize("gradients", [NONE, Gradients(projection="random", dimensions=3), PRINCIPAL])
def test_features_depend_neither_on_batches_nor_on_shards(
    toy_index: Build, gradients: Gradients, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = whole(toy_index(gradients, batch_tokens=1).opened)
    monkeypatch.setattr(gradient_index, "SHARD_BYTES", 2**26)
    one = toy_index(gradients, batch_tokens=10**6)
    assert len(list(one.folder.glob("shard-*"))) == 1
    monkeypatch.setattr(gradient_index, "BATCH_BYTES", 1)
    narrow = whole(toy_index(gradients, batch_tokens=10**6).opened)
    for other in (many, narrow):
        torch.testing.assert_close(other @ other.T, whole(one.opened) @ whole(one.opened).T)
    if gradients.projection != "principal":
        torch.testing.assert_close(many, whole(one.opened))


def test_memory_for_a_batchs_features_is_bounded(toy_index: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    trace = Toy.trace

    def noting(toy: Toy, rows: Sequence[WeightedInput], sink: Sink) -> Tensor:
        sizes.append(len(rows))
        return trace(toy, rows, sink)

    monkeypatch.setattr(Toy, "trace", noting)
    monkeypatch.setattr(gradient_index, "BATCH_BYTES", 4 * Toy.size * 2)
    toy_index(batch_tokens=10**6)
    assert max(sizes) == 2
    assert sum(sizes) == sum(map(len, toy_rows()))


@pytest.mark.parametrize("batch_tokens", [1, 10**6])
def test_a_models_examples_are_the_weighted_sums_of_their_rows(
    official_mt5: Path, tmp_path: Path, batch_tokens: int
) -> None:
    model = loading.load(official_mt5, SPAN).model
    random = np.random.default_rng(4)
    rows = [
        [
            WeightedInput(
                number, random.integers(5, 90, 3 + number), random.integers(5, 90, 4), 4 - epoch, (0.75, 0.25)[epoch]
            )
            for epoch in range(2)
        ]
        for number in range(4)
    ]
    gradients = NONE.model_copy(update={"modules": ("attention", "output", "embedding")})
    job = Recipe({}, gradients, rows, [], batch_tokens)
    index = build(tmp_path / "index", job, lambda: Tracer(model, gradients.modules), SILENT, "")
    exact = Exact(model)
    names = [parameter.name for parameter in Tracer(model, gradients.modules).parameters]
    for some, found in zip(rows, whole(index), strict=True):
        parts = [exact.gradients(row) for row in some]
        expected = torch.cat([torch.stack([part[name] for part in parts]).sum(0).flatten() for name in names])
        assert float((found - expected).norm()) < 1e-5 * float(expected.norm())
    logprobs = [sum(row.weight * exact.logprob(row) for row in some) for some in rows]
    assert index.logprob.tolist() == pytest.approx(logprobs, rel=1e-5)


def test_a_classifiers_example_is_one_token(tmp_path: Path) -> None:
    tracer: Any = Toy()
    rows = [[WeightedInput(number, [number, 7], [], number, 0.5)] for number in range(4)]
    index = build(tmp_path / "index", Recipe({}, NONE, rows, [], 60), lambda: tracer, SILENT, "")
    assert index.tokens.tolist() == [0.5] * 4


# Dense projections -----------------------------------------------------------------------------------------------


def dense(seed: int, dimensions: int = 24) -> Gradients:
    return Gradients(projection="dense", dimensions=dimensions, seed=seed)


def test_inner_products_of_densely_projected_gradients_are_unbiased(toy_index: Build) -> None:
    features = Toy().features(toy_rows(4))
    exact = (features @ features.T).numpy()
    found = []
    for seed in range(200):
        projected = whole(toy_index(dense(seed), examples=4).opened)
        assert projected.shape == (4, 24)
        found.append((projected @ projected.T).numpy())
    mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(200)
    assert (np.abs(mean - exact) < 4 * error + 1e-4).all()
    # so little that a wrong scale would be seen: a norm is that of signs, up to its cross terms
    assert (np.diag(error) < 0.03 * np.diag(exact)).all()


@pytest.mark.usefixtures("_small_shards")
def test_dense_projections_depend_on_the_seed_alone(toy_index: Build) -> None:
    index = toy_index(dense(0), batch_tokens=1).opened
    torch.testing.assert_close(whole(toy_index(dense(0)).opened), whole(index))
    assert not torch.allclose(whole(toy_index(dense(1)).opened), whole(index))


# Going on --------------------------------------------------------------------------------------------------------


class BreaksAfter(Silent):
    """A progress that breaks the building off after some shards."""

    def __init__(self, shards: int) -> None:
        self.left = shards

    def advance(self, amount: int, **info: float | str) -> None:
        """Count down."""
        self.left -= 1
        if self.left == 0:
            raise BrokenOffError


@pytest.mark.usefixtures("_small_shards")
@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("gradients", [NONE, PRINCIPAL, dense(0)])
def test_an_index_that_was_broken_off_goes_on_and_ends_as_an_unbroken_one(
    toy_index: Build, gradients: Gradients, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if gradients is PRINCIPAL:
        # 3 x 3 and 4 numbers an example
        monkeypatch.setattr(gradient_index, "SHARD_BYTES", 4 * (9 + 4) * SHARD)
    unbroken = toy_index(gradients)
    broken = unbroken.folder.with_name("broken")
    with pytest.raises(BrokenOffError):
        toy_index(gradients, broken, progress=BreaksAfter(shards))
    assert len(list(broken.glob("shard-*"))) == shards
    rest = toy_index(gradients, broken)
    assert contents(broken) == contents(unbroken.folder)
    # shards that are there are not made again, and directions not learnt again
    rows = {number: len(some) for number, some in enumerate(toy_rows())}
    known = sorted(rows, key=lambda number: (max(len(r.inputs) + len(r.decoder) for r in toy_rows()[number]), number))
    assert len(rest.toy.traced) == sum(rows[number] for number in known[SHARD * shards :])


def test_a_finished_index_is_opened_without_a_model(toy_index: Build) -> None:
    index, _, folder = toy_index()

    def load() -> Tracer:
        raise BrokenOffError

    again = build(folder, toy_job(), load, SILENT, "indexing")
    assert torch.equal(whole(again), whole(index))


@pytest.mark.usefixtures("_small_shards")
def test_a_shard_that_is_gone_is_made_again(toy_index: Build) -> None:
    first = toy_index()
    before = contents(first.folder)
    (first.folder / "shard-00001.safetensors").unlink()
    again = toy_index(folder=first.folder)
    assert contents(first.folder) == before
    assert len({row.inputs[0] for row in again.toy.traced}) == SHARD


@pytest.mark.usefixtures("_small_shards")
@pytest.mark.parametrize("size", [2, 4])
def test_a_broken_off_index_keeps_its_shards_size_under_another_version(
    toy_index: Build, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = whole(toy_index().opened)
    folder = toy_index().folder.with_name("broken")
    with pytest.raises(BrokenOffError):
        toy_index(folder=folder, progress=BreaksAfter(2))
    monkeypatch.setattr(gradient_index, "SHARD_BYTES", 4 * Toy.size * size // 64 + 1)
    torch.testing.assert_close(whole(toy_index(folder=folder).opened), expected)


# What it refuses -------------------------------------------------------------------------------------------------


def test_a_folder_is_named_after_all_of_the_identity(tmp_path: Path) -> None:
    identity = {"model": "0", "gradients": {"seed": 0}}
    assert folder_of(tmp_path, identity) == folder_of(tmp_path, dict(reversed(identity.items())))
    others = [{**identity, "model": "1"}, {**identity, "gradients": {"seed": 1}}, {**identity, "epochs": {}}]
    assert len({folder_of(tmp_path, some) for some in [identity, *others]}) == 4


def test_an_index_of_something_else_is_refused(toy_index: Build) -> None:
    folder = toy_index().folder
    before = contents(folder)
    job = toy_job()
    tracer: Any = Toy()
    with pytest.raises(JobError, match="index of something else: dtype, of differ") as caught:
        build(folder, Recipe({"of": "others", "dtype": "x"}, NONE, job.rows, [], 60), lambda: tracer, SILENT, "")
    assert "Delete" in caught.value.hint
    assert contents(folder) == before
    assert tracer.traced == []


@pytest.mark.usefixtures("_small_shards")
def test_a_disk_that_is_too_small_is_said_before_anything_is_computed(
    toy_index: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed, folder = 11 * Toy.size * 4, tmp_path / "index"
    with monkeypatch.context() as patched, pytest.raises(UsageError, match="11 examples take") as caught:
        patched.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed - 1))
        toy_index(folder=folder)
    assert "--projection principal" in caught.value.hint
    assert sorted(path.name for path in folder.iterdir()) == ["index.json", "sizes.json"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed))
    torch.testing.assert_close(whole(toy_index(folder=folder).opened), Toy().features(toy_rows()))


@pytest.mark.usefixtures("_small_shards")
def test_an_index_goes_on_where_there_is_room_for_the_rest(
    toy_index: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "index"
    with pytest.raises(BrokenOffError):
        toy_index(folder=folder, progress=BreaksAfter(3))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=(11 - 3 * SHARD) * Toy.size * 4 + 100))
    torch.testing.assert_close(whole(toy_index(folder=folder).opened), Toy().features(toy_rows()))


@pytest.mark.usefixtures("_small_shards")
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        safetensors.SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_disk_that_fills_up_leaves_whole_shards_alone(
    toy_index: Build, tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken = contents(toy_index().folder)
    save, folder, written = safetensors.torch.save_file, tmp_path / "full", []

    def fills_up(tensors: dict[str, Tensor], path: Path) -> None:
        written.append(path)
        if len(written) < 3:
            save(tensors, path)
            return
        Path(path).write_bytes(b"half a shard")
        raise error

    with monkeypatch.context() as patched, pytest.raises(type(error), match="No space left"):
        patched.setattr(safetensors.torch, "save_file", fills_up)
        toy_index(folder=folder)
    left = contents(folder)
    assert sorted(left) == ["index.json", "shard-00000.safetensors", "shard-00001.safetensors", "sizes.json"]
    assert all(unbroken[name] == content for name, content in left.items())
    toy_index(folder=folder)
    assert contents(folder) == unbroken


@pytest.mark.usefixtures("_small_shards")
@pytest.mark.parametrize("gradients", [NONE, dense(0)])
def test_gradients_that_are_no_numbers_are_named_and_not_kept(
    toy_index: Build, tmp_path: Path, gradients: Gradients
) -> None:
    folder = tmp_path / "index"
    with pytest.raises(JobError, match=r"1 examples became NaN or infinite.* that of example 10:") as caught:
        toy_index(gradients, folder, broken=10)
    assert "mlv compute probe" in caught.value.hint
    names = sorted(contents(folder))
    assert not [name for name in names if "part" in name]
    expected = toy_index(gradients)
    torch.testing.assert_close(whole(toy_index(gradients, folder).opened), whole(expected.opened))
    assert contents(folder) == contents(expected.folder)


def test_principal_directions_are_not_learnt_from_what_is_no_number(toy_index: Build, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with pytest.raises(JobError, match=r"Gradients of a\.weight became NaN or infinite"):
        toy_index(PRINCIPAL, folder, broken=2)
    assert list(contents(folder)) == ["index.json"]
    assert len(toy_index(PRINCIPAL, folder).opened) == 11
