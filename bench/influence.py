"""Influence: what gradients cost against plain training and against traker, how faithful they are, and scoring.

The nano model is pretrained on the bundled texts for some steps, since what a projection keeps depends on the weights;
the others have random weights, which cost the same. Plain training is a forward and a backward pass of the summed loss
with the gradients of all weights, dropout off, on the very batches that the index takes. Featurising ends when the
shards are written. traker is compared with where it is installed (`pip install traker`).

``MLV_BENCH_SMALL=1`` runs all of it in small, the GPU's part on the CPU: to see that it works, not to measure.
"""

import copy
import gc
import importlib.util
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import numpy as np
import polars as pl
import safetensors.torch
import torch
from measure import PeakMemory, figure
from scipy.stats import spearmanr
from tiny_models import LANGUAGES, pretrain_nano, probes, sentences
from torch import Tensor

from mlv.compute.attribution import index
from mlv.compute.attribution.directions import random_directions
from mlv.compute.attribution.gradients import Tracer
from mlv.compute.attribution.scores import Scorer, Side
from mlv.compute.attribution.sinks import FeatureSink, Sink
from mlv.compute.jobs import influence
from mlv.compute.machine import runtime
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.machine.streams import IntArray
from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN, sentinel_ids
from mlv.compute.models.untrained import new_mt5
from mlv.compute.training.corruption import Corrupted, SpanCorruption
from mlv.compute.training.objective import IGNORED, WeightedInput
from mlv.compute.training.spans import Spans, collate
from mlv.schema.files import write_json
from mlv.schema.jobs.attribution import Attribution, Gradients
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.identity import content_digest, job_name
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.pretrain import PRESETS
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.papers import echoes

SPANS = Spans(
    FinetuneSpec(
        model=ModelRef(name="", digest=""),
        source="lines",
        languages=LANGUAGES,
        sentences=1,
        corpora=(),
        inputs_digest="",
    )
)
"""The objective of its models."""

if TYPE_CHECKING:
    from traker_reference import Reference

SMALL = bool(os.environ.get("MLV_BENCH_SMALL"))
REPEATS = 1 if SMALL else 9
EXAMPLES = 48 if SMALL else 768
PRETRAINING_STEPS = 10 if SMALL else 400

TRAKER_REPEATS = 1 if SMALL else 3
TRAKER_EXAMPLES = 8 if SMALL else 128
"""Examples that traker takes at once: it makes its random matrix anew for every batch; memory allows so many."""
TRAKER_DIMENSIONS = 128 if SMALL else 4_096

SCORED_EXAMPLES = 400 if SMALL else 10_000
SCORED_TARGETS = 80 if SMALL else 237 * 13

LARGE_EXAMPLES = 64 if SMALL else 10_000
LARGE_TOKENS = 64
LARGE_BATCH_TOKENS = 2**14
REFERENCE_ROWS = 32 if SMALL else 1_024

LABEL = "{}: featurising, principal {} / plain training"


class Seconds(NamedTuple):
    """What an index and plain training took on the same batches."""

    directions: float
    features: float
    plain: float


@dataclass(frozen=True)
class Work:
    """A model, the examples to index, and the rows that principal directions are learnt from."""

    model: Any
    examples: Sequence[Sequence[WeightedInput]]
    reference: Sequence[WeightedInput]
    batch_tokens: int = ExecuteOptions().batch_tokens

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        device: torch.device = self.model.device
        return device


class RememberingTracer(Tracer):
    """Keeps the batches whose features it was asked for."""

    def __init__(self, model: Any, gradients: Gradients) -> None:
        super().__init__(copy.deepcopy(model), gradients.modules, gradients.stacks)
        self.batches: list[Sequence[WeightedInput]] = []

    def trace(self, rows: Sequence[WeightedInput], sink: Sink) -> Tensor:
        """Trace the batch, and keep it."""
        if isinstance(sink, FeatureSink):
            self.batches.append(rows)
        return super().trace(rows, sink)


class Clock:
    """A progress that notes when the directions are there and the shards begin."""

    began = 0.0

    def start(self, _total: int, _unit: str, _label: str) -> None:
        """Note the time."""
        self.began = time.perf_counter()

    def advance(self, amount: int, **info: float | str) -> None:
        """Nothing to note."""


def examples_of(corrupted: Sequence[Corrupted]) -> list[list[WeightedInput]]:
    """One row per example."""
    return [[WeightedInput(place, one.inputs, one.targets, len(one.targets))] for place, one in enumerate(corrupted)]


def bundled_examples(tokenizer: Any, count: int) -> list[list[WeightedInput]]:
    """Bundled sentences of all languages, corrupted."""
    corrupt = SpanCorruption(
        sentinel_ids(tokenizer), tokenizer.eos_token_id, 1, echoes.NOISE_DENSITY, echoes.MEAN_SPAN_LENGTH
    )
    tokens = tokenizer(random.Random(1).sample(sentences(), count), add_special_tokens=False)["input_ids"]
    return examples_of([corrupt(np.array(ids), 1, place) for place, ids in enumerate(tokens)])


def bundled_reference(tokenizer: Any) -> list[WeightedInput]:
    """Both answers of the bundled probes."""
    return SPANS.reference_rows(probes(), tokenizer)


def build(work: Work, tracer: Tracer, gradients: Gradients, folder: Path) -> tuple[index.GradientIndex, Clock]:
    """Index the examples in ``folder``."""
    clock = Clock()
    job = index.Recipe({}, gradients, work.examples, work.reference, work.batch_tokens)
    return index.build(folder, job, lambda: tracer, clock, ""), clock


def cost(work: Work, gradients: Gradients, repeats: int) -> Iterator[Seconds]:
    """An index from cold and plain training on its batches, in turn; once untimed."""
    tracer = RememberingTracer(work.model, gradients)
    # a collection of what libraries hold takes longer than a batch, and falls on either side by chance
    gc.collect()
    gc.freeze()
    for repeat in range(repeats + 1):
        tracer.batches.clear()
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            _, clock = build(work, tracer, gradients, Path(folder))
            indexed = time.perf_counter()
        plain = train_plainly(work.model, tracer.batches)
        if repeat:
            yield Seconds(clock.began - began, indexed - clock.began, plain)


def train_plainly(model: Any, batches: Sequence[Sequence[WeightedInput]]) -> float:
    """Seconds of a forward and a backward pass of every batch, with the gradients of all weights."""
    padded = collate(model.config.pad_token_id)
    began = time.perf_counter()
    for rows in batches:
        model.zero_grad()
        given = padded([Corrupted(np.asarray(row.inputs), np.asarray(row.decoder)) for row in rows])
        given = {name: tensor.to(model.device) for name, tensor in given.items()}
        logits = model(**given).logits
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), given["labels"].flatten(), ignore_index=IGNORED, reduction="sum"
        )
        torch.autograd.backward(loss)
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def report_cost(name: str, work: Work, dimensions: int, most: float, repeats: int = REPEATS) -> None:
    """Print what featurising costs, and learning the directions, which is done once per checkpoint."""
    taken = list(cost(work, Gradients(dimensions=dimensions), repeats))
    ratios = [one.features / one.plain for one in taken]
    ratio = statistics.median(ratios)
    figure(LABEL.format(name, dimensions), ratio, "times", f"<= {most}", ratio <= most)
    speed, plain = (
        len(work.examples) / statistics.median(getattr(one, part) for one in taken) for part in Seconds._fields[1:]
    )
    learning = statistics.median(one.directions for one in taken)
    print(
        f"  {speed:,.0f} examples a second, plain training {plain:,.0f}; learning directions from "
        f"{len(work.reference):,} rows took {learning:.1f} s, as plain training on {learning * plain:,.0f} examples; "
        f"ratios {', '.join(f'{ratio:.2f}' for ratio in ratios)}"
    )


def small_models(nano: loading.LoadedModel) -> None:
    """Nano and tiny against plain training."""
    examples, reference = bundled_examples(nano.tokenizer, EXAMPLES), bundled_reference(nano.tokenizer)
    torch.manual_seed(1)
    tiny = new_mt5(PRESETS["tiny"], PRESETS["tiny"].vocabulary).eval()
    # as many threads as mlv gives models of this width
    torch.set_num_threads(1)
    for name, model, bounds in (("nano", nano.model, {16: 1.0, 32: 1.2}), ("tiny", tiny, {16: 0.9, 32: 1.0})):
        for dimensions, most in bounds.items():
            report_cost(name, Work(model, examples, reference), dimensions, most)


def against_traker(nano: loading.LoadedModel, folder: Path) -> None:
    """Time an example, and how near scores are to those of exact gradients."""
    if importlib.util.find_spec("trak") is None:
        print("traker is not installed, and not compared with: pip install traker")
        return
    from traker_reference import Reference

    examples = Work(nano.model, bundled_examples(nano.tokenizer, TRAKER_EXAMPLES), bundled_reference(nano.tokenizer))
    answers = probes().with_columns(answer=pl.lit(1))
    targets = Work(nano.model, SPANS.target_rows(answers, nano.tokenizer, "answer"), examples.reference)
    parameters = [parameter.name for parameter in RememberingTracer(nano.model, Gradients()).parameters]
    traker = Reference(nano.model, parameters, TRAKER_DIMENSIONS, folder / "traker")
    ratios, learning = [], []
    for seed in range(TRAKER_REPEATS):
        theirs = traker.featurise([row for rows in examples.examples for row in rows], seed)
        ours = next(cost(examples, Gradients(), 1))
        ratios.append(theirs / ours.features)
        learning.append(theirs / (ours.features + ours.directions))
    ratio = statistics.median(ratios)
    figure(f"an example: traker to {TRAKER_DIMENSIONS:,} / principal 16", ratio, "times", ">= 150", ratio >= 150)
    print(f"  {statistics.median(learning):.0f} with learning the directions; {TRAKER_EXAMPLES} examples in one batch")
    fidelity(traker, examples, targets, folder)


def fidelity(traker: "Reference", examples: Work, targets: Work, folder: Path) -> None:
    """Rank correlation of scores with those of exact gradients."""
    exact, norms = scores(examples, targets, Gradients(projection="none", dimensions=0), folder)
    some = [row for rows in examples.examples[:4] for row in rows]
    if not torch.allclose(traker.squared_norms(some).double(), norms[:4], rtol=1e-3):
        raise SystemExit("traker's gradients are not ours")
    theirs = traker.scores([row for rows in targets.examples for row in rows], Attribution().damping)
    least = agreement(theirs, exact)
    for projection, dimensions in (("principal", 16), ("random", 32), ("dense", 4_096)):
        found, _ = scores(examples, targets, Gradients(projection=projection, dimensions=dimensions), folder)
        rho = agreement(found, exact)
        figure(f"fidelity of {projection} {dimensions:,}", rho, "rho", f">= {least:.3f}", rho >= least)
    print(f"  fidelity of traker's {TRAKER_DIMENSIONS:,}: {least:.3f}")


def scores(examples: Work, targets: Work, gradients: Gradients, folder: Path) -> tuple[Tensor, Tensor]:
    """TRAK scores [targets, examples], and the squared norms of the examples' features."""
    tracer = RememberingTracer(examples.model, gradients)
    where = folder / f"{gradients.projection}-{gradients.dimensions}"
    one, _ = build(examples, tracer, gradients, where / "examples")
    other, _ = build(targets, tracer, gradients, where / "targets")
    scorer = Scorer(Side(one, other, 1.0), Attribution(gradients=gradients))
    return scorer.scores(0, len(other)), one.squared_norms


def agreement(one: Tensor, other: Tensor) -> float:
    """Spearman's rank correlation over all pairs of a target and an example."""
    return float(spearmanr(one.flatten().numpy(), other.flatten().numpy()).statistic)


def scoring(nano: loading.LoadedModel, where: Path, folder: Path) -> None:
    """Time and memory of an influence job whose indexes are there."""
    sizes = feature_sizes(nano, Gradients())
    counts = {SCORED_EXAMPLES: "examples", SCORED_TARGETS: "targets"}
    for seed, (count, name) in enumerate(counts.items()):
        write_index(folder / name, count, sizes, seed)
    job, spec = influence_job(folder, where)

    def finished(_: Path, job: index.Recipe, *_rest: object) -> index.GradientIndex:
        return index.GradientIndex(folder / counts[len(job.rows)])

    with patch.object(index, "build", finished), PeakMemory() as memory:
        began = time.perf_counter()
        influence.run(job, spec, ExecuteOptions(device="cpu", threads=2))
        taken = time.perf_counter() - began
    what = f"scoring {SCORED_EXAMPLES:,} examples x {SCORED_TARGETS:,} targets"
    figure(f"{what} of {sum(sizes):,} features", taken, "s", "<= 60", taken <= 60)
    figure("  memory above the base process", memory.megabytes, "MB", "<= 4,000", memory.megabytes <= 4_000)


def feature_sizes(nano: loading.LoadedModel, gradients: Gradients) -> list[int]:
    """Numbers in a row of an index, by matrix of the model."""
    parameters = Tracer(copy.deepcopy(nano.model), gradients.modules).parameters
    return FeatureSink(parameters, random_directions(parameters, gradients.dimensions, 0, "cpu"), "cpu").sizes


def write_index(folder: Path, examples: int, sizes: Sequence[int], seed: int) -> None:
    """An index of random features, in shards of the usual size."""
    folder.mkdir(parents=True)
    size = sum(sizes)
    shard = index.SHARD_BYTES // (4 * size)
    write_json(folder / "sizes.json", {"shard": shard, "features": list(sizes)})
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(examples, generator=generator)
    for number, some in enumerate(torch.split(order, shard)):
        features = torch.randn(len(some), size, generator=generator)
        tensors = {
            "features": torch.nn.functional.normalize(features).half(),
            "squared_norms": features.square().sum(1, dtype=torch.float64),
            "logprob": torch.full((len(some),), -8.0),
            "tokens": torch.full((len(some),), 4.0),
            "examples": some,
        }
        safetensors.torch.save_file(tensors, folder / f"shard-{number:05}.safetensors")


def influence_job(folder: Path, where: Path) -> tuple[JobDirectory, InfluenceSpec]:
    """A planned influence job and its specification: bundled sentences and probes, over and over."""
    reference = files.resolve(str(where))
    texts = sentences()
    examples = pl.DataFrame({"position": range(SCORED_EXAMPLES)}).with_columns(
        split=pl.lit("train"),
        source=pl.lit("lines"),
        language=pl.Series(LANGUAGES).gather(pl.int_range(SCORED_EXAMPLES, eager=True) % len(LANGUAGES)),
        edition=pl.lit("bench"),
        segment_position=pl.col("position"),
        parallel_key=pl.col("position").cast(pl.String),
        text=pl.Series(texts).gather(pl.int_range(SCORED_EXAMPLES, eager=True) % len(texts)),
    )
    training = FinetuneSpec(
        model=reference,
        source="lines",
        languages=LANGUAGES,
        sentences=SCORED_EXAMPLES,
        corpora=(),
        inputs_digest=content_digest(examples),
        epochs=1,
    )
    last = reference.model_copy(update={"name": f"{job_name(training)}/epoch-1"})
    spec = InfluenceSpec(
        model=last,
        training=training,
        checkpoints=(last,),
        attribution=Attribution(),
        collection="demo",
        probe_set="bench",
        languages=LANGUAGES,
        inputs_digest="bench",
    )
    job = JobDirectory.create(folder / "jobs", spec, {"model_paths": {last.name: str(where)}})
    asked = probes().with_columns(answer=pl.lit(1), shift_sign=pl.lit(1))
    targets = asked.select(pl.all().gather(pl.int_range(SCORED_TARGETS) % asked.height)).with_row_index("target")
    targets.write_parquet(job.inputs / "targets.parquet")
    asked.write_parquet(job.inputs / "reference.parquet")
    examples.write_parquet(job.inputs / "examples.parquet")
    return job, spec


def large_model(device: str) -> None:
    """The architecture of mT5-small against plain training, on random sentences."""
    import transformers

    shape = {"vocab_size": 5_000, "d_model": 32, "d_ff": 64, "num_layers": 2, "num_heads": 2, "d_kv": 16}
    torch.manual_seed(1)
    config = transformers.MT5Config(**(shape if SMALL else {}))
    model = transformers.MT5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.shared.weight) * config.d_model**-0.5)
    model.config.tie_word_embeddings = False
    work = Work(model.to(device).eval(), *random_rows(config.vocab_size), LARGE_BATCH_TOKENS)
    report_cost("mT5-small", work, 16, 1.0, min(REPEATS, 3))
    if device == "cuda":
        print(f"  peak memory {torch.cuda.max_memory_allocated() / 1e9:.1f} GB, both together")


def random_rows(vocabulary: int) -> tuple[list[list[WeightedInput]], list[WeightedInput]]:
    """Corrupted sentences of random tokens, and as many reference rows as a study has, of the length of probes."""
    sentinels = tuple(range(vocabulary - 1, vocabulary - 101, -1))
    corrupt = SpanCorruption(sentinels, 1, 1, echoes.NOISE_DENSITY, echoes.MEAN_SPAN_LENGTH)
    generator = np.random.default_rng(1)

    def tokens(count: int) -> IntArray:
        return generator.integers(3, vocabulary - 100, count)

    examples = [corrupt(tokens(LARGE_TOKENS), 1, place) for place in range(LARGE_EXAMPLES)]
    reference = [
        WeightedInput(place, tokens(16), np.append(sentinels[0], tokens(3)), 3) for place in range(REFERENCE_ROWS)
    ]
    return examples_of(examples), reference


def main() -> None:
    """Print every figure."""
    runtime.prepare("cpu", 2, 1)
    runtime.quiet_libraries()
    with tempfile.TemporaryDirectory() as name:
        where = pretrain_nano(Path(name), PRETRAINING_STEPS)
        nano = loading.load(where, SPAN)
        small_models(nano)
        torch.set_num_threads(2)
        against_traker(nano, Path(name))
        scoring(nano, where, Path(name) / "scoring")
    if torch.cuda.is_available() or SMALL:
        large_model("cuda" if torch.cuda.is_available() else "cpu")
    else:
        print("mT5-small: no GPU here, not measured")


if __name__ == "__main__":
    main()
