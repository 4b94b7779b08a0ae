"""Tracing a run's predictions back to its training examples (E section 7; H section 4.2): the `influence` job.

Reads ``inputs/targets.parquet``, ``inputs/examples.parquet`` and ``inputs/reference.parquet``; leaves
``outputs/targets.parquet``, ``outputs/rankings.parquet``, ``outputs/summaries.parquet``,
``outputs/histograms.parquet``, ``outputs/model.json``, ``outputs/run.json``, where scores of several epochs are kept
apart ``outputs/epoch_tests.parquet`` and, where all scores are to be kept, ``outputs/scores.parquet``.

The training examples are those that the run was fed, corrupted as they were. With ``corruptions = trained`` an
example's gradient is the sum, over the epochs until the checkpoint's, of its gradient as it was corrupted in each,
weighted by the learning rate, which falls linearly: what an example did to the model it did with these, and mostly with
the first. They are indexed once per checkpoint, in ``index-...`` beside the job directories, for all targets and
methods. TracIn with exact gradients needs no index: products with the targets are all that is kept
(:mod:`mlv.compute.attribution.products`).

Targets in a language that has a mask are traced under it (D5 section 5.5.1), and the examples that they meet as the
specification says: if under the mask of the target, there is an index for each mask.

Units of work that a broken-off job keeps: a shard of an index or of products, and a block of scored targets.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from mlv.compute.attribution.weights import checkpoint_weights, epoch_of, epoch_weights
from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.machine.streams import FloatArray, IntArray
from mlv.compute.models import files, loading
from mlv.compute.training.objective import Traceable, WeightedInput, read_splits, read_targets
from mlv.compute.training.objectives import traceable
from mlv.compute.validation.study import traced_values
from mlv.schema.errors import PLAN_AGAIN, JobError
from mlv.schema.files import write_json
from mlv.schema.jobs.attribution import Attribution, gradients_of
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.identity import content_digest, job_name, spec_hash
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.masks import Masking, digest_of, mask_in
from mlv.schema.jobs.parquet import read_parquet, read_table, write_table
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.jobs.tracing import Quantity, TracingSpec

if TYPE_CHECKING:
    from torch import Tensor

    from mlv.compute.attribution.gradients import Tracer
    from mlv.compute.attribution.index import GradientIndex
    from mlv.compute.attribution.products import Products
    from mlv.compute.attribution.scores import GroupedScorer, Scorer, StreamedScorer


class Traced(NamedTuple):
    """The examples and the targets of a job."""

    objective: Traceable
    examples: pl.DataFrame
    """position and language of the training examples, in the order of their positions."""

    targets: pl.DataFrame
    """In the order of their numbers."""


def run(job: JobDirectory, spec: InfluenceSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run an influence job to its end; what is indexed and scored already is not done again.

    Raises JobError for damaged inputs or gradients that became NaN or infinite, NotFoundError for a missing checkpoint,
    DataError for a mask that does not fit it, UsageError where the disk is too small.
    """
    device = runtime.prepare(options.device, options.threads, spec.seed)
    objective = traceable(spec.training)
    check_examples(job, objective)
    traced = read_traced(job, objective)
    how = spec.attribution, spec.quantity
    scorers = list(_scorers(job, spec, spec.checkpoints, *how, traced.targets, options, progress))
    _write_parts(job, spec, traced, scorers, progress)
    loaded = objective.load(files.locate(job, spec.model), device)
    asked = _ask(objective, loaded, spec, traced.targets, options.batch_tokens)
    values = traced_values(asked, objective.signs(traced.targets, spec.quantity))
    _write_outputs(job, spec, traced, scorers, values)
    write_json(job.outputs / "model.json", {**loaded.describe(), "model": spec.model.model_dump(mode="json")})


def _ask(
    objective: Traceable, loaded: loading.LoadedModel, spec: InfluenceSpec, targets: pl.DataFrame, batch_tokens: int
) -> FloatArray:
    """Log-probability of each answer under the mask of its target, [targets, answers], in nats."""
    from mlv.compute.models.heads import masked

    masks = [spec.masks_of_targets().get(language) for language in targets["language"]]
    order, found = [], []
    for mask in dict.fromkeys(masks):
        places = [place for place, other in enumerate(masks) if other == mask]
        with masked(loaded.model, mask):
            found.append(objective.ask(loaded, targets[places], batch_tokens))
        order += places
    asked: FloatArray = np.concatenate(found)[np.argsort(order)]
    return asked


def read_traced(job: JobDirectory, objective: Traceable) -> Traced:
    """The inputs of an influence job. Raises JobError where they are damaged."""
    return Traced(objective, _training_examples(job), read_targets(job, objective))


def _training_examples(job: JobDirectory) -> pl.DataFrame:
    examples = read_table(job.inputs / "examples.parquet", ("position", "split", "language")).sort("position")
    return examples.filter(pl.col("split") == "train").drop("split")


def check_examples(job: JobDirectory, objective: Traceable) -> None:
    """Raise JobError unless the examples are those that the run was planned with."""
    path, training = job.inputs / "examples.parquet", objective.spec
    if content_digest(read_table(path, objective.columns)) != training.inputs_digest:
        raise JobError(f"{path} does not hold the examples of {job_name(training)}", PLAN_AGAIN)


def score_matrix(
    job: JobDirectory,
    spec: TracingSpec,
    checkpoints: tuple[ModelRef, ...],
    attribution: Attribution,
    quantity: Quantity,
    targets: pl.DataFrame,
    options: ExecuteOptions,
    progress: Progress = SILENT,
) -> npt.NDArray[np.float64]:
    """Scores of all training examples, [targets, examples in the order of their positions], for a few targets."""
    scorers = list(_scorers(job, spec, checkpoints, attribution, quantity, targets, options, progress))
    scores: npt.NDArray[np.float64] = _combined(scorers, 0, targets.height).double().numpy()
    return scores


class Checkpoint(NamedTuple):
    """Scores at one checkpoint, and how they count."""

    epoch: int | None
    """Epoch of the traced run; None for a checkpoint of another run."""

    weight: float
    scorer: "GroupedScorer"
    values: npt.NDArray[np.float64]
    """The traced quantity of each target at the checkpoint, nats per token, [targets]."""


def _scorers(
    job: JobDirectory,
    spec: TracingSpec,
    checkpoints: Sequence[ModelRef],
    attribution: Attribution,
    quantity: Quantity,
    targets: pl.DataFrame,
    options: ExecuteOptions,
    progress: Progress,
) -> Iterator[Checkpoint]:
    """Index the examples and the targets at every checkpoint."""
    from mlv.compute.attribution.scores import GroupedScorer

    device = runtime.device_name(options.device)
    weights = checkpoint_weights(spec.training, checkpoints, attribution)
    groups = _groups(spec, targets)
    for number, (reference, weight) in enumerate(zip(checkpoints, weights, strict=True)):
        indexer = _Indexer(job, spec, reference, attribution, weight, options, device)
        values = np.empty(targets.height)
        scorers = []
        for place, group in enumerate(groups):
            label = f"checkpoint {number + 1} of {len(checkpoints)}: "
            label += f"mask {place + 1} of {len(groups)}: " if len(groups) > 1 else ""
            scorer, values[group.places] = indexer.scorer(group, targets[group.places], quantity, progress, label)
            scorers.append((group.places, scorer))
        yield Checkpoint(indexer.own_epoch, weight, GroupedScorer(scorers), values)


class _Group(NamedTuple):
    """Targets that meet the same gradients of examples."""

    masking: Masking
    """Of the examples."""

    places: IntArray
    """Of the targets, ascending."""


def _groups(spec: TracingSpec, targets: pl.DataFrame) -> list[_Group]:
    """The targets by the masks that the examples are put through for them."""
    maskings = [spec.masking_of_examples(language) for language in targets["language"]]
    found: list[Masking] = []
    for masking in maskings:
        if masking not in found:
            found.append(masking)
    return [_Group(one, np.flatnonzero([other == one for other in maskings])) for one in found]


def _masked(rows: list[list[WeightedInput]], languages: Sequence[str], masking: Masking) -> list[list[WeightedInput]]:
    """Rows of items in some languages, with their masks."""
    masks = [mask_in(masking, language) for language in languages]
    return [[row._replace(mask=mask) for row in some] for some, mask in zip(rows, masks, strict=True)]


class _Indexer:
    """Makes the indexes of one checkpoint."""

    def __init__(
        self,
        job: JobDirectory,
        spec: TracingSpec,
        reference: ModelRef,
        attribution: Attribution,
        weight: float,
        options: ExecuteOptions,
        device: str,
    ) -> None:
        self._job, self._spec, self._training, self._attribution = job, spec, spec.training, attribution
        self._batch_tokens, self._memory, self._device = options.batch_tokens, options.memory, device
        self._reference, self._weight, self._gradients = reference, weight, attribution.gradients
        self._objective = traceable(spec.training)
        self._folder = files.locate(job, reference)
        self._tokenizer = loading.load_tokenizer(self._folder)
        made = reference.made_by
        own = made is not None and made.job == job_name(spec.training)
        self.own_epoch = epoch_of(spec.training, reference) if own else None
        self._tracer: Tracer | None = None

    def scorer(
        self, group: _Group, targets: pl.DataFrame, quantity: Quantity, progress: Progress, label: str
    ) -> "tuple[Callable[[], Scorer | StreamedScorer], FloatArray]":
        """What makes the scorer of the targets of a group, and the traced quantity of each, [targets]."""
        from mlv.compute.attribution import scores

        if self._attribution.streams:
            products = self._products(group, targets, quantity, progress, f"{label}products with targets")
            return partial(scores.StreamedScorer, products, self._attribution), products.logprob.numpy()
        home, examples = self._index_examples(group, progress, f"{label}gradients of examples")
        found = self._index_targets(group, home, targets, quantity, progress, f"{label}gradients of targets")
        side = scores.Side(examples, found, self._weight)
        return partial(scores.Scorer, side, self._attribution), found.logprob.double().numpy()

    def _index_examples(self, group: _Group, progress: Progress, label: str) -> "tuple[Path, GradientIndex]":
        """The index of the training examples, and its folder."""
        from mlv.compute.attribution import index

        identity, rows = self._examples(group.masking)
        home = index.folder_of(self._job.path.parent, identity)
        return home, self._build(home, identity, rows, self._reference_rows(group.masking), progress, label)

    def _products(
        self, group: _Group, targets: pl.DataFrame, quantity: Quantity, progress: Progress, label: str
    ) -> "Products":
        """Products of the gradients of examples and targets; they live as long as the job is unfinished."""
        from mlv.compute.attribution import index
        from mlv.compute.attribution.products import exact_products

        identity, examples = self._examples(group.masking)
        identity |= self._of_targets(quantity)
        folder = index.folder_of(self._job.work, identity)
        rows = self._target_rows(targets, quantity)
        return exact_products(
            folder, identity, examples, rows, self._load, self._batch_tokens, progress, label, self._memory
        )

    def _examples(self, masking: Masking) -> tuple[dict[str, object], list[list[WeightedInput]]]:
        """What the training examples' gradients depend on, and their rows."""
        own = {"training": spec_hash(self._training), "epochs": {str(key): one for key, one in self._weights.items()}}
        languages = _training_examples(self._job)["language"].to_list()
        return self._identity(masking) | own, _masked(self._example_rows, languages, masking)

    @cached_property
    def _weights(self) -> dict[int, float]:
        """Of the epochs in an example's gradient."""
        return epoch_weights(self._training, self._gradients, epoch_of(self._training, self._reference))

    @cached_property
    def _example_rows(self) -> list[list[WeightedInput]]:
        """Of the training examples, without masks."""
        examples = read_splits(self._job, self._objective, self._tokenizer)["train"]
        return self._objective.example_rows(examples, self._tokenizer, self._weights)

    def _index_targets(
        self, group: _Group, home: Path, targets: pl.DataFrame, quantity: Quantity, progress: Progress, label: str
    ) -> "GradientIndex":
        """The index of the targets, on the directions of the examples; it lives as long as the job is unfinished."""
        from mlv.compute.attribution import index

        directions = index.directions_digest(home)
        identity = self._identity(group.masking) | self._of_targets(quantity) | {"directions": directions}
        rows = self._target_rows(targets, quantity)
        folder = index.folder_of(self._job.work, identity)
        return self._build(folder, identity, rows, home, progress, label)

    def _identity(self, masking: Masking) -> dict[str, object]:
        from mlv.compute.attribution import index

        held = gradients_of(self._reference, self._gradients, self._spec.reference_digest, masking)
        return held | {"dtype": "float32", "layout": index.LAYOUT}

    def _of_targets(self, quantity: Quantity) -> dict[str, object]:
        masks = digest_of(self._spec.masks_of_targets())
        return {"targets": self._spec.inputs_digest, "quantity": quantity, "target_masks": masks}

    def _target_rows(self, targets: pl.DataFrame, quantity: Quantity) -> list[list[WeightedInput]]:
        rows = self._objective.target_rows(targets, self._tokenizer, quantity)
        return _masked(rows, targets["language"].to_list(), self._spec.masks_of_targets())

    def _build(
        self,
        folder: Path,
        identity: dict[str, object],
        rows: list[list[WeightedInput]],
        reference: list[WeightedInput] | Path,
        progress: Progress,
        label: str,
    ) -> "GradientIndex":
        from mlv.compute.attribution import index

        recipe = index.Recipe(identity, self._gradients, rows, reference, self._batch_tokens)
        return index.build(folder, recipe, self._load, progress, label)

    def _reference_rows(self, masking: Masking) -> list[WeightedInput]:
        if self._gradients.projection != "principal":
            return []
        frame = read_table(self._job.inputs / "reference.parquet", self._objective.reference_columns)
        rows = self._objective.reference_rows(frame, self._tokenizer)
        languages = np.repeat(frame["language"].to_list(), len(rows) // frame.height)
        return [row._replace(mask=mask_in(masking, language)) for row, language in zip(rows, languages, strict=True)]

    def _load(self) -> "Tracer":
        from mlv.compute.attribution.gradients import Tracer

        if self._tracer is None:
            loaded = self._objective.load(self._folder, self._device)
            gradients = self._gradients
            self._tracer = Tracer(loaded.model, gradients.modules, gradients.stacks, gradients.output)
        return self._tracer


def _combined(scorers: Sequence[Checkpoint], start: int, stop: int) -> "Tensor":
    """Scores over all checkpoints, [targets, examples]."""
    total = scorers[0].weight * scorers[0].scorer.scores(start, stop)
    for checkpoint in scorers[1:]:
        total += checkpoint.weight * checkpoint.scorer.scores(start, stop)
    return total


def _write_parts(
    job: JobDirectory, spec: InfluenceSpec, traced: Traced, scorers: Sequence[Checkpoint], progress: Progress
) -> None:
    """Score the blocks of targets that have no parts in ``work/`` yet."""
    from mlv.compute.attribution.scores import TARGETS_AT_ONCE

    starts = range(0, traced.targets.height, TARGETS_AT_ONCE)
    missing = [start for start in starts if not _part(job, "rankings", start).exists()]
    progress.start(sum(min(TARGETS_AT_ONCE, traced.targets.height - start) for start in missing), "target", "scoring")
    for start in missing:
        stop = min(start + TARGETS_AT_ONCE, traced.targets.height)
        _write_block(job, spec, traced, scorers, (start, stop))
        progress.advance(stop - start)


def _write_block(
    job: JobDirectory, spec: InfluenceSpec, traced: Traced, scorers: Sequence[Checkpoint], block: tuple[int, int]
) -> None:
    """Score a block of targets, over all checkpoints and, for TracIn, at each; the rankings are written last."""
    from mlv.compute.attribution import distributions

    start, stop = block
    tables: dict[str, list[pl.DataFrame]] = {name: [] for name in _PARTS}
    epochs: list[distributions.EpochScores] = []
    total: Any = None
    for number, checkpoint in enumerate(scorers, start=1):
        scores = checkpoint.scorer.scores(start, stop)
        total = checkpoint.weight * scores if total is None else total.add_(scores, alpha=checkpoint.weight)
        if _per_epoch(spec, checkpoint):
            epochs.append(distributions.EpochScores(start + number * traced.targets.height, scores))
            _add_tables(tables, spec, traced, scores, epochs[-1].first_target)
    _add_tables(tables, spec, traced, total, start)
    tables["epoch_tests"] += distributions.epoch_tests(epochs)
    width = distributions.bin_width(spec.attribution, len(scorers), total)
    languages = traced.examples["language"].to_list()
    tables["histograms"].append(distributions.histogram_table(total, start, languages, width))
    for name in _PARTS:
        if tables[name]:
            write_table(_part(job, name, start), pl.concat(tables[name]))


def _per_epoch(spec: InfluenceSpec, checkpoint: Checkpoint) -> bool:
    """Whether the checkpoint's own scores are kept: TracIn's, at the epochs of the run."""
    return spec.attribution.method == "tracin" and checkpoint.epoch is not None


def _add_tables(
    tables: dict[str, list[pl.DataFrame]], spec: InfluenceSpec, traced: Traced, scores: "Tensor", first: int
) -> None:
    """Rankings and sums of a block whose targets are numbered from ``first``, and the scores themselves if wanted."""
    from mlv.compute.attribution import scores as scoring

    positions = traced.examples["position"].to_list()
    tables["rankings"].append(scoring.ranking_table(scores, first, positions, min(spec.top_k, len(positions))))
    tables["summaries"].append(scoring.summary_table(scores, first, traced.examples["language"].to_list()))
    if spec.keep_scores:
        tables["scores"].append(scoring.score_table(scores, first, positions))


_PARTS = ("summaries", "scores", "histograms", "epoch_tests", "rankings")
"""Tables that blocks have a part of; what begins with the rankings' part is whole."""


def _part(job: JobDirectory, name: str, start: int) -> Path:
    return job.work / f"{name}-{start:07}.parquet"


def _write_outputs(
    job: JobDirectory,
    spec: InfluenceSpec,
    traced: Traced,
    scorers: Sequence[Checkpoint],
    values: npt.NDArray[np.float64],
) -> None:
    """Put the parts together; targets over all checkpoints are numbered before those of single epochs.

    ``values`` [targets] are those of the traced checkpoint.
    """
    from mlv.compute.attribution import distributions

    tables = [_target_table(traced, spec.quantity, 0, None, values)]
    for number, checkpoint in enumerate(scorers, start=1):
        if _per_epoch(spec, checkpoint):
            first = number * traced.targets.height
            tables.append(_target_table(traced, spec.quantity, first, checkpoint.epoch, checkpoint.values))
    write_table(job.outputs / "targets.parquet", pl.concat(tables))
    histograms = distributions.joined(_whole(job, "histograms"))
    write_table(job.outputs / "histograms.parquet", histograms.counts)
    for name in set(_PARTS) - {"histograms"}:
        if not (table := _whole(job, name)).is_empty():
            write_table(job.outputs / f"{name}.parquet", table)
    write_json(job.outputs / "run.json", {"examples": traced.examples.height, "bin_width": histograms.width})


def _whole(job: JobDirectory, name: str) -> pl.DataFrame:
    """The parts of a table together; empty where blocks have none of it."""
    parts = sorted(job.work.glob(f"{name}-*.parquet"))
    return pl.concat([read_parquet(part) for part in parts] or [pl.DataFrame()])


def _target_table(
    traced: Traced, quantity: Quantity, first: int, epoch: int | None, values: npt.NDArray[np.float64]
) -> pl.DataFrame:
    """Rows of ``outputs/targets.parquet``; ``values`` [targets]."""
    answers = traced.objective.signs(traced.targets, quantity).argmax(axis=1) + 1
    return traced.targets.select(
        (pl.col("target") + first).cast(pl.Int32),
        "language",
        "question",
        pl.lit(epoch, dtype=pl.Int32).alias("epoch"),
        pl.Series("answer", answers, dtype=pl.Int8),
        pl.Series("value", values, dtype=pl.Float64),
    )
