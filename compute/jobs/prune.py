"""Finding a subnetwork by pruning (D5 section 5.3.1, by section 4.4.3.1; Michel et al. 2019, section 4): an iteration
is the unit of work that an interrupted job keeps.

An iteration takes the derivative of each training example's loss by the gate of every attention head, disables the
enabled heads for which its absolute value is least on average, and measures the accuracy on the development examples
with those that are left.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.machine.streams import FloatArray
from mlv.compute.models import classifiers, files
from mlv.compute.models.loading import LoadedModel
from mlv.compute.models.scoring import batches
from mlv.compute.training.classes import Classes, Labelled
from mlv.compute.training.corruption import BoolArray
from mlv.compute.training.objective import read_splits
from mlv.schema.errors import JobError
from mlv.schema.files import write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import HeadsDisabled
from mlv.schema.jobs.masks import Mask
from mlv.schema.jobs.parquet import read_table, write_table
from mlv.schema.jobs.prune import PruneSpec

STEP: Final = {"iteration": pl.Int32, "enabled": pl.Int32, "score": pl.Float64, "kept": pl.Boolean}
"""Columns of ``outputs/steps.parquet``: heads that are left, and the accuracy with these."""

IMPORTANCE: Final = {
    "iteration": pl.Int32,
    "layer": pl.Int32,
    "attention_head": pl.Int32,
    "importance": pl.Float64,
    "disabled": pl.Boolean,
}
"""Columns of ``outputs/importance.parquet``, a row for each head that was enabled when the iteration began: its
importance in nats, before it is normalised, and whether the iteration disables it. Layers and heads count from 1."""

PART: Final = {**IMPORTANCE, **STEP}
"""Columns of what an iteration leaves in ``work/``: its importances, each beside what came of it."""

ROUNDING: Final = 1e-9
"""How far a score may be below the threshold and yet at it."""


def run(job: JobDirectory, spec: PruneSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a job to its end; iterations that are finished already are not repeated.

    Raises DataError if the model is no classifier over the task's classes or its attention heads are not known,
    JobError for damaged inputs, derivatives that became NaN or infinite, or a model that there is nothing to prune by.
    """
    pruning = _prepare(job, spec, options, progress)
    before = _score_before(job, pruning)
    if not spec.anyway:
        _check_learnt(before, spec.threshold, pruning.development)
    enabled, parts = _prune(job, pruning, before)
    model = {**pruning.loaded.describe(), "model": spec.model.model_dump(mode="json")}
    write_json(job.outputs / "model.json", model)
    counts = {"examples": len(pruning.train), "development_examples": len(pruning.development)}
    write_json(job.outputs / "run.json", {**counts, "score_before": before})
    write_table(job.outputs / "steps.parquet", parts.select(*STEP).unique(maintain_order=True))
    write_table(job.outputs / "importance.parquet", parts.select(*IMPORTANCE))
    mask = pl.DataFrame({"language": [spec.language], **_mask(enabled).model_dump()})
    write_table(job.outputs / "masks.parquet", mask)


@dataclass(frozen=True)
class _Pruning:
    """A classifier, and the examples in a language that it is pruned by. Heads are [layers, heads]."""

    spec: PruneSpec
    loaded: LoadedModel
    train: Sequence[Labelled]
    development: Sequence[Labelled]
    batch_tokens: int
    progress: Progress

    def score(self, enabled: BoolArray) -> float:
        """Accuracy on the development examples with some heads."""
        from mlv.compute.models.heads import masked

        texts = [example.encoded for example in self.development]
        with masked(self.loaded.model, _mask(enabled)):
            logits = classifiers.logits(self.loaded, texts, self.batch_tokens, self.progress)
        return float(np.mean(logits.argmax(axis=1) == [example.number for example in self.development]))

    def importance(self, enabled: BoolArray) -> FloatArray:
        """The importance of every head beside the enabled ones, [layers, heads] (dissertation equation 4.3).

        Raises JobError if it is NaN or infinite.
        """
        slopes = self._slopes(enabled)
        if self.spec.importance == "batch":
            size = self.spec.training.batch_size
            slopes = np.stack([some.mean(axis=0) for some in np.split(slopes, range(size, len(slopes), size))])
        found: FloatArray = np.abs(slopes).mean(axis=0)
        if not np.isfinite(found).all():
            raise JobError(
                "The importance of a head became NaN or infinite: the checkpoint is damaged, or overflows",
                "Train the classifier again with a smaller `--learning-rate`.",
            )
        return found

    def _slopes(self, enabled: BoolArray) -> FloatArray:
        """The derivative of each training example's loss by every gate, [examples, layers, heads]."""
        import torch

        from mlv.compute.models.heads import gate_gradients, gates_of

        gates = gates_of([_mask(enabled)], self.loaded.device)
        found = np.zeros((len(self.train), *enabled.shape))
        for some in batches([len(example.encoded.tokens) for example in self.train], self.batch_tokens):
            rows = [self.train[index] for index in some]
            inputs = classifiers.batch([row.encoded for row in rows], self.loaded.tokenizer, self.loaded.device)
            labels = torch.tensor([row.number for row in rows], device=self.loaded.device)
            slopes = gate_gradients(self.loaded.model, inputs, labels, gates)
            found[some] = slopes.double().cpu().numpy()
            self.progress.advance(len(some))
        return found


def _prepare(job: JobDirectory, spec: PruneSpec, options: ExecuteOptions, progress: Progress) -> _Pruning:
    device = runtime.prepare(options.device, options.threads, spec.seed)
    training = spec.training
    loaded = classifiers.load_trained(files.locate(job, spec.model), training.classes, training.task, device)
    splits = read_splits(job, Classes(training), loaded.tokenizer)
    train, development = splits["train"].items, splits["development"].items
    if not development:
        raise JobError(
            f"{job.path.name} has no development examples in {spec.language}, which accuracy is measured on",
            "Train the classifier with some, and prune that: mlv compute classify --help",
        )
    return _Pruning(spec, loaded, train[: spec.max_examples], development, options.batch_tokens, progress)


def _score_before(job: JobDirectory, pruning: _Pruning) -> float:
    """Accuracy on the development examples with all heads."""
    known = job.read_json("work/before.json")
    if known:
        return float(known["score"])
    pruning.progress.start(len(pruning.development), "example", "all heads")
    score = pruning.score(_all_heads(pruning.loaded))
    write_json(job.work / "before.json", {"score": score})
    return score


def _check_learnt(score: float, threshold: float, development: Sequence[Labelled]) -> None:
    """Raise JobError if a model that always names one class were at the threshold."""
    [(_, most)] = Counter(example.number for example in development).most_common(1)
    majority = most / len(development)
    if threshold * score <= majority + ROUNDING:
        raise JobError(
            f"The accuracy on {len(development):,} development examples is {score:.3f}, and {majority:.3f} of them are "
            f"of one class: without any head a model could keep {threshold:g} of its accuracy, and there is nothing to "
            "prune by.",
            "Train the classifier for longer or on more examples; `--anyway` prunes it all the same.",
        )


def _prune(job: JobDirectory, pruning: _Pruning, before: float) -> tuple[BoolArray, pl.DataFrame]:
    """The heads of the subnetwork, [layers, heads], and what all iterations found: :data:`PART`."""
    enabled = _all_heads(pruning.loaded)
    step = max(1, int(pruning.spec.step * enabled.size + ROUNDING))
    parts = [pl.DataFrame(schema=PART)]
    kept = True
    while kept and enabled.sum() > step:
        number = len(parts)
        path = job.work / f"iteration-{number}.parquet"
        if not path.exists():
            found = _iteration(pruning, number, enabled, step, before)
            write_table(path, found)
            job.log(HeadsDisabled(**found.select(*STEP).row(0, named=True)))
        parts.append(read_table(path, list(PART)))
        kept = parts[-1]["kept"].all()
        if kept:
            enabled = _without(enabled, parts[-1])
    return enabled, pl.concat(parts)


def _iteration(pruning: _Pruning, number: int, enabled: BoolArray, step: int, before: float) -> pl.DataFrame:
    """:data:`PART` of an iteration that disables ``step`` of the ``enabled`` heads, [layers, heads]."""
    left = int(enabled.sum()) - step
    pruning.progress.start(len(pruning.train) + len(pruning.development), "example", f"{left} of {enabled.size} heads")
    importance = pruning.importance(enabled)
    gone = _least(_normalised(importance, enabled) if pruning.spec.normalise == "layer" else importance, enabled, step)
    score = pruning.score(enabled & ~gone)
    kept = score >= pruning.spec.threshold * before - ROUNDING
    layers, heads = enabled.nonzero()
    found = {
        "iteration": number,
        "layer": layers + 1,
        "attention_head": heads + 1,
        "importance": importance[enabled],
        "disabled": gone[enabled],
        **{"enabled": left, "score": score, "kept": kept},
    }
    return pl.DataFrame(found, schema_overrides=PART)


def _normalised(importance: FloatArray, enabled: BoolArray) -> FloatArray:
    """Importances [layers, heads] by the root sum of squares of a layer's enabled heads."""
    norms = np.sqrt((np.square(importance) * enabled).sum(axis=1, keepdims=True))
    return importance / np.where(norms > 0, norms, 1)


def _least(importance: FloatArray, enabled: BoolArray, count: int) -> BoolArray:
    """The least important of the enabled heads, [layers, heads]; of equals those of the first layers and places."""
    order = np.argsort(np.where(enabled, importance, np.inf), axis=None, kind="stable")
    least = np.zeros(enabled.size, dtype=bool)
    least[order[:count]] = True
    return least.reshape(enabled.shape)


def _without(enabled: BoolArray, part: pl.DataFrame) -> BoolArray:
    """Heads [layers, heads] without those that an iteration disables."""
    gone = part.filter("disabled")
    left = enabled.copy()
    left[gone["layer"].to_numpy() - 1, gone["attention_head"].to_numpy() - 1] = False
    return left


def _all_heads(loaded: LoadedModel) -> BoolArray:
    from mlv.compute.models.heads import shape

    return np.ones(shape(loaded.model.config), dtype=bool)


def _mask(enabled: BoolArray) -> Mask:
    return Mask.of(enabled.tolist())
