"""Exact products of gradients without a gradient on disk: those of the targets are kept, the examples stream past.

What TracIn needs of an example are its products with the targets and its norm (H section 4.2). Both add up over the
parameters of a model, so the gradient of one parameter is formed for a batch of examples, multiplied with that of all
targets, and forgotten. Of an embedding a gradient has the rows of its tokens alone: of the targets the rows are kept
that occur in any of them.

    index.json                          the identity of what is in the folder; its hash names the folder
    sizes.json                          targets whose gradients are kept at a time
    targets-000000.safetensors          squared norms of such targets, and log-probabilities
    products-000000-0000000.safetensors their products with the examples of a shard, [targets, examples], and squared
                                        norms of these

A folder whose making was interrupted goes on with its next shard.

Imports torch at its top: import this module inside functions.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from mlv.compute.attribution.gradients import Tracer
from mlv.compute.attribution.index import check_finite, prepare_folder, save, sizes_of
from mlv.compute.attribution.parameters import Parameter
from mlv.compute.attribution.sinks import by_example
from mlv.compute.machine.options import MEMORY, Progress
from mlv.compute.models.scoring import batches
from mlv.compute.training.objective import WeightedInput
from mlv.schema.files import write_json

EXAMPLES_AT_ONCE: Final = 512
"""Examples of a shard."""

BATCH_BYTES: Final = 2**29
"""Most memory for the gradients of one parameter in a batch."""


class Products(NamedTuple):
    """Products of all examples and targets at one checkpoint."""

    products: Tensor
    """[targets, examples]"""

    example_norms: Tensor
    """Norms of the examples' gradients, [examples]."""

    target_norms: Tensor
    """[targets]"""

    logprob: Tensor
    """Of each target the sum over its rows of weight times log-probability, [targets], nats."""


Rows = Sequence[Sequence[WeightedInput]]
"""Rows of each item."""


def exact_products(
    folder: Path,
    identity: Mapping[str, object],
    examples: Rows,
    targets: Rows,
    load: Callable[[], Tracer],
    batch_tokens: int,
    progress: Progress,
    label: str,
    memory: int = MEMORY,
) -> Products:
    """Finish the products in ``folder`` and read them; ``load`` is called if something is left to compute.

    Raises JobError if the folder holds something else or a gradient is NaN or infinite.
    """
    prepare_folder(folder, identity)
    if not (folder / "sizes.json").exists():
        write_json(folder / "sizes.json", {"targets": _targets_at_once(load(), targets, memory)})
    at_once = sizes_of(folder)["targets"]
    shards = range(0, len(examples), EXAMPLES_AT_ONCE)
    missing = {
        first: [start for start in shards if not _path(folder, first, start).exists()]
        for first in range(0, len(targets), at_once)
    }
    left = [min(EXAMPLES_AT_ONCE, len(examples) - start) for starts in missing.values() for start in starts]
    if left:
        progress.start(sum(left), "example", label)
    for first, starts in missing.items():
        if starts:
            tracer = load()
            kept = _trace_targets(folder, first, tracer, targets[first : first + at_once], batch_tokens)
            for start in starts:
                some = examples[start : start + EXAMPLES_AT_ONCE]
                save(_multiplied(tracer, kept, some, start, batch_tokens), _path(folder, first, start))
                progress.advance(len(some))
    return _read(folder, list(missing), shards)


def _targets_at_once(tracer: Tracer, targets: Rows, memory: int) -> int:
    """Targets whose gradients fit."""
    tokens = {token for rows in targets for row in rows for token in (*row.inputs, *row.decoder)}
    longest = max(len(row.inputs) + len(row.decoder) for rows in targets for row in rows)
    occurring = max(len(tokens), longest) + 1
    tied = tracer.model.config.tie_word_embeddings and tracer.model.get_output_embeddings() is not None
    rows = {p: min(p.rows, occurring) if _is_looked_up(p) and not tied else p.rows for p in tracer.parameters}
    size = sum(parameter.columns * count for parameter, count in rows.items())
    return max(1, min(len(targets), memory // (4 * size)))


def _is_looked_up(parameter: Parameter) -> bool:
    return parameter.group == "embedding"


def _path(folder: Path, first: int, start: int) -> Path:
    """The products of the targets from ``first`` on with the examples from ``start`` on."""
    return folder / f"products-{first:06}-{start:07}.safetensors"


def _trace_targets(folder: Path, first: int, tracer: Tracer, targets: Rows, batch_tokens: int) -> "Targets":
    """The gradients of some targets; their norms and log-probabilities are saved."""
    kept = Targets(tracer.parameters, len(targets))
    logprob = torch.zeros(len(targets), dtype=torch.float64)
    largest = max((p.rows * p.columns for p in tracer.parameters if not _is_looked_up(p)), default=1)
    for some in _batched(targets, batch_tokens, _most(tracer, largest)):
        rows = [row for place in some for row in targets[place]]
        owners = torch.tensor([place for place in some for _ in targets[place]])
        kept.belong(owners.to(tracer.model.device), len(targets))
        found = tracer.trace(rows, kept).double().cpu()
        logprob.index_add_(0, owners, found * torch.tensor([row.weight for row in rows], dtype=torch.float64))
    kept.finish()
    squared_norms = kept.squared_norms.cpu()
    check_finite(squared_norms, range(first, first + len(targets)), "target")
    save({"squared_norms": squared_norms, "logprob": logprob}, folder / f"targets-{first:06}.safetensors")
    return kept


def _multiplied(tracer: Tracer, kept: "Targets", examples: Rows, first: int, batch_tokens: int) -> dict[str, Tensor]:
    """Products [targets, examples] and squared norms [examples] of a shard that begins with example ``first``."""
    sink = Examples(tracer.parameters, kept)
    products = torch.zeros(len(examples), kept.count, device=tracer.model.device)
    squared_norms = torch.zeros(len(examples), dtype=torch.float64)
    largest = max((gradients.shape[1] for gradients in kept.dense.values()), default=1)
    for some in _batched(examples, batch_tokens, _most(tracer, largest)):
        owners = torch.tensor([item for item, place in enumerate(some) for _ in examples[place]])
        sink.belong(owners.to(tracer.model.device), len(some))
        tracer.trace([row for place in some for row in examples[place]], sink)
        sink.finish(torch.tensor(some, device=products.device))
        products[some], squared_norms[some] = sink.products, sink.squared_norms.cpu()
    sink.add_embedded(products)
    check_finite(squared_norms, range(first, first + len(examples)))
    return {"products": products.T.contiguous().cpu(), "squared_norms": squared_norms}


def _most(tracer: Tracer, largest: int) -> int:
    """Rows of a batch whose gradients of the ``largest`` parameter fit."""
    return max(1, min(BATCH_BYTES // (4 * largest), tracer.most))


def _batched(items: Rows, batch_tokens: int, most: int) -> Iterator[list[int]]:
    """Items of similar length together: at most ``batch_tokens`` tokens with padding and ``most`` rows; at least one
    item."""
    lengths = [max(len(row.inputs) + len(row.decoder) for row in rows) * len(rows) for rows in items]
    for some in batches(lengths, batch_tokens):
        rows = max(len(items[place]) for place in some)
        step = max(1, most // rows)
        yield from (some[start : start + step] for start in range(0, len(some), step))


def _read(folder: Path, firsts: Sequence[int], starts: Sequence[int]) -> Products:
    """What a finished folder holds."""
    shards = [[load_file(_path(folder, first, start)) for start in starts] for first in firsts]
    targets = [load_file(folder / f"targets-{first:06}.safetensors") for first in firsts]
    return Products(
        torch.cat([torch.cat([shard["products"] for shard in some], 1) for some in shards]),
        torch.cat([shard["squared_norms"] for shard in shards[0]]).sqrt(),
        torch.cat([some["squared_norms"] for some in targets]).sqrt(),
        torch.cat([some["logprob"] for some in targets]),
    )


class _Whole:
    """Forms the gradients of a batch, parameter by parameter; a sink.

    ``owners`` [rows] tell the item that each row of a batch is of; the rows of an item add up.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self._vocabularies = {parameter.name: parameter.rows for parameter in parameters}
        self._owners, self._items = torch.zeros(0, dtype=torch.long), 0
        self._looked_up: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}

    def belong(self, owners: Tensor, items: int) -> None:
        """The rows of the next batch are of these items, of which there are so many."""
        self._owners, self._items = owners, items

    def begin(self, _examples: int) -> None:
        """Forget the batch before."""
        self._looked_up.clear()

    def keep(self, _parameter: Parameter, inputs: Tensor) -> Tensor:
        """All of it."""
        return inputs

    def outer_product(self, parameter: Parameter, kept: Tensor, gradient: Tensor) -> None:
        """A linear layer's gradient."""
        self._receive(parameter, gradient.transpose(1, 2) @ kept)

    def lookup(self, parameter: Parameter, ids: Tensor, gradient: Tensor) -> None:
        """An embedding's rows, with what else looks it up in the batch."""
        owners = self._owners[:, None].expand_as(ids)
        self._looked_up.setdefault(parameter.name, []).append(
            (owners.flatten(), ids.flatten(), gradient.flatten(0, 1).float())
        )

    def output_directions(self, _parameter: Parameter) -> None:
        """The gradient of the output itself."""

    def per_token(self, parameter: Parameter, owners: Tensor, inputs: Tensor, gradient: Tensor) -> None:
        """The output matrix's gradient."""
        rows = len(self._owners)
        self._receive(parameter, by_example(owners, gradient, rows).transpose(1, 2) @ by_example(owners, inputs, rows))

    def full(self, parameter: Parameter, gradient: Tensor) -> None:
        """A small parameter's gradient."""
        self._receive(parameter, gradient)

    def _receive(self, parameter: Parameter, part: Tensor) -> None:
        self._take(parameter.name, part.flatten(1).float())

    def _take(self, name: str, gradients: Tensor) -> None:
        """Take a part of the gradients by a parameter, [rows of the batch, rows x columns]."""
        raise NotImplementedError

    def _by_item(self, gradients: Tensor) -> Tensor:
        """Rows [rows of the batch, size] added up, [items, size]."""
        if len(gradients) == self._items:
            return gradients
        return gradients.new_zeros(self._items, gradients.shape[1]).index_add_(0, self._owners, gradients)

    def _rows(self, name: str) -> tuple[Tensor, Tensor, Tensor]:
        """What was looked up: item and id of each row that is not 0, [found], and the row, [found, columns]."""
        vocabulary = self._vocabularies[name]
        owners, ids, gradients = (torch.cat(parts) for parts in zip(*self._looked_up[name], strict=True))
        keys, places = torch.unique(owners * vocabulary + ids, return_inverse=True)
        summed = gradients.new_zeros(len(keys), gradients.shape[1]).index_add_(0, places, gradients)
        return keys // vocabulary, keys % vocabulary, summed


class Targets(_Whole):
    """Keeps the gradients of targets, batch by batch."""

    def __init__(self, parameters: Sequence[Parameter], targets: int) -> None:
        super().__init__(parameters)
        self.count = self._items = targets
        self.dense: dict[str, Tensor] = {}
        """Gradients by parameter, [targets, rows x columns]."""

        self.embedded: dict[str, tuple[Tensor, Tensor]] = {}
        """Of an embedding that nothing but lookups uses: ids that occur, ascending, [ids], and the gradients of their
        rows, [ids, targets, columns]."""

        self.shared: set[str] = set()
        """Parameters that several layers use."""

        self._received: set[str] = set()
        self._found: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}

    def begin(self, _examples: int) -> None:
        """Another batch, which adds to those before."""
        self._keep_rows()
        self._received.clear()

    def _take(self, name: str, gradients: Tensor) -> None:
        if name in self._received:
            self.shared.add(name)
        self._received.add(name)
        if name not in self.dense:
            self.dense[name] = gradients.new_zeros(self._items, gradients.shape[1])
        self.dense[name].index_add_(0, self._owners, gradients)

    def _keep_rows(self) -> None:
        for name in self._looked_up:
            self._found.setdefault(name, []).append(self._rows(name))
        self._looked_up.clear()

    def finish(self) -> None:
        """Put the rows of embeddings together."""
        self._keep_rows()
        for name, found in self._found.items():
            owners, ids, rows = (torch.cat(parts) for parts in zip(*found, strict=True))
            if name in self.dense:
                self.shared.add(name)
                matrix = self.dense[name].view(self._items, -1, rows.shape[1])
                matrix.index_put_((owners, ids), rows, accumulate=True)
                continue
            known, places = torch.unique(ids, return_inverse=True)
            kept = rows.new_zeros(len(known), self._items, rows.shape[1])
            kept.index_put_((places, owners), rows, accumulate=True)
            self.embedded[name] = known, kept

    @property
    def squared_norms(self) -> Tensor:
        """[targets]"""
        norms = [torch.linalg.vector_norm(gradients, dim=1, dtype=torch.float64) for gradients in self.dense.values()]
        norms += [torch.linalg.vector_norm(rows, dim=(0, 2), dtype=torch.float64) for _, rows in self.embedded.values()]
        return torch.stack(norms).square().sum(0)


class Examples(_Whole):
    """Multiplies the gradients of a batch of examples with those of targets, and forgets them."""

    def __init__(self, parameters: Sequence[Parameter], targets: Targets) -> None:
        super().__init__(parameters)
        self._targets = targets
        self._waiting: dict[str, Tensor] = {}
        self._embedded: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {}
        """Of each embedding, batch by batch: items of the shard, numbers of the targets' ids, and rows."""

        self.products = self.squared_norms = torch.zeros(0)

    def begin(self, _examples: int) -> None:
        """Forget the batch before."""
        super().begin(_examples)
        device = self._owners.device
        self.products = torch.zeros(self._items, self._targets.count, device=device)
        """[examples of the batch, targets]"""

        self.squared_norms = torch.zeros(self._items, dtype=torch.float64, device=device)
        """[examples of the batch]"""

    def _take(self, name: str, gradients: Tensor) -> None:
        found = self._by_item(gradients)
        if name not in self._targets.shared:
            self._multiply(name, found)
        else:
            self._waiting[name] = self._waiting[name].add_(found) if name in self._waiting else found

    def _multiply(self, name: str, gradients: Tensor) -> None:
        self.squared_norms += torch.linalg.vector_norm(gradients, dim=1).double().square()
        if name in self._targets.dense:
            self.products.addmm_(gradients, self._targets.dense[name].T)

    def finish(self, places: Tensor) -> None:
        """Multiply what several layers share, and keep the rows of embeddings that the targets have too; ``places``
        [items of the batch] are those of the items in their shard."""
        for name in self._looked_up:
            owners, ids, rows = self._rows(name)
            if name in self._waiting:
                matrix = self._waiting[name].view(self._items, -1, rows.shape[1])
                matrix.index_put_((owners, ids), rows, accumulate=True)
                continue
            self.squared_norms.index_add_(0, owners, torch.linalg.vector_norm(rows, dim=1).double().square())
            if name in self._targets.embedded:
                self._embedded.setdefault(name, []).append(self._shared_rows(name, places[owners], ids, rows))
        for name, gradients in self._waiting.items():
            self._multiply(name, gradients)
        self._waiting.clear()

    def _shared_rows(self, name: str, owners: Tensor, ids: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of rows those whose ids the targets have: owners, numbers of these ids among the targets', and rows."""
        known, _ = self._targets.embedded[name]
        numbers = torch.searchsorted(known, ids).clamp_(max=len(known) - 1)
        shared = known[numbers] == ids
        return owners[shared], numbers[shared], rows[shared]

    def add_embedded(self, products: Tensor) -> None:
        """Add the products of embeddings' rows to those of a shard, [items, targets]: id by id over all of its batches,
        so that the targets' rows of an id are read once."""
        for name, parts in self._embedded.items():
            _, kept = self._targets.embedded[name]
            items, numbers, rows = (torch.cat(column) for column in zip(*parts, strict=True))
            order = numbers.argsort()
            wanted, counts = torch.unique_consecutive(numbers[order], return_counts=True)
            by_number = (torch.split(part[order], counts.tolist()) for part in (items, rows))
            for number, some, own in zip(wanted.tolist(), *by_number, strict=True):
                # one id's items are all different
                products[some] += own @ kept[number].T
