"""How fast the three loops are by threads, alone and beside busy neighbours: what the choice of threads rests on.

``python bench/threads.py`` prints, for models of several widths, how many batches a second are trained on, probed and
indexed with one thread and with all of them, whose waiting either spins (OpenMP's default) or sleeps
(``OMP_WAIT_POLICY=PASSIVE``, which mlv sets). A neighbour is a process that computes without end. Nothing else may
run: a table made beside other work says nothing.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from measure import figure

from mlv.compute.machine import runtime
from mlv.schema.jobs.pretrain import PRESETS

NEIGHBOURS: Final = (0, 1, 2)
SECONDS: Final = 4.0
ROWS: Final = 16
TOKENS: Final = 48
ANSWER: Final = 6
"""Tokens of an answer, and an eighth of an input: what a decoder is given."""

VOCABULARY: Final = 6_000
DIMENSIONS: Final = 16
KEPT: Final = 0.6
"""Share of its quiet rate that a loop is to keep beside one neighbour."""


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Busy processes beside this one."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def tokens(length: int) -> list[list[int]]:
    """A batch of random token ids."""
    import torch

    rows: list[list[int]] = torch.randint(3, VOCABULARY // 2, (ROWS, length)).tolist()
    return rows


def training(model: Any) -> Callable[[], object]:
    """A step of an optimizer."""
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    inputs, labels = torch.tensor(tokens(TOKENS)), torch.tensor(tokens(ANSWER))

    def step() -> None:
        optimizer.zero_grad()
        model(input_ids=inputs, labels=labels).loss.backward()
        optimizer.step()

    return step


def probing(model: Any) -> Callable[[], object]:
    """Scoring both answers of a batch of probes."""
    from tiny_models import sentences

    from mlv.compute.models import loading, scoring
    from mlv.compute.models.tokenizers import train_tokenizer

    loaded = loading.LoadedModel(model.eval(), train_tokenizer(sentences(), VOCABULARY), "cpu")
    sentinel = loaded.sentinels[0]
    probes = [
        scoring.Probe("Q1", "en", [*template, sentinel], (one, two))
        for template, one, two in zip(tokens(TOKENS), tokens(ANSWER), tokens(ANSWER), strict=True)
    ]
    return lambda: scoring.score(loaded, probes, ROWS * TOKENS)


def indexing(model: Any) -> Callable[[], object]:
    """Projecting the gradients of a batch of examples."""
    from mlv.compute.attribution.directions import random_directions
    from mlv.compute.attribution.gradients import Tracer
    from mlv.compute.attribution.sinks import FeatureSink
    from mlv.compute.training.objective import WeightedInput
    from mlv.schema.jobs.attribution import Gradients

    tracer = Tracer(model.eval(), Gradients().modules)
    directions = random_directions(tracer.parameters, DIMENSIONS, 1, "cpu")
    sink = FeatureSink(tracer.parameters, directions, "cpu")
    rows = [
        WeightedInput(place, inputs, targets, len(targets))
        for place, (inputs, targets) in enumerate(zip(tokens(TOKENS), tokens(ANSWER), strict=True))
    ]

    def step() -> None:
        tracer.trace(rows, sink)
        _ = sink.features

    return step


LOOPS: Final = {"training": training, "probing": probing, "indexing": indexing}


def rates(loop: str, preset: str, threads: int) -> list[float]:
    """Batches a second beside each number of neighbours."""
    import torch

    from mlv.compute.models.untrained import new_mt5

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    step = LOOPS[loop](new_mt5(PRESETS[preset], VOCABULARY))
    found = []
    for count in NEIGHBOURS:
        with neighbours(count):
            step()
            began, steps = time.perf_counter(), 0
            while time.perf_counter() - began < SECONDS:
                step()
                steps += 1
            found.append(steps / (time.perf_counter() - began))
    return found


def measured(loop: str, preset: str, threads: int, policy: str) -> list[float]:
    """The same in a process of its own: the policy is read when OpenMP is loaded."""
    code = f"import threads; print(*threads.rates({loop!r}, {preset!r}, {threads}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"OMP_WAIT_POLICY": policy},
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [float(rate) for rate in done.stdout.split()]


def compare(loop: str, preset: str) -> None:
    """Print the rates of a loop, and what the choice that mlv makes keeps beside one neighbour."""
    cores = len(os.sched_getaffinity(0))
    found = {
        (threads, policy): measured(loop, preset, threads, policy)
        for threads, policy in ((1, "PASSIVE"), (cores, "ACTIVE"), (cores, "PASSIVE"))
    }
    for (threads, policy), each in found.items():
        listed = ", ".join(f"{rate:.2f}" for rate in each)
        waits = {"ACTIVE": "spinning", "PASSIVE": "asleep"}[policy]
        print(f"  {preset}, {loop}, {threads} threads that wait {waits}: {listed} batches a second beside 0, 1, 2")
    quiet, beside, _ = found[runtime.threads_for(PRESETS[preset].width) or cores, "PASSIVE"]
    kept = beside / quiet
    figure(f"{preset}, {loop}: rate beside a neighbour / quiet", kept, "", f">= {KEPT}", kept >= KEPT)


def main() -> None:
    """Compare every loop on every preset."""
    for preset in ("nano", "tiny", "small"):
        for loop in LOOPS:
            compare(loop, preset)


if __name__ == "__main__":
    main()
