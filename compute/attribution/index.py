"""An index of projected gradients on disk: one row of features per example, in shards that are written whole.

    index.json               the identity of the index; its hash names the folder
    sizes.json               examples of a shard, and features of an example by matrix of the model
    directions.safetensors   principal directions
    shard-00000.safetensors  features [examples, size], scaled to length 1, of projected gradients in 16 bits; and per
                             example its number, the squared norm of its features, and log-probability and number of
                             its scored tokens

An index whose making was interrupted resumes with its next shard. Its identity is everything that a gradient depends
on, from the model's weights to the seed of the corruption; a folder of another identity is refused. Examples lie in
the order of their lengths, so that batches pad little; :class:`GradientIndex` returns them in their own order.

Imports torch at its top: import this module inside functions.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from mlv.compute.attribution.directions import SIGN_BLOCK, principal_directions, random_directions, random_signs
from mlv.compute.attribution.gradients import Tracer
from mlv.compute.attribution.parameters import Parameter
from mlv.compute.attribution.sinks import Directions, FeatureSink, Sink
from mlv.compute.machine.options import Progress
from mlv.compute.models.scoring import batches
from mlv.compute.training.objective import WeightedInput
from mlv.schema.errors import JobError, UsageError
from mlv.schema.files import write_json, written_aside
from mlv.schema.jobs.attribution import Gradients

SHARD_BYTES: Final = 3 * 2**23
"""Approximate size of a shard's features in memory; 64 times that for exact gradients and dense projections."""

LAYOUT: Final = 3
"""Version of the files' layout: part of an index's identity, so that an index of another layout is not read."""

BATCH_BYTES: Final = 2**30
"""Most memory for the features of a batch."""


@dataclass(frozen=True)
class Recipe:
    """What an index is made of."""

    identity: Mapping[str, object]
    """Everything that its features depend on, as JSON."""

    gradients: Gradients
    rows: Sequence[Sequence[WeightedInput]]
    """Rows of each example."""

    reference: Sequence[WeightedInput] | Path
    """Rows that principal directions are learnt from, or the folder of the index whose directions are used."""

    batch_tokens: int
    """Encoder tokens, padding included, of a batch."""


class GradientIndex:
    """A finished index, read by examples in their own order."""

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(folder.glob("shard-*.safetensors"))
        small: dict[str, list[Tensor]] = {}
        for path in self._paths:
            with safetensors.safe_open(path, "pt") as shard:
                for name in ("examples", "squared_norms", "logprob", "tokens"):
                    small.setdefault(name, []).append(shard.get_tensor(name))
        ends = torch.tensor([0, *sizes_of(folder)["features"]]).cumsum(0).tolist()
        self.size: int = ends[-1]
        self.parts: list[tuple[int, int]] = list(pairwise(ends))
        """First feature of each of the model's matrices, and the one after its last."""

        self._order = torch.cat(small["examples"]).argsort()
        self._norms = torch.cat(small["squared_norms"]).sqrt().float()
        self.squared_norms, self.logprob, self.tokens = (
            torch.cat(small[name])[self._order] for name in ("squared_norms", "logprob", "tokens")
        )

    def __len__(self) -> int:
        return len(self._order)

    def columns(self, start: int, stop: int) -> Tensor:
        """Some of the features of all examples, [examples, stop - start]."""
        parts = []
        for path in self._paths:
            with safetensors.safe_open(path, "pt") as shard:
                parts.append(shard.get_slice("features")[:, start:stop].float())
        return torch.cat(parts).mul_(self._norms[:, None])[self._order]


def folder_of(parent: Path, identity: Mapping[str, object]) -> Path:
    """Folder of the index of an identity below ``parent``."""
    text = json.dumps(identity, sort_keys=True)
    return parent / f"index-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def directions_digest(folder: Path) -> str:
    """SHA-256 of the directions in an index's folder; empty if it has none."""
    path = folder / "directions.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def build(folder: Path, recipe: Recipe, load: Callable[[], Tracer], progress: Progress, label: str) -> GradientIndex:
    """Finish the index in ``folder`` and open it; ``load`` is called if something is left to compute.

    Raises JobError if the folder holds another index or a gradient is NaN or infinite, UsageError if the disk is too
    small for it.
    """
    prepare_folder(folder, recipe.identity)
    order = sorted(range(len(recipe.rows)), key=lambda example: (_length(recipe.rows[example]), example))
    missing = _missing(folder, order)
    if missing is None or missing:
        builder = _Builder(folder, recipe, load())
        if missing is None:
            write_json(folder / "sizes.json", {"shard": builder.shard, "features": builder.sizes})
            missing = _missing(folder, order) or {}
        left = sum(map(len, missing.values()))
        builder.check_disk(left)
        progress.start(left, "example", label)
        _write(builder, missing, progress)
    return GradientIndex(folder)


def _write(builder: "_Builder", missing: dict[Path, Sequence[int]], progress: Progress) -> None:
    """Compute the missing shards, each while the one before it is written."""
    with ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        for path, examples in missing.items():
            tensors = builder.compute(examples)
            if writing:
                writing.result()
            writing = writer.submit(save, tensors, path)
            progress.advance(len(examples))
        if writing:
            writing.result()


def save(tensors: dict[str, Tensor], path: Path) -> None:
    """Write tensors to a file, whole or not at all."""
    with written_aside(path) as aside:
        safetensors.torch.save_file(tensors, aside)


def _missing(folder: Path, order: Sequence[int]) -> dict[Path, Sequence[int]] | None:
    """Missing shards and their examples; None as long as the size of shards has not been chosen."""
    if not (folder / "sizes.json").exists():
        return None
    size = sizes_of(folder)["shard"]
    shards = {
        folder / f"shard-{start // size:05}.safetensors": order[start : start + size]
        for start in range(0, len(order), size)
    }
    return {path: examples for path, examples in shards.items() if not path.exists()}


def sizes_of(folder: Path) -> dict[str, Any]:
    """What ``sizes.json`` of a folder says."""
    sizes: dict[str, Any] = json.loads((folder / "sizes.json").read_text(encoding="utf-8"))
    return sizes


def prepare_folder(folder: Path, identity: Mapping[str, object]) -> None:
    """Make the folder. Raises JobError if it exists with another identity."""
    path = folder / "index.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, identity)
    found = json.loads(path.read_text(encoding="utf-8"))
    differing = sorted(key for key in found.keys() | identity.keys() if found.get(key) != identity.get(key))
    if differing:
        raise JobError(
            f"{folder} is an index of something else: {', '.join(differing)} differ",
            "Delete the folder: the index will be built again.",
        )


def _length(rows: Sequence[WeightedInput]) -> int:
    return max(len(row.inputs) + len(row.decoder) for row in rows)


class _Builder:
    """Computes and writes the shards of an index."""

    def __init__(self, folder: Path, recipe: Recipe, tracer: Tracer) -> None:
        self._folder, self._recipe, self._tracer = folder, recipe, tracer
        self._device = str(tracer.model.device)
        self._sink = FeatureSink(tracer.parameters, self._directions(), self._device)
        dense = recipe.gradients.projection == "dense"
        self.sizes = [recipe.gradients.dimensions] if dense else self._sink.sizes
        """Features of an example, by matrix of the model; a dense projection mixes them."""

        whole = dense or recipe.gradients.projection == "none"
        self.shard = max(1, (64 if whole else 1) * SHARD_BYTES // (4 * self._sink.size))
        self._dtype = torch.float32 if recipe.gradients.projection == "none" else torch.float16

    def check_disk(self, examples: int) -> None:
        """Raise UsageError if the disk has no room for the features of so many examples."""
        needed, free = self._dtype.itemsize * sum(self.sizes) * examples, shutil.disk_usage(self._folder).free
        if needed > free:
            raise UsageError(
                f"The gradients of {examples:,} examples take {needed / 1e9:,.1f} GB; the disk of {self._folder} has "
                f"{free / 1e9:,.1f} GB left",
                "Project them (`--projection principal`) to fewer `--dimensions`, or free some space.",
            )

    def _directions(self) -> dict[str, Directions]:
        """Directions of all parameters; principal ones are saved with the index."""
        gradients, parameters = self._recipe.gradients, self._tracer.parameters
        if gradients.projection == "random":
            return random_directions(parameters, gradients.dimensions, gradients.seed, self._device)
        if gradients.projection != "principal":
            return {parameter.name: Directions(None, None) for parameter in parameters}
        reference = self._recipe.reference
        path = (reference if isinstance(reference, Path) else self._folder) / "directions.safetensors"
        if not isinstance(reference, Path) and not path.exists():

            def sweep(sink: Sink) -> None:
                for rows in _batched(reference, self._recipe.batch_tokens, self._tracer.most):
                    self._tracer.trace(rows, sink)

            _write_directions(path, principal_directions(parameters, gradients.dimensions, sweep, self._device))
        return _read_directions(path, parameters, self._device)

    def compute(self, examples: Sequence[int]) -> dict[str, Tensor]:
        """The tensors of the shard of some examples, by name."""
        rows = [
            row._replace(example=place) for place, example in enumerate(examples) for row in self._recipe.rows[example]
        ]
        single = len(rows) == len(examples)
        features = (torch.empty if single else torch.zeros)(len(examples), self._sink.size, device=self._device)
        totals = torch.zeros(2, len(examples), device=self._device)
        most = min(BATCH_BYTES // (4 * self._sink.size), self._tracer.most)
        for some in _batched(rows, self._recipe.batch_tokens, most):
            logprob = self._tracer.trace(some, self._sink)
            owners = torch.tensor([row.example for row in some], device=self._device)
            weights = torch.tensor([row.weight for row in some], device=self._device)
            # a classifier's row has one label, whose number is not a count
            scored = torch.tensor([float(row.scored if len(row.decoder) else 1) for row in some], device=self._device)
            if single:
                features.index_copy_(0, owners, self._sink.features)
            else:
                features.index_add_(0, owners, self._sink.features)
            totals.index_add_(1, owners, torch.stack([weights * logprob, weights * scored]))
        if self._recipe.gradients.projection == "dense":
            features = self._project_densely(features)
        norms = torch.linalg.vector_norm(features, dim=1)
        check_finite(norms, examples)
        scaled = torch.empty_like(features, dtype=self._dtype)
        torch.div(features, torch.where(norms > 0, norms, 1)[:, None], out=scaled)
        return {
            "features": scaled.cpu(),
            "squared_norms": norms.double().square().cpu(),
            "logprob": totals[0].cpu(),
            "tokens": totals[1].cpu(),
            "examples": torch.tensor(examples),
        }

    def _project_densely(self, features: Tensor) -> Tensor:
        """``features`` [examples, parameters] times random signs, [examples, dimensions], scaled to be unbiased."""
        dimensions, seed = self._recipe.gradients.dimensions, self._recipe.gradients.seed
        projected = features.new_zeros(len(features), dimensions)
        for name, (start, rows, columns) in self._sink.places.items():
            entries = features[:, start : start + rows * columns]
            for block, some in enumerate(torch.split(entries, SIGN_BLOCK, 1)):
                signs = random_signs(name, block, dimensions, seed)[: some.shape[1]]
                projected += some @ signs.to(features.device)
        return projected.div_(dimensions**0.5)


def check_finite(norms: Tensor, examples: Sequence[int], what: str = "example") -> None:
    """Raise JobError if a norm [examples] is NaN or infinite; ``what`` they are of."""
    wrong = (~torch.isfinite(norms)).nonzero()[:, 0].tolist()
    if wrong:
        raise JobError(
            f"Gradients of {len(wrong)} {what}s became NaN or infinite, the first that of {what} "
            f"{examples[wrong[0]]}: the checkpoint is damaged, or overflows",
            "Probe the checkpoint (`mlv compute probe`); fine-tune again with a smaller `--learning-rate`.",
        )


def _batched(rows: Sequence[WeightedInput], budget: int, most: int) -> Iterator[list[WeightedInput]]:
    """Rows of similar length together: at most ``budget`` tokens with padding and ``most`` rows, at least one row."""
    for indices in batches([len(row.inputs) + len(row.decoder) for row in rows], budget):
        for start in range(0, len(indices), max(1, most)):
            yield [rows[index] for index in indices[start : start + max(1, most)]]


def _write_directions(path: Path, directions: dict[str, Directions]) -> None:
    tensors = {
        f"{name}/{side}": tensor.cpu().contiguous()
        for name, pair in directions.items()
        for side, tensor in pair._asdict().items()
        if tensor is not None
    }
    save(tensors, path)


def _read_directions(path: Path, parameters: Sequence[Parameter], device: str) -> dict[str, Directions]:
    tensors = safetensors.torch.load_file(path, device)
    return {
        parameter.name: Directions(tensors.get(f"{parameter.name}/left"), tensors.get(f"{parameter.name}/right"))
        for parameter in parameters
    }
