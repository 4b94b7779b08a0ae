"""Classifiers: what exact scores, predictions and training cost, against plain passes, loops and captum.

A nano encoder with random weights, whose cost does not depend on them, on pairs of bundled sentences. Plain is a
forward and a backward pass of the summed loss with the gradients of all weights, dropout off, on batches of the same
budget.
Streamed products and the projected index end when their shards are on disk. captum is compared with where it is
installed (`pip install --no-deps captum`): its ``TracInCP`` at the same checkpoint, whose scores are products.

``--model FOLDER`` measures an encoder of one's own in its place, with fewer examples, and without captum.
"""

import argparse
import importlib.util
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, get_args

import polars as pl
import torch
from measure import PeakMemory, figure
from tiny_models import LANGUAGES, sentences

from mlv.compute.attribution import index
from mlv.compute.attribution.gradients import Tracer
from mlv.compute.attribution.products import Products, exact_products
from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions
from mlv.compute.models import classifiers, files, loading
from mlv.compute.models.scoring import batches
from mlv.compute.models.tokenizers import XLM_R, train_tokenizer
from mlv.compute.models.untrained import new_xlm_r
from mlv.compute.running.execute import execute
from mlv.compute.training.classes import Classes
from mlv.compute.training.objective import WeightedInput
from mlv.schema.jobs.attribution import Gradients, ModuleGroup
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.pretrain import PRESETS
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.papers import sharing

CLASSES = ("odd", "even")
BATCH_TOKENS = ExecuteOptions().batch_tokens
ALL = get_args(ModuleGroup)
EXACT = Gradients(projection="none", dimensions=0, corruptions="epoch", modules=ALL)
PRINCIPAL = Gradients(corruptions="epoch", dimensions=16)


class Work(NamedTuple):
    """A classifier, and encoded texts for it."""

    loaded: loading.LoadedModel
    objective: Classes
    frame: pl.DataFrame
    """text, text_pair and answer."""

    @property
    def rows(self) -> list[list[WeightedInput]]:
        """Every text with its class."""
        return self.objective.target_rows(self.frame, self.loaded.tokenizer, "label")


def spec_of(model: ModelRef, **settings: Any) -> ClassifySpec:
    """A training on the bundled sentences."""
    given = {"task": "parity", "classes": CLASSES, "source": "lines", "languages": LANGUAGES, "examples": 1}
    empty = {"corpora": (), "development": (), "inputs_digest": "bench"}
    return ClassifySpec.model_validate({"model": model, **given, **empty, **settings})


def pairs(count: int) -> pl.DataFrame:
    """Pairs of bundled sentences, about 60 tokens, with classes by turns."""
    texts = random.Random(1).choices(sentences(), k=2 * count)
    classes = [1 + place % 2 for place in range(count)]
    return pl.DataFrame({"text": texts[:count], "text_pair": texts[count:], "answer": classes})


def save_encoder(folder: Path) -> Path:
    """Write a nano encoder with random weights to ``folder``; return it."""
    torch.manual_seed(1)
    tokenizer = train_tokenizer(sentences(), 6_000, XLM_R)
    tokenizer.save_pretrained(folder)
    new_xlm_r(PRESETS["nano-encoder"], len(tokenizer)).save_pretrained(folder)
    return folder


def plain_seconds(work: Work) -> float:
    """A forward and a backward pass of all texts, with the gradients of all weights."""
    model: Any = work.loaded.model.requires_grad_(True).eval()
    texts = [row for (row,) in work.rows]
    began = time.perf_counter()
    for some in batches([len(row.inputs) for row in texts], BATCH_TOKENS):
        model.zero_grad()
        rows = [texts[place] for place in some]
        given = classifiers.batch(
            [classifiers.Encoded(list(row.inputs), list(row.types)) for row in rows], work.loaded.tokenizer
        )
        labels = torch.tensor([row.scored for row in rows])
        loss = torch.nn.functional.cross_entropy(model(**given).logits, labels, reduction="sum")
        torch.autograd.backward(loss)
    return time.perf_counter() - began


def products(work: Work, targets: int, memory: int, groups: Sequence[str] = ALL) -> tuple[float, Products]:
    """Seconds of the exact products of all texts with the first ones, those of the targets' gradients included."""
    rows = work.rows
    with tempfile.TemporaryDirectory() as folder:
        tracer = Tracer(work.loaded.model, groups)
        began = time.perf_counter()
        found = exact_products(Path(folder), {}, rows, rows[:targets], lambda: tracer, BATCH_TOKENS, SILENT, "", memory)
        return time.perf_counter() - began, found


def indexed_seconds(work: Work) -> float:
    """Seconds of an index on principal directions, without learning these."""
    rows = work.rows
    with tempfile.TemporaryDirectory() as folder:
        learnt = Path(folder) / "learnt"
        tracer = Tracer(work.loaded.model, PRINCIPAL.modules)
        recipe = index.Recipe({}, PRINCIPAL, rows[:2], [row for (row,) in rows[:64]], BATCH_TOKENS)
        index.build(learnt, recipe, lambda: tracer, SILENT, "")
        began = time.perf_counter()
        again = index.Recipe({}, PRINCIPAL, rows, learnt, BATCH_TOKENS)
        index.build(Path(folder) / "index", again, lambda: tracer, SILENT, "")
        return time.perf_counter() - began


def in_turn(repeats: int, *works: Callable[[], float]) -> list[list[float]]:
    """What each takes, in turn; once untimed."""
    taken = [[work() for work in works] for _ in range(repeats + 1)][1:]
    return [list(column) for column in zip(*taken, strict=True)]


def report_gradients(work: Work, repeats: int, memory: int) -> None:
    """Exact products and the index, over plain passes."""
    plain, few, many, indexed = in_turn(
        repeats,
        lambda: plain_seconds(work),
        lambda: products(work, sharing.TARGETS, memory)[0],
        lambda: products(work, 5 * sharing.TARGETS, memory)[0],
        lambda: indexed_seconds(work),
    )
    for label, taken, most in (
        (f"exact products, {sharing.TARGETS} targets / plain", few, 1.3),
        (f"exact products, {5 * sharing.TARGETS} targets / plain", many, 2.0),
        ("projected, principal 16 / plain", indexed, 1.0),
    ):
        ratios = [one / other for one, other in zip(taken, plain, strict=True)]
        ratio = median(ratios)
        figure(f"classifier: {label}", ratio, "times", f"<= {most}", ratio <= most)
        print(f"  {', '.join(f'{one:.2f}' for one in ratios)}; plain {work.frame.height / median(plain):,.0f} texts/s")


def report_memory(work: Work) -> None:
    """How far the memory for the targets' gradients is bounded."""
    size = 4 * sum(parameter.numel() for parameter in work.loaded.model.parameters())
    bound = 8 * size
    with PeakMemory() as peak:
        products(work, 5 * sharing.TARGETS, bound)
    # beside them a batch's gradients of one parameter, and activations
    most = (bound + 2**29) / 1e6
    figure(
        "classifier: memory of 125 targets, bounded to 8 gradients",
        peak.megabytes,
        "MB",
        f"<= {most:,.0f}",
        peak.megabytes <= most,
    )


def report_prediction(work: Work, repeats: int) -> None:
    """Batches over a loop of single pairs, from texts to logits, as `pipeline` makes them by default."""

    def loop() -> float:
        began = time.perf_counter()
        for row in range(work.frame.height):
            texts, _ = classifiers.encode(work.frame[row], work.loaded.tokenizer, sharing.MAX_TOKENS)
            with torch.inference_mode():
                work.loaded.model(**classifiers.batch(texts, work.loaded.tokenizer))
        return time.perf_counter() - began

    def ours() -> float:
        began = time.perf_counter()
        texts, _ = classifiers.encode(work.frame, work.loaded.tokenizer, sharing.MAX_TOKENS)
        classifiers.logits(work.loaded, texts, BATCH_TOKENS)
        return time.perf_counter() - began

    looped, batched = in_turn(repeats, loop, ours)
    ratio = median(one / other for one, other in zip(looped, batched, strict=True))
    figure("classifier: predicting, loop over single pairs / ours", ratio, "times", ">= 8", ratio >= 8)


def report_captum(work: Work, targets: int) -> None:
    """TracInCP of captum at one checkpoint; its scores are products with the sign of the loss on either side."""
    if importlib.util.find_spec("captum") is None:
        print("  captum is not installed: pip install --no-deps captum")
        return
    from captum.influence import TracInCP

    seconds, found = products(work, targets, ExecuteOptions().memory)
    model, tokenizer = work.loaded.model.requires_grad_(True).eval(), work.loaded.tokenizer
    rows = [row for (row,) in work.rows]
    longest = max(len(row.inputs) for row in rows)

    class Logits(torch.nn.Module):
        """The classifier as a function of one tensor."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            """Logits [texts, classes]."""
            logits: torch.Tensor = self.model(
                input_ids=inputs, attention_mask=(inputs != tokenizer.pad_token_id).long()
            ).logits
            return logits

    padded = torch.full((len(rows), longest), tokenizer.pad_token_id)
    for place, row in enumerate(rows):
        padded[place, : len(row.inputs)] = torch.tensor(row.inputs)
    labels = torch.tensor([row.scored for row in rows])
    tracin = TracInCP(
        Logits(),
        torch.utils.data.TensorDataset(padded, labels),
        ["the one"],
        checkpoints_load_func=lambda *_: 1.0,
        loss_fn=torch.nn.CrossEntropyLoss(reduction="none"),
        batch_size=8,
    )
    began = time.perf_counter()
    scores = tracin.influence((padded[:targets], labels[:targets]))
    theirs = time.perf_counter() - began
    off = float(((scores - found.products).abs() / found.products.abs().amax()).max())
    figure(
        f"captum's TracInCP / ours, {len(rows)} examples, {targets} targets",
        theirs / seconds,
        "times",
        ">= 10",
        theirs / seconds >= 10,
    )
    figure("  largest difference of a score, over the largest score", off, "", "<= 1e-4", off <= 1e-4)


def report_training(folder: Path, model: Path, examples: int, repeats: int) -> None:
    """A job against the transformers Trainer with the same settings on the same examples, ready-made."""
    ratios = []
    for seed in range(repeats + 1):
        job, spec = _planned(folder, model, examples, seed)
        torch.use_deterministic_algorithms(False)
        bare = _bare(spec, model, folder / f"bare-{seed}", job)
        began = time.perf_counter()
        execute(job.path, ExecuteOptions(device="cpu", threads=2))
        ratios.append((time.perf_counter() - began) / bare)
    ratio = median(ratios[1:])
    figure("classifier: a job of mlv / a bare Trainer", ratio, "times", "<= 1.1", ratio <= 1.1)
    print(f"  ratios of {repeats} pairs: {', '.join(f'{value:.2f}' for value in ratios[1:])}")


def _planned(folder: Path, model: Path, examples: int, seed: int) -> tuple[JobDirectory, ClassifySpec]:
    reference = files.resolve(str(model))
    spec = spec_of(reference, seed=seed, epochs=3, learning_rate=1e-3)
    job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
    last = examples * 9 // 10
    frame = pairs(examples).with_row_index("position")
    frame = frame.with_columns(
        pl.col("position").cast(pl.Int64),
        split=pl.when(pl.col("position") < last).then(pl.lit("train")).otherwise(pl.lit("development")),
        source=pl.lit("lines"),
        language=pl.lit("fa"),
        edition=pl.lit("bench"),
        segment_position=pl.col("position").cast(pl.Int64),
        parallel_key=pl.col("position").cast(pl.String),
        class_number=pl.col("answer"),
    )
    frame.write_parquet(job.inputs / "examples.parquet")
    return job, spec


def _bare(spec: ClassifySpec, model: Path, folder: Path, job: JobDirectory) -> float:
    import transformers

    from mlv.compute.training import trainer as training

    objective = Classes(spec)
    loaded = objective.load(model, "cpu")
    frame = pl.read_parquet(job.inputs / "examples.parquet")
    splits = {
        name: objective.dataset(objective.tokenise(frame.filter(split=name), loaded.tokenizer), loaded.tokenizer, name)
        for name in ("train", "development")
    }
    arguments = training.single_device_arguments(
        folder,
        "cpu",
        num_train_epochs=spec.epochs,
        per_device_train_batch_size=spec.batch_size,
        per_device_eval_batch_size=spec.batch_size,
        learning_rate=spec.learning_rate,
        seed=spec.seed,
        eval_strategy="epoch",
        save_strategy="epoch",
    )
    trainer = transformers.Trainer(
        model=loaded.model,
        args=arguments,
        train_dataset=splits["train"],
        eval_dataset=splits["development"],
        data_collator=objective.collate(loaded),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    began = time.perf_counter()
    trainer.train()
    return time.perf_counter() - began


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of an encoder; a new nano encoder if not given")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    runtime.prepare("cpu", 2, 1)
    runtime.quiet_libraries()
    own = asked.model is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = asked.model if own else save_encoder(folder / "encoder")
        objective = Classes(spec_of(files.resolve(str(model))))
        work = Work(objective.load(model, "cpu"), objective, pairs(192 if own else 1_536))
        objective.begin(work.loaded)
        report_gradients(work, asked.repeats, 12 * 2**30)
        if not own:
            report_memory(work)
            report_prediction(work, asked.repeats)
            report_training(folder, model, 640, asked.repeats)
            report_captum(work._replace(frame=work.frame.head(512)), sharing.TARGETS)


if __name__ == "__main__":
    main()
